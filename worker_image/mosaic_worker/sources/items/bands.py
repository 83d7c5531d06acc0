"""The bands of the assets of a STAC Item, and which of them a name means.

The description in the Item counts first (`eo:bands`, or `bands` of STAC 1.1), then the key in the table of the
satellite, then other names. If an Item calls B06 `swir16`, it is not a red edge, whatever B06 is on other satellites.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from mosaic_worker.product.bands import REMEMBERED, band_id, common_name
from mosaic_worker.sources.items.platforms import BROADER, Platform

if TYPE_CHECKING:
    import pystac

_NOT_DATA = {"thumbnail", "overview", "visual", "metadata", "tiles"}
_PICTURES = {"visual", "tci", "preview", "rendered_preview", "thumbnail", "overview", "browse", "pvi", "l2a_pvi"}
"""Keys of pictures that catalogues describe as reflectances; only `assets` of a request selects them."""
_DOCUMENTS = ("text/", "application/json", "application/geo+json", "application/xml")
_KEY = re.compile(r"(?P<stem>.+?)(?:[-_](?P<metres>\d{1,3})m)?(?:[-_.](?:jp2|cog|tiff?))?", re.IGNORECASE)
_NOTHING: dict[str, Any] = {}


@dataclass(frozen=True)
class AssetBand:
    """A band of an asset.

    Attributes:
        key: the key of the asset.
        asset: the asset.
        number: the number of the band in the file, from 1; None if the Item does not describe its bands.
        among: the number of bands of the asset, according to the Item.
        described: its entry in `eo:bands` or `bands`.
    """

    key: str
    asset: "pystac.Asset"
    number: int | None = None
    among: int = 1
    described: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def common(self) -> str | None:
        """Its STAC common name in the Item, if any."""
        given = (self.described.get(name) for name in ("eo:common_name", "common_name"))
        return next((found for name in given if isinstance(name, str) and (found := common_name(name))), None)

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """Its other names: the name of the band, and the key of an asset with one band."""
        name = self.described.get("name")
        labels = [stem(name)] if isinstance(name, str) and name else []
        return (*labels, stem(self.key)) if self.among == 1 else tuple(labels)

    @cached_property
    def identifier(self) -> str | None:
        """Its id, such as b11, if one of its names is an id."""
        return next((found for label in self.labels if (found := band_id(label))), None)

    @cached_property
    def is_jpeg2000(self) -> bool:
        """Whether it is in a JPEG 2000 file, such as the original files of Sentinel-2."""
        media = str(self.asset.media_type or "").lower()
        names = (self.key.lower(), str(self.asset.href).split("?")[0].lower())
        return "jp2" in media or any(name.endswith(("-jp2", "_jp2", ".jp2", ".j2k")) for name in names)

    @cached_property
    def roles(self) -> frozenset[str]:
        """The roles of its asset."""
        return roles_of(self.asset)

    @cached_property
    def metres(self) -> float:
        """The size of its pixels according to its key or the Item; infinite if unknown."""
        match, fields = _KEY.fullmatch(self.key), self.asset.extra_fields
        if match and match["metres"]:
            return float(match["metres"])
        sizes = (fields.get("raster:spatial_resolution"), fields.get("gsd"))
        return next((float(size) for size in sizes if isinstance(size, int | float) and size > 0), math.inf)

    def entries(self) -> tuple[Mapping[str, Any], ...]:
        """What may describe its numbers: its entries in `raster:bands` and `bands`, and the fields of the asset."""
        position, fields = (self.number or 1) - 1, self.asset.extra_fields
        return (*(_entry(_list(fields, name), position) for name in ("raster:bands", "bands")), fields)

    def name(self, platform: Platform) -> str | None:
        """The common name that its labels mean: a common name, an id of the satellite, or an alias."""
        for label in self.labels:
            found = common_name(label) or platform.bands.get(band_id(label) or "")
            if found:
                return found
        return None


@lru_cache(REMEMBERED)
def stem(key: str) -> str:
    """A key without resolution and format: B04 for B04_10m, red for red-jp2, QA_PIXEL for QA_PIXEL.TIF."""
    match = _KEY.fullmatch(key)
    return match["stem"] if match else key


@lru_cache(REMEMBERED)
def plain(name: str) -> str:
    """A key or name in the form for comparisons."""
    return stem(name).lower().replace("-", "_")


def roles_of(asset: "pystac.Asset") -> frozenset[str]:
    """The roles of an asset; an invalid list counts as empty."""
    return frozenset(filter(lambda role: isinstance(role, str), asset.roles if isinstance(asset.roles, list) else ()))


def bands_of(key: str, asset: "pystac.Asset") -> tuple[AssetBand, ...]:
    """The bands of an asset; one without a number if the Item does not describe them."""
    fields = asset.extra_fields
    lists = [_list(fields, name) for name in ("bands", "eo:bands")]
    described = [{**newer, **older} for newer, older in zip_longest(*lists, fillvalue=_NOTHING)]
    if not described:
        return (AssetBand(key, asset, among=max(1, len(_list(fields, "raster:bands")))),)
    return tuple(AssetBand(key, asset, place + 1, len(described), entry) for place, entry in enumerate(described))


def data_bands(item: "pystac.Item") -> Iterator[AssetBand]:
    """The bands of the assets with data."""
    for key, asset in item.assets.items():
        is_document = str(asset.media_type or "").lower().startswith(_DOCUMENTS)
        if not (is_document or _NOT_DATA & roles_of(asset) or plain(key) in _PICTURES):
            yield from bands_of(key, asset)


def best(bands: Sequence[AssetBand], wanted: str, platform: Platform) -> list[AssetBand]:
    """The bands that a name means best; several if they are equally good.

    Among bands with the name, one in its own asset is preferred, then one whose key has the name too, then GeoTIFF over
    JPEG 2000, then the finest.

    Args:
        bands: the bands of an Item.
        wanted: a canonical name.
        platform: the satellite of the Item.
    """
    ranked = []
    for band in bands:
        rank = _rank(band, wanted, platform)
        if rank is not None:
            says_so = wanted in {band.name(platform), *band.labels}
            ranked.append(((rank, band.among > 1, not says_so, band.is_jpeg2000, band.metres), band))
    least = min((key for key, _ in ranked), default=None)
    return [band for key, band in ranked if key == least]


def _rank(band: AssetBand, wanted: str, platform: Platform) -> int | None:
    """How well the names of a band match, 0 best; None if they do not match."""
    lower = wanted.lower()
    if band.common is not None and band.common != lower and wanted not in BROADER.get(band.common, ()):
        return None
    if band.common == lower or wanted == band.key or lower in (label.lower() for label in band.labels):
        return 0
    if band.name(platform) == wanted:
        return 1
    return 2 if any(plain(label) == plain(wanted) for label in band.labels) else None


def _list(fields: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """The list of objects in a field; entries of other types are replaced by empty ones."""
    found = fields.get(name)
    return [entry if isinstance(entry, dict) else {} for entry in found] if isinstance(found, list) else []


def _entry(entries: Sequence[Mapping[str, Any]], position: int) -> Mapping[str, Any]:
    """The entry of a band; a single entry describes all bands of the asset."""
    if len(entries) == 1:
        return entries[0]
    return entries[position] if position < len(entries) else {}
