"""Computes a tile: scenes are read, masked and composed in chunks, which limits the memory."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import bottleneck
import numpy as np
from mosaic_crds.errors import RequestError
from numpy.typing import NDArray

from mosaic_worker.composites.reducer import Reduced
from mosaic_worker.geometry.area import inside
from mosaic_worker.geometry.grid import Grid
from mosaic_worker.geometry.sampling import coarseness
from mosaic_worker.geometry.tiling import Tile
from mosaic_worker.pixels.dilation import dilate
from mosaic_worker.plan.model import Plan, PlannedScene
from mosaic_worker.sources.masks import CLEAR, FLAGGED
from mosaic_worker.sources.readers.open_sources import OpenSources, WindowToRead
from mosaic_worker.sources.readers.reading import Floats, band_pieces, mask_pieces, read_band, read_mask
from mosaic_worker.sources.scenes import Mask, Scene

SPARE = 2
"""Margin around the window of a scene, pixels, that must be complete before the scene is skipped."""
CHUNK_BYTES = 96 * 2**20
"""Memory for the working arrays of a chunk: a constant, so that tiles are the same on all machines."""


class UnreadableSceneError(RequestError):
    """A scene of the plan cannot be read; `number` is its number in the plan, from 1."""

    def __init__(self, message: str, number: int) -> None:
        super().__init__(message)
        self.number = number


@dataclass(frozen=True)
class TilePixels:
    """The result of a tile.

    Attributes:
        values: float32 (bands, height, width), NaN for no data; the bands of the product, then count and scene.
        out_of_range: the number of discarded values of a normalised difference, outside [-1, 1].
        inside: the number of pixels in the area of the request.
        scenes: 1-based numbers of the scenes that were read.
    """

    values: Floats
    out_of_range: int
    inside: int
    scenes: tuple[int, ...]


def compute_tile(plan: Plan, tile: Tile, sources: OpenSources, skipped: Collection[int] = ()) -> TilePixels:
    """Compute a tile; the same plan, tile and skipped scenes result in the same bits on all machines.

    Args:
        plan: the plan.
        tile: the tile.
        sources: the open files of scenes.
        skipped: numbers of scenes that are not read.

    Raises:
        UnreadableSceneError: a scene cannot be read, and the request skips such scenes.
        RequestError: a scene cannot be read.
        PassingError: a server did not respond.
    """
    touching = [(number, planned) for number, planned in enumerate(plan.scenes, 1) if planned.touches(tile)]
    here = [(number, planned) for number, planned in touching if number not in skipped]
    values = np.full((len(plan.band_names), tile.height, tile.width), np.nan, np.float32)
    out_of_range, in_area, read = 0, 0, set()
    columns, rows = chunk_size(plan, tile, [planned for _, planned in touching])  # all of them: see decision 31
    for top in range(0, tile.height, rows):
        for left in range(0, tile.width, columns):
            width, height = min(columns, tile.width - left), min(rows, tile.height - top)
            grid = plan.grid.window(tile.x + left, tile.y + top, width, height)
            wanted = None if plan.shape_of_area is None else inside(plan.shape_of_area, grid)
            chunk, outside, numbers = _chunk(plan, here, grid, sources, wanted)
            values[:, top : top + height, left : left + width] = chunk
            out_of_range += outside
            in_area += grid.pixels if wanted is None else int(np.count_nonzero(wanted))
            read |= numbers
    return TilePixels(values, out_of_range, in_area, tuple(sorted(read)))


def prefetch_tiles(plan: Plan, tiles: Sequence[Tile], sources: OpenSources, skipped: Collection[int] = ()) -> None:
    """Read ahead what tiles need from servers; for methods that take the first valid scene, only the first scene."""
    for tile in tiles:
        grid = plan.grid.window(tile.x, tile.y, tile.width, tile.height)
        here = [
            planned.scene
            for number, planned in enumerate(plan.scenes, 1)
            if planned.touches(tile) and number not in skipped
        ]
        sources.prefetch(
            expected
            for scene in (here[:1] if plan.method.takes_first_valid else here)
            for expected in _windows_to_read(plan, scene, grid)
        )


def _windows_to_read(plan: Plan, scene: Scene, grid: Grid) -> Iterator[WindowToRead]:
    for name in plan.input_bands:
        band = scene.bands[name]
        overview, parts = band_pieces(band, grid, plan.resampling)
        for window in (window for piece in parts for window in piece.windows):
            yield band.href, overview, band.band, window
    if scene.mask is not None:
        for window in (window for piece in mask_pieces(scene.mask, grid) for window in piece.windows):
            yield scene.mask.href, None, scene.mask.band, window


def chunk_size(plan: Plan, tile: Tile, scenes: list[PlannedScene]) -> tuple[int, int]:
    """Columns and rows of a chunk: as many blocks as fit into its memory, otherwise rows of a block; at least one.

    A single block if each pixel comes from the first scene that does not mask it, because most blocks need few scenes.
    """
    bands, compared = len(_composed_bands(plan)), plan.compared_layers
    pixel: float = plan.method.bytes_per_pixel(bands, max(1, len(scenes)), compared)
    read = [band for planned in scenes for band in planned.scene.bands.values()]
    source = max((np.prod(coarseness(plan.image_of(band)[1], plan.grid)) for band in read), default=1.0)
    pixel += 4 * len(plan.input_bands) + 12 * max(1.0, float(source))
    block, fitting = plan.block, int(CHUNK_BYTES / pixel)
    masked = len(scenes) > 1 and any(planned.scene.mask for planned in scenes)
    if fitting < block * block or (masked and plan.method.takes_first_valid and not plan.composite.count):
        columns, rows = block, min(block, fitting // block)
    elif fitting < block * tile.width:
        columns, rows = fitting // block // block * block, block
    else:
        columns, rows = tile.width, fitting // tile.width // block * block
    return min(tile.width, columns), max(1, min(tile.height, rows))


def _composed_bands(plan: Plan) -> tuple[str, ...]:
    """The composed bands: those of the product, or its input bands."""
    return plan.formula.output_bands if plan.composite.of == "product" else plan.formula.input_bands


def _chunk(
    plan: Plan,
    scenes: list[tuple[int, PlannedScene]],
    grid: Grid,
    sources: OpenSources,
    wanted: NDArray[np.bool_] | None,
) -> tuple[Floats, int, set[int]]:
    """The values of a chunk, the number of discarded values, and the numbers of the scenes that were read.

    Args:
        plan: the plan.
        scenes: the scenes that may touch the tile, with their numbers.
        grid: the grid of the chunk.
        sources: the open files of scenes.
        wanted: which pixels are in the area, (height, width); all if None.
    """
    formula, composite = plan.formula, plan.composite
    by_product = composite.of == "product"
    bands = _composed_bands(plan)
    stack = plan.method.reducer(composite, (len(bands), grid.height, grid.width), len(scenes), plan.compared_layers)
    out_of_range, read = 0, set()
    for number, planned in scenes:
        useful = stack.open_pixels(wanted)
        if useful is not None and not useful[_part(plan, planned, grid)].any():
            continue
        try:
            values = read_scene(plan, planned, grid, sources, useful)
        except RequestError as error:
            if plan.on_unreadable == "fail":
                raise
            raise UnreadableSceneError(str(error), number) from None
        if values is None:
            continue
        read.add(number)
        if by_product:
            computed, outside = formula.compute(values)
            out_of_range += outside
        else:
            computed = np.stack([values[name] for name in bands])
        stack.add(number, computed, plan.method.compared(composite.of, formula.input_bands, values))
    result = stack.result()
    if by_product:
        composed = result.values
    else:
        composed, out_of_range = formula.compute(dict(zip(bands, result.values, strict=True)))
    pixels = _with_extra_bands(plan, composed, result)
    if wanted is not None:
        np.copyto(pixels, np.nan, where=~wanted)
    return pixels, out_of_range, read


def _part(plan: Plan, planned: PlannedScene, grid: Grid) -> tuple[slice, slice]:
    """The rows and columns of a chunk that a scene may touch, with a margin."""
    column = round((grid.left - plan.grid.left) / plan.grid.xres)
    row = round((plan.grid.top - grid.top) / plan.grid.yres)
    window = planned.window
    rows = slice(max(0, window.top - row - SPARE), max(0, window.bottom - row + SPARE))
    return rows, slice(max(0, window.left - column - SPARE), max(0, window.right - column + SPARE))


def read_scene(
    plan: Plan, planned: PlannedScene, grid: Grid, sources: OpenSources, useful: NDArray[np.bool_] | None = None
) -> dict[str, Floats] | None:
    """The bands of a scene on a grid, NaN for no data and masked pixels; None if no useful pixel is left.

    The mask is read first: no band is read of a scene that is hidden.

    Args:
        plan: the plan.
        planned: the scene.
        grid: the grid.
        sources: the open files of scenes.
        useful: the pixels that the scene can change, (height, width); all if None.
    """
    scene = planned.scene
    hidden = None
    if scene.mask is not None:
        hidden = _hidden(plan, scene.mask, f"the mask of {scene.id}", grid, sources)
        useful = ~hidden if useful is None else useful & ~hidden
    values: dict[str, Floats] = {}
    for name in plan.input_bands:
        if useful is not None and not useful.any():
            return None
        found = read_band(sources, scene.bands[name], grid, plan.resampling, f"band {name} of {scene.id}")
        if found is None or bottleneck.allnan(found):
            return None
        values[name] = found
        if useful is not None:
            useful = useful & ~np.isnan(found)
    if hidden is not None:
        for found in values.values():
            np.copyto(found, np.nan, where=hidden)
    return values


def _hidden(plan: Plan, mask: Mask, where: str, grid: Grid, sources: OpenSources) -> NDArray[np.bool_]:
    """Where the mask hides a scene; read with a halo as wide as the dilation, so that chunks match."""
    halo = plan.composite.dilate
    around = grid.window(-halo, -halo, grid.width + 2 * halo, grid.height + 2 * halo)
    codes = read_mask(sources, mask, around, plan.composite.mask, where)
    flagged = dilate(codes == FLAGGED, halo) if halo else codes == FLAGGED
    hidden: NDArray[np.bool_] = flagged | (codes != CLEAR)
    return hidden[halo : halo + grid.height, halo : halo + grid.width]


def _with_extra_bands(plan: Plan, composed: Floats, result: Reduced) -> Floats:
    """The bands of the mosaic: those of the product, then count and scene, if requested."""
    layers = []
    if plan.composite.count:
        layers.append(result.count.astype(np.float32))
    if plan.composite.chosen:
        chosen = result.chosen.astype(np.float32)
        chosen[(result.chosen == 0) | np.isnan(composed).any(axis=0)] = np.nan
        layers.append(chosen)
    return np.concatenate([composed, np.stack(layers)]) if layers else composed
