"""A STAC Item as a scene: its metadata, and the files of its bands and its mask."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from mosaic_crds.errors import RequestError
from mosaic_crds.json_input import parse_json
from mosaic_crds.source import MaskValues, OnUnreadable

from mosaic_worker.sources.access.gate import Gate, is_url, redacted
from mosaic_worker.sources.http.client import Client
from mosaic_worker.sources.http.signed_urls import unsigned
from mosaic_worker.sources.items.bands import AssetBand
from mosaic_worker.sources.items.calibration import number_of, stated
from mosaic_worker.sources.items.documents import documents_in, why_no_item
from mosaic_worker.sources.items.file_bands import number_in_file
from mosaic_worker.sources.items.layers import MASK, Layers
from mosaic_worker.sources.items.times import in_utc
from mosaic_worker.sources.readers.documents import read_document
from mosaic_worker.sources.readers.headers import Headers
from mosaic_worker.sources.scenes import Band, Unreadable
from mosaic_worker.sources.unreadable import read_or_reason

if TYPE_CHECKING:
    import pystac

CLOUD_COVER = "eo:cloud_cover"
"""The property with the cloud cover, percent."""


@dataclass(frozen=True)
class StacItem:
    """An Item, and how to reach its assets.

    Attributes:
        item: the Item.
        place: its admitted path or URL, the base of relative hrefs.
        where: the field of the request that names it.
        gate: what may be read.
        assets: keys of assets by canonical band name or "mask", as in the request.
    """

    item: "pystac.Item"
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
        """The datetime of the Item, or the start of its interval."""
        return self.item.datetime or self.item.common_metadata.start_datetime

    @property
    def cloud_cover(self) -> float | None:
        """The cloud cover in percent, if the Item states it."""
        cover = self.item.properties.get(CLOUD_COVER)
        return None if cover is None else number_of(cover, CLOUD_COVER, self.item, self.where)

    @cached_property
    def layers(self) -> Layers:
        """Its bands and its mask."""
        return Layers(self.item, self.where, self.assets)

    def band(self, name: str, headers: Headers) -> Band:
        """The band of a canonical common name, or its replacement.

        Raises:
            RequestError: the Item has no such band, or several equally good ones.
        """
        found = self.layers.band(name)
        where = self._field(found)
        admitted = self._admitted(found.asset, where)
        image, header = headers.read(admitted, found.number or 1, where)
        if found.number is None:
            number = number_in_file(image.info.bands, name, self.layers.platform, where)
            found = replace(found, number=number)
        numbers = stated(self.item, found, name, self.layers.platform, header.dtype, self.where)
        return headers.described_band(admitted, found.number or 1, numbers, where)

    def place_of(self, name: str) -> str:
        """The admitted path or URL of the file of a band.

        Raises:
            RequestError: as `band`.
        """
        found = self.layers.band(name)
        return self._admitted(found.asset, self._field(found))

    def mask(self) -> tuple[str, int, MaskValues]:
        """The admitted path or URL of the mask, its band number in the file, and its encoding.

        Raises:
            RequestError: the Item has no mask, or its encoding is unknown.
        """
        found = self.layers.mask
        if found.values is None:
            raise RequestError(
                f"{self.layers.map_field}.{MASK}: the encoding of asset {found.band.key} of {self.id} is unknown; "
                "name a layer of classes, or list the files of the scene with a mask and its values"
            )
        return self._admitted(found.band.asset, self._field(found.band)), found.band.number or 1, found.values

    def signed_hrefs(self) -> Iterator[str]:
        """The signed URLs of its assets."""
        for key, asset in self.item.assets.items():
            href = _readable(asset)
            if is_url(href) and unsigned(href) != href:
                yield self._admitted(asset, f"{self.where}: asset {key} of {self.id}")

    def _field(self, band: AssetBand) -> str:
        """The field that names the asset of a band."""
        return f"{self.where}: asset {band.key} of {self.id}"

    def _admitted(self, asset: "pystac.Asset", where: str) -> str:
        return self.gate.admit(_readable(asset), where, base=self.place)


def read_items(
    admitted: str, where: str, client: Client, on_unreadable: OnUnreadable = "fail"
) -> list[StacItem | Unreadable]:
    """Read a STAC Item, or the Items of an ItemCollection or of a file with an Item per line.

    Args:
        admitted: a path or URL.
        where: the field of the request that names it.
        client: reads it and its assets.
        on_unreadable: whether an invalid Item is an error.

    Raises:
        RequestError: there are no Items, or one is invalid or has no assets.
        PassingError: the server did not respond.
    """
    place = client.signer.take(admitted) if is_url(admitted) else admitted
    name = f"{where}: {redacted(place)}"
    documents = documents_in(read_document(place, where, client), name)
    if not documents:
        raise RequestError(f"{name} is an empty FeatureCollection; it must contain STAC Items")

    def read(each: str, document: Any) -> StacItem:
        item = _item_of(document, each, place, where, client)
        if not item.item.assets:
            raise RequestError(f"{each} is a STAC Item without assets, so it has no files")
        return item

    return [
        read_or_reason(_name_of(document, each), partial(read, each, document), on_unreadable)
        for each, document in documents
    ]


def _name_of(document: Any, name: str) -> str:
    """The id of a possible Item, otherwise its name in messages."""
    found = document.get("id") if isinstance(document, dict) else None
    return found if isinstance(found, str) else name


def item_of(document: str | dict[str, Any], place: str, where: str, client: Client) -> StacItem:
    """Parse a STAC Item.

    Args:
        document: JSON text, or the parsed value.
        place: its path or URL.
        where: the field of the request that names it.
        client: reads its assets.

    Raises:
        RequestError: it is not a STAC Item.
    """
    name = f"{where}: {redacted(place)}"
    parsed = parse_json(document, name) if isinstance(document, str) else document
    return _item_of(parsed, name, place, where, client)


def _item_of(document: Any, name: str, place: str, where: str, client: Client) -> StacItem:
    """A STAC Item from a JSON value; `name` is its name in messages."""
    import pystac  # noqa: PLC0415 (requests that list files need no Items)
    from pystac.errors import STACError, STACTypeError  # noqa: PLC0415

    try:
        item = pystac.Item.from_dict(in_utc(document, name), preserve_dict=False)
        _ = item.datetime or item.common_metadata.start_datetime  # pystac parses it here
    except (ValueError, KeyError, TypeError, AttributeError, ArithmeticError, STACError, STACTypeError):
        raise RequestError(f"{name} is not a STAC Item: {why_no_item(document)}") from None
    return StacItem(item, place, where, client.gate)


def _readable(asset: "pystac.Asset") -> str:
    """The href of an asset; for hrefs such as s3://, the HTTP alternative of the alternate-assets extension, if any.

    Alternatives that require a login (`auth:refs` of the authentication extension) are not used: an example are the
    https files of the Copernicus Data Space.
    """
    alternatives = asset.extra_fields.get("alternate")
    if is_url(asset.href) and not _is_http(asset.href) and isinstance(alternatives, dict):
        for alternative in alternatives.values():
            if not isinstance(alternative, dict) or alternative.get("auth:refs"):
                continue
            href = alternative.get("href")
            if isinstance(href, str) and _is_http(href):
                return href
    return str(asset.href)


def _is_http(href: str) -> bool:
    return href.lower().startswith(("http://", "https://"))
