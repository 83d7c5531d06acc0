"""Records of tiles: a large group has one object; lost and truncated ones are computed again, and nothing else."""

from dataclasses import replace
from pathlib import Path

import pytest
from mosaic_crds import names
from mosaic_crds.errors import RequestError
from mosaic_worker.finalize.parts import LostTilesError
from mosaic_worker.finalize.publishing import finalize_step
from mosaic_worker.plan.model import Plan
from mosaic_worker.plan.planning import Limits, input_bands, make_plan
from mosaic_worker.sources.access.gate import own_machine
from mosaic_worker.sources.readers.open_sources import OpenSources
from mosaic_worker.sources.resolve import resolve
from mosaic_worker.store import Store, open_store
from mosaic_worker.tiles import ranges, records
from mosaic_worker.tiles.ranges import compute_range
from mosaic_worker.tiles.records import read_records

from support.scenes.pipeline import files, request_of
from support.scenes.rasters import noise, write_raster

UID = "0123456789abcdef"
WHOLE = names.group_records_key(UID, 0)


@pytest.fixture(autouse=True)
def small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "FEWEST_TOGETHER", 2)
    monkeypatch.setattr(records, "MOST_TOGETHER", 3)


@pytest.fixture
def planned(tmp_path: Path) -> tuple[Plan, Store]:
    """A range of four tiles, whose groups have three tiles and one."""
    write_raster(tmp_path / "nir.tif", noise(1100, 1050, 1))
    request = request_of({"source": files({"bands": {"nir": "nir.tif"}}), "product": {"bands": ["nir"]}})
    found = resolve(request.spec, input_bands(request.spec), own_machine(tmp_path))
    plan = make_plan(request, UID, found, Limits(), ranges=1)
    assert plan.ranges == ((0, 4),)
    return plan, open_store(str(tmp_path / "store"))


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The tiles that were computed."""
    found, real = [], ranges.make_part

    def make_part(plan, tile, *others):
        found.append(tile.index)
        return real(plan, tile, *others)

    monkeypatch.setattr(ranges, "make_part", make_part)
    return found


def compute(plan: Plan, store: Store, tmp_path: Path) -> None:
    compute_range(plan, 0, store, OpenSources(own_machine(tmp_path)))


def keys(store: Store) -> list[str]:
    return sorted(stored.key for stored in store.list(names.records_prefix(UID)))


def test_one_object_has_the_records_of_a_large_group(planned, tmp_path: Path):
    plan, store = planned
    seen: list[int] = []
    compute_range(plan, 0, store, OpenSources(own_machine(tmp_path)), lambda _: seen.append(len(keys(store))))
    assert seen == [1, 2, 3, 2]
    assert keys(store) == [WHOLE, names.record_key(UID, 3, 3)]
    assert sorted(read_records(plan, store)) == [0, 1, 2, 3]


def test_a_worker_resumes_with_single_records(planned, tmp_path: Path, computed: list[int]):
    plan, store = planned

    def stop(tile):
        if tile.index == 1:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        compute_range(plan, 0, store, OpenSources(own_machine(tmp_path)), stop)
    assert sorted(read_records(plan, store)) == [0, 1]
    compute(plan, store, tmp_path)
    assert computed == [0, 1, 2, 3]
    assert keys(store) == [WHOLE, names.record_key(UID, 3, 3)]


def test_a_worker_that_died_before_it_deleted_single_records_leaves_no_work(
    planned, tmp_path: Path, computed, monkeypatch
):
    plan, store = planned
    compute(plan, store, tmp_path)
    record = read_records(plan, store)[1]
    store.create(names.record_key(UID, 0, 1), [record.to_json()])
    read, real = [], store.read
    monkeypatch.setattr(store, "read", lambda key: read.append(key) or real(key))
    assert len(read_records(plan, store)) == 4
    assert sorted(read) == [WHOLE, names.record_key(UID, 3, 3)]
    compute(plan, store, tmp_path)
    assert keys(store) == [WHOLE, names.record_key(UID, 3, 3)]
    assert computed == [0, 1, 2, 3]


@pytest.mark.parametrize("lines", [0, 0.5, 1, 2.5])
def test_a_group_whose_records_are_truncated_is_computed_again(planned, tmp_path: Path, computed, lines: float):
    """After a power failure also a truncated object can end at the end of a line."""
    plan, store = planned
    compute(plan, store, tmp_path)
    content = store.read(WHOLE) or b""
    size = sum(map(len, content.splitlines(keepends=True)[: int(lines)])) + (100 if lines % 1 else 0)
    store.delete(WHOLE)
    store.create(WHOLE, [content[:size]])
    assert sorted(read_records(plan, store)) == [3]
    compute(plan, store, tmp_path)
    assert computed == [0, 1, 2, 3, 0, 1, 2]
    assert store.read(WHOLE) == content


@pytest.mark.parametrize("tile", [1, 3])
def test_only_the_tile_of_a_lost_part_is_computed_again(planned, tmp_path: Path, computed, tile: int):
    plan, store = planned
    compute(plan, store, tmp_path)
    store.delete(names.part_key(UID, tile, read_records(plan, store)[tile].digest))
    with pytest.raises(LostTilesError, match=f"the part of tile {tile} is lost or damaged"):
        finalize_step(plan, store)
    assert sorted(read_records(plan, store)) == sorted({0, 1, 2, 3} - {tile})
    compute(plan, store, tmp_path)
    assert computed == [0, 1, 2, 3, tile]
    assert keys(store) == [WHOLE, names.record_key(UID, 3, 3)]
    finalize_step(plan, store)


def test_tiles_without_a_scene_that_proved_unreadable_stay_done(planned, tmp_path: Path, computed, monkeypatch):
    """The scene touches the tiles 0 and 2 only; its note is written after the range is done."""
    plan, store = planned
    (scene,) = plan.scenes
    half = replace(scene, window=replace(scene.window, right=1000))
    plan = replace(plan, scenes=(scene, half, half), on_unreadable="skip")
    compute(plan, store, tmp_path)
    store.create(names.unreadable_key(UID, 2), [b'{"reason": "it is damaged"}'])
    unreadable = frozenset({2})
    assert sorted(read_records(plan, store, unreadable)) == [1, 3]
    compute(plan, store, tmp_path)
    assert computed == [0, 1, 2, 3, 0, 2]
    assert sorted(read_records(plan, store, unreadable)) == [0, 1, 2, 3]
    assert keys(store) == [names.group_records_key(UID, 0, [2]), names.record_key(UID, 3, 3)]


def test_refuses_the_records_of_another_plan(planned, tmp_path: Path):
    plan, store = planned
    compute(plan, store, tmp_path)
    other = replace(plan, name="other")
    for use in (lambda: read_records(other, store), lambda: compute(other, store, tmp_path)):
        with pytest.raises(RequestError, match="has tiles of another plan; delete it and run again"):
            use()
