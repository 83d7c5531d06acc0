"""The colours of pictures: those of the request, otherwise the usual ones of the product."""

import json

import numpy as np
import pytest
from mosaic_crds.spec import Output
from mosaic_crds.spec import Product as ProductSpec
from mosaic_worker.output.colormaps import palette
from mosaic_worker.output.colours import TRUE_COLOUR_TONE, colours_of
from mosaic_worker.output.stretched import stretch_to_bytes
from mosaic_worker.output.tone import LINEAR, Tone
from mosaic_worker.product import product_of
from PIL import Image

from support.scenes.pipeline import files, make
from support.scenes.rasters import noise, write_raster

RGB = {"bands": ["red", "green", "blue"]}


def colours(product, output=None, *, reflectances=True):
    found = product_of(ProductSpec.model_validate(product))
    chosen = Output.model_validate(output or {})
    return colours_of(found, found.output_bands, chosen, reflectances=reflectances)


def limits(found):
    return None if found.stretch.fixed is None else (found.stretch.fixed.lower, found.stretch.fixed.upper)


@pytest.mark.parametrize(
    ("product", "colormap", "expected"),
    [
        ({"index": "NDVI"}, "RdYlGn", (-0.2, 0.9)),
        ({"index": "SR"}, "RdYlGn", None),
        ({"expression": "nir - red"}, "viridis", None),
        ({"bands": ["nir"]}, "gray", None),
    ],
)
def test_one_band_has_the_usual_colours_of_the_product(product, colormap, expected):
    found = colours(product)
    assert (found.colormap, limits(found), found.tone) == (colormap, expected, LINEAR)


def test_the_request_wins():
    found = colours({"index": "NDVI"}, {"colormap": "nipy_spectral", "stretch": {"percentile": {}}})
    assert (found.colormap, found.stretch.percentile.lower) == ("nipy_spectral", 2)
    found = colours({"index": "NDVI"}, {"colormap": "Greens_r"})
    assert (found.colormap, limits(found)) == ("Greens_r", (-0.2, 0.9))


def test_true_colour_shows_reflectances_with_a_shoulder():
    assert (limits(colours(RGB)), colours(RGB).tone) == ((0, 0.3), TRUE_COLOUR_TONE)
    assert colours(RGB, {"gamma": 2}).tone == Tone(2, shoulder=True)
    plain = colours(RGB, {"stretch": {"fixed": {"lower": 0, "upper": 0.35}}})
    assert (limits(plain), plain.tone) == ((0, 0.35), LINEAR)
    assert colours(RGB, {"stretch": {"minmax": {}}, "gamma": 2}).tone == Tone(2)
    for other in (colours(RGB, reflectances=False), colours({"bands": ["nir", "red", "green"]})):
        assert (other.stretch.percentile.upper, other.tone) == (98, LINEAR)


@pytest.mark.parametrize(
    "name", ["viridis", "turbo", "gray", "Greys", "Blues", "RdYlGn", "coolwarm", "terrain", "nipy_spectral"]
)
def test_a_reversed_colour_map_has_the_same_colours_from_the_end(name):
    plain, other = (np.frombuffer(palette(each), np.uint8).reshape(256, 3) for each in (name, f"{name}_r"))
    assert np.array_equal(plain[1:], other[:0:-1])
    assert plain[0].tolist() == other[0].tolist() == [0, 0, 0]


def rgb(tmp_path, **calibration):
    bands = {}
    for seed, name in enumerate(RGB["bands"]):
        values = noise(300, 400, seed, 0, 12000)
        values[:40, :50] = 0
        bands[name] = {"href": str(write_raster(tmp_path / f"{name}.tif", values, nodata=0)), **calibration}
    return files({"bands": bands})


def test_the_picture_of_true_colour_equals_numpy_for_any_split(tmp_path):
    spec = {
        "source": rgb(tmp_path, scale=0.0001, offset=-0.1),
        "product": RGB,
        "grid": {"crs": "EPSG:3857", "resolution": 20},
    }
    made = [make(tmp_path / f"{number}", spec, workers=number) for number in (1, 2)]
    pictures = [(each.folder / "mosaic.png").read_bytes() for each in made]
    assert pictures[0] == pictures[1]
    item = json.loads((made[0].folder / "mosaic.json").read_text())
    picture, render = item["assets"]["picture"], item["properties"]["renders"]["picture"]
    assert (picture["mosaic:gamma"], picture["mosaic:shoulder"]) == (1.4, True)
    assert (render["rescale"], render["color_formula"]) == ([[0, 0.3]] * 3, "gamma rgb 1.4")
    assert "mosaic:notes" not in item["properties"]
    with made[0].open() as dataset:
        wanted = stretch_to_bytes(dataset.read(), [(0, 0.3)] * 3, TRUE_COLOUR_TONE)
    shown = np.asarray(Image.open(made[0].folder / "mosaic.png"))
    there = (wanted > 0).all(axis=0)
    assert shown.shape[:2] == there.shape
    assert np.array_equal(shown[..., 3] > 0, there)
    assert np.array_equal(shown[there][:, :3], wanted[:, there].T)


def test_a_note_says_that_true_colour_is_not_calibrated(tmp_path):
    item = json.loads((make(tmp_path, {"source": rgb(tmp_path), "product": RGB}).folder / "mosaic.json").read_text())
    (note,) = item["properties"]["mosaic:notes"]
    assert "percentiles 2 to 98 of red, green and blue, because they are not reflectances" in note
    assert "mosaic:shoulder" not in item["assets"]["picture"]


def test_the_limits_of_a_render_are_numbers_of_the_file(tmp_path):
    write_raster(tmp_path / "red.tif", noise(20, 20))
    write_raster(tmp_path / "nir.tif", noise(20, 20, 1))
    spec = {"source": files({"bands": {"red": "red.tif", "nir": "nir.tif"}}), "product": {"index": "NDVI"}}
    item = json.loads((make(tmp_path, spec | {"output": {"dtype": "int16"}}).folder / "mosaic.json").read_text())
    render = item["properties"]["renders"]["picture"]
    assert render["rescale"] == [[pytest.approx(-2000), pytest.approx(9000)]]
    assert (render["colormap_name"], render["assets"], render["mosaic:stretch"]) == (
        "rdylgn",
        ["mosaic"],
        [[-0.2, 0.9]],
    )
