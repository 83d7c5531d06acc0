"""Satellites: the meanings of band ids such as B11, and how to identify the satellite of an Item."""

import re
from collections.abc import Mapping, Set
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from mosaic_crds.source import MaskValues

from mosaic_worker.product import bands

if TYPE_CHECKING:
    import pystac

BROADER = {
    "rededge": {"rededge071", "rededge075", "rededge078", "nir08"},
    "nir": {"nir08"},
    "lwir": {"lwir11", "lwir12"},
}
"""Common names that catalogues also give to narrower bands.

The Planetary Computer calls B8A of Sentinel-2 `rededge`, stactools-hls calls it `nir`.
"""


@dataclass(frozen=True)
class Platform:
    """A satellite, or a product of several.

    Attributes:
        name: its name in messages.
        bands: STAC common names by band ids in the form of `band_id`.
        mask: the encoding of its quality layer, if it has one.
        assumed: whether it is an assumption.
    """

    name: str
    bands: Mapping[str, str]
    mask: MaskValues | None = None
    assumed: bool = False


_OLI = {
    "b1": "coastal", "b2": "blue", "b3": "green", "b4": "red", "b5": "nir08", "b6": "swir16", "b7": "swir22",
    "b8": "pan", "b9": "cirrus", "b10": "lwir11", "b11": "lwir12",
}  # fmt: skip
_TM = {
    "b1": "blue", "b2": "green", "b3": "red", "b4": "nir08", "b5": "swir16", "b6": "lwir", "b7": "swir22", "b8": "pan",
}  # fmt: skip
SENTINEL_2 = Platform("Sentinel-2", bands.SENTINEL2, "scl")
LANDSAT_8_9 = Platform("Landsat 8 and 9", _OLI, "qaPixel")
LANDSAT_4_7 = Platform("Landsat 4 to 7", _TM, "qaPixel")
LANDSAT_MSS = Platform("Landsat MSS", {}, "qaPixel")
"""Its ids have other meanings on Landsat 1 to 3 than on Landsat 4 and 5, so only the description in an Item counts."""
HLS_S30 = Platform("HLS S30", bands.SENTINEL2, "fmask")
HLS_L30 = Platform("HLS L30", _OLI, "fmask")
OTHER = Platform("another platform", {})
"""A platform that is named, but unknown here."""

_WITH_IDS = (SENTINEL_2, LANDSAT_8_9, LANDSAT_4_7)
_HLS = re.compile(r"hls[^a-z]*([sl])30")
_MSS = re.compile(r"(?<![a-z])mss(?![a-z])|^lm0\d_")
_NAMES = (
    (SENTINEL_2, re.compile(r"sentinel[-_ ]?2|^s2[a-d]?(?:[-_]|$)|(?<![a-z])msi(?![a-z])")),
    (LANDSAT_8_9, re.compile(r"landsat[-_ ]?0?[89]|^l[cot]0[89]_|(?<![a-z])ls[-_]?0?[89]|(?<![a-z])oli(?![a-z])")),
    (LANDSAT_4_7, re.compile(r"landsat[-_ ]?0?[4-7]|^l[et]0[4-7]_|(?<![a-z])ls[-_]?0?[57]|(?<![a-z])e?tm(?![a-z])")),
    (LANDSAT_MSS, re.compile(r"landsat[-_ ]?0?[1-3](?!\d)")),
)
_LANDSAT_FAMILY = re.compile(r"landsat|usgs")
"""Values that do not tell which Landsat it is."""
_PROPERTIES = ("platform", "instruments", "constellation", "eo:platform", "eo:instrument", "eo:constellation")


def platform_of(item: "pystac.Item", described: Mapping[str, str | None]) -> Platform:
    """The satellite of an Item, from its properties, its collection, its id, otherwise from its assets.

    Args:
        item: the Item.
        described: the common names of its bands in the Item, if any, by id in the form of `band_id`.
    """
    collection, name = str(item.collection_id or "").lower(), str(item.id).lower()
    hls = _HLS.search(f"{name} {collection}")
    if hls:
        return HLS_S30 if hls[1] == "s" else HLS_L30
    stated = [_text(item.properties.get(key)) for key in _PROPERTIES]
    if any(_MSS.search(text) for text in (*stated, name)):
        return LANDSAT_MSS
    if any(key.startswith("s2:") for key in item.properties):
        return SENTINEL_2
    for text in (*stated, collection, name):
        for platform, pattern in _NAMES:
            if pattern.search(text):
                return platform
    assets = {key.lower() for key in item.assets}
    if all(_LANDSAT_FAMILY.fullmatch(text) for text in stated if text):
        found = _by_assets(assets, described)
        return OTHER if any(stated) and found.name == SENTINEL_2.name else found
    return OTHER


def ambiguous(name: str) -> bool:
    """Whether a band id has several meanings on different satellites; Landsat 4 to 7 have no ids such as B04."""
    identifier = bands.band_id(name)
    if identifier is None:
        return False
    platforms = (SENTINEL_2, LANDSAT_8_9) if name.lower().startswith("b0") else _WITH_IDS
    return len({platform.bands[identifier] for platform in platforms if identifier in platform.bands}) > 1


def _by_assets(keys: Set[str], described: Mapping[str, str | None]) -> Platform:
    """The satellite that has the bands of an Item with these common names."""
    of_sentinel_2 = bool(described.keys() & {"b8a", "b12"})
    if "fmask" in keys:
        return HLS_S30 if of_sentinel_2 else HLS_L30
    if any(key.startswith(("sr_b", "st_b", "b6_vcid")) for key in keys):
        return LANDSAT_8_9 if any(key.startswith(("sr_b6", "st_b10")) for key in keys) else LANDSAT_4_7
    if of_sentinel_2:
        return SENTINEL_2
    if {"b10", "b11"} <= described.keys():  # Sentinel-2 has both only beside B12
        return LANDSAT_8_9
    agreeing = [platform for platform in _WITH_IDS if _agrees(platform, described)]
    if len(agreeing) == 1 and any(described.values()):
        return agreeing[0]
    return replace(SENTINEL_2, assumed=True)


def _agrees(platform: Platform, described: Mapping[str, str | None]) -> bool:
    return all(
        identifier in platform.bands and (name is None or platform.bands[identifier] in {name, *BROADER.get(name, ())})
        for identifier, name in described.items()
    )


def _text(value: object) -> str:
    return " ".join(map(str, value)).lower() if isinstance(value, list) else str(value or "").lower()
