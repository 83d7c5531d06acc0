"""STAC APIs: collections searched by pystac-client, which asks through the one way that leads to servers here."""

import json
import math
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any
from urllib.parse import quote, urljoin

from mosaic_crds.errors import MosaicError, PassingError, RequestError
from mosaic_crds.json_input import parse_json
from mosaic_crds.spelling import did_you_mean
from pystac import Link
from pystac.errors import STACError, STACTypeError
from pystac.utils import HREF
from pystac_client import Client as Api
from pystac_client import ConformanceClasses
from pystac_client.stac_api_io import StacApiIO
from shapely.geometry import mapping
from shapely.geometry.base import BaseGeometry

from mosaic_worker.geometry.area import cut_at_antimeridian
from mosaic_worker.sources.client import Client, saying
from mosaic_worker.sources.gate import origin, shown
from mosaic_worker.sources.patience import PASSING
from mosaic_worker.sources.scenes import Scene
from mosaic_worker.sources.signing import Signer
from mosaic_worker.sources.stac_item import CLOUD_COVER, StacItem, item_of

PAGE = 100
"""Items asked for at once; APIs give fewer when they like."""
MOST_LOOKED_AT = 10_000
"""Items that an API without the query extension may list before as many are found as are looked for."""
MOST_BYTES = 32 * 2**20
"""Of the Items of one search together: 500 of 64 KiB; those of Sentinel-2 have 30 KiB."""
UNAUTHORIZED = 401
EXPLAINED = 300
"""Characters of an API's own explanation that are passed on."""

HeadersOf = Callable[[bool], Mapping[str, str]]
"""Gives what is sent with each request, such as a token; told True, a new one, because the last was refused."""


def _no_headers(_: bool) -> Mapping[str, str]:
    return {}


@dataclass(frozen=True)
class Catalogue:
    """A STAC API.

    Attributes:
        url: its landing page.
        where: the field of the request that means it.
        client: asks it.
        headers: gives what is sent with each request to its own origin; no other server gets it.
    """

    url: str
    where: str
    client: Client
    headers: HeadersOf = _no_headers

    def search(
        self,
        collection: str,
        interval: str,
        area: BaseGeometry,
        *,
        most: int,
        query: Mapping[str, Any] | None = None,
        most_cloud: float | None = None,
    ) -> list[StacItem]:
        """The Items of a collection in an area and a time, oldest first.

        Args:
            collection: its id.
            interval: a time or an interval, as `spec.source.stac.datetime` has it.
            area: in degrees; longitudes pass 180 where it crosses the antimeridian.
            most: how many there may be.
            query: further conditions, as the query extension has them.
            most_cloud: percent under cloud; Items with more, or that do not say, are left out.

        Raises:
            RequestError: the API refuses the search, has no such collection, or finds more.
            PassingError: the API did not answer.
        """
        items = self.some(collection, interval, area, most + 1, query=query, most_cloud=most_cloud)
        if len(items) > most:
            raise RequestError(
                f"{self.where}: more than {most} scenes are there; narrow the dates, the area or maxCloudCover"
            )
        return sorted(items, key=lambda item: (item.datetime is None, item.datetime, item.id))

    def some(
        self,
        collection: str,
        interval: str,
        area: BaseGeometry,
        count: int,
        *,
        query: Mapping[str, Any] | None = None,
        most_cloud: float | None = None,
    ) -> list[StacItem]:
        """At most so many of the Items that `search` looks for, as the API has them.

        Raises:
            RequestError: the API refuses the search, or has no such collection.
            PassingError: the API did not answer.
        """
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about what an API does not claim to know, which many know all the same
            api = self._open()
            conditions = dict(query or {})
            if not api.conforms_to(ConformanceClasses.QUERY):
                if conditions:
                    raise RequestError(f"{self.where}.query: {shown(self.url)} has no query extension; leave it out")
            elif most_cloud is not None:
                conditions.setdefault(CLOUD_COVER, {"lte": most_cloud})
            documents = self._documents(
                lambda: self._bounded(
                    islice(
                        filter(
                            lambda document: most_cloud is None or _cloud_cover(document) <= most_cloud,
                            api.search(
                                collections=[collection],
                                datetime=interval,
                                intersects=mapping(cut_at_antimeridian(area)),
                                query=conditions or None,
                                limit=min(PAGE, count),
                                max_items=MOST_LOOKED_AT,
                            ).items_as_dicts(),
                        ),
                        count,
                    )
                )
            )
            if not documents:
                self._require(api, collection)
        return [item_of(document, self._place(document), self.where, self.client) for document in documents]

    def item(self, place: str) -> StacItem:
        """An Item, read again.

        Raises:
            RequestError: it is not there any more.
            PassingError: the API did not answer.
        """
        text = _Asking(self).request(place)
        return item_of(text, place, self.where, self.client)

    def _open(self) -> Api:
        try:
            return Api.open(self.url, stac_io=_Asking(self))
        except MosaicError:
            raise
        except (STACError, STACTypeError, ValueError, KeyError, TypeError, AttributeError):
            raise RequestError(f"{self.where}: {shown(self.url)} is no STAC API") from None

    def _documents(self, search: Callable[[], Any]) -> list[dict[str, Any]]:
        try:
            return list(search())
        except MosaicError:
            raise
        except NotImplementedError:
            raise RequestError(f"{self.where}: {shown(self.url)} is a STAC catalogue that cannot be searched") from None
        except (STACError, ValueError, KeyError, TypeError, AttributeError, ArithmeticError) as error:
            raise PassingError(f"{self.where}: {shown(self.url)} gave an answer that is no STAC ({error})") from None

    def _bounded(self, documents: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        """Items, as long as they are not too large to be held in memory together."""
        size = 0
        for document in documents:
            size += len(json.dumps(document))
            if size > MOST_BYTES:
                raise RequestError(
                    f"{self.where}: the Items that {shown(self.url)} finds are larger than {MOST_BYTES // 2**20} MiB "
                    "together; narrow the dates or the area"
                )
            yield document

    def _require(self, api: Api, collection: str) -> None:
        """Refuse a collection that is not there; an API that does not list its collections is believed."""
        try:
            known = [found.id for found in api.get_collections()]
        except (MosaicError, STACError, ValueError, KeyError, TypeError, AttributeError, NotImplementedError):
            return
        if known and collection not in known:
            near = did_you_mean(collection, known)
            few = f"; it has {', '.join(known[:10])}" if len(known) <= 10 else ""
            raise RequestError(f"{self.where}.collection: {shown(self.url)} has no collection {collection}{near}{few}")

    def _place(self, document: Mapping[str, Any]) -> str:
        """The URL of an Item, by which it is read again, and from which its relative references start.

        Never a local path, whatever the API says.
        """
        links = document.get("links")
        for link in links if isinstance(links, list) else ():
            if isinstance(link, dict) and link.get("rel") == "self" and isinstance(link.get("href"), str):
                place: str = urljoin(f"{self.url.rstrip('/')}/", link["href"])
                if place.lower().startswith(("http://", "https://")):
                    return place
        collection, name = (quote(str(document.get(key)), safe="") for key in ("collection", "id"))
        return f"{self.url.rstrip('/')}/collections/{collection}/items/{name}"


def item_signer(
    catalogue_of: Callable[[Signer], Catalogue],
    scenes: Sequence[Scene],
    *,
    always: bool = False,
    connections: int | None = None,
) -> Signer:
    """The signatures that a catalogue's Items carry: the Item of a scene is read again for new ones.

    Args:
        catalogue_of: gives the catalogue, for a signer.
        scenes: those of the plan.
        always: whether nothing is given without a signature.
        connections: how many a process may have to one host at once; as many as usual if None.
    """
    places: dict[str, str] = {}
    for scene in scenes:
        if scene.item is not None:
            hrefs = [band.href for band in scene.bands.values()] + ([scene.mask.href] if scene.mask else [])
            places |= dict.fromkeys(hrefs, scene.item)

    def ask(href: str) -> Iterator[str]:
        if href in places:
            yield from catalogue.item(places[href]).signed_hrefs()

    signer = Signer(ask, always=always, connections=connections)
    catalogue = catalogue_of(signer)
    return signer


def _cloud_cover(document: Mapping[str, Any]) -> float:
    """Percent under cloud, as an Item says; more than all where it does not."""
    cover = document.get("properties", {}).get(CLOUD_COVER)
    return float(cover) if isinstance(cover, int | float) else math.inf


class _Asking(StacApiIO):
    """How pystac-client asks: through our session, with our errors."""

    def __init__(self, catalogue: Catalogue) -> None:
        super().__init__(max_retries=None)
        self.session = catalogue.client.session
        self._catalogue = catalogue

    def read_text(self, source: HREF, *arguments: Any, **named: Any) -> str:
        """Ask, where pystac-client would read a file of this machine that a catalogue names."""
        return super().read_text(source) if isinstance(source, Link) else self.request(str(source), *arguments, **named)

    def json_loads(self, txt: str, *_: Any, **__: Any) -> dict[str, Any]:
        """Read an answer by the one reader for JSON from outside.

        Raises:
            ValueError: it is no JSON object, as callers here expect of a reader of JSON.
        """
        try:
            found = parse_json(txt, "the answer")
        except RequestError as error:
            raise ValueError(str(error)) from None
        if not isinstance(found, dict):
            raise ValueError("the answer is no JSON object")
        return found

    def request(
        self,
        href: str,
        method: str | None = None,
        headers: dict[str, str] | None = None,
        parameters: dict[str, Any] | None = None,
    ) -> str:
        method = (method or "GET").upper()
        query, body = (None, parameters) if method == "POST" else (parameters, None)
        own = origin(href) == origin(self._catalogue.url)  # a link may lead to any server
        for fresh in (False, True):
            ours = self._catalogue.headers(fresh) if own else {}
            with saying(self._catalogue.where):
                response = self.session.request(
                    method, href, headers={**(headers or {}), **ours}, params=query, json=body
                )
            if response.ok:
                return str(response.text)
            if response.status_code != UNAUTHORIZED or not ours:
                break
        told = f"{self._catalogue.where}: the server answered {response.status_code} for {shown(href)}"
        if response.status_code in PASSING:
            raise PassingError(told)
        raise RequestError(f"{told}{_explanation(response.text)}")


def _explanation(text: str) -> str:
    """What an API says itself of a refusal, in brackets."""
    said = " ".join(text.split())[:EXPLAINED]
    return f" ({said})" if said.isprintable() and said and not said.startswith("<") else ""
