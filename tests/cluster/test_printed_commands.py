"""The commands that the notes of the chart and the guide print work as printed."""

import hashlib
import json
import re
import subprocess
from pathlib import Path

import pytest
from rasterio.warp import transform_bounds

from support.cluster.cluster import ROOT, Cluster, Release, in_store
from support.cluster.printed import blocks, notes
from support.scenes.rasters import noise, write_raster

ITEM = "v1/collections/sentinel-2-l2a/items/S2C_10UDC_20250825_0_L2A"
SOURCE = "https://earth-search.aws.element84.com"


@pytest.fixture(scope="module")
def printed(install, scenes, cluster: Cluster) -> Release:
    """The chart, and the address of a scene of the river that the printed request shows."""
    release = install("printed")
    west, _, _, north = transform_bounds("EPSG:4326", "EPSG:32610", -124.16, 51.65, -124.04, 51.73)
    for seed, band in enumerate(("red", "nir")):
        pixels = noise(1024, 1024, seed)
        write_raster(scenes.folder / f"river-{band}.tif", pixels, left=west, top=north, crs="EPSG:32610", tiled=True)
    calibration = {"raster:bands": [{"scale": 0.0001, "offset": -0.1, "nodata": 0}]}
    item = {
        "type": "Feature", "stac_version": "1.0.0", "id": "S2C_10UDC_20250825_0_L2A", "links": [],
        "geometry": {"type": "Point", "coordinates": [-124.1, 51.7]}, "bbox": [-124.1, 51.7, -124.1, 51.7],
        "properties": {"datetime": "2025-08-25T19:16:00Z"},
        "assets": {
            band: {"href": f"http://{scenes.address}/river-{band}.tif"} | calibration for band in ("red", "nir")
        },
    }  # fmt: skip
    path = scenes.folder / ITEM
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(item))
    if cluster.lab:
        cluster.lab_command("dns")
    return release


def guide(release: Release) -> list[str]:
    """The commands of the guide after the installation, for a release and images with other names."""
    _, _, text = (ROOT / "docs" / "getting-started" / "kubernetes.md").read_text().partition("### A mosaic\n")
    text, _, _ = text.partition("\n## How requests run")
    text = re.sub(r"--namespace mosaics\b", f"--namespace {release.namespace}", text)
    text = text.replace("mosaics/mosaic-results", f"{release.namespace}/mosaic-results")
    cluster = release.cluster
    return blocks(text.replace("mosaic-worker:0.1.0", f"{cluster.registry}mosaic-worker:{cluster.tag}"), "    ")


def type_in(commands: str, folder: Path, address: str) -> str:
    """Type commands into a shell with the address of the tests' scene; a watch runs until the end."""
    commands = commands.replace(SOURCE, f"http://{address}")
    typed, _, watch = commands.rpartition("\n") if commands.endswith("--watch") else (commands, "", "")
    done = subprocess.run(
        ["bash", "-euo", "pipefail"], input=typed, capture_output=True, text=True, cwd=folder, check=False
    )
    assert done.returncode == 0, f"{typed}\n{done.stdout}{done.stderr}"
    if not watch:
        return done.stdout
    seen = ""
    with subprocess.Popen(
        ["timeout", "120", "bash", "-c", f"exec {watch}"], stdout=subprocess.PIPE, text=True
    ) as shown:
        assert shown.stdout is not None
        for line in shown.stdout:
            seen += line
            if re.search(r"Succeeded|Failed", line):
                break
        shown.terminate()
    assert re.search(r"^chilko +Succeeded +100 ", seen, re.MULTILINE), seen
    return seen


@pytest.mark.parametrize("source", [notes, guide], ids=lambda source: source.__name__)
def test_the_printed_commands_make_a_mosaic_and_fetch_it(printed: Release, scenes, tmp_path, source):
    typed = source(printed)
    assert len(typed) >= 3
    for commands in typed:
        type_in(commands, tmp_path, scenes.address)
    fetched = tmp_path / "chilko"
    assert sorted(path.name for path in fetched.iterdir()) == [
        "mosaic.json", "mosaic.png", "mosaic.tif", "thumbnail.png",
    ]  # fmt: skip
    published = printed.files(f"mosaics/{printed.namespace}/chilko")
    checksum = hashlib.sha256((fetched / "mosaic.tif").read_bytes()).hexdigest()
    assert checksum == published[in_store(printed.status("chilko")["result"]["cog"])]
    assert json.loads((fetched / "mosaic.json").read_text())["type"] == "Feature"
    assert "mosaic-results" not in printed.kubectl("get", "pods")
    printed.delete("chilko")
