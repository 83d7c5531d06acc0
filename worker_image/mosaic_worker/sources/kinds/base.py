"""What every kind of source does: list its scenes, sign their URLs, and say what is known of them beforehand."""

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
        area: in degrees, unwrapped; None if the request has none, which only listed files allow.
        bands: the canonical names of the bands that are needed.
        composite: how scenes are composed, and the classes that are masked.
        most_scenes: how many a search may find.
    """

    area: BaseGeometry | None
    bands: tuple[str, ...]
    composite: Composite
    most_scenes: int


@dataclass(frozen=True)
class ScenePreview:
    """What is known of a scene before any of its files is opened.

    Attributes:
        datetime: when it was taken.
        cloud_cover: percent, 0 to 100.
        footprint: in degrees, as its catalogue draws it.
    """

    datetime: datetime | None
    cloud_cover: float | None
    footprint: BaseGeometry | None = None


@dataclass(frozen=True)
class SceneSource(ABC):
    """The source of a request. Each kind has a subclass, which `registry` lists.

    Attributes:
        gate: what may be read.
        on_unreadable: whether a scene that cannot be used is an error.
    """

    gate: Gate
    on_unreadable: OnUnreadable

    @abstractmethod
    def scenes(self, query: SceneQuery) -> Found:
        """The scenes, with the headers of the files that the query needs.

        Raises:
            RequestError: nothing is found, or what is found cannot be used.
            PassingError: a server did not answer.
        """

    @abstractmethod
    def signer(self, scenes: Sequence[Scene] = ()) -> Signer:
        """Signs the URLs of the files; those of `scenes`, which a plan holds unsigned, once there is a plan."""

    @abstractmethod
    def previews(self, area: BaseGeometry | None, most: int) -> list[ScenePreview]:
        """The scenes in an area, in degrees and unwrapped; no file is opened.

        Raises:
            NoScenesError: there are none.
            RequestError: the search is refused, or finds more than `most`.
            PassingError: a server did not answer.
        """

    def resolution(self, bands: Sequence[str]) -> float | None:  # noqa: ARG002 (for subclasses)
        """The coarsest resolution of some bands, in metres; None if it is only known from the files."""
        return None
