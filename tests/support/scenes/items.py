"""STAC Items for tests, and the values and masks that the product reads through them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mosaic_worker.sources.access.gate import own_machine
from mosaic_worker.sources.readers.open_sources import OpenSources
from mosaic_worker.sources.readers.reading import read_band, read_mask
from mosaic_worker.sources.resolve import resolve
from mosaic_worker.sources.scenes import Found
from numpy.typing import NDArray

from support.scenes.pipeline import files, masking, request_of


def write_item(
    folder: Path, name: str, assets: dict[str, Any], collection: str | None = None, version: str = "1.0.0", **said: Any
) -> Path:
    """Write an Item with these properties; hrefs of assets are relative to the folder."""
    item = {
        "type": "Feature",
        "stac_version": version,
        "id": name,
        "geometry": {"type": "Point", "coordinates": [15, 45]},
        "bbox": [15, 45, 15, 45],
        "properties": {"datetime": "2024-07-01T10:00:00Z"} | said,
        "links": [],
        "assets": assets,
    }
    if collection:
        item["collection"] = collection
        item["links"] = [{"rel": "collection", "href": "./collection.json"}]
    path = folder / "item.json"
    path.write_text(json.dumps(item))
    return path


def found_in(path: Path, bands: Sequence[str], mask: Sequence[str] = (), **scene: Any) -> Found:
    """The scene of the Item in a file, for a request that reads bands and masks classes."""
    spec = {
        "source": files({"item": str(path)} | scene),
        "product": {"bands": ["red"]},  # the bands are given separately
        "composite": {"mask": list(mask)},
    }
    return resolve(request_of(spec).spec, tuple(bands), own_machine(path.parent))


def values_of(found: Found, name: str, folder: Path) -> NDArray[np.float32]:
    """Values of a band on its own grid; NaN where there is no data."""
    band = found.scenes[0].bands[name]
    values = read_band(OpenSources(own_machine(folder)), band, band.header.grid, None, name)
    assert values is not None
    return values


def codes_of(found: Found, classes: Sequence[str], folder: Path) -> NDArray[np.uint8]:
    """Values of the mask on its own grid."""
    mask = found.scenes[0].mask
    assert mask is not None
    return read_mask(OpenSources(own_machine(folder)), mask, mask.header.grid, masking(classes), "mask")
