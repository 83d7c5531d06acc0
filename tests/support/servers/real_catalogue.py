"""The ten real scenes in a catalogue, and the median that is requested from it."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import rasterio

from support.scenes.served_items import COLLECTION, around

BANDS = {"red": "B04", "nir": "B08", "scl": "SCL"}
"""The files that the median needs, by the key of the asset."""


def write_cogs(scenes: Path, folder: Path) -> list[Path]:
    """Convert the scenes to Cloud Optimized GeoTIFFs, including what the originals keep in sidecar files.

    Args:
        scenes: Folder of the collection.
        folder: Folder to write to.

    Returns:
        The Items.
    """
    items = []
    for source in sorted(scenes.glob("*/*.json")):
        target = folder / source.parent.name
        target.mkdir(parents=True)
        item = json.loads(source.read_text())
        item["assets"] = {key: item["assets"][key] for key in BANDS}
        items.append(target / "item.json")
        items[-1].write_text(json.dumps(item))
        for band in BANDS.values():
            with rasterio.open(source.parent / f"{band}.tif") as dataset:
                profile = {key: dataset.profile[key] for key in ("width", "height", "dtype", "crs", "transform")}
                cog = {"driver": "COG", "count": 1, "nodata": dataset.nodata, "blocksize": 256}
                with rasterio.open(target / f"{band}.tif", "w", **cog, **profile) as written:
                    written.write(dataset.read())
    return items


def median_request(items: Sequence[dict[str, Any]], url: str) -> dict[str, Any]:
    """The spec of a request for the median NDVI of all scenes of the catalogue."""
    return {
        "area": {"bbox": around(items)},
        "source": {"stac": {"url": url, "collection": COLLECTION, "datetime": "2023-08-01/2023-08-31"}},
        "product": {"index": "NDVI"},
        "composite": {"method": "median", "mask": ["cloud", "shadow", "cirrus"]},
        "grid": {"resolution": 120, "resampling": "bilinear"},
    }
