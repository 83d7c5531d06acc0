"""What bands are called: STAC common names, and the other names by which people and catalogues know the same bands."""

import json
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

_SENTINEL2 = {
    "b01": "coastal",
    "b02": "blue",
    "b03": "green",
    "b04": "red",
    "b05": "rededge071",
    "b06": "rededge075",
    "b07": "rededge078",
    "b08": "nir",
    "b8a": "nir08",
    "b09": "nir09",
    "b10": "cirrus",
    "b11": "swir16",
    "b12": "swir22",
}
_ALIASES = {"rededge1": "rededge071", "rededge2": "rededge075", "rededge3": "rededge078"}


def canonical(name: str) -> str:
    """The STAC common name of a band that is called by it, by its Sentinel-2 id (B08) or by its catalogue code (N).

    Any other name stays as it is: a request may call its bands what it likes.
    """
    lower = name.lower()
    known = _SENTINEL2.get(lower) or _ALIASES.get(lower) or catalogue_codes().get(name)
    if known is not None:
        return known
    return lower if lower in set(catalogue_codes().values()) else name


@cache
def catalogue_codes() -> dict[str, str]:
    """STAC common names by the codes that the index catalogue uses in its formulas."""
    return {code: band["common_name"] for code, band in catalogue("bands.json").items()}


def catalogue(file: str) -> dict[str, Any]:
    """A data file of spyndex; the package itself is not imported, which would take longer than reading it."""
    package = find_spec("spyndex")
    if package is None or package.origin is None:
        raise ModuleNotFoundError("spyndex, which holds the catalogue of spectral indices, is not installed")
    content: dict[str, Any] = json.loads((Path(package.origin).parent / "data" / file).read_text(encoding="utf-8"))
    return content
