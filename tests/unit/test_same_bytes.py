"""The bytes of a mosaic do not depend on the split into ranges, on interruptions, or on the process that computes a
range.
"""

import json
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mosaic_crds import names
from mosaic_worker.finalize.publishing import finalize_step
from mosaic_worker.plan.planning import Limits, plan_step
from mosaic_worker.sources.access.gate import own_machine
from mosaic_worker.sources.readers.open_sources import OpenSources
from mosaic_worker.store import open_store
from mosaic_worker.tiles import records as tile_records
from mosaic_worker.tiles.ranges import compute_range
from mosaic_worker.tiles.records import read_records

from support.scenes.pipeline import Made, files, make, request_of
from support.scenes.rasters import noise, write_raster

UID = "0123456789abcdef"


@pytest.fixture(autouse=True)
def small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """Merge the records of two tiles or more, as of ten or more in large ranges."""
    monkeypatch.setattr(tile_records, "FEWEST_TOGETHER", 2)
    monkeypatch.setattr(tile_records, "MOST_TOGETHER", 3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Two overlapping scenes in different zones, one with a mask."""
    place = tmp_path_factory.mktemp("scenes")
    for name, seed in (("red", 1), ("nir", 2)):
        write_raster(place / f"a-{name}.tif", noise(1500, 1700, seed), left=700_000)
        write_raster(place / f"b-{name}.tif", noise(900, 1000, seed + 2), left=236_000, top=5_006_000, crs="EPSG:32634")
    write_raster(place / "mask.tif", (noise(1500, 1700, 5, 0, 200) == 0).astype("uint8"), left=700_000)
    return place


def spec(folder: Path) -> dict:
    a = {name: str(folder / f"a-{name}.tif") for name in ("red", "nir")}
    b = {name: str(folder / f"b-{name}.tif") for name in ("red", "nir")}
    return {
        "source": files({"bands": a, "mask": {"href": str(folder / "mask.tif"), "values": "nonzero"}}, {"bands": b}),
        "product": {"index": "NDVI"},
        "composite": {"method": "mean", "dilate": 3, "count": True},
    }


@pytest.fixture(scope="module")
def reference(folder, tmp_path_factory) -> Made:
    return make(tmp_path_factory.mktemp("reference"), spec(folder), workers=2)


class InterruptedRunError(Exception):
    pass


class FailingStore:
    """A store that fails before or after its n-th write or deletion of work."""

    def __init__(self, store, writes: int, after: bool) -> None:
        self._store, self._writes, self._after = store, writes, after

    def create(self, key, content, **how):
        return self._counted(lambda: self._store.create(key, content, **how))

    def delete(self, key):
        return self._counted(lambda: self._store.delete(key))

    def _counted(self, change):
        self._writes -= 1
        if self._writes < 0 and not self._after:
            raise InterruptedRunError
        done = change()
        if self._writes < 0:
            raise InterruptedRunError
        return done

    def __getattr__(self, name):
        return getattr(self._store, name)


def steps(folder: Path, store, parallelism: int) -> None:
    request = request_of(spec(folder))
    plan = plan_step(request, UID, store, own_machine(folder), Limits(), parallelism)
    for index in range(len(plan.ranges)):
        compute_range(plan, index, store, OpenSources(own_machine(folder)))
    finalize_step(plan, store)


def made_in(place: Path) -> Made:
    folder = place / "mosaics" / "default" / "test" / UID
    return Made(folder, json.loads((folder / "mosaic.json").read_text()))


def assert_same(found: Made, expected: Made) -> None:
    assert found.cog == expected.cog
    assert found.png == expected.png
    ours, theirs = found.timeless_item, expected.timeless_item
    ours["id"] = theirs["id"]
    assert ours == theirs


@pytest.mark.slow
@pytest.mark.parametrize("parallelism", [1, 2, 5])
def test_any_number_of_ranges_gives_the_same_bytes(folder, reference, tmp_path, parallelism):
    steps(folder, open_store(str(tmp_path)), parallelism)
    assert_same(made_in(tmp_path), reference)


@pytest.mark.slow
def test_one_process_and_two_give_the_same_bytes(folder, reference, tmp_path):
    assert_same(make(tmp_path, spec(folder), workers=1), reference)


@pytest.mark.slow
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(interruptions=st.lists(st.tuples(st.integers(0, 40), st.booleans()), max_size=3))
def test_a_run_interrupted_anywhere_and_resumed_gives_the_same_bytes(folder, reference, tmp_path, interruptions):
    shutil.rmtree(tmp_path / "store", ignore_errors=True)
    store = open_store(str(tmp_path / "store"))
    for writes, after in interruptions:
        try:
            steps(folder, FailingStore(store, writes, after), 1)
        except InterruptedRunError:
            made = {file.name for file in (tmp_path / "store/mosaics/default/test" / UID).glob("*")}
            assert "mosaic.json" not in made or len(made) == 4  # a published Item implies complete files
    steps(folder, store, 1)
    assert_same(made_in(tmp_path / "store"), reference)


def test_two_workers_of_one_range_leave_one_valid_record(folder, tmp_path):
    store = open_store(str(tmp_path))
    plan = plan_step(request_of(spec(folder)), UID, store, own_machine(folder), Limits(), 1)
    overlapped = []

    class Meanwhile:
        """Another worker computes the whole range just before this one writes its first part."""

        def create(self, key, content, **how):
            if not overlapped:
                overlapped.append(key)
                compute_range(plan, 0, store, OpenSources(own_machine(folder)))
            return store.create(key, content, **how)

        def __getattr__(self, name):
            return getattr(store, name)

    compute_range(plan, 0, Meanwhile(), OpenSources(own_machine(folder)))
    assert overlapped
    start, stop = plan.ranges[0]
    records = read_records(plan, store)
    assert sorted(records) == list(range(start, stop))
    for tile, record in records.items():
        part = store.read(names.part_key(UID, tile, record.digest))
        assert part is not None


def test_a_tile_that_has_a_record_is_not_computed_again(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "scenes")
    store = open_store(str(tmp_path / "store"))
    gate = own_machine(tmp_path)
    plan = plan_step(request_of(spec(tmp_path / "scenes")), UID, store, gate, Limits(), 1)
    reported = []
    compute_range(plan, 0, store, OpenSources(gate))
    shutil.rmtree(tmp_path / "scenes")
    compute_range(plan, 0, store, OpenSources(gate), reported.append)
    start, stop = plan.ranges[0]
    assert [tile.index for tile in reported] == list(range(start, stop))


@pytest.mark.slow
def test_a_second_run_reuses_the_work_of_the_first(folder, tmp_path):
    first = make(tmp_path, spec(folder), workers=2)
    before = (first.folder / "mosaic.tif").stat().st_mtime_ns
    second = make(tmp_path, spec(folder) | {"execution": {"parallelism": 3}}, workers=1)
    assert second.folder == first.folder
    assert (second.folder / "mosaic.tif").stat().st_mtime_ns == before


def test_a_changed_input_never_reuses_an_old_mosaic(tmp_path):
    for name in ("red", "nir"):
        write_raster(tmp_path / f"{name}.tif", noise(50, 50))
    requested = {"source": files({"bands": {"red": "red.tif", "nir": "nir.tif"}}), "product": {"index": "NDVI"}}
    first = make(tmp_path, requested)
    write_raster(tmp_path / "red.tif", noise(50, 50, 9))
    second = make(tmp_path, requested)
    assert second.folder != first.folder
    assert second.cog != first.cog
