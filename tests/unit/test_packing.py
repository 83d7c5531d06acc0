"""Packing as int16: scale and offset that fit the bands, and counts of values that do not fit."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from mosaic_crds.errors import RequestError

from support.scenes.pipeline import Made, files, make, same
from support.scenes.rasters import noise, write_raster

INT16 = {"dtype": "int16"}


def unpacked(made: Made, band: int = 1) -> np.ndarray:
    """Unpack values as a GIS does."""
    with made.open() as dataset:
        stored = dataset.read(band).astype(np.float64)
        assert (dataset.dtypes[0], dataset.nodata) == ("int16", -32768)
        values = stored * dataset.scales[band - 1] + dataset.offsets[band - 1]
    return np.where(stored == -32768, np.nan, values)


def request(bands: dict[str, Any], product: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "source": files({"bands": bands}), "product": product or {"bands": list(bands)}, "output": INT16,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("dtype", "scale", "offset", "nodata", "half_step"),
    [
        ("uint16", 0.00341802, 149.0, 0, 1e-6),  # surface temperature of Landsat, kelvin
        ("uint16", 0.00341802, 149.0, None, 0.00341802 / 2 * 1.001),
        ("uint16", 0.01, 0.0, 0, 1e-6),
        ("uint16", 0.001, 0.0, 0, 1e-6),  # aerosol optical thickness and water vapour of Sentinel-2
        ("int16", 0.1, 0.0, -32768, 1e-6),
        ("uint8", 1.0, 0.0, 0, 1e-6),  # classes; the Item declares a scale of 1
        ("uint8", -2.0, 1000.0, None, 1e-6),
    ],
)
def test_scale_and_offset_fit_all_values_of_a_band(tmp_path: Path, dtype, scale, offset, nodata, half_step):
    limits = np.iinfo(dtype)
    numbers = np.linspace(limits.min, limits.max, 600 * 20).round().astype(dtype).reshape(20, 600)
    write_raster(tmp_path / "x.tif", numbers, nodata=nodata)
    made = make(tmp_path, request({"x": {"href": "x.tif", "scale": scale, "offset": offset}}))
    expected = numbers.astype(np.float64) * scale + offset
    if nodata is not None:
        expected[numbers == nodata] = np.nan
    assert same(unpacked(made), expected, half_step + 4e-7 * np.nanmax(np.abs(expected)))
    band = made.item["assets"]["mosaic"]["bands"][0]
    with made.open() as dataset:
        assert band.get("raster:scale", 1) == dataset.scales[0]
        assert band.get("raster:offset", 0) == dataset.offsets[0]
        assert dataset.scales[0] == abs(scale) or half_step > 1e-6
    assert "mosaic:overflow" not in band
    assert band["statistics"]["minimum"] == pytest.approx(np.nanmin(unpacked(made)), rel=1e-6)
    assert band["statistics"]["maximum"] == pytest.approx(np.nanmax(unpacked(made)), rel=1e-6)
    assert "mosaic:notes" not in made.item["properties"]


@pytest.mark.parametrize(("scale", "offset"), [(0.0001, -0.1), (0.0001, 0.0), (0.0000275, -0.2)])
def test_reflectances_are_stored_as_ten_thousandths(tmp_path: Path, scale: float, offset: float):
    numbers = noise(30, 40)
    write_raster(tmp_path / "x.tif", numbers, nodata=0)
    made = make(tmp_path, request({"red": {"href": "x.tif", "scale": scale, "offset": offset}}))
    with made.open() as dataset:
        assert (dataset.scales, dataset.offsets) == ((0.0001,), (0.0,))
        values = numbers.astype(np.float32) * np.float32(scale) + np.float32(offset)
        assert np.array_equal(dataset.read(1), np.rint(values / np.float32(0.0001)).astype(np.int16))


def test_each_band_has_its_own_packing(tmp_path: Path):
    reflectance, classes = noise(20, 20), (noise(20, 20, 1) % 12).astype(np.uint8)
    kelvin = noise(20, 20, 2, 20_000, 60_000)
    for name, values in (("red", reflectance), ("scl", classes), ("lwir", kelvin)):
        write_raster(tmp_path / f"{name}.tif", values)
    bands = {
        "red": {"href": "red.tif", "scale": 0.0001, "offset": -0.1},
        "scl": "scl.tif",
        "lwir": {"href": "lwir.tif", "scale": 0.00341802, "offset": 149},
    }
    made = make(tmp_path, request(bands))
    assert same(unpacked(made, 1), reflectance * 0.0001 - 0.1, 6e-5)
    assert np.array_equal(unpacked(made, 2), classes)
    assert same(unpacked(made, 3), kelvin * 0.00341802 + 149, 0.0018)


def test_values_that_do_not_fit_are_counted_and_excluded_from_statistics(tmp_path: Path):
    values = np.linspace(0, 1, 30 * 40, dtype=np.float32).reshape(30, 40)
    values[3, 4:9] = 300
    values[4, 4] = -7
    write_raster(tmp_path / "x.tif", values)
    made = make(tmp_path, request({"x": "x.tif"}))
    expected = np.where(np.abs(values) > 3.2767, np.nan, values)
    assert same(unpacked(made), expected, 5.1e-5)
    band = made.item["assets"]["mosaic"]["bands"][0]
    assert band["mosaic:overflow"] == 6
    assert band["statistics"]["maximum"] == pytest.approx(1)
    assert band["statistics"]["valid_percent"] == pytest.approx(100 * (1200 - 6) / 1200)
    (note,) = made.item["properties"]["mosaic:notes"]
    assert note == (
        "6 of 1200 values of x are outside -3.2767 to 3.2767; int16 cannot hold them, so they are no data; "
        "use output.dtype float32"
    )
    stored = np.rint(expected[np.isfinite(expected)] / 0.0001) * 0.0001
    assert band["statistics"]["mean"] == pytest.approx(stored.mean(), rel=1e-6)


def test_statistics_in_the_file_describe_its_stored_numbers(tmp_path: Path):
    numbers = noise(30, 40)
    write_raster(tmp_path / "x.tif", numbers)
    made = make(tmp_path, request({"red": {"href": "x.tif", "scale": 0.0001, "offset": -0.1}}))
    with made.open() as dataset:
        stored, tags = dataset.read(1).astype(np.float64), dataset.tags(1)
    for name, expected in (("MINIMUM", stored.min()), ("MAXIMUM", stored.max()), ("MEAN", stored.mean()),
                           ("STDDEV", stored.std())):  # fmt: skip
        assert float(tags[f"STATISTICS_{name}"]) == pytest.approx(expected, rel=1e-5)


def test_refuses_a_mosaic_whose_values_mostly_do_not_fit_with_a_solution(tmp_path: Path):
    write_raster(tmp_path / "x.tif", np.linspace(280, 310, 1200, dtype=np.float32).reshape(30, 40))
    message = (
        r"spec.output.dtype: 1200 of 1200 values of x are outside -3.2767 to 3.2767, the range "
        r"of int16 here; use float32"
    )
    with pytest.raises(RequestError, match=message):
        make(tmp_path, request({"x": "x.tif"}))
    made = make(tmp_path, request({"x": "x.tif"}) | {"output": {"dtype": "float32"}}, "float")
    assert made.values().max() == 310


@pytest.mark.parametrize(
    ("bands", "expression"),
    [
        ({"lwir": {"href": "x.tif", "scale": 0.00341802, "offset": 149}}, "lwir - 273.15"),
        ({"nir": "x.tif", "red": "y.tif"}, "nir - red"),
        ({"nir": {"href": "x.tif", "scale": 0.0001, "offset": -0.1}}, "nir * 255"),
    ],
)
def test_refuses_an_expression_that_cannot_fit_before_it_is_computed(tmp_path: Path, bands, expression):
    write_raster(tmp_path / "x.tif", noise(20, 20))
    write_raster(tmp_path / "y.tif", noise(20, 20, 1))
    with pytest.raises(RequestError, match=r"stores values of an expression from -3.2767 to 3.2767, .* use float32"):
        make(tmp_path, request(bands, {"expression": expression}))


@pytest.mark.parametrize(
    "expression",
    [
        "2.5 * (nir - red) / (nir + 2.4 * red + 1)",
        "2.5 * (nir - red) / (nir + 6 * red - 7.5 * blue + 1)",
        "nir / red",
        "sqrt(nir * red)",
        "nir - red",
    ],
)
def test_an_expression_of_reflectances_is_stored_as_ten_thousandths(tmp_path: Path, expression: str):
    numbers = {name: noise(20, 20, seed) for seed, name in enumerate(("nir", "red", "blue"))}
    for name, values in numbers.items():
        write_raster(tmp_path / f"{name}.tif", values)
    bands = {name: {"href": f"{name}.tif", "scale": 0.0001, "offset": 0.0} for name in numbers}
    made = make(tmp_path, request(bands, {"expression": expression}))
    with np.errstate(all="ignore"):
        values = eval(expression, {"sqrt": np.sqrt}, {name: v * 0.0001 for name, v in numbers.items()})
    expected = np.where(np.abs(values) > 3.27675, np.nan, values)
    assert same(unpacked(made), expected, 5.2e-5 + 1e-5)


@pytest.mark.parametrize("dtype", ["uint32", "int32", "int64", "uint64"])
def test_a_note_reports_integers_that_float32_rounds(tmp_path: Path, dtype: str):
    values = np.full((20, 20), 1000, dtype)
    write_raster(tmp_path / "small.tif", values)
    values[3, 3] = 2**24 + 1
    write_raster(tmp_path / "large.tif", values)
    spec = {"product": {"bands": ["x"]}}
    small = make(tmp_path, spec | {"source": files({"bands": {"x": "small.tif"}})}, "small")
    assert "mosaic:notes" not in small.item["properties"]
    large = make(tmp_path, spec | {"source": files({"bands": {"x": "large.tif"}})}, "large")
    assert large.item["properties"]["mosaic:notes"] == [
        "integers of x reach 16,777,216; float32 rounds larger ones to 24 bits"
    ]
    difference = make(
        tmp_path,
        {"product": {"expression": "x - y"}, "source": files({"bands": {"x": "large.tif", "y": "small.tif"}})},
        "difference",
    )
    assert difference.item["properties"]["mosaic:warnings"] == [
        "x, y: integers larger than 16,777,216 are rounded to 24 bits before the computation"
    ]


def test_infinite_values_are_no_data_in_a_mosaic(tmp_path: Path):
    values = np.tile(np.linspace(0.1, 0.4, 64, dtype=np.float32), (64, 1))
    holes = np.zeros((64, 64), bool)
    holes[0, 0] = holes[1, 1] = holes[2, 2] = True
    numbers = values.copy()
    numbers[0, 0], numbers[1, 1], numbers[2, 2] = np.inf, -np.inf, np.nan
    write_raster(tmp_path / "x.tif", numbers)
    for output in ({"dtype": "float32"}, INT16, {"stretch": {"minmax": {}}}):
        name = "-".join(map(str, output)) + str(output.get("dtype", ""))
        spec = {"source": files({"bands": {"x": "x.tif"}}), "product": {"bands": ["x"]}, "output": output}
        made = make(tmp_path, spec, name.lower())
        found = unpacked(made) if output == INT16 else made.values()
        assert same(found, np.where(holes, np.nan, values), 5.1e-5)
        assert made.item["assets"]["mosaic"]["bands"][0]["statistics"]["maximum"] == pytest.approx(0.4, abs=1e-6)
        text = (made.folder / "mosaic.json").read_text()
        assert "Infinity" not in text
        assert "NaN" not in text


@pytest.mark.parametrize("method", ["median", "mean", "max", "medoid"])
def test_the_largest_floats_stay_finite(tmp_path: Path, method: str):
    """Undeclared fill values are ordinary numbers, and their sums exceed float32."""
    largest = float(np.finfo(np.float32).max)
    for name in "ab":
        write_raster(tmp_path / f"{name}.tif", np.full((600, 600), -largest, np.float32))
    scenes = [{"bands": {"x": f"{name}.tif"}} for name in "ab"]
    made = make(
        tmp_path, {"source": files(*scenes), "product": {"bands": ["x"]}, "composite": {"method": method}}, method
    )
    assert np.unique(made.values()).tolist() == [-largest]
    with rasterio.open(made.folder / "mosaic.tif", overview_level=0) as dataset:
        assert np.unique(dataset.read(1)).tolist() == [-largest]
