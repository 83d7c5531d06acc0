"""What bands are called: STAC common names, and the other names by which people and catalogues know the same bands."""

import json
import re
from functools import cache, lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

SENTINEL2 = {
    "b1": "coastal",
    "b2": "blue",
    "b3": "green",
    "b4": "red",
    "b5": "rededge071",
    "b6": "rededge075",
    "b7": "rededge078",
    "b8": "nir",
    "b8a": "nir08",
    "b9": "nir09",
    "b10": "cirrus",
    "b11": "swir16",
    "b12": "swir22",
}
"""STAC common names by the ids of Sentinel-2, as `band_id` writes them."""
_REQUESTED_IDS = {key if len(key) > 2 else f"b0{key[1]}": name for key, name in SENTINEL2.items()}
"""The same by the ids as ESA writes them: a request may call bands of its own b1."""
_ALIASES = {
    "rededge1": "rededge071",
    "rededge2": "rededge075",
    "rededge3": "rededge078",
    "red_edge_1": "rededge071",
    "red_edge_2": "rededge075",
    "red_edge_3": "rededge078",
    "coastal_aerosol": "coastal",
    "near_infrared": "nir",
    "nir_broad": "nir",
    "nir_narrow": "nir08",
    "swir_1": "swir16",
    "swir_2": "swir22",
    "tir11": "lwir11",
    "tir12": "lwir12",
}
"""Names that catalogues use for the same bands: Earth Search, stactools-hls, and USGS before STAC 1.0."""
_OTHER_COMMON_NAMES = {"pan", "cirrus", "rededge"}
"""STAC common names that the index catalogue has no code for."""
REMEMBERED = 4096
"""Names of which the meaning is remembered: the Items of a collection use the same ones."""
_BAND_ID = re.compile(r"(?:s[rt]_)?b0?(\d{1,2}a?)(?:_vcid_[12])?")


def canonical(name: str) -> str:
    """The STAC common name of a band that a request calls so, by its Sentinel-2 id (B08) or by its catalogue code (N).

    Any other name stays as it is: a request may call its bands what it likes.
    """
    return common_name(name) or _REQUESTED_IDS.get(name.lower()) or name


@lru_cache(REMEMBERED)
def common_name(name: str) -> str | None:
    """The STAC common name that a word means on every platform; None of ids such as B08 and of other words."""
    lower = name.lower()
    underscored = lower.replace("-", "_").replace(" ", "_")
    if underscored in _ALIASES:
        return _ALIASES[underscored]
    codes = catalogue_codes()
    return codes.get(name) or (lower if lower in _OTHER_COMMON_NAMES or lower in codes.values() else None)


@lru_cache(REMEMBERED)
def band_id(name: str) -> str | None:
    """The id of a band in one spelling: b4 for B4, B04 and SR_B4, b6 for B6_VCID_1; None of other words."""
    found = _BAND_ID.fullmatch(name.lower())
    return f"b{found[1]}" if found else None


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
