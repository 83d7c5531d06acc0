"""Reads a scene on a grid: its mask, and then its bands."""

from collections.abc import Iterator

import bottleneck
import numpy as np
from numpy.typing import NDArray

from mosaic_worker.geometry.grid import Grid
from mosaic_worker.pixels.morphology import dilate, opened
from mosaic_worker.plan.model import Plan
from mosaic_worker.sources.masks import FLAGGED, UNKNOWN
from mosaic_worker.sources.readers.open_sources import OpenSources, WindowToRead
from mosaic_worker.sources.readers.reading import Floats, read_band, windows_of_band
from mosaic_worker.sources.readers.scene_masks import code_windows, read_codes
from mosaic_worker.sources.scenes import Scene

Flags = NDArray[np.bool_]


def read_scene(
    plan: Plan,
    scene: Scene,
    grid: Grid,
    sources: OpenSources,
    useful: Flags | None = None,
    hidden: Flags | None = None,
) -> dict[str, Floats] | None:
    """The bands of a scene on a grid, NaN for no data and masked pixels; None if no useful pixel is left.

    No band is read of a scene that is hidden. With `composite.enough`, pixels that are not useful are NaN too, so that
    what is counted does not depend on other pixels.

    Args:
        plan: the plan.
        scene: the scene.
        grid: the grid.
        sources: the open files of scenes.
        useful: the pixels that the scene can change, (height, width); all if None.
        hidden: the result of `read_hidden`, if it is known.
    """
    if hidden is None:
        hidden = read_hidden(plan, scene, grid, sources)
    if hidden is not None:
        useful = ~hidden if useful is None else useful & ~hidden
    values: dict[str, Floats] = {}
    for name in plan.input_bands:
        if useful is not None and not useful.any():
            return None
        found = read_band(sources, scene.bands[name], grid, plan.resampling, f"band {name} of {scene.id}")
        if found is None or bottleneck.allnan(found):
            return None
        values[name] = found
        if plan.most_observations is not None and useful is not None:
            useful = useful & ~np.isnan(found)
    if plan.composite.enough is not None and useful is not None:
        if not useful.any():
            return None
        hidden = ~useful
    if hidden is not None:
        for found in values.values():
            np.copyto(found, np.nan, where=hidden)
    return values


def read_hidden(plan: Plan, scene: Scene, grid: Grid, sources: OpenSources) -> Flags | None:
    """Where the mask hides a scene, (height, width); None without a mask.

    The mask is read with the halo that opening and dilation need, so that chunks match.
    """
    if scene.mask is None:
        return None
    composite, halo = plan.composite, _mask_halo(plan)
    codes = read_codes(sources, scene.mask, _around(grid, halo), composite, f"the mask of {scene.id}")
    flagged = dilate(opened(codes == FLAGGED, composite.open), composite.dilate)
    hidden: Flags = flagged | (codes == UNKNOWN)
    return hidden[halo : halo + grid.height, halo : halo + grid.width]


def mask_windows(plan: Plan, scene: Scene, grid: Grid) -> Iterator[WindowToRead]:
    """The windows that `read_hidden` reads."""
    if scene.mask is not None:
        yield from code_windows(scene.mask, _around(grid, _mask_halo(plan)))


def band_windows(plan: Plan, scene: Scene, grid: Grid) -> Iterator[WindowToRead]:
    """The windows that `read_scene` reads of the bands."""
    for name in plan.input_bands:
        yield from windows_of_band(scene.bands[name], grid, plan.resampling)


def _mask_halo(plan: Plan) -> int:
    """How far pixels of the mask can affect others: erosion and dilation by `open`, then dilation by `dilate`."""
    return 2 * plan.composite.open + plan.composite.dilate


def _around(grid: Grid, halo: int) -> Grid:
    return grid.window(-halo, -halo, grid.width + 2 * halo, grid.height + 2 * halo) if halo else grid
