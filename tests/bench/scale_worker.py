"""`make bench-scale`: what planning and publishing need for each tile, without pixels."""

import argparse
import resource
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from mosaic_crds import names
from mosaic_worker.finalize.publishing import complete_records
from mosaic_worker.output.parts import LevelIndex, digest_of
from mosaic_worker.pixels.statistics import measure
from mosaic_worker.plan.planning import Limits, input_bands, make_plan
from mosaic_worker.sources.access.gate import own_machine
from mosaic_worker.sources.resolve import resolve
from mosaic_worker.store import open_store
from mosaic_worker.tiles.records import TileRecord, groups

from support.scenes.pipeline import files, request_of
from support.scenes.rasters import noise, write_raster

SIDE = 2048
UID = "scale"


def peak() -> int:
    """The most memory that this process has used, bytes."""
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def main() -> None:
    """Measure, and print the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worker-tiles", type=int, default=10_000)
    count = parser.parse_known_args()[0].worker_tiles
    across = round(count**0.5)
    with tempfile.TemporaryDirectory(prefix="mosaic-scale-") as name:
        folder = Path(name)
        write_raster(folder / "a.tif", noise(across, across), resolution=SIDE)
        spec = {"source": files({"bands": {"red": "a.tif", "nir": "a.tif"}}), "product": {"index": "NDVI"}}
        request = request_of(spec | {"grid": {"resolution": 1}})
        found = resolve(request.spec, input_bands(request.spec), own_machine(folder))
        started, before = time.process_time(), peak()
        plan = make_plan(request, UID, found, Limits(pixels=10**15), ranges=1000)
        tiles = len(plan.tiles)
        taken = (time.process_time() - started) / tiles
        print(f"- a plan of {tiles:,} tiles, one scene: {1e6 * taken:.0f} core-seconds a million tiles, "
              f"{(peak() - before) / tiles / 1000:.1f} kB of memory a tile; "
              f"plan.json {len(plan.to_json()) / 1000:.1f} kB.")  # fmt: skip
        values = np.random.default_rng(1).normal(0.4, 0.2, (1, SIDE, SIDE)).clip(-1, 1).astype(np.float32)
        statistics = measure(values, normalised_difference=True, out_of_range=0)
        places = tuple((number * 500_000, 500_000) for number in range(16))
        levels = tuple(
            LevelIndex(SIDE >> n, SIDE >> n, 0, 1, places[: 16 >> (2 * n)], digest_of(b"")) for n in range(3)
        )
        record = TileRecord(plan.digest, plan.code, 0, digest_of(b""), levels, levels[-1], statistics, (1,))
        store, size = open_store(str(folder / "store")), len(record.to_json())
        for index in range(len(plan.ranges)):
            for group in groups(plan, index):
                lines = [replace(record, tile=tile.index).to_json() + b"\n" for tile in group]
                together = len(group) > 1
                first = group[0].index
                key = names.group_records_key(UID, first) if together else names.record_key(UID, first, first)
                store.create(key, lines)
        started, before = time.process_time(), peak()
        records, _ = complete_records(plan, store)
        taken = (time.process_time() - started) / tiles
        print(f"- finalize reads and merges {len(records):,} records of {size / 1000:.1f} kB: {1e6 * taken:.0f} "
              f"core-seconds a million tiles, {(peak() - before) / tiles / 1000:.1f} kB of memory a tile.")  # fmt: skip


if __name__ == "__main__":
    main()
