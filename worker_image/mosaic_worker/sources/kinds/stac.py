"""Scenes of a STAC API."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from mosaic_crds.source import Stac
from shapely.geometry.base import BaseGeometry

from mosaic_worker.sources.http.client import Client
from mosaic_worker.sources.http.signed_urls import Signer
from mosaic_worker.sources.kinds.planetary_computer import PLANETARY_COMPUTER, planetary_computer_signer
from mosaic_worker.sources.kinds.searched import SearchedSource
from mosaic_worker.sources.scenes import Scene
from mosaic_worker.sources.search.catalogue import Catalogue, ItemQuery

SHORT_NAMES = {"earth-search": "https://earth-search.aws.element84.com/v1", "planetary-computer": PLANETARY_COMPUTER}
"""Names for `spec.source.stac.url`: Earth Search (Element 84) and Planetary Computer (Microsoft)."""
SAMPLE_ITEMS = 100
"""Items that are examined for an advice."""
SENTINEL2_METRES = dict.fromkeys(("blue", "green", "red", "nir"), 10.0) | dict.fromkeys(
    ("coastal", "nir09", "cirrus"), 60.0
)
"""The resolution of bands of Sentinel-2; others have 20 m (ESA, Sentinel-2 User Handbook)."""


@dataclass(frozen=True)
class StacSource(SearchedSource):
    """`spec.source.stac`."""

    asked: Stac

    def signer(self, scenes: Sequence[Scene] = ()) -> Signer:
        """See `SceneSource`."""
        if self._url == PLANETARY_COMPUTER:
            return planetary_computer_signer(self.gate)
        return super().signer(scenes)

    def catalogue(self, signer: Signer) -> Catalogue:
        """The API; it needs no account."""
        return Catalogue(self._url, self.where, Client(self.gate, signer))

    def query(self, area: BaseGeometry) -> ItemQuery:
        """See `SearchedSource`."""
        return replace(super().query(area), conditions=self.asked.query, most_cloud=self.asked.max_cloud_cover)

    def advice(self, catalogue: Catalogue, area: BaseGeometry) -> str:
        """See `SearchedSource`. It searches again without maxCloudCover."""
        asked = self.asked
        if asked.max_cloud_cover is not None:
            found = catalogue.some(replace(self.query(area), most_cloud=None), SAMPLE_ITEMS)
            known = [item.cloud_cover for item in found if item.cloud_cover is not None]
            if known:
                return (
                    f" with at most {asked.max_cloud_cover:g} % cloud cover; the clearest of {len(found)} there has "
                    f"{min(known):.0f} %: raise maxCloudCover, or widen the dates"
                )
            if found:
                return " with a stated cloud cover; remove maxCloudCover"
        return "; widen the dates" + (", or remove conditions of query" if asked.query else "")

    def resolution(self, bands: Sequence[str]) -> float | None:
        """See `SceneSource`; known for Sentinel-2."""
        if not self.asked.collection.startswith("sentinel-2"):
            return None
        return max(SENTINEL2_METRES.get(name, 20.0) for name in bands)

    @property
    def _url(self) -> str:
        return SHORT_NAMES.get(self.asked.url, self.asked.url).rstrip("/")
