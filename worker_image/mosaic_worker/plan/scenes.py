"""The scenes of a plan."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from mosaic_worker.geometry.sampling import Window
from mosaic_worker.geometry.tiling import Tile
from mosaic_worker.sources.readers.reading import Floats
from mosaic_worker.sources.scenes import Scene


@dataclass(frozen=True)
class Correction:
    """The correction of a band of a scene: corrected = gain x value + offset."""

    gain: float
    offset: float


@dataclass(frozen=True)
class PlannedScene:
    """A scene, and the pixels of the mosaic that it may touch.

    Attributes:
        scene: the scene.
        window: the pixels.
        clear: the share of the area that its mask leaves visible, 0 to 1; None if it is not known or not needed.
        corrections: of its bands by name, if it is harmonised.
    """

    scene: Scene
    window: Window
    clear: float | None = None
    corrections: dict[str, Correction] = field(default_factory=dict)

    def corrected(self, values: Mapping[str, Floats]) -> dict[str, Floats]:
        """The harmonised values of bands, float32 by name."""
        return {name: self._corrected(name, found) for name, found in values.items()}

    def _corrected(self, name: str, values: Floats) -> Floats:
        correction = self.corrections.get(name)
        if correction is None:
            return values
        with np.errstate(over="ignore"):
            return np.float32(correction.gain) * values + np.float32(correction.offset)

    def overlap(self, tile: Tile) -> int:
        """The number of pixels of a tile that it may touch."""
        window = self.window
        width = min(window.right, tile.x + tile.width) - max(window.left, tile.x)
        height = min(window.bottom, tile.y + tile.height) - max(window.top, tile.y)
        return max(0, width) * max(0, height)

    def touches(self, tile: Tile) -> bool:
        """Whether it may touch a tile."""
        return self.overlap(tile) > 0


@dataclass(frozen=True)
class Subtracted:
    """The mosaic that is subtracted.

    Attributes:
        scenes: the number of its scenes, which are the last ones of the plan.
        unreadable: the number of scenes that planning skipped, which are the last ones of `Plan.unreadable`.
    """

    scenes: int
    unreadable: int
