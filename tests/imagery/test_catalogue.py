"""The ten real scenes searched in a real STAC API (rustac) and read by byte ranges from a server."""

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
import running
from range_server import Asked, serving
from served_items import COLLECTION, served_item
from test_real_scenes import DATES, TILES, expected_median, make, read, scene_ids

BANDS = ("B04", "B08", "SCL")


@pytest.fixture
def cogs(scenes: Path, tmp_path: Path) -> Path:
    """The scenes as Cloud Optimized GeoTIFFs: those of the collection keep their place in files beside them."""
    folder = tmp_path / "cogs"
    for scene in (scene for tile in TILES for scene in scene_ids(scenes, tile)):
        (folder / scene).mkdir(parents=True)
        item = json.loads((scenes / scene / f"{scene}.json").read_text())
        item["assets"] = {key: item["assets"][key] for key in ("red", "nir", "scl")}
        (folder / scene / "item.json").write_text(json.dumps(item))
        for band in BANDS:
            with rasterio.open(scenes / scene / f"{band}.tif") as dataset:
                profile = {key: dataset.profile[key] for key in ("width", "height", "dtype", "crs", "transform")}
                target = folder / scene / f"{band}.tif"
                with rasterio.open(
                    target, "w", driver="COG", count=1, nodata=dataset.nodata, blocksize=256, **profile
                ) as written:
                    written.write(dataset.read())
    return folder


def test_median_of_what_a_catalogue_finds(scenes, cogs, tmp_path):
    asked = Asked()
    served = tmp_path / "rustac"
    served.mkdir()
    with serving(cogs, asked) as files:
        items = [served_item(path, cogs, files) for path in sorted(cogs.glob("*/item.json"))]
        west, south = (min(item["bbox"][place] for item in items) for place in (0, 1))
        east, north = (max(item["bbox"][place] for item in items) for place in (2, 3))
        with running.stac_api(items, served) as url:
            spec = {
                "area": {"bbox": [west, south, east, north]},
                "source": {"stac": {"url": url, "collection": COLLECTION, "datetime": "2023-08-01/2023-08-31"}},
                "product": {"index": "NDVI"},
                "composite": {"method": "median", "mask": ["cloud", "shadow", "cirrus"]},
                "grid": {"resolution": 120, "resampling": "bilinear"},
            }
            result, folder = make(tmp_path, spec)
    found, transform, crs = read(folder / "mosaic.tif")
    assert crs == "EPSG:32633"
    assert len(result.item["properties"]["mosaic:scenes"]) == len(TILES) * len(DATES)
    expected = expected_median(scenes, transform, found.shape, crs)
    assert np.array_equal(np.isnan(found), np.isnan(expected))
    assert np.nanmax(np.abs(found - expected)) < 1e-5
    whole = sum(path.stat().st_size for path in cogs.rglob("*.tif"))
    assert asked.bytes < 1.5 * whole
