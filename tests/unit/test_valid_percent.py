"""The share of valid pixels: within the area in the Item and the status, and of the whole file in GDAL's tag."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from mosaic_worker.finalize.results import Results
from mosaic_worker.store import open_store
from numpy.typing import NDArray
from rasterio.warp import transform

from support.scenes.pipeline import Made, files, make, request_of
from support.scenes.rasters import noise, write_raster

TRIANGLE = [[15.02, 45.06], [15.13, 45.06], [15.02, 45.13], [15.02, 45.06]]
HOLED = [TRIANGLE, [[15.03, 45.07], [15.03, 45.09], [15.05, 45.09], [15.05, 45.07], [15.03, 45.07]]]


def made_of(folder: Path, numbers: NDArray[Any], **spec: Any) -> Made:
    write_raster(folder / "red.tif", numbers, nodata=0)
    return make(folder, {"source": files({"bands": {"red": "red.tif"}}), "product": {"bands": ["red"]}} | spec)


def centres_inside(made: Made, rings: list[Any]) -> NDArray[np.bool_]:
    """Mask of the pixels whose centre is in a polygon with straight edges in degrees."""
    with made.open() as dataset:
        rows, columns = np.indices(dataset.shape) + 0.5
        left, top, side = dataset.transform.c, dataset.transform.f, dataset.transform.a
        xs, ys = transform(dataset.crs, "EPSG:4326", (left + columns * side).ravel(), (top - rows * side).ravel())
        return shapely.contains_xy(shapely.Polygon(rings[0], rings[1:]), xs, ys).reshape(dataset.shape)


def percent(made: Made) -> float:
    return made.item["assets"]["mosaic"]["bands"][0]["statistics"]["valid_percent"]


def tag(made: Made) -> float:
    with made.open() as dataset:
        return float(dataset.tags(1)["STATISTICS_VALID_PERCENT"])


@pytest.mark.parametrize("rings", [[TRIANGLE], HOLED], ids=["triangle", "with a hole"])
def test_a_completely_covered_polygon_has_a_hundred_percent(tmp_path: Path, rings: list[Any]):
    made = made_of(tmp_path, noise(1500, 1500), area={"geometry": {"type": "Polygon", "coordinates": rings}})
    values = made.values()
    assert percent(made) == 100
    assert tag(made) == pytest.approx(100 * np.isfinite(values).mean(), abs=1e-4)
    assert tag(made) < 60


def test_missing_pixels_outside_the_area_do_not_count(tmp_path: Path):
    numbers = noise(1500, 1500)
    numbers[:1000, :500] = 0
    made = made_of(tmp_path, numbers, area={"geometry": {"type": "Polygon", "coordinates": [TRIANGLE]}})
    inside = centres_inside(made, [TRIANGLE])
    expected = 100 * np.isfinite(made.values())[inside].mean()
    assert 20 < expected < 80
    assert percent(made) == pytest.approx(expected, abs=0.01)
    request = request_of({"source": files({"bands": {"red": "red.tif"}}), "product": {"bands": ["red"]}})
    results = Results(request.metadata.namespace, "test", made.folder.name)
    store = open_store(str(tmp_path / "store"))
    summary = results.summary((made.folder / "mosaic.json").read_bytes(), store)
    assert summary["statistics"]["validPercent"] == percent(made)


def test_all_pixels_count_without_a_polygon(tmp_path: Path):
    numbers = noise(300, 300)
    numbers[:30] = 0
    made = made_of(tmp_path, numbers)
    assert (percent(made), tag(made)) == (90, 90)


def test_a_polygon_between_pixel_centres_contains_no_pixel(tmp_path: Path):
    sliver = [[15.0500, 45.1000], [15.05001, 45.1000], [15.05001, 45.10001], [15.0500, 45.1000]]
    made = made_of(tmp_path, noise(1500, 1500), area={"geometry": {"type": "Polygon", "coordinates": [sliver]}})
    assert percent(made) == (100 if np.isfinite(made.values()).any() else 0)
