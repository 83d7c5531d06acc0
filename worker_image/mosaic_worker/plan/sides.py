"""The scenes of a mosaic, and of the one that is subtracted (`spec.minus`): each is a side of the plan."""

from collections.abc import Sequence
from dataclasses import replace

from mosaic_crds.composite import Composite
from mosaic_crds.errors import RequestError

from mosaic_worker.composites.preference import preferred
from mosaic_worker.geometry.grid import Grid
from mosaic_worker.geometry.sampling import Window, grid_window
from mosaic_worker.plan.scenes import PlannedScene, Subtracted
from mosaic_worker.sources.scenes import NOT_TOUCHED, SIDES, Found, Scene
from mosaic_worker.sources.unreadable import unreadable_note

Side = Sequence[PlannedScene]
Shares = Sequence[float | None]
"""The clear share of each scene, 0 to 1; None if it is not known or not needed."""


def planned_sides(found: Found, grid: Grid, composite: Composite, clear: Sequence[Shares]) -> list[Side]:
    """The scenes of each side that may touch the grid, in order of preference.

    Args:
        found: the scenes.
        grid: the grid of the mosaic.
        composite: how they are composed.
        clear: the clear shares of the scenes of each side.

    Raises:
        RequestError: a side has none, they cannot be ordered, or the two sides have no pixel in common.
    """
    sides = [
        _planned(side.scenes, shares, grid, composite, field)
        for side, shares, field in zip(found.sides, clear, SIDES, strict=False)
    ]
    if len(sides) > 1 and not any(_overlap(one.window, other.window) for one in sides[0] for other in sides[1]):
        raise RequestError(
            "spec.minus: its scenes overlap none of spec.source, so there is no difference; choose scenes of the same "
            "place",
            "spec.minus",
        )
    return sides


def subtracted(found: Found, sides: Sequence[Side]) -> Subtracted | None:
    """What the plan says about the second side; None if there is none."""
    if found.subtracted is None:
        return None
    return Subtracted(scenes=len(sides[1]), unreadable=len(found.subtracted.unreadable))


def side_notes(found: Found) -> list[str]:
    """Notes on the scenes of each side."""
    notes = [[*unreadable_note(side.unreadable, side.total), *side.notes] for side in found.sides]
    return [*notes[0], *(f"minus: {note}" for others in notes[1:] for note in others)]


def _planned(scenes: Sequence[Scene], shares: Shares, grid: Grid, composite: Composite, field: str) -> Side:
    planned = [PlannedScene(scene, window_of(scene, grid), share) for scene, share in zip(scenes, shares, strict=True)]
    touching = [item for item in planned if not item.window.empty]
    if not touching:
        raise RequestError(NOT_TOUCHED if field == SIDES[0] else f"{field}: none of its scenes touches the mosaic")
    order = preferred(composite, [item.scene for item in touching], [item.clear for item in touching])
    return [touching[place] for place in order]


def window_of(scene: Scene, grid: Grid) -> Window:
    """The pixels that all bands of a scene may touch."""
    windows = [grid_window(band.header.grid, grid) for band in scene.bands.values()]
    return replace(
        windows[0],
        left=max(window.left for window in windows),
        top=max(window.top for window in windows),
        right=min(window.right for window in windows),
        bottom=min(window.bottom for window in windows),
    )


def _overlap(one: Window, other: Window) -> bool:
    return max(one.left, other.left) < min(one.right, other.right) and max(one.top, other.top) < min(
        one.bottom, other.bottom
    )
