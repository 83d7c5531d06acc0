"""Which band of a file is meant, where its STAC Item does not describe them."""

from collections.abc import Sequence

from mosaic_crds.errors import RequestError

from mosaic_worker.product.bands import band_id, common_name
from mosaic_worker.sources.items.platforms import Platform
from mosaic_worker.sources.readers.raster import BandInfo


def number_in_file(bands: Sequence[BandInfo], wanted: str, platform: Platform, where: str) -> int:
    """The number of a band, from 1: the only one beside alpha, else the one that the file itself calls so.

    Args:
        bands: those of the file.
        wanted: the canonical name of the band.
        platform: the satellite that it is of.
        where: the field that names the file.

    Raises:
        RequestError: there are several, and the file does not call one so.
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
        f"{where} has {len(data)} bands, and neither the Item nor the file says which of them is {wanted}; list the "
        "scene's files under bands, with the number of each band"
    )


def _meanings(name: str | None, platform: Platform) -> set[str | None]:
    """What a file's own word for a band may mean."""
    return {name, common_name(name), platform.bands.get(band_id(name) or "")} if name else set()
