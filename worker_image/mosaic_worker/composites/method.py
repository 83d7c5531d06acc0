"""The description of a composite method: order of scenes, bands, memory and reducer."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, Protocol

from mosaic_crds.composite import METHODS as DESCRIBED
from mosaic_crds.composite import Composite, Method, Of
from mosaic_crds.errors import RequestError

from mosaic_worker.composites.reducer import Floats, Reducer


class Observed(Protocol):
    """The properties of a scene that determine the order."""

    @property
    def id(self) -> str:
        """The id of the scene."""

    @property
    def datetime(self) -> datetime | None:
        """The acquisition time."""

    @property
    def cloud_cover(self) -> float | None:
        """The cloud cover, percent."""


@dataclass(frozen=True)
class CompositeMethod:
    """A composite method. The defaults are those of a statistic of all scenes, such as the mean.

    Attributes:
        name: as in `spec.composite.method`.
        reducer: creates a reducer from `spec.composite`, the shape (bands, height, width) of a scene, the maximum
            number of scenes, and the number of layers to compare.
        sort_key: scenes are read in ascending order; in the given order if None.
        needs: the property that the sort key requires.
        extra_bands: bands that are read in addition to those of the product, by canonical name.
        takes_first_valid: whether each pixel comes from the first valid scene, so that others may stay unread.
        keeps_all_scenes: whether the reducer keeps all scenes in memory, also without `composite.chosen`.
        compares_scenes: whether scenes are compared, so that all need the same calibration.
        seconds_per_million: core-seconds to compose a million values of scenes, if that takes longer than to read them.
        compared_layers: the number of layers of `compared`, from `spec.composite.of` and the bands of the product.
        compared: the layers that scenes are compared by, float32 (layers, height, width), from the same and the values
            (height, width) of each band; None for the composed values.
    """

    name: Method
    reducer: Callable[[Composite, tuple[int, int, int], int, int], Reducer]
    sort_key: Callable[[Observed], tuple[float, ...]] | None = None
    needs: Literal["datetime", "cloudCover"] | None = None
    extra_bands: tuple[str, ...] = ()
    takes_first_valid: bool = False
    keeps_all_scenes: bool = False
    compares_scenes: bool = False
    seconds_per_million: float = 0.0
    compared_layers: Callable[[Of, Sequence[str]], int] = lambda *_: 0
    compared: Callable[[Of, Sequence[str], Mapping[str, Floats]], Floats | None] = lambda *_: None

    def bands_to_read(self, product_bands: Sequence[str]) -> tuple[str, ...]:
        """The bands that are read of each scene: those of the product, then `extra_bands`."""
        return tuple(dict.fromkeys((*product_bands, *self.extra_bands)))

    def order(self, scenes: Sequence[Observed]) -> list[int]:
        """Positions of scenes in the order in which they are read.

        Raises:
            RequestError: one of several scenes lacks the date or cloud cover that the method needs.
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

    def most_observations(self, composite: Composite) -> int | None:
        """The number of valid observations after which a pixel does not change; None if each can change it."""
        if self.takes_first_valid:
            return None if composite.count else 1
        return composite.enough

    def stops_when_full(self, composite: Composite) -> bool:
        """Whether a tile probably reads only the first scene at each place: pixels are not masked or counted."""
        return self.takes_first_valid and not composite.mask and not composite.count

    def keeps_scenes(self, composite: Composite) -> bool:
        """Whether the reducer keeps all scenes in memory, also to find the nearest one."""
        return self.keeps_all_scenes or (composite.chosen and not DESCRIBED[self.name].takes_scenes)

    def bytes_per_pixel(self, composite: Composite, bands: int, scenes: int, compared: int) -> int:
        """The approximate memory of a reducer and of a scene, for each pixel.

        Args:
            composite: the fields of the request.
            bands: the number of composed bands.
            scenes: the maximum number of scenes.
            compared: the number of layers to compare.
        """
        kept = scenes if composite.enough is None else min(scenes, composite.enough)
        keeps = self.keeps_scenes(composite)
        held = kept if keeps else 2
        numbers = 2 * held if keeps and composite.enough is not None else 0
        more = 12 if composite.deviations else 0
        return 4 * (bands + compared) * (held + 4) + numbers + more + 16


def age(scene: Observed) -> float:
    """A sort key: smaller for newer scenes; scenes without a date are the oldest."""
    return -(scene.datetime or datetime.min.replace(tzinfo=UTC)).timestamp()
