"""STAC APIs: collections searched by pystac-client, through the client of `http`."""

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
from mosaic_crds.spelling import did_you_mean
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
"""Items asked for at once; APIs give fewer when they like."""
LONGEST_ID = 200
"""Characters of the id of what is no Item, in sentences."""


def _no_headers(_: bool) -> Mapping[str, str]:
    return {}


@dataclass(frozen=True)
class Search:
    """What a search found.

    Attributes:
        items: oldest first.
        notes: sentences for the user.
        unreadable: what the API listed that is no STAC Item.
    """

    items: list[StacItem]
    notes: tuple[str, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()


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
        on_unreadable: OnUnreadable = "fail",
    ) -> Search:
        """The Items of a collection in an area and a time, oldest first, each observation once.

        Args:
            collection: its id.
            interval: a time or an interval, as `spec.source.stac.datetime` has it.
            area: in degrees; longitudes pass 180 where it crosses the antimeridian.
            most: how many there may be.
            query: further conditions, as the query extension has them.
            most_cloud: percent under cloud; Items with more, or that do not say, are left out.
            on_unreadable: whether what is no STAC Item is an error.

        Raises:
            RequestError: the API refuses the search, has no such collection, or finds more.
            PassingError: the API did not answer.
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

        repeated = self._find(collection, interval, area, most + 1, enough, query, most_cloud)
        if len(observations) > most:
            raise RequestError(
                f"{self.where}: more than {most} scenes match; narrow the dates, the area or maxCloudCover"
            )
        notes = list(observations.notes)
        if repeated:
            notes.append(f"the catalogue listed {repeated} scene(s) more than once; each is used once")
        items = sorted(observations, key=lambda item: (item.datetime is None, item.datetime, item.id))
        return Search(items, tuple(notes), tuple(unreadable))

    def some(
        self,
        collection: str,
        interval: str,
        area: BaseGeometry,
        count: int,
        *,
        query: Mapping[str, Any] | None = None,
    ) -> list[StacItem]:
        """At most so many of the Items that `search` looks for, as the API has them.

        Raises:
            RequestError: the API refuses the search, or has no such collection.
            PassingError: the API did not answer.
        """
        items: list[StacItem] = []

        def enough(document: Mapping[str, Any]) -> bool:
            items.append(self._item_of(document))
            return len(items) >= count

        self._find(collection, interval, area, count, enough, query, None)
        return items

    def _find(
        self,
        collection: str,
        interval: str,
        area: BaseGeometry,
        count: int,
        enough: Callable[[Mapping[str, Any]], bool],
        query: Mapping[str, Any] | None,
        most_cloud: float | None,
    ) -> int:
        """Give the Items of a search to a function, until it has enough; how many the API listed more than once."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about what an API does not claim to know, which many know all the same
            api = self._open()
            conditions = dict(query or {})
            if not api.conforms_to(ConformanceClasses.QUERY):
                if conditions:
                    raise RequestError(f"{self.where}.query: {redacted(self.url)} has no query extension; leave it out")
            elif most_cloud is not None:
                conditions.setdefault(CLOUD_COVER, {"lte": most_cloud})
            with self._understood():
                search = api.search(
                    collections=[collection],
                    datetime=interval,
                    intersects=mapping(cut_at_antimeridian(area)),
                    query=conditions or None,
                    limit=min(PAGE, count),
                )
                pages = Pages(search.pages_as_dicts(), f"{self.where}: what {redacted(self.url)}")
                found = False
                for document in pages:
                    if most_cloud is None or _cloud_cover(document) <= most_cloud:
                        found = True
                        if enough(document):
                            break
            if not found:
                self._require(api, collection)
        return pages.repeated

    def _item_of(self, document: Mapping[str, Any]) -> StacItem:
        return item_of(dict(document), self._place(document), self.where, self.client)

    def item(self, place: str) -> StacItem:
        """An Item, read again.

        Raises:
            RequestError: it is not there any more.
            PassingError: the API did not answer.
        """
        text = self._io().request(place)
        return item_of(text, place, self.where, self.client)

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
        """Errors of pystac-client as ours."""
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
        """Refuse a collection that is not there; an API that does not list its collections is believed."""
        try:
            known: list[str] = []
            for listed in api.get_collections():
                if listed.id in known:
                    break  # a link that leads back
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
    properties = document.get("properties")
    cover = properties.get(CLOUD_COVER) if isinstance(properties, dict) else None
    try:
        return float(cover) if isinstance(cover, int | float | str) else math.inf
    except ValueError:
        return math.inf
