"""Reading ahead: bytes of remote files are fetched once, before a tile needs them, and no pixel changes."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mosaic_crds.names import API_VERSION
from mosaic_worker.geometry.sampling import Window
from mosaic_worker.local.run import prepare
from mosaic_worker.pixels import read_ahead as read_ahead_module
from mosaic_worker.pixels.compute import compute_tile
from mosaic_worker.pixels.read_ahead import ReadAhead, steps_of
from mosaic_worker.plan.model import Plan
from mosaic_worker.plan.planning import Limits
from mosaic_worker.sources.access.gate import own_machine
from mosaic_worker.sources.http import remote_files
from mosaic_worker.sources.readers.open_sources import OpenSources
from mosaic_worker.sources.readers.reading import read_window

from support.scenes.pipeline import files, make, request_of
from support.scenes.rasters import noise, write_raster
from support.servers.range_server import RequestLog, serving

SIDE = 1300


def write(folder: Path) -> None:
    for number, name in enumerate(("red-1", "red-2", "red-3")):
        values = noise(SIDE, SIDE, number)
        values[: number * 100] = 0
        write_raster(folder / f"{name}.tif", values, nodata=0, tiled=True, blockxsize=256, blockysize=256)
    scl = np.full((SIDE, SIDE), 4, np.uint8)
    scl[200:400, 300:900] = 9
    write_raster(folder / "scl.tif", scl, tiled=True, blockxsize=256, blockysize=256, compress="deflate")


def spec(place: str, method: str = "median") -> dict[str, Any]:
    scenes = [
        {"bands": {"red": f"{place}/red-{number}.tif"}, "mask": f"{place}/scl.tif", "datetime": f"2024-07-0{number}"}
        for number in (1, 2, 3)
    ]
    return {
        "source": files(*scenes),
        "product": {"bands": ["red"]},
        "composite": {"method": method, "mask": ["cloud"]},
    }


def planned(place: str, folder: Path, method: str = "median") -> Plan:
    plan = prepare(request_of(spec(place, method)), own_machine(folder), Limits(), 1)
    assert len(plan.tiles) > 2
    return plan


@pytest.mark.slow
@pytest.mark.parametrize("method", ["median", "latest"])
def test_a_mosaic_of_remote_files_equals_that_of_local_files_byte_for_byte(tmp_path, method):
    served = tmp_path / "served"
    write(served)
    with serving(served) as address:
        remote = make(tmp_path, spec(f"http://{address}", method), workers=2)
    local = make(tmp_path, spec(str(served), method))
    assert remote.cog == local.cog
    assert remote.png == local.png


def test_the_bytes_of_the_next_tile_are_requested_once_while_a_tile_is_computed(tmp_path):
    write(tmp_path)
    log = RequestLog()
    with serving(tmp_path, log) as address:
        plan, sources = planned(f"http://{address}", tmp_path), OpenSources(own_machine(tmp_path))
        log.requests.clear()
        compute_tile(plan, plan.tiles[0], sources, following=plan.tiles[1:2])
        sources._files.threads.shutdown(wait=True)  # further requests would fail
        before = len(log.requests)
        assert before > 4
        compute_tile(plan, plan.tiles[1], sources)
        assert len(log.requests) == before
        sources.close()
    starts = [(path, asked_for.split("-")[0]) for path, asked_for, _ in log.requests]
    assert len(starts) == len(set(starts))


def test_decoded_blocks_are_not_requested_again(tmp_path, monkeypatch):
    """Tiles share blocks, which the page cache has lost, but not the cache of GDAL."""
    write(tmp_path)
    monkeypatch.setattr(remote_files, "MEMORY", 2**20)
    log = RequestLog()
    with serving(tmp_path, log) as address:
        sources = OpenSources(own_machine(tmp_path))
        url = f"http://{address}/red-1.tif"
        left = read_window(sources.get(url, "x"), 1, Window(0, 0, 900, SIDE), "x")
        log.requests.clear()
        right = read_window(sources.get(url, "x"), 1, Window(800, 0, 1000, SIDE), "x")
        shared = sources.get(url, "x").ranges(1, Window(800, 0, 890, SIDE))
        sources.close()
    assert np.array_equal(left[:, 800:], right[:, :100])
    assert not log.requests
    assert not shared


def read_ahead(folder: Path, monkeypatch: pytest.MonkeyPatch, method: str, tiles: int = 1) -> list[str]:
    """The files whose windows are read ahead of the first tile, in order."""
    found: list[str] = []
    original = OpenSources.prefetch

    def noted(sources: OpenSources, expected: Any) -> int:
        windows = list(expected)
        found.extend(href.rpartition("/")[2] for href, *_ in windows)
        return original(sources, windows)

    monkeypatch.setattr(OpenSources, "prefetch", noted)
    with serving(folder) as address:
        plan, sources = planned(f"http://{address}", folder, method), OpenSources(own_machine(folder))
        compute_tile(plan, plan.tiles[0], sources, following=plan.tiles[1:tiles])
        sources.close()
    return list(dict.fromkeys(found))


def test_all_scenes_are_read_ahead_if_the_method_needs_all(tmp_path, monkeypatch):
    write(tmp_path)
    assert read_ahead(tmp_path, monkeypatch, "median") == ["scl.tif", "red-1.tif", "red-2.tif", "red-3.tif"]


def test_only_scenes_that_masks_leave_are_read_ahead_if_the_first_one_counts(tmp_path, monkeypatch):
    """The mask is that of all scenes, so the others can only fill pixels where the latest has no data."""
    write(tmp_path)
    assert read_ahead(tmp_path, monkeypatch, "latest") == ["scl.tif", "red-3.tif"]


def test_reads_no_more_ahead_than_fits_in_memory(tmp_path, monkeypatch):
    write(tmp_path)
    monkeypatch.setattr(read_ahead_module, "AHEAD_BYTES", 300_000)
    log = RequestLog()
    with serving(tmp_path, log) as address:
        plan, sources = planned(f"http://{address}", tmp_path), OpenSources(own_machine(tmp_path))
        log.requests.clear()
        steps = steps_of(plan, plan.tiles, ())
        ReadAhead(sources, steps).begin((0, 0, 1))
        sources._files.threads.shutdown(wait=True)
        sources.close()
    largest = 25 * 256 * 256 * 2  # a step: the red band of a scene in a tile
    assert log.bytes < 300_000 + largest + 4 * 2**16 + 10 * 2**14


def test_an_error_during_reading_ahead_is_raised_by_the_read(tmp_path):
    write(tmp_path)
    with serving(tmp_path) as address:
        plan, sources = planned(f"http://{address}", tmp_path), OpenSources(own_machine(tmp_path))
        (tmp_path / "red-2.tif").unlink()
        with pytest.raises(Exception, match=r"^band red of scene-2: the server answered 404 for http://.*/red-2\.tif"):
            compute_tile(plan, plan.tiles[0], sources)
        sources.close()


@pytest.mark.slow
def test_local_files_need_no_client(tmp_path):
    write(tmp_path)
    (tmp_path / "request.json").write_text(
        json.dumps(
            {
                "apiVersion": API_VERSION,
                "kind": "MosaicRequest",
                "metadata": {"name": "local"},
                "spec": spec("."),
            }
        )
    )
    code = (
        "import sys; from mosaic_worker.cli import main\n"
        "sys.argv = ['mosaic', 'run', 'request.json', '--store', 'store']\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        "assert 'requests' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
