"""Shared tiles: requests of a namespace that need the same tile compute it once, and get the same bytes."""

import json
import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from mosaic_crds import names
from mosaic_crds.files import COG
from mosaic_worker.finalize.publishing import finalize_step
from mosaic_worker.finalize.results import Results
from mosaic_worker.plan.model import Plan
from mosaic_worker.plan.planning import Limits, input_bands, make_plan
from mosaic_worker.plan.stored import write_plan
from mosaic_worker.sources.access.gate import own_machine
from mosaic_worker.sources.access.local_files import HeldFile
from mosaic_worker.sources.readers.open_sources import OpenSources
from mosaic_worker.sources.resolve import resolve
from mosaic_worker.store import Store, open_store
from mosaic_worker.store.sweeping import evict_shared
from mosaic_worker.tiles import ranges, shared
from mosaic_worker.tiles.keys import TileKeys
from mosaic_worker.tiles.ranges import compute_range
from mosaic_worker.tiles.shared import PATIENCE, ComputedElsewhereError, SharedTiles

from support.scenes.pipeline import files, request_of
from support.scenes.rasters import noise, write_raster

PLENTY = Limits(shared_bytes=2**40)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("scenes")
    write_raster(place / "a.tif", noise(1100, 1200, 1), left=500_000)
    write_raster(place / "b.tif", noise(1100, 1200, 2), left=500_000)
    return place


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(str(tmp_path / "store"))


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> Counter[int]:
    """How often each tile is computed."""
    counts: Counter[int] = Counter()
    make_part = ranges.make_part

    def counting(plan: Plan, tile: Any, *rest: Any) -> Any:
        counts[tile.index] += 1
        return make_part(plan, tile, *rest)

    monkeypatch.setattr(ranges, "make_part", counting)
    return counts


def plan_of(
    folder: Path, uid: str, store: Store, namespace: str = "team", limits: Limits = PLENTY, **spec: Any
) -> Plan:
    scenes = [
        {"bands": {"red": str(folder / f"{name}.tif")}, "datetime": f"2024-07-0{day}"}
        for day, name in enumerate("ab", 1)
    ]
    request = request_of(
        {"source": files(*scenes), "product": {"bands": ["red"]}, "composite": {"method": "mean"}} | spec
    )
    found = resolve(request.spec, input_bands(request.spec), own_machine(folder), limits.scenes)
    plan = make_plan(request, uid, found, limits, 1)
    return write_plan(replace(plan, namespace=namespace), store)


def publish(plan: Plan, folder: Path, store: Store) -> dict[str, bytes]:
    """The files of the mosaic of a plan, with the Item."""
    for index in range(len(plan.ranges)):
        compute_range(plan, index, store, OpenSources(own_machine(folder)))
    item = finalize_step(plan, store)
    prefix = f"{Results.of_plan(plan).folder}/"
    return {stored.key.removeprefix(prefix): store.read(stored.key) or b"" for stored in store.list(prefix)} | {
        "mosaic.json": item
    }


def notes(files: dict[str, bytes]) -> list[str]:
    found: list[str] = json.loads(files["mosaic.json"])["properties"].get("mosaic:notes", [])
    return found


def shared_keys(store: Store) -> list[str]:
    return sorted(stored.key for stored in store.list(names.SHARED_FOLDER))


def test_a_second_request_computes_nothing_and_gets_the_same_bytes(folder, store, computed):
    first = publish(plan_of(folder, "one", store), folder, store)
    assert computed == {0: 1, 1: 1, 2: 1, 3: 1}
    second = publish(plan_of(folder, "two", store), folder, store)
    assert computed.total() == 4
    assert (first["mosaic.tif"], first["mosaic.png"]) == (second["mosaic.tif"], second["mosaic.png"])
    assert notes(first) == []
    assert notes(second) == ["4 of 4 tiles had been computed for other requests"]
    ours, theirs = (json.loads(files["mosaic.json"])["assets"] for files in (first, second))
    assert ours[COG.asset]["bands"] == theirs[COG.asset]["bands"]


def test_a_request_without_sharing_has_the_same_bytes_and_leaves_nothing(folder, store, computed):
    apart = publish(plan_of(folder, "one", store, limits=Limits()), folder, store)
    assert shared_keys(store) == []
    together = publish(plan_of(folder, "two", store), folder, store)
    assert computed.total() == 8
    assert apart["mosaic.tif"] == together["mosaic.tif"]


def test_another_picture_of_the_same_values_is_not_computed_again(folder, store, computed):
    publish(plan_of(folder, "one", store), folder, store)
    publish(plan_of(folder, "two", store, output={"colormap": "viridis", "formats": ["cog"]}), folder, store)
    assert computed.total() == 4


def test_another_namespace_shares_nothing(folder, store, computed):
    publish(plan_of(folder, "one", store), folder, store)
    publish(plan_of(folder, "two", store, "rivals"), folder, store)
    assert computed.total() == 8
    assert {key.split("/")[1] for key in shared_keys(store)} == {"team", "rivals"}


def test_scenes_are_named_by_their_numbers_in_each_plan(folder, store, computed):
    few = plan_of(folder, "one", store)
    more = replace(
        few, uid="two", scenes=(replace(few.scenes[0], window=replace(few.scenes[0].window, right=0)), *few.scenes)
    )
    more = write_plan(more, store)
    publish(few, folder, store)
    tile = few.tiles[0]
    found = SharedTiles(more, store).find(tile, (), wait=False)
    assert found is not None
    assert found[1].scenes == (2, 3)


def test_ten_concurrent_requests_compute_each_tile_once(folder, store, computed, monkeypatch):
    monkeypatch.setattr(shared, "PATIENCE", 3600.0)  # no request dies here, however slow the machine is
    monkeypatch.setattr(shared, "POLL_SECONDS", 0.01)
    plans = [plan_of(folder, f"user-{number}", store) for number in range(10)]
    with ThreadPoolExecutor(len(plans)) as threads:
        made = list(threads.map(lambda plan: publish(plan, folder, store), plans))
    assert computed == {0: 1, 1: 1, 2: 1, 3: 1}
    assert len({files["mosaic.tif"] for files in made}) == 1


def test_a_tile_that_another_request_computes_is_left_for_the_end(folder, store, monkeypatch):
    first, second = plan_of(folder, "one", store), plan_of(folder, "two", store)
    held = first.tiles[first.ranges[0][0]]
    assert SharedTiles(first, store).find(held, (), wait=False) is None
    done = []

    def finish(_: float) -> None:
        part, record = ranges.make_part(first, held, OpenSources(own_machine(folder)))
        SharedTiles(first, store).add(held, part, record)

    monkeypatch.setattr(ranges, "SharedTiles", partial(SharedTiles, sleep=finish))
    compute_range(second, 0, store, OpenSources(own_machine(folder)), lambda tile: done.append(tile.index))
    start, stop = second.ranges[0]
    assert done == [*range(start + 1, stop), start]


class Clock:
    """Time passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1e9
        self.slept = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept += seconds


def test_the_tiles_of_a_dead_request_are_computed_after_some_time_together(folder, store):
    dead, living, clock = plan_of(folder, "one", store), plan_of(folder, "two", store), Clock()
    for tile in dead.tiles:
        assert SharedTiles(dead, store).find(tile, (), wait=False) is None
    tiles = SharedTiles(living, store, clock, clock.sleep)
    with pytest.raises(ComputedElsewhereError):
        tiles.find(living.tiles[0], (), wait=False)
    assert clock.slept == 0
    assert [tiles.find(tile, (), wait=True) for tile in living.tiles] == [None] * 4
    assert clock.slept == PATIENCE


def test_a_request_continues_its_own_tiles_without_waiting(folder, store):
    plan = plan_of(folder, "one", store)
    for _ in range(2):
        assert SharedTiles(plan, store).find(plan.tiles[0], (), wait=False) is None


class KilledError(Exception):
    pass


class FailingStore:
    """A store that fails after its n-th write."""

    def __init__(self, store: Store, writes: int) -> None:
        self._store, self._writes = store, writes

    def create(self, key: str, content: Any, **how: Any) -> bool:
        self._writes -= 1
        done = self._store.create(key, content, **how)
        if self._writes < 0:
            raise KilledError
        return done

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


@pytest.mark.parametrize("writes", range(5))
def test_a_request_that_dies_anywhere_harms_nobody(folder, store, computed, monkeypatch, writes):
    monkeypatch.setattr(shared, "PATIENCE", 0.0)
    first, second = plan_of(folder, "one", store), plan_of(folder, "two", store)
    with pytest.raises(KilledError):
        compute_range(first, 0, FailingStore(store, writes), OpenSources(own_machine(folder)))
    made = [publish(plan, folder, store) for plan in (second, first)]
    assert made[0]["mosaic.tif"] == made[1]["mosaic.tif"]
    assert computed.total() <= 5


@pytest.mark.parametrize("damage", ["cut", "other bytes", "empty", "no record"])
def test_a_damaged_shared_tile_is_computed_and_replaced(folder, store, computed, tmp_path, damage):
    expected = publish(plan_of(folder, "one", store), folder, store)
    plan = plan_of(folder, "two", store)
    path = tmp_path / "store" / names.shared_tile_key("team", TileKeys(plan).of(plan.tiles[2]))
    whole = path.read_bytes()
    path.write_bytes(
        {"cut": whole[:-1], "other bytes": whole[:-1] + b"\xa5", "empty": b"", "no record": b"{}\n" + whole}[damage]
    )
    assert publish(plan, folder, store)["mosaic.tif"] == expected["mosaic.tif"]
    assert computed == {0: 1, 1: 1, 2: 2, 3: 1}
    assert path.read_bytes()[-1000:] == whole[-1000:]
    publish(plan_of(folder, "three", store), folder, store)
    assert computed.total() == 5


def test_evicted_tiles_are_computed_again(folder, store, computed):
    publish(plan_of(folder, "one", store), folder, store)
    assert evict_shared(2**40, store) == 0
    assert evict_shared(0, store) == 4
    assert shared_keys(store) == []
    publish(plan_of(folder, "two", store), folder, store)
    assert computed.total() == 8


def test_the_least_recently_used_tiles_are_evicted_first(store, tmp_path):
    days = {"old": 1, "used": 2, "new": 3}
    for name, day in days.items():
        store.create(key := names.shared_tile_key("team", name), [b"x" * 10_000])
        os.utime(tmp_path / "store" / key, (day * 86400, day * 86400))
    store.create(key := names.shared_use_key("team", "used", 4), [b"uid"])
    os.utime(tmp_path / "store" / key, (4 * 86400, 4 * 86400))
    kept = []
    for most in (40_000, 30_000, 20_000, 10_000):
        evict_shared(most, store)
        kept.append({key.split("/")[2] for key in shared_keys(store)})
    assert kept == [{"old", "used", "new"}, {"used", "new"}, {"used"}, set()]


def test_a_use_is_noted_once_a_day(folder, store):
    plan, clock = plan_of(folder, "one", store), Clock()
    publish(plan, folder, store)
    tiles = SharedTiles(plan_of(folder, "two", store), store, clock, clock.sleep)
    uses = []
    for seconds in (0, 60, 86400):
        clock.sleep(seconds)
        tiles.find(plan.tiles[0], (), wait=False)
        uses.append(sum("/used-" in key for key in shared_keys(store)))
    assert uses == [1, 1, 2]


def test_large_mosaics_and_installations_without_a_limit_share_nothing(folder, store):
    size = plan_of(folder, "one", store).estimate.bytes
    limits = [Limits(shared_bytes=most) for most in (0, 4 * size - 1, 4 * size)]
    plans = [plan_of(folder, str(number), store, limits=limit) for number, limit in enumerate(limits)]
    assert [plan.shared for plan in plans] == [False, False, True]
    assert not Limits().shared_bytes


def test_files_whose_changes_cannot_be_noticed_are_not_shared(folder, store, monkeypatch):
    monkeypatch.setattr(HeldFile, "identity", "1234:")
    assert not plan_of(folder, "one", store).shared
