"""Every composite method on the same five real scenes, compared with numpy on the same files."""

import json
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from warnings import catch_warnings, simplefilter

import numpy as np
import pytest
import rasterio
from mosaic_crds.composite import METHODS
from numpy.typing import NDArray
from rasterio.transform import Affine
from test_real_scenes import CLOUDS, item_of, make, ndvi, numbers, scene_ids

Layers = NDArray[np.floating]
AREA = [15.3, 45.5, 15.8, 45.8]


@dataclass(frozen=True)
class Observations:
    """Five dates on their own grid, the newest first; NaN for clouds, shadows and no data.

    Attributes:
        bands: reflectances of red and nir, (dates, 2, height, width).
        cloud_cover: of the Items, percent.
        transform: of the grid.
    """

    bands: Layers
    cloud_cover: Layers
    transform: Affine

    def within(self, mosaic: rasterio.DatasetReader) -> "Observations":
        """The part that a mosaic covers, without resampling."""
        left, top = ~self.transform * (mosaic.transform.c, mosaic.transform.f)
        rows, columns = slice(round(top), round(top) + mosaic.height), slice(round(left), round(left) + mosaic.width)
        return replace(self, bands=self.bands[:, :, rows, columns])

    @cached_property
    def ndvi(self) -> Layers:
        """(dates, height, width)."""
        return ndvi(self.bands[:, 0], self.bands[:, 1])


@pytest.fixture(scope="module")
def observations(scenes: Path) -> Observations:
    bands, cloud_cover = [], []
    for scene in reversed(scene_ids(scenes, "33TWL")):
        red, nir, classes = (numbers(scenes, scene, band)[0] for band in ("B04", "B08", "SCL"))
        transform = numbers(scenes, scene, "B04")[1]
        bands.append(np.where(np.isin(classes, [0, *CLOUDS]), np.nan, np.stack([red, nir]) * 1e-4))
        cloud_cover.append(json.loads(Path(item_of(scenes, scene)).read_text())["properties"]["eo:cloud_cover"])
    return Observations(np.stack(bands), np.array(cloud_cover), transform)


def first_valid(layers: Layers) -> Layers:
    first = np.argmax(np.isfinite(layers), axis=0)
    return np.take_along_axis(layers, first[None], axis=0)[0]


def medoid(bands: Layers, values: Layers) -> Layers:
    """The value of the date with the smallest sum of distances to the others; the newest of those with the same sum."""
    distances = np.sqrt(((bands[:, None] - bands[None]) ** 2).sum(axis=2))
    sums = np.nansum(distances, axis=1).round(9)
    sums[np.isnan(values)] = np.inf
    return np.take_along_axis(values, np.argmin(sums, axis=0)[None], axis=0)[0]


def percentile(layers: Layers, percent: float) -> Layers:
    """As numpy.nanpercentile, which takes minutes: pixels with the same number of observations together."""
    ordered, counts = np.sort(layers, axis=0), np.isfinite(layers).sum(axis=0)
    found = np.full(counts.shape, np.nan)
    for count in range(1, len(layers) + 1):
        found[counts == count] = np.percentile(ordered[:count, counts == count], percent, axis=0)
    return found


def geometric_median(bands: Layers) -> Layers:
    """Weiszfeld's iteration from the mean, (bands, height, width): it is slow, and comes near."""
    found = np.nanmean(bands, axis=0)
    for _ in range(50):
        weights = 1 / np.maximum(np.sqrt(((bands - found) ** 2).sum(axis=1, keepdims=True)), 1e-9)
        found = np.nansum(bands * weights, axis=0) / np.nansum(weights, axis=0)
    return np.where(np.isnan(bands).all(axis=0), np.nan, found)


def total_distance(bands: Layers, at: Layers) -> Layers:
    """The sum of the distances of all dates from a point, (height, width)."""
    return np.nansum(np.sqrt(((bands - at) ** 2).sum(axis=1)), axis=0)


EXPECTED = {
    "latest": lambda of: first_valid(of.ndvi),
    "oldest": lambda of: first_valid(of.ndvi[::-1]),
    "leastCloudy": lambda of: first_valid(of.ndvi[np.argsort(of.cloud_cover, kind="stable")]),
    "greenest": lambda of: np.nanmax(of.ndvi, axis=0),
    "medoid": lambda of: medoid(of.bands, of.ndvi),
    "mean": lambda of: np.nanmean(of.ndvi, axis=0),
    "median": lambda of: np.nanmedian(of.ndvi, axis=0),
    "min": lambda of: np.nanmin(of.ndvi, axis=0),
    "max": lambda of: np.nanmax(of.ndvi, axis=0),
    "percentile": lambda of: percentile(of.ndvi, 25),
}


def mosaic_of(
    scenes: Path, tmp_path: Path, product: dict, composite: dict, observed: Observations
) -> tuple[Layers, ...]:
    """The bands of a mosaic of the five dates, its numbers of observations, and the observations there."""
    spec = {
        "area": {"bbox": AREA},
        "source": {"files": {"scenes": [{"item": item_of(scenes, scene)} for scene in scene_ids(scenes, "33TWL")]}},
        "product": product,
        "composite": composite | {"mask": ["cloud", "shadow", "cirrus"], "count": True},
        "output": {"formats": ["cog"]},
    }
    _, folder = make(tmp_path, spec)
    with rasterio.open(folder / "mosaic.tif") as mosaic:
        found = mosaic.read()
        return found[:-1], found[-1], observed.within(mosaic)


@pytest.mark.parametrize("method", [method for method in METHODS if method != "geomedian"])
def test_equals_numpy(method, scenes, observations, tmp_path):
    composite = {"method": method} | ({"percentile": 25} if method == "percentile" else {})
    (values,), count, here = mosaic_of(scenes, tmp_path, {"index": "NDVI"}, composite, observations)
    with catch_warnings():
        simplefilter("ignore", RuntimeWarning)
        expected = EXPECTED[method](here)
    np.testing.assert_array_equal(np.nan_to_num(count), np.isfinite(here.ndvi).sum(axis=0))
    equal = np.isclose(values, expected, rtol=0, atol=1e-6, equal_nan=True)
    ties = 1e-4 if method == "medoid" else 0  # sums that are equal may differ in their last digit
    assert np.mean(~equal) <= ties


def test_a_geometric_median_has_the_smallest_sum_of_distances(scenes, observations, tmp_path):
    product = {"bands": ["red", "nir"]}
    values, _, here = mosaic_of(scenes, tmp_path, product, {"method": "geomedian"}, observations)
    with catch_warnings():
        simplefilter("ignore", RuntimeWarning)
        near = geometric_median(here.bands)
    np.testing.assert_array_equal(np.isnan(values), np.isnan(near))
    assert np.all(total_distance(here.bands, values) <= total_distance(here.bands, near) + 1e-6)
