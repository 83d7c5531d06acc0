"""The interface of all kinds of source: list scenes, sign their URLs, and preview them."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from mosaic_crds.composite import Composite
from mosaic_crds.source import OnUnreadable
from shapely.geometry.base import BaseGeometry

from mosaic_worker.sources.access.gate import Gate
from mosaic_worker.sources.http.signed_urls import Signer
from mosaic_worker.sources.scenes import Found, Scene


@dataclass(frozen=True)
class SceneQuery:
    """What a request needs of its source.

    Attributes:
        area: in degrees, unwrapped; None if the request has none (only for listed files).
        bands: the canonical names of the bands.
        composite: how scenes are composed, and the classes that are masked.
        most_scenes: the maximum number of scenes of a search.
    """

    area: BaseGeometry | None
    bands: tuple[str, ...]
    composite: Composite
    most_scenes: int


@dataclass(frozen=True)
class ScenePreview:
    """What is known about a scene before any of its files is opened.

    Attributes:
        datetime: the acquisition time.
        cloud_cover: percent, 0 to 100.
        footprint: in degrees, from its catalogue.
    """

    datetime: datetime | None
    cloud_cover: float | None
    footprint: BaseGeometry | None = None


@dataclass(frozen=True)
class SceneSource(ABC):
    """The source of a request. Each kind has a subclass, which `registry` lists.

    Attributes:
        gate: what may be read.
        on_unreadable: whether an unusable scene is an error.
        where: the field of the request that describes it, for messages.
    """

    gate: Gate
    on_unreadable: OnUnreadable
    where: str

    @abstractmethod
    def scenes(self, query: SceneQuery) -> Found:
        """The scenes, with the headers of the files that the query needs.

        Raises:
            RequestError: nothing is found, or what is found cannot be used.
            PassingError: a server did not respond.
        """

    @abstractmethod
    def signer(self, scenes: Sequence[Scene] = ()) -> Signer:
        """Signs the URLs of files. `scenes` are those of the plan, which has unsigned URLs, if there is a plan."""

    @abstractmethod
    def previews(self, area: BaseGeometry | None, most: int) -> list[ScenePreview]:
        """The scenes in an area, in degrees and unwrapped; no file is opened.

        Raises:
            NoScenesError: there are none.
            RequestError: the search is refused, or finds more than `most`.
            PassingError: a server did not respond.
        """

    def resolution(self, bands: Sequence[str]) -> float | None:  # noqa: ARG002 (for subclasses)
        """The coarsest resolution of some bands, in metres; None if it is only known from the files."""
        return None
