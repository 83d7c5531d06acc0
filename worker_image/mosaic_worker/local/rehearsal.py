"""Does once, before it forks, what every run would do: import modules, load catalogues, register drivers."""

from importlib import import_module
from typing import Any

import pystac
import rasterio
from PIL import Image

from mosaic_worker.memory import importing
from mosaic_worker.output.colormaps import palette
from mosaic_worker.product.indices import find
from mosaic_worker.version import code_version

_MODULES = (
    "mosaic_worker.finalize.publishing", "mosaic_worker.sources.kinds.earth_daily", "mosaic_worker.sources.kinds.files",
    "mosaic_worker.sources.kinds.stac",
)  # fmt: skip
"""Modules that `mosaic run` imports when a request needs them."""
_ITEM: dict[str, Any] = {
    "type": "Feature", "stac_version": "1.0.0", "id": "rehearsal", "geometry": None, "links": [], "assets": {},
    "properties": {"datetime": "2024-07-01T00:00:00Z"},
}  # fmt: skip


def rehearse() -> None:
    """Prepare this process, which stays without threads and open files."""
    with importing():
        for module in _MODULES:
            import_module(module)
        code_version()
        find("NDVI")
        palette("viridis")
        pystac.Item.from_dict(_ITEM)  # imports the extensions that migrate Items
        Image.preinit()
        with rasterio.Env():  # registers the drivers of GDAL
            pass
