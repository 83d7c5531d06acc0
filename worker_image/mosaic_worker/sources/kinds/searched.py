"""Sources that search a STAC API."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace

from mosaic_crds.source import EarthDaily, Stac
from shapely.geometry.base import BaseGeometry

from mosaic_worker.sources.http.signed_urls import Signer
from mosaic_worker.sources.items.coverage import footprint
from mosaic_worker.sources.items.layers import mapped_assets
from mosaic_worker.sources.items.scenes import scenes_of_items
from mosaic_worker.sources.kinds.base import ScenePreview, SceneQuery, SceneSource
from mosaic_worker.sources.readers.headers import Headers
from mosaic_worker.sources.scenes import Found, NoScenesError, Scene
from mosaic_worker.sources.search.catalogue import Catalogue, ItemQuery, Search, item_signer


@dataclass(frozen=True)
class SearchedSource(SceneSource):
    """A source in a STAC API.

    Attributes:
        asked: its part of the request.
    """

    asked: Stac | EarthDaily

    @abstractmethod
    def catalogue(self, signer: Signer) -> Catalogue:
        """The API; the signer signs its files.

        Raises:
            RequestError: it needs an account, and there is none.
        """

    def query(self, area: BaseGeometry) -> ItemQuery:
        """What to search for in an area."""
        return ItemQuery(self.asked.collection, self.asked.datetime, area)

    @abstractmethod
    def advice(self, catalogue: Catalogue, area: BaseGeometry) -> str:
        """What to change if the search finds nothing, as the end of a sentence."""

    def scenes(self, query: SceneQuery) -> Found:
        """See `SceneSource`."""
        area, signer = _required(query.area), self.signer()
        search = self._search(area, query.most_scenes, signer)
        items = [replace(item, assets=mapped_assets(self.asked.assets)) for item in search.items]
        with Headers(self.gate, signer) as headers:
            found = scenes_of_items(
                items, query.composite, area, query.bands, headers, self.on_unreadable, search.unreadable
            )
        return replace(found, notes=(*search.notes, *found.notes))

    def signer(self, scenes: Sequence[Scene] = ()) -> Signer:
        """See `SceneSource`."""
        return item_signer(self.catalogue, scenes)

    def previews(self, area: BaseGeometry | None, most: int) -> list[ScenePreview]:
        """See `SceneSource`."""
        items = self._search(_required(area), most, self.signer()).items
        return [ScenePreview(item.datetime, item.cloud_cover, footprint(item.item.geometry)) for item in items]

    def _search(self, area: BaseGeometry, most: int, signer: Signer) -> Search:
        catalogue = self.catalogue(signer)
        found = catalogue.search(self.query(area), most, self.on_unreadable)
        if not (found.items or found.unreadable):
            nothing = f"{self.where}: no scene of {self.asked.collection} touches the area in {self.asked.datetime}"
            raise NoScenesError(nothing + self.advice(catalogue, area))
        return found


def _required(area: BaseGeometry | None) -> BaseGeometry:
    if area is None:
        raise ValueError("the contract requires an area for searches")
    return area
