"""Invalid input on the command line causes one sentence, an exit code, no traceback, and no output files."""

import copy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from mosaic_crds.names import API_VERSION
from mosaic_worker import cli

from support.scenes.rasters import noise, write_raster

GOOD: dict[str, Any] = {
    "apiVersion": API_VERSION,
    "kind": "MosaicRequest",
    "metadata": {"name": "bad"},
    "spec": {
        "source": {"files": {"scenes": [{"bands": {"green": "green.tif", "swir16": "swir16.tif"}}]}},
        "product": {"index": "NDSI"},
        "output": {"stretch": {"minmax": {}}},
    },
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_raster(tmp_path / "green.tif", noise(300, 300, 1))
    write_raster(tmp_path / "swir16.tif", noise(150, 150, 2), resolution=20)
    (tmp_path / "text.jp2").write_text("I am no image")
    (tmp_path / "green.vrt").write_text(
        '<VRTDataset rasterXSize="1" rasterYSize="1"><VRTRasterBand dataType="Byte" band="1"/></VRTDataset>'
    )
    whole = write_raster(
        tmp_path / "whole.jp2", noise(512, 512, 3), driver="JP2OpenJPEG", BLOCKXSIZE=128, BLOCKYSIZE=128
    )
    (tmp_path / "truncated.jp2").write_bytes(whole.read_bytes()[:150_000])
    return tmp_path


def run(folder: Path, request: dict[str, Any] | str, capsys: pytest.CaptureFixture, *more: str) -> tuple[int, str]:
    path = folder / "request.yaml"
    path.write_text(request if isinstance(request, str) else yaml.safe_dump(request))
    return call(["run", str(path), "--store", str(folder / "store"), "--workers", "1", *more], capsys)


def call(arguments: list[str], capsys: pytest.CaptureFixture) -> tuple[int, str]:
    before, sys.argv = sys.argv, ["mosaic", *arguments]
    try:
        with pytest.raises(SystemExit) as ended:
            cli.main()
    finally:
        sys.argv = before
    return int(ended.value.code or 0), capsys.readouterr().err


def changed(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    request = copy.deepcopy(GOOD)
    change(request["spec"])
    return request


def green(spec: dict[str, Any], reference: str) -> None:
    spec["source"]["files"]["scenes"][0]["bands"]["green"] = reference


BAD_INPUT: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "missing file": (lambda spec: green(spec, "absent.tif"), "bands.green: there is no file"),
    "a folder": (lambda spec: green(spec, "."), "is not a file"),
    "not an image": (lambda spec: green(spec, "request.yaml"), "is not a GeoTIFF, JPEG 2000 or PNG image"),
    "a text file named .jp2": (lambda spec: green(spec, "text.jp2"), "is not a GeoTIFF, JPEG 2000 or PNG image"),
    "a VRT": (lambda spec: green(spec, "green.vrt"), "is not a GeoTIFF, JPEG 2000 or PNG image"),
    "vsicurl": (lambda spec: green(spec, "/vsicurl/http://127.0.0.1/a.tif"), "GDAL virtual path"),
    "driver prefix": (lambda spec: green(spec, "GTIFF_DIR:1:green.tif"), "names a GDAL driver"),
    "vrt scheme": (lambda spec: green(spec, "vrt://green.tif"), "'vrt://green.tif' has the unknown scheme vrt://; use"),
    "truncated JPEG 2000": (lambda spec: green(spec, "truncated.jp2"), "damaged or incomplete"),
    "bands that the scene lacks": (
        lambda spec: spec["product"].update(index="NDVI"),
        "the product needs nir, but this scene has green, swir16",
    ),
    "reversed bbox": (lambda spec: spec.update(area={"bbox": [15, 46, 16, 45]}), "spec.area.bbox"),
    "bbox of zero area": (lambda spec: spec.update(area={"bbox": [15, 45, 15, 45]}), "spec.area.bbox"),
    "area wholly outside": (
        lambda spec: spec.update(area={"bbox": [15.5, 44.5, 15.6, 44.6]}),
        "none of the scenes touches the area",
    ),
    "too many pixels": (lambda spec: spec.update(grid={"resolution": 0.000001}), "spec.grid.resolution: at 1e-06"),
    "unknown index": (lambda spec: spec["product"].update(index="NDSJ"), "unknown index NDSJ (did you mean NDSI?)"),
    "expression with a call": (
        lambda spec: spec.update(product={"expression": "__import__('os').system('true')"}),
        "spec.product.expression",
    ),
    "expression with an attribute": (
        lambda spec: spec.update(product={"expression": "green.real"}),
        "spec.product.expression",
    ),
    "unknown EPSG": (lambda spec: spec.update(grid={"crs": "EPSG:99999"}), "EPSG:99999"),
    "lower above upper": (
        lambda spec: spec.update(output={"stretch": {"fixed": {"lower": 1, "upper": 1}}}),
        "spec.output.stretch.fixed",
    ),
    "two products": (lambda spec: spec["product"].update(bands=["green"]), "spec.product"),
    "unknown field": (lambda spec: spec.update(outptu={}), "did you mean output"),
}


@pytest.mark.parametrize("case", BAD_INPUT)
def test_reports_an_invalid_request_in_one_sentence_and_publishes_no_mosaic(case, folder, capsys):
    change, sentence = BAD_INPUT[case]
    code, output = run(folder, changed(change), capsys)
    assert code == 42
    messages = [line for line in output.splitlines() if line.startswith("mosaic: ")]
    assert len(messages) == 1
    assert sentence in messages[0]
    assert "Traceback" not in output
    assert not (folder / "store" / "mosaics").exists()


@pytest.mark.parametrize("text", ["a: [", "just words", "", "- a\n- b", "\x00\x01", "a: 1\n---\nb: 2\n"])
def test_reports_a_file_without_a_request_in_one_sentence(text, folder, capsys):
    code, output = run(folder, text, capsys)
    assert code == 42
    assert output.count("\n") == 1
    assert "request.yaml" in output


def test_reports_a_missing_file_in_one_sentence(folder, capsys):
    code, output = call(["run", str(folder / "nothing.yaml")], capsys)
    assert (code, output) == (42, f"mosaic: file {folder}/nothing.yaml not found\n")


def test_reports_a_store_that_cannot_be_written_in_one_sentence(folder, capsys):
    (folder / "store").write_text("a file in its place")
    code, output = run(folder, GOOD, capsys)
    assert code == 43
    assert "cannot be" in output
    assert "Traceback" not in output


def test_an_unknown_option_shows_the_usage(capsys):
    code, output = call(["run", "--wrong"], capsys)
    assert code == 2
    assert "No such option" in output


def test_the_unchanged_request_of_these_tests_is_valid(folder, capsys):
    code, _ = run(folder, GOOD, capsys)
    assert code == 0
    assert len(list((folder / "store" / "mosaics" / "default" / "bad").glob("*/mosaic.json"))) == 1
