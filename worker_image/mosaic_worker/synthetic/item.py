"""The STAC Item of a synthetic scene, with the asset keys of Earth Search."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pystac
from shapely.geometry import box, mapping

from mosaic_worker.geometry.grid import Grid
from mosaic_worker.geometry.projection import WGS84, projected_bounds

_ASSETS = {
    "blue": ("B02", 0.490), "green": ("B03", 0.560), "red": ("B04", 0.665), "nir": ("B08", 0.842),
    "swir16": ("B11", 1.610),
}  # fmt: skip
_EXTENSIONS = [
    "https://stac-extensions.github.io/eo/v1.1.0/schema.json",
    "https://stac-extensions.github.io/raster/v1.1.0/schema.json",
    "https://stac-extensions.github.io/projection/v2.0.0/schema.json",
]


def write_item(folder: Path, name: str, taken: datetime, grid: Grid, cloud_cover: float, label: str) -> Path:
    """Write item.json with relative hrefs, so that the folder can be moved."""
    bounds = projected_bounds(grid.bounds, grid.crs, WGS84)
    if bounds is None:
        raise ValueError("a synthetic scene can be projected")
    item = pystac.Item(
        id=name,
        geometry=dict(mapping(box(*bounds))),
        bbox=list(bounds),
        datetime=taken,
        properties={
            "title": label,
            "description": label,
            "platform": "synthetic",
            "eo:cloud_cover": cloud_cover,
            "s2:processing_baseline": "05.10",
            "proj:code": grid.crs,
        },
        stac_extensions=_EXTENSIONS,
    )
    for band, (file, wavelength) in _ASSETS.items():
        described = {
            "eo:bands": [{"name": band, "common_name": band, "center_wavelength": wavelength}],
            "raster:bands": [{"data_type": "uint16", "nodata": 0, "scale": 0.0001, "offset": -0.1}],
        }
        _add(item, band, file, ["data", "reflectance"], described)
    _add(item, "scl", "SCL", ["data"], {"raster:bands": [{"data_type": "uint8", "nodata": 0}]})
    path = folder / "item.json"
    path.write_text(json.dumps(item.to_dict(include_self_link=False), indent=2))
    return path


def _add(item: pystac.Item, key: str, file: str, roles: list[str], fields: dict[str, Any]) -> None:
    for suffix, extension, media_type in (
        ("", "tif", pystac.MediaType.COG),
        ("-jp2", "jp2", pystac.MediaType.JPEG2000),
    ):
        asset = pystac.Asset(f"./{file}.{extension}", media_type=media_type, roles=roles, extra_fields=dict(fields))
        item.add_asset(key + suffix, asset)
