"""The work of harmonising scenes and of blending their edges, in addition to that of the mosaic."""

from collections import Counter
from collections.abc import Sequence

from mosaic_crds.composite import Composite

from mosaic_worker.composites import METHODS
from mosaic_worker.geometry.grid import Grid
from mosaic_worker.geometry.sampling import Kernel, kernel_for
from mosaic_worker.plan.estimate import decode_seconds
from mosaic_worker.plan.feathering import feather_pixels
from mosaic_worker.plan.patches import SAMPLES, places, sample_side
from mosaic_worker.plan.scenes import PlannedScene
from mosaic_worker.sources.readers.overviews import image_to_read


def seam_seconds(
    composite: Composite,
    grid: Grid,
    sides: Sequence[Sequence[PlannedScene]],
    asked: Kernel | None,
    block: int,
    tile: int,
) -> float:
    """Core-seconds to read samples of overlaps, the halo of tiles, and the scenes near edges again.

    Args:
        composite: how scenes are composed.
        grid: the grid of the mosaic.
        sides: the scenes of the mosaic, and of one that is subtracted.
        asked: the kernel in the request, if any.
        block: the side of the blocks, which are blended one by one, pixels.
        tile: the side of a tile, pixels.
    """
    seconds = 0.0
    for scenes in sides:
        for touched in (_near_edges(composite, grid, scenes, block, tile), _in_patches(composite, grid, scenes, block)):
            for planned, pixels in zip(scenes, touched, strict=False):
                seconds += _seconds(planned, grid, asked, pixels)
    return seconds


def _near_edges(composite: Composite, grid: Grid, scenes: Sequence[PlannedScene], block: int, tile: int) -> list[float]:
    """The pixels of the mosaic that are read again of each scene, because they are near an edge or in a halo.

    Edges are those of the scenes; if masks or values choose, they can be anywhere.
    """
    halo = feather_pixels(composite.feather, grid)
    anywhere = METHODS[composite.method].most_observations(composite) is None or any(each.scene.mask for each in scenes)
    found = []
    for planned in scenes if halo else ():
        window = planned.window
        width, height = window.right - window.left, window.bottom - window.top
        near = width * height if anywhere else min(width * height, 2 * (width + height) * (block + 2 * halo))
        found.append(near + width * height * ((1 + 2 * halo / tile) ** 2 - 1))
    return found


def _in_patches(composite: Composite, grid: Grid, scenes: Sequence[PlannedScene], block: int) -> list[float]:
    """The pixels of the mosaic that harmonising reads of each scene; blocks are decoded as a whole."""
    if composite.harmonise == "none":
        return []
    side = max(block, SAMPLES * sample_side(grid))
    patches = Counter(scene for place in places(grid, [planned.window for planned in scenes]) for scene in place.scenes)
    found = []
    for number, planned in enumerate(scenes):
        window = planned.window
        area = (window.right - window.left) * (window.bottom - window.top)
        found.append(float(min(area, patches[number] * side**2)))
    return found


def _seconds(planned: PlannedScene, grid: Grid, asked: Kernel | None, touched: float) -> float:
    """Core-seconds to decode the part of a scene that covers some pixels of the mosaic."""
    seconds = 0.0
    for band in planned.scene.bands.values():
        _, image = image_to_read(band, grid, kernel_for(band.header.grid, grid, asked))
        seconds += decode_seconds(band.href, image, grid, touched)
    return seconds
