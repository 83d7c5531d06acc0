"""Which scenes a composite prefers, and in which order it takes them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Protocol

from mosaic_crds.errors import RequestError
from mosaic_crds.spec import Composite

CHOOSING = ("latest", "oldest", "leastCloudy")
"""Methods that take a whole scene per pixel: the first valid one in their order of preference."""
COMPARING = ("medoid", "greenest")
"""Methods that compare the scenes of a pixel and then take a whole one; of several that are equal, the newest."""


class Observed(Protocol):
    """What the order of preference looks at."""

    @property
    def id(self) -> str:
        """The scene's id."""

    @property
    def datetime(self) -> datetime | None:
        """When it was taken."""

    @property
    def cloud_cover(self) -> float | None:
        """Percent under cloud."""


def stops_when_full(composite: Composite) -> bool:
    """Whether a tile is likely to read only the first scene at each place: nothing hides or counts its pixels."""
    return composite.method in CHOOSING and not composite.mask and not composite.count


def scene_order(method: str, scenes: Sequence[Observed]) -> list[int]:
    """Positions of scenes in a method's order of preference; as they are where it has none. Ties go to the newer one.

    Methods that compare scenes prefer the newer of equal ones; those without a date come last, as they are.

    Raises:
        RequestError: the method needs a date or a cloud cover that one of several scenes does not have.
    """
    places = list(range(len(scenes)))
    if method not in CHOOSING + COMPARING or len(scenes) == 1:
        return places
    needs = "cloudCover" if method == "leastCloudy" else "datetime"
    for scene in scenes if method in CHOOSING else ():
        if (scene.cloud_cover if needs == "cloudCover" else scene.datetime) is None:
            raise RequestError(
                f"spec.composite.method: {method} needs the {needs} of each scene, and {scene.id} has none"
            )

    def age(place: int) -> float:
        taken = scenes[place].datetime or datetime.min.replace(tzinfo=UTC)
        return -taken.timestamp()

    def preference(place: int) -> tuple[float, ...]:
        if method == "oldest":
            return (-age(place),)
        cover = scenes[place].cloud_cover
        return (cover or 0.0, age(place)) if needs == "cloudCover" else (age(place),)

    return sorted(places, key=lambda place: (*preference(place), place))
