"""A STAC Item as a scene: which asset is which band, and what its numbers mean."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pystac
from mosaic_crds.errors import RequestError
from mosaic_crds.json_input import parse_json
from mosaic_crds.source import MaskValues
from pystac.errors import STACError, STACTypeError
from shapely.errors import ShapelyError
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

from mosaic_worker.product.bands import canonical
from mosaic_worker.sources.client import Client
from mosaic_worker.sources.documents import read_document
from mosaic_worker.sources.gate import Gate, is_url, shown
from mosaic_worker.sources.headers import Headers
from mosaic_worker.sources.scenes import Band
from mosaic_worker.sources.signing import unsigned

CLOUD_COVER = "eo:cloud_cover"
"""The property that says how much of a scene is under cloud, percent."""
_MASKS: dict[str, MaskValues] = {"scl": "scl", "qa_pixel": "qaPixel", "cloud_mask": "earthDaily"}
"""What the numbers of a mask mean, by the key of its asset; what tells more classes comes first."""
_NOT_DATA = {"thumbnail", "overview", "visual", "metadata"}
SENTINEL2_SCALE = 0.0001
"""Quantification of Sentinel-2 reflectances: 10,000 (Sentinel-2 Products Specification Document)."""
SENTINEL2_OFFSET = -0.1
"""BOA_ADD_OFFSET and RADIO_ADD_OFFSET of -1000 since processing baseline 04.00 (25 January 2022)."""


@dataclass(frozen=True)
class StacItem:
    """An Item that was read, and how its assets are reached.

    Attributes:
        item: the Item.
        place: its own admitted path or URL, from which relative hrefs start.
        where: the field of the request that names it.
        gate: what may be read.
        assets: keys of assets by canonical band names, where they are not to be found by these.
    """

    item: pystac.Item
    place: str
    where: str
    gate: Gate
    assets: Mapping[str, str] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """The Item's id."""
        return str(self.item.id)

    @property
    def datetime(self) -> datetime | None:
        """The Item's datetime, or the start of its interval."""
        return self.item.datetime or self.item.common_metadata.start_datetime

    @property
    def cloud_cover(self) -> float | None:
        """Percent of the scene under cloud, if the Item says."""
        cover = self.item.properties.get(CLOUD_COVER)
        return None if cover is None else self._number(cover, CLOUD_COVER)

    def band(self, name: str, headers: Headers) -> Band:
        """The band of a canonical common name.

        Raises:
            RequestError: the Item has no such band.
        """
        key, asset = self._asset(name)
        where = f"{self.where}: asset {key} of {self.id}"
        return headers.described_band(self._admitted(asset, where), 1, self._stated(asset), where)

    def place_of(self, name: str) -> str:
        """The admitted path or URL of the file of a band.

        Raises:
            RequestError: the Item has no such band.
        """
        key, asset = self._asset(name)
        return self._admitted(asset, f"{self.where}: asset {key} of {self.id}")

    def mask(self) -> tuple[str, MaskValues]:
        """The admitted path or URL of the mask layer, and what its numbers mean.

        Raises:
            RequestError: the Item has none.
        """
        keys = {key.lower().replace("-", "_"): key for key in self.item.assets}
        for name, values in _MASKS.items():
            if name in keys:
                place = f"{self.where}: asset {keys[name]} of {self.id}"
                return self._admitted(self.item.assets[keys[name]], place), values
        raise RequestError(
            f"{self.where}: {self.id} has no asset {' or '.join(_MASKS)} to mask by; give the scene a mask, or leave "
            "spec.composite.mask out"
        )

    @property
    def footprint(self) -> BaseGeometry | None:
        """Where there is data, in degrees, if the Item says."""
        try:
            return shape(self.item.geometry) if self.item.geometry else None
        except (ShapelyError, KeyError, TypeError, ValueError):
            raise RequestError(f"{self.where}: the geometry of {self.id} is none") from None

    def has(self, name: str) -> bool:
        """Whether there is a band of a canonical common name."""
        return self._found(name) is not None

    def signed_hrefs(self) -> Iterator[str]:
        """The URLs of its assets that carry a signature."""
        for key, asset in self.item.assets.items():
            href = _readable(asset)
            if is_url(href) and unsigned(href) != href:
                yield self._admitted(asset, f"{self.where}: asset {key} of {self.id}")

    def _asset(self, name: str) -> tuple[str, pystac.Asset]:
        found = self._found(name)
        if found is not None:
            return found
        if name in self.assets:
            raise RequestError(
                f"{self.where}.assets.{name}: {self.id} has no asset {self.assets[name]}; "
                f"it has {', '.join(sorted(self.item.assets))}"
            )
        known = sorted({canonical(key) for key in self._data})
        raise RequestError(f"{self.where}: the product needs {name}, and {self.id} has {', '.join(known)}")

    @property
    def _data(self) -> dict[str, pystac.Asset]:
        """The assets that hold bands."""
        return {key: asset for key, asset in self.item.assets.items() if not _NOT_DATA & set(asset.roles or [])}

    def _found(self, name: str) -> tuple[str, pystac.Asset] | None:
        """The asset of a band; by key first: several assets may share a common name, but keys are unique."""
        if name in self.assets:
            key = self.assets[name]
            return (key, self.item.assets[key]) if key in self.item.assets else None
        for key, asset in self._data.items():
            if canonical(key) == name:
                return key, asset
        for key, asset in self._data.items():
            described = _bands(asset)
            if len(described) == 1 and name in _names(described[0]):
                return key, asset
        return None

    def _admitted(self, asset: pystac.Asset, where: str) -> str:
        return self.gate.admit(_readable(asset), where, base=self.place)

    def _stated(self, asset: pystac.Asset) -> tuple[float | None, float | None, float | None]:
        """Scale, offset and nodata, from `raster:bands` (raster extension 1) or the asset's own fields (STAC 1.1)."""
        fields = asset.extra_fields
        described = (_list(fields, "raster:bands") or _list(fields, "bands") or [{}])[0]
        scale = self._first(described, fields, "scale", "raster:scale")
        offset = self._first(described, fields, "offset", "raster:offset")
        nodata = self._first(described, fields, "nodata")
        baseline = self.item.properties.get("s2:processing_baseline")
        if scale is None and baseline is not None:
            scale, offset = (
                SENTINEL2_SCALE,
                SENTINEL2_OFFSET if self._number(baseline, "s2:processing_baseline") >= 4 else 0.0,
            )
        if offset is not None and self.item.properties.get("earthsearch:boa_offset_applied"):
            offset = 0.0
        return scale, offset, nodata

    def _first(self, described: dict[str, Any], fields: dict[str, Any], *names: str) -> float | None:
        for place in (described, fields):
            for name in names:
                if place.get(name) is not None:
                    return self._number(place[name], name)
        return None

    def _number(self, value: object, name: str) -> float:
        """A number that the Item states; nodata may be "nan" or "inf", as JSON has no other way to write these."""
        try:
            number = float(str(value))
            allowed = math.isfinite(number) or name == "nodata"
        except ValueError:
            allowed = False
        if not allowed:
            raise RequestError(f"{self.where}: {name} of {self.id} is {str(value)[:80]!r}, which is no number")
        return number


def read_item(admitted: str, where: str, client: Client) -> StacItem:
    """Read a STAC Item.

    Raises:
        RequestError: there is none, or it is no STAC Item.
        PassingError: the server did not give it.
    """
    place = client.signer.take(admitted) if is_url(admitted) else admitted
    return item_of(read_document(place, where, client), place, where, client)


def item_of(document: str | dict[str, Any], place: str, where: str, client: Client) -> StacItem:
    """A STAC Item in a text or a document.

    Args:
        document: the Item; a text, or what `parse_json` made of one.
        place: where it was read.
        where: the field of the request that names it.
        client: what reads its assets.

    Raises:
        RequestError: it is no STAC Item.
    """
    parsed = parse_json(document, f"{where}: {shown(place)}") if isinstance(document, str) else document
    try:
        item = pystac.Item.from_dict(parsed, preserve_dict=False)
    except (ValueError, KeyError, TypeError, AttributeError, ArithmeticError, STACError, STACTypeError):
        raise RequestError(f"{where}: {shown(place)} is no STAC Item") from None
    return StacItem(item, place, where, client.gate)


def _readable(asset: pystac.Asset) -> str:
    """An asset's href; of one that lies where only a cloud's own programs read, such as s3://, its http alternative.

    The alternatives are those of the alternate-assets extension.
    """
    alternatives = asset.extra_fields.get("alternate")
    if is_url(asset.href) and not _is_http(asset.href) and isinstance(alternatives, dict):
        for alternative in alternatives.values():
            href = alternative.get("href") if isinstance(alternative, dict) else None
            if isinstance(href, str) and _is_http(href):
                return href
    return str(asset.href)


def _is_http(href: str) -> bool:
    return href.lower().startswith(("http://", "https://"))


def _bands(asset: pystac.Asset) -> list[dict[str, Any]]:
    return _list(asset.extra_fields, "eo:bands") or _list(asset.extra_fields, "bands")


def _list(fields: dict[str, Any], name: str) -> list[dict[str, Any]]:
    """A list of objects in a field; what is of another kind says nothing."""
    found = fields.get(name)
    return [entry for entry in found if isinstance(entry, dict)] if isinstance(found, list) else []


def _names(band: dict[str, Any]) -> set[str]:
    given = (band.get("eo:common_name"), band.get("common_name"), band.get("name"))
    return {canonical(name) for name in given if isinstance(name, str)}
