"""Names of bands: STAC common names, and their aliases in requests and catalogues."""

import json
import re
from functools import cache, lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

SENTINEL2 = {
    "b1": "coastal", "b2": "blue", "b3": "green", "b4": "red", "b5": "rededge071", "b6": "rededge075",
    "b7": "rededge078", "b8": "nir", "b8a": "nir08", "b9": "nir09", "b10": "cirrus", "b11": "swir16", "b12": "swir22",
}  # fmt: skip
"""STAC common names by the ids of Sentinel-2 in the form of `band_id`."""
_REQUESTED_IDS = {key if len(key) > 2 else f"b0{key[1]}": name for key, name in SENTINEL2.items()}
"""The same by the ids of ESA, because requests may use names such as b1 for their own bands."""
_ALIASES = {
    "rededge1": "rededge071", "rededge2": "rededge075", "rededge3": "rededge078", "red_edge_1": "rededge071",
    "red_edge_2": "rededge075", "red_edge_3": "rededge078", "coastal_aerosol": "coastal", "near_infrared": "nir",
    "nir_broad": "nir", "nir_narrow": "nir08", "swir_1": "swir16", "swir_2": "swir22", "tir11": "lwir11",
    "tir12": "lwir12",
}  # fmt: skip
"""Other names of the same bands in catalogues: Earth Search, stactools-hls, and USGS before STAC 1.0."""
_OTHER_COMMON_NAMES = {"pan", "cirrus", "rededge"}
"""STAC common names without a code in the index catalogue."""
REMEMBERED = 4096
"""Size of the caches of names: the Items of a collection have the same names."""
_BAND_ID = re.compile(r"(?:s[rt]_)?b0?(\d{1,2}a?)(?:_vcid_[12])?")


def canonical(name: str) -> str:
    """The STAC common name of a band in a request, also from a Sentinel-2 id (B08) or a catalogue code (N).

    Other names are unchanged, because requests may use any names.
    """
    return common_name(name) or _REQUESTED_IDS.get(name.lower()) or name


@lru_cache(REMEMBERED)
def common_name(name: str) -> str | None:
    """The STAC common name of a name that is independent of the platform; None for ids such as B08 and other words."""
    lower = name.lower()
    underscored = lower.replace("-", "_").replace(" ", "_")
    if underscored in _ALIASES:
        return _ALIASES[underscored]
    codes = catalogue_codes()
    return codes.get(name) or (lower if lower in _OTHER_COMMON_NAMES or lower in codes.values() else None)


@lru_cache(REMEMBERED)
def band_id(name: str) -> str | None:
    """The id of a band in one form: b4 for B4, B04 and SR_B4, b6 for B6_VCID_1; None for other words."""
    found = _BAND_ID.fullmatch(name.lower())
    return f"b{found[1]}" if found else None


@cache
def catalogue_codes() -> dict[str, str]:
    """STAC common names by the codes in the formulas of the index catalogue."""
    return {code: band["common_name"] for code, band in catalogue("bands.json").items()}


@cache
def catalogue(file: str) -> dict[str, Any]:
    """A data file of spyndex, without the slow import of the package."""
    package = find_spec("spyndex")
    if package is None or package.origin is None:
        raise ModuleNotFoundError("spyndex, the catalogue of spectral indices, is not installed")
    content: dict[str, Any] = json.loads((Path(package.origin).parent / "data" / file).read_text(encoding="utf-8"))
    return content
