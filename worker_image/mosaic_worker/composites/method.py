"""What a composite method is: which scenes it prefers, what it reads and keeps of them, and how it reduces them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, Protocol

from mosaic_crds.composite import Composite, Method, Of
from mosaic_crds.errors import RequestError

from mosaic_worker.composites.reducer import Floats, Reducer


class Observed(Protocol):
    """What the order of scenes depends on."""

    @property
    def id(self) -> str:
        """The scene's id."""

    @property
    def datetime(self) -> datetime | None:
        """When it was taken."""

    @property
    def cloud_cover(self) -> float | None:
        """Percent under cloud."""


@dataclass(frozen=True)
class CompositeMethod:
    """A composite method. The defaults are those of a statistic of all scenes, such as the mean.

    Attributes:
        name: as in `spec.composite.method`.
        reducer: makes a reducer from the request's `spec.composite`; the shape of a scene, (bands, height, width); how
            many scenes may be added at most; and by how many layers each is compared.
        sort_key: scenes are read in ascending order of it, equal ones as given; all as given if None.
        needs: what the sort key needs of each scene, where it has no default.
        extra_bands: bands that are read of each scene in addition to those of the product, by canonical name.
        takes_first_valid: whether each pixel comes from the first valid scene, so that later ones may stay unread.
        keeps_all_scenes: whether the reducer holds all scenes in memory until the end.
        compares_scenes: whether numbers of scenes are compared, which must then all be calibrated alike.
        compared_layers: how many layers `compared` returns; of what is composed, and the product's bands.
        compared: what a scene is compared by, float32 (layers, height, width), if not by the values that are composed;
            of what is composed, the product's bands, and the values (height, width) of each band that is read.
    """

    name: Method
    reducer: Callable[[Composite, tuple[int, int, int], int, int], Reducer]
    sort_key: Callable[[Observed], tuple[float, ...]] | None = None
    needs: Literal["datetime", "cloudCover"] | None = None
    extra_bands: tuple[str, ...] = ()
    takes_first_valid: bool = False
    keeps_all_scenes: bool = False
    compares_scenes: bool = False
    compared_layers: Callable[[Of, Sequence[str]], int] = lambda *_: 0
    compared: Callable[[Of, Sequence[str], Mapping[str, Floats]], Floats | None] = lambda *_: None

    def bands_to_read(self, product_bands: Sequence[str]) -> tuple[str, ...]:
        """The bands that are read of each scene: those of the product, then the method's own."""
        return tuple(dict.fromkeys((*product_bands, *self.extra_bands)))

    def order(self, scenes: Sequence[Observed]) -> list[int]:
        """Positions of scenes in the order in which they are read.

        Raises:
            RequestError: the method needs a date or a cloud cover that one of several scenes does not have.
        """
        places = range(len(scenes))
        key = self.sort_key
        if key is None or len(scenes) == 1:
            return list(places)
        for scene in scenes if self.needs else ():
            if (scene.cloud_cover if self.needs == "cloudCover" else scene.datetime) is None:
                raise RequestError(
                    f"spec.composite.method: {self.name} needs the {self.needs} of each scene, and {scene.id} has none"
                )
        return sorted(places, key=lambda place: key(scenes[place]))

    def stops_when_full(self, composite: Composite) -> bool:
        """Whether a tile is likely to read only the first scene at each place: nothing masks or counts its pixels."""
        return self.takes_first_valid and not composite.mask and not composite.count

    def bytes_per_pixel(self, bands: int, scenes: int, compared: int) -> int:
        """Roughly the memory of a reducer and of the scene that is added, for each pixel.

        Args:
            bands: that are composed.
            scenes: how many may be added at most.
            compared: how many layers each scene is compared by.
        """
        held = scenes if self.keeps_all_scenes else 2
        return 4 * (bands + compared) * (held + 4) + 16


def age(scene: Observed) -> float:
    """A number that is smaller for newer scenes; a scene without a date is the oldest."""
    return -(scene.datetime or datetime.min.replace(tzinfo=UTC)).timestamp()
