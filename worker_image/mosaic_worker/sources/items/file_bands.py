"""Selects a band of a file whose STAC Item does not describe its bands."""

from collections.abc import Sequence

from mosaic_crds.errors import RequestError

from mosaic_worker.product.bands import band_id, common_name
from mosaic_worker.sources.items.platforms import Platform
from mosaic_worker.sources.readers.raster import BandInfo


def number_in_file(bands: Sequence[BandInfo], wanted: str, platform: Platform, where: str) -> int:
    """The number of a band, from 1: the only one except alpha, or the one with this name in the file.

    Args:
        bands: the bands of the file.
        wanted: the canonical name of the band.
        platform: the satellite.
        where: the field that names the file.

    Raises:
        RequestError: there are several, and none or more than one has this name.
    """
    if len(bands) == 1:
        return 1
    data = [number for number, band in enumerate(bands, 1) if not band.alpha]
    if len(data) == 1:
        return data[0]
    for names in zip(*(band.names for band in bands), strict=True):
        found = [number for number in data if wanted in _meanings(names[number - 1], platform)]
        if len(found) == 1:
            return found[0]
    raise RequestError(
        f"{where} has {len(data)} bands, and neither the Item nor the file states which one is {wanted}; list the "
        "files of the scene in bands, with the number of each band"
    )


def _meanings(name: str | None, platform: Platform) -> set[str | None]:
    """What the name of a band in a file may mean."""
    return {name, common_name(name), platform.bands.get(band_id(name) or "")} if name else set()
