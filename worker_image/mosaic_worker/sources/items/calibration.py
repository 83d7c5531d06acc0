"""Scale, offset and nodata of the bands of an Item.

The description of the band in the Item counts first: its entries in `raster:bands` and `bands` (STAC 1.1), then the
fields of its asset. Next are the specifications of the satellite, for original files of integers
(docs/guides/catalogues.md), and then the file itself.
"""

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from mosaic_crds.errors import RequestError

from mosaic_worker.sources.items.bands import AssetBand, plain
from mosaic_worker.sources.items.platforms import HLS_L30, HLS_S30, LANDSAT_4_7, LANDSAT_8_9, SENTINEL_2, Platform
from mosaic_worker.sources.readers.nodata import held

if TYPE_CHECKING:
    import pystac

Stated = tuple[float | None, float | None, float | None]
"""Scale, offset and nodata; None if unknown."""
REFLECTANCES = {
    "coastal", "blue", "green", "green05", "yellow", "red", "rededge", "rededge071", "rededge075", "rededge078",
    "nir", "nir08", "nir09", "cirrus", "pan", "swir16", "swir22",
}  # fmt: skip
"""Common names of bands of reflected light."""
_LANDSAT_LAYERS = {
    "atran": 0.0001, "emis": 0.0001, "emsd": 0.0001, "drad": 0.001, "trad": 0.001, "urad": 0.001, "cdist": 0.01,
}  # fmt: skip
"""Scales of the layers of surface temperature in Collection 2 Level-2; their nodata value is -9999 (LSDS-1619)."""
_OTHERS = {
    "scl", "aot", "wvp", "cld", "snw", "cloud", "snow", "fmask", "saa", "sza", "vaa", "vza", *_LANDSAT_LAYERS,
}  # fmt: skip
"""Layers that are not spectral bands, whatever a request calls them."""
_OPTICAL_LANDSAT = REFLECTANCES - {"pan", "cirrus"}
BASELINE_WITH_OFFSET = 4.0
"""BOA_ADD_OFFSET and RADIO_ADD_OFFSET are -1000 since processing baseline 04.00 (25 January 2022)."""
_BASELINE = ("s2:processing_baseline", "sentinel:processing_baseline")
_BASELINE_TEXT = re.compile(r"N?(\d{1,2})\.(\d{1,2})|N?(\d{2})(\d{2})", re.IGNORECASE)
"""05.10, N05.10, N0510 or 0510."""
_PRODUCT = re.compile(
    r"^S2[A-D]_MSIL(?:1C|2A)_\d{8}T\d{6}_N(\d{2})(\d{2})_|^GS2[A-D]_\d{8}T\d{6}_\d+_N(\d{2})\.(\d{2})$"
)
"""The name of a product, or of a datatake, with its baseline."""
_APPLIED = ("earthsearch:boa_offset_applied", "sentinel:boa_offset_applied")
_LANDSAT_LEVEL_2 = re.compile(r"^l[coet]0[4-9]_l2s[pr]_.*_02_")


@dataclass(frozen=True)
class Numbers:
    """value = scale x number + offset, and the number that means "no data"."""

    scale: float
    offset: float = 0.0
    nodata: float | None = None


SENTINEL_2_OLD, SENTINEL_2_NEW = Numbers(0.0001, 0.0, 0), Numbers(0.0001, -0.1, 0)
"""Reflectances before and since baseline 04.00: QUANTIFICATION_VALUE 10,000 (Sentinel-2 Products Specification)."""
SENTINEL_2_LAYERS = {"aot": Numbers(0.001), "wvp": Numbers(0.001)}
"""AOT_QUANTIFICATION_VALUE and WVP_QUANTIFICATION_VALUE are 1,000; water vapour is in cm."""
LANDSAT_REFLECTANCE, LANDSAT_TEMPERATURE = Numbers(2.75e-05, -0.2, 0), Numbers(0.00341802, 149.0, 0)
"""Collection 2 Level-2: surface reflectance, and surface temperature in kelvin (LSDS-1618, LSDS-1619)."""
HLS_REFLECTANCE, HLS_TEMPERATURE, HLS_ANGLE = (
    Numbers(0.0001, 0.0, -9999),
    Numbers(0.01, 0.0, -9999),
    Numbers(0.01, 0.0, 40000),
)
"""HLS 2.0: reflectance, brightness temperature in degrees Celsius, and angles (HLS User Guide V2)."""


def stated(item: "pystac.Item", band: AssetBand, wanted: str, platform: Platform, dtype: str, where: str) -> Stated:
    """Scale, offset and nodata of a band, from the Item and the specifications of the satellite.

    Args:
        item: the Item.
        band: one of its bands.
        wanted: the requested canonical name, which counts if nothing else identifies the band.
        platform: the satellite of the Item.
        dtype: the stored type, as a numpy name.
        where: the field of the request that names the Item.

    Raises:
        RequestError: a value in the Item is not a number.
    """
    scale = _first(item, band, ("scale", "raster:scale"), where)
    if scale == 0:
        raise RequestError(f"{where}: scale of asset {band.key} of {item.id} is 0; it must be another number")
    offset = _first(item, band, ("offset", "raster:offset"), where)
    nodata = _first(item, band, ("nodata",), where)
    name = _meaning(band, wanted, platform)
    known = _known(item, name, platform, where) if _is_original(dtype) else None
    if known is not None and scale is None and offset is None:
        scale, offset = known.scale, known.offset
    if known is not None and held(nodata, dtype) is None:
        nodata = known.nodata
    if offset is not None and name in REFLECTANCES and not band.is_jpeg2000 and _is_applied(item):
        offset = 0.0
    return scale, offset, nodata


def number_of(value: object, name: str, item: "pystac.Item", where: str) -> float:
    """A number in an Item; nodata may be "nan" or "inf", which JSON cannot express otherwise.

    Raises:
        RequestError: it is not a number.
    """
    try:
        number = float(str(value))
        allowed = math.isfinite(number) or name == "nodata"
    except ValueError:
        allowed = False
    if not allowed:
        raise RequestError(f"{where}: {name} of {item.id} is {str(value)[:80]!r}, not a number")
    return number


def _first(item: "pystac.Item", band: AssetBand, names: tuple[str, ...], where: str) -> float | None:
    for entry in band.entries():
        for name in names:
            if entry.get(name) is not None:
                return number_of(entry[name], name, item, where)
    return None


def _meaning(band: AssetBand, wanted: str, platform: Platform) -> str:
    """What a band is: from the Item, from its key, otherwise from the requested name."""
    plainly = (plain(label).removeprefix("st_") for label in band.labels)
    layer = next((label for label in plainly if label in _OTHERS), None)
    return band.common or layer or band.name(platform) or wanted


def _is_original(dtype: str) -> bool:
    """Whether numbers may be from an original product, which has integers; 8 bits are pictures."""
    kind = np.dtype(dtype)
    return kind.kind in "iu" and kind.itemsize > 1


def _known(item: "pystac.Item", name: str, platform: Platform, where: str) -> Numbers | None:
    """The specification of a band of an original product."""
    if platform.name in {HLS_S30.name, HLS_L30.name}:
        return _known_hls(name)
    if platform.name in {LANDSAT_8_9.name, LANDSAT_4_7.name} and _is_landsat_level_2(item):
        return _known_landsat(name)
    baseline = _baseline(item, where) if platform.name == SENTINEL_2.name else None
    if baseline is None:
        return None
    if name in REFLECTANCES:
        return SENTINEL_2_NEW if baseline >= BASELINE_WITH_OFFSET else SENTINEL_2_OLD
    return SENTINEL_2_LAYERS.get(name)


def _known_landsat(name: str) -> Numbers | None:
    if name in {"lwir", "lwir11", "lwir12"}:
        return LANDSAT_TEMPERATURE
    if name in _LANDSAT_LAYERS:
        return Numbers(_LANDSAT_LAYERS[name], 0.0, -9999)
    return LANDSAT_REFLECTANCE if name in _OPTICAL_LANDSAT else None


def _known_hls(name: str) -> Numbers | None:
    if name in {"lwir11", "lwir12"}:
        return HLS_TEMPERATURE
    if name in {"saa", "sza", "vaa", "vza"}:
        return HLS_ANGLE
    return HLS_REFLECTANCE if name in REFLECTANCES else None


def _baseline(item: "pystac.Item", where: str) -> float | None:
    """The processing baseline of a Sentinel-2 product, from a property or the name of the product or its datatake."""
    properties: dict[str, Any] = item.properties
    for name in _BASELINE:
        value = properties.get(name)
        found = _BASELINE_TEXT.fullmatch(str(value).strip())
        if found:
            return _as_number(found)
        if value is not None:
            return number_of(value, name, item, where)
    names = ("s2:product_uri", "sentinel:product_id", "s2:datatake_id", "eopf:datatake_id")
    for product in (*map(properties.get, names), item.id):
        found = _PRODUCT.match(str(product))
        if found:
            return _as_number(found)
    version = str(properties.get("processing:version"))  # may also be the version of a program
    return float(version) if re.fullmatch(r"\d{2}\.\d{2}", version) else None


def _as_number(found: re.Match[str]) -> float:
    return float(".".join(filter(None, found.groups())))


def _is_applied(item: "pystac.Item") -> bool:
    """Whether Earth Search has already subtracted the offset in its GeoTIFFs, as the Item states."""
    return any(str(item.properties.get(name)).lower() == "true" for name in _APPLIED)


def _is_landsat_level_2(item: "pystac.Item") -> bool:
    """Whether it is Collection 2 Level-2, by the id (USGS) or by properties (others)."""
    if _LANDSAT_LEVEL_2.match(str(item.id).lower()):
        return True
    level, collection = (item.properties.get(f"landsat:{name}") for name in ("correction", "collection_number"))
    return str(level).upper() in {"L2SP", "L2SR"} and str(collection) in {"02", "2", "None"}
