"""Searches STAC APIs with pystac-client, through the client of `http`."""

import math
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import quote, urljoin

from mosaic_crds.errors import MosaicError, PassingError, RequestError
from mosaic_crds.source import OnUnreadable
from mosaic_crds.spelling import counted, did_you_mean
from pystac.errors import STACError, STACTypeError
from pystac_client import Client as Api
from pystac_client import ConformanceClasses
from shapely.geometry import mapping
from shapely.geometry.base import BaseGeometry

from mosaic_worker.geometry.area import cut_at_antimeridian
from mosaic_worker.sources.access.gate import redacted
from mosaic_worker.sources.http.client import Client
from mosaic_worker.sources.http.signed_urls import Signer
from mosaic_worker.sources.items.item import CLOUD_COVER, StacItem, item_of
from mosaic_worker.sources.items.observations import Observations
from mosaic_worker.sources.scenes import Scene, Unreadable
from mosaic_worker.sources.search.pages import Pages
from mosaic_worker.sources.search.stac_io import HeadersOf, StacIO
from mosaic_worker.sources.unreadable import read_or_reason

PAGE = 100
"""Items per page; APIs may return fewer."""
LONGEST_ID = 200
"""Maximum characters of the id of an invalid Item in a message."""


@dataclass(frozen=True)
class ItemQuery:
    """What a search looks for.

    Attributes:
        collection: the id of the collection.
        interval: a time or an interval, as in `spec.source.stac.datetime`.
        area: in degrees; longitudes exceed 180 across the antimeridian.
        conditions: further conditions, as in the query extension.
        most_cloud: the maximum cloud cover, percent; Items without a cloud cover do not match.
    """

    collection: str
    interval: str
    area: BaseGeometry
    conditions: Mapping[str, Any] | None = None
    most_cloud: float | None = None


@dataclass(frozen=True)
class Search:
    """The result of a search.

    Attributes:
        items: oldest first.
        notes: sentences for the user.
        unreadable: results that are not STAC Items.
    """

    items: list[StacItem]
    notes: tuple[str, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()


@dataclass(frozen=True)
class Catalogue:
    """A STAC API.

    Attributes:
        url: its landing page.
        where: the field of the request that names it.
        client: sends requests.
        headers: returns the headers of each request to the origin of the API; no other server gets them.
    """

    url: str
    where: str
    client: Client
    headers: HeadersOf = lambda _: {}

    def search(self, query: ItemQuery, most: int, on_unreadable: OnUnreadable = "fail") -> Search:
        """At most `most` Items, oldest first, each observation once.

        Raises:
            RequestError: the API refuses the search, has no such collection, or finds more Items.
            PassingError: the API did not respond.
        """
        observations = Observations()
        unreadable: list[Unreadable] = []

        def enough(document: Mapping[str, Any]) -> bool:
            read = partial(self._item_of, document)
            item = read_or_reason(str(document.get("id"))[:LONGEST_ID], read, on_unreadable)
            if isinstance(item, Unreadable):
                unreadable.append(item)
            else:
                observations.add(item)
            return len(observations) > most

        repeated = self._find(query, most + 1, enough)
        if len(observations) > most:
            raise RequestError(
                f"{self.where}: more than {most} scenes match; narrow the dates, the area or maxCloudCover"
            )
        notes = list(observations.notes)
        if repeated:
            notes.append(f"ignored {counted(repeated, 'duplicate')} in the results of the catalogue")
        items = sorted(observations, key=lambda item: (item.datetime is None, item.datetime, item.id))
        return Search(items, tuple(notes), tuple(unreadable))

    def some(self, query: ItemQuery, count: int) -> list[StacItem]:
        """The first `count` Items, in the order of the API.

        Raises:
            RequestError: the API refuses the search, or has no such collection.
            PassingError: the API did not respond.
        """
        items: list[StacItem] = []

        def enough(document: Mapping[str, Any]) -> bool:
            items.append(self._item_of(document))
            return len(items) >= count

        self._find(query, count, enough)
        return items

    def _find(self, query: ItemQuery, count: int, enough: Callable[[Mapping[str, Any]], bool]) -> int:
        """Pass the Items of a search to a function until it has enough. Return the number of repeated Items."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about extensions that an API does not declare, though many support them
            api = self._open()
            conditions = dict(query.conditions or {})
            if not api.conforms_to(ConformanceClasses.QUERY):
                if conditions:
                    raise RequestError(f"{self.where}.query: {redacted(self.url)} has no query extension; remove query")
            elif query.most_cloud is not None:
                conditions.setdefault(CLOUD_COVER, {"lte": query.most_cloud})
            with self._understood():
                search = api.search(
                    collections=[query.collection],
                    datetime=query.interval,
                    intersects=mapping(cut_at_antimeridian(query.area)),
                    query=conditions or None,
                    limit=min(PAGE, count),
                )
                pages = Pages(search.pages_as_dicts(), f"{self.where}: a search in {redacted(self.url)}")
                found = False
                for document in pages:
                    if query.most_cloud is None or _cloud_cover(document) <= query.most_cloud:
                        found = True
                        if enough(document):
                            break
            if not found:
                self._require(api, query.collection)
        return pages.repeated

    def _item_of(self, document: Mapping[str, Any]) -> StacItem:
        return item_of(dict(document), self._place(document), self.where, self.client)

    def item(self, place: str) -> StacItem:
        """Read an Item again.

        Raises:
            RequestError: it does not exist any more.
            PassingError: the API did not respond.
        """
        return item_of(self._io().request(place), place, self.where, self.client)

    def _io(self) -> StacIO:
        return StacIO(self.url, self.where, self.client, self.headers)

    def _open(self) -> Api:
        try:
            return Api.open(self.url, stac_io=self._io())
        except MosaicError:
            raise
        except (STACError, STACTypeError, ValueError, KeyError, TypeError, AttributeError):
            raise RequestError(f"{self.where}: {redacted(self.url)} is not a STAC API") from None

    @contextmanager
    def _understood(self) -> Iterator[None]:
        """Convert errors of pystac-client to ours."""
        try:
            yield
        except MosaicError:
            raise
        except NotImplementedError:
            raise RequestError(
                f"{self.where}: {redacted(self.url)} is a STAC catalogue that cannot be searched"
            ) from None
        except (STACError, ValueError, KeyError, TypeError, AttributeError, ArithmeticError) as error:
            raise PassingError(f"{self.where}: {redacted(self.url)} returned invalid STAC ({error})") from None

    def _require(self, api: Api, collection: str) -> None:
        """Refuse a missing collection, unless the API does not list its collections."""
        try:
            known: list[str] = []
            for listed in api.get_collections():
                if listed.id in known:
                    break  # the links form a circle
                known.append(listed.id)
        except (MosaicError, STACError, ValueError, KeyError, TypeError, AttributeError, NotImplementedError):
            return
        if known and collection not in known:
            near = did_you_mean(collection, known)
            few = f"; it has {', '.join(known[:10])}" if len(known) <= 10 else ""
            raise RequestError(
                f"{self.where}.collection: {redacted(self.url)} has no collection {collection}{near}{few}"
            )

    def _place(self, document: Mapping[str, Any]) -> str:
        """The URL of an Item, the base of its relative references; never a local path, whatever the API returns."""
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
    """Signs with the signatures in the Items of a catalogue: the Item of a scene is read again for new ones.

    Args:
        catalogue_of: returns the catalogue for a signer.
        scenes: the scenes of the plan.
        always: as in `Signer`.
        connections: as in `Signer`.
    """
    places: dict[str, str] = {}
    for scene in scenes:
        if scene.item is not None:
            places |= dict.fromkeys(scene.hrefs, scene.item)

    def ask(href: str) -> Iterator[str]:
        if href in places:
            yield from catalogue.item(places[href]).signed_hrefs()

    signer = Signer(ask, always=always, connections=connections)
    catalogue = catalogue_of(signer)
    return signer


def _cloud_cover(document: Mapping[str, Any]) -> float:
    """The cloud cover of an Item, percent; infinite if unknown."""
    properties = document.get("properties")
    cover = properties.get(CLOUD_COVER) if isinstance(properties, dict) else None
    try:
        return float(cover) if isinstance(cover, int | float | str) else math.inf
    except ValueError:
        return math.inf
