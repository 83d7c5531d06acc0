"""What finalize reads of the parts of tiles, and how it finds damaged ones."""

import threading
from collections import Counter
from pathlib import Path

import pytest
from mosaic_crds import names
from mosaic_worker.finalize.parts import LostTilesError
from mosaic_worker.finalize.publishing import complete_records, finalize_step
from mosaic_worker.output import stretched
from mosaic_worker.pixels.statistics import merge
from mosaic_worker.plan.model import Plan
from mosaic_worker.plan.planning import Limits, plan_step
from mosaic_worker.sources.access.gate import own_machine
from mosaic_worker.sources.readers.open_sources import OpenSources
from mosaic_worker.store import Store, open_store
from mosaic_worker.tiles.ranges import compute_range
from mosaic_worker.tiles.records import read_records

from support.scenes.pipeline import files, request_of
from support.scenes.rasters import noise, write_raster

UID = "0123456789abcdef"


def computed(folder: Path, **output: object) -> tuple[Plan, Store]:
    """A plan of four tiles, whose parts are in the store."""
    write_raster(folder / "nir.tif", noise(1300, 1400, 1))
    spec = {"source": files({"bands": {"nir": "nir.tif"}}), "product": {"bands": ["nir"]}, "output": output}
    store = open_store(str(folder / "store"))
    plan = plan_step(request_of(spec), UID, store, own_machine(folder), Limits(), 1)
    for index in range(len(plan.ranges)):
        compute_range(plan, index, store, OpenSources(own_machine(folder)))
    assert len(plan.tiles) == 4
    return plan, store


class WatchedStore:
    """A store that calls a function before each read of a part."""

    def __init__(self, store: Store, watch) -> None:
        self._store, self._watch = store, watch

    def read(self, key, start=0, stop=None):
        if key.startswith("work/") and key.endswith(".tif"):
            self._watch(key, start, stop)
        return self._store.read(key, start, stop)

    def __getattr__(self, name):
        return getattr(self._store, name)


def test_histograms_are_added_while_records_are_read_and_not_kept(tmp_path: Path):
    plan, store = computed(tmp_path)
    records, statistics = complete_records(plan, store)
    assert {record.statistics.bands for record in records} == {()}
    (band,) = statistics.bands
    (expected,) = merge([record.statistics for record in read_records(plan, store).values()]).bands
    assert vars(band) | {"counts": None} == vars(expected) | {"counts": None}
    assert band.counts.tolist() == expected.counts.tolist()
    assert band.counts.sum() == band.valid == 1300 * 1400


def test_the_cog_reads_each_byte_of_the_parts_once(tmp_path: Path):
    plan, store = computed(tmp_path, formats=["cog"])
    read: list[tuple[str, int, int]] = []
    finalize_step(plan, WatchedStore(store, lambda *piece: read.append(piece)))
    for key in {key for key, _, _ in read}:
        place = 0
        for start, stop in sorted((start, stop) for name, start, stop in read if name == key):
            assert start == place
            place = stop
    assert len({key for key, _, _ in read}) == 4


def test_the_picture_decodes_each_part_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    plan, store = computed(tmp_path)
    decoded: Counter[bytes] = Counter()
    original = stretched.decode_level

    def decode_level(content, encoding, bands):
        decoded[content] += 1
        return original(content, encoding, bands)

    monkeypatch.setattr(stretched, "decode_level", decode_level)
    finalize_step(plan, store)
    assert list(decoded.values()) == [1] * 4


def test_parts_are_read_in_parallel(tmp_path: Path):
    plan, store = computed(tmp_path, formats=["cog"])
    both = threading.Barrier(2)
    finalize_step(plan, WatchedStore(store, lambda *_: both.wait(60)))
    assert not both.broken


@pytest.mark.parametrize("level", [0, 1, 2])
@pytest.mark.parametrize("cut", [False, True])
def test_a_part_that_is_damaged_at_the_end_of_a_level_is_computed_again(tmp_path: Path, level: int, cut: bool):
    plan, store = computed(tmp_path, formats=["cog"])
    record = read_records(plan, store)[3]
    path = tmp_path / "store" / names.part_key(UID, 3, record.digest)
    content = bytearray(path.read_bytes())
    last = (*record.levels, record.above)[level].stop - 1
    content[last] ^= 1
    path.write_bytes(content[:last] if cut else content)
    with pytest.raises(LostTilesError, match="the part of tile 3 is lost or damaged"):
        finalize_step(plan, store)
    assert sorted(read_records(plan, store)) == [0, 1, 2]
    assert not list((tmp_path / "store" / "mosaics").rglob("mosaic.*"))
