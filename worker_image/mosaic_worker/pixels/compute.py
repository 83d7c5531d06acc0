"""Computes a tile: scenes are read, masked and composed in chunks."""

from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from mosaic_crds.errors import MosaicError
from numpy.typing import NDArray

from mosaic_worker.composites.reducer import Reduced
from mosaic_worker.geometry.area import inside
from mosaic_worker.geometry.tiling import Tile
from mosaic_worker.pixels.chunks import Chunk, Numbered, chunks_of, masks_choose, touching_scenes
from mosaic_worker.pixels.difference import combined
from mosaic_worker.pixels.feathered_tile import FeatheredTile, area_of_part, part_of_tile, parts_of
from mosaic_worker.pixels.layers import read_layers
from mosaic_worker.pixels.read_ahead import Key, ReadAhead, is_remote, steps_of
from mosaic_worker.pixels.scene import band_windows, read_hidden
from mosaic_worker.plan.model import Plan
from mosaic_worker.plan.scenes import PlannedScene
from mosaic_worker.sources.readers.open_sources import OpenSources
from mosaic_worker.sources.readers.reading import Floats
from mosaic_worker.sources.scenes import Scene

Flags = NDArray[np.bool_]
SPARE = 2
"""Margin around the window of a scene, pixels, that must be complete before the scene is skipped."""


@dataclass(frozen=True)
class TilePixels:
    """The result of a tile.

    Attributes:
        values: float32 (bands, height, width), NaN for no data; the bands of the product, then deviations,
            count and scene.
        out_of_range: the number of discarded values of a normalised difference, outside [-1, 1].
        inside: the number of pixels in the area of the request.
        scenes: 1-based numbers of the scenes that were read.
    """

    values: Floats
    out_of_range: int
    inside: int
    scenes: tuple[int, ...]


def compute_tile(
    plan: Plan,
    tile: Tile,
    sources: OpenSources,
    skipped: Collection[int] = (),
    following: Sequence[Tile] = (),
) -> TilePixels:
    """Compute a tile; the same plan, tile and skipped scenes result in the same bits.

    The last bit of resampled values depends on whether the processor has fused multiply-add, as all x86-64 processors
    since 2013 have.

    Args:
        plan: the plan.
        tile: the tile.
        sources: the open files of scenes.
        skipped: numbers of scenes that are not read.
        following: the tiles that are computed next, which are read ahead.

    Raises:
        UnreadableSceneError: a scene cannot be read, and the request skips such scenes.
        RequestError: a scene cannot be read.
        PassingError: a server did not respond.
    """
    scenes = [each for each in touching_scenes(plan, tile) if each[0] not in skipped]
    ahead = ReadAhead(sources, steps_of(plan, [tile, *following], skipped))
    values = np.full((len(plan.band_names), tile.height, tile.width), np.nan, np.float32)
    edges = [FeatheredTile(plan, tile, sources) for _ in plan.sides] if plan.feather else []
    out_of_range, in_area, read = 0, 0, set()

    def finish(rows: slice, columns: slice, results: Sequence[Reduced], wanted: Flags | None) -> None:
        nonlocal out_of_range, in_area
        finished = [_finished(plan, result, wanted) for result in results]
        values[:, rows, columns] = combined([pixels for pixels, _ in finished], len(plan.product_bands))
        out_of_range += sum(discarded for _, discarded in finished)
        in_area += values[0, rows, columns].size if wanted is None else int(np.count_nonzero(wanted))

    for chunk in chunks_of(plan, tile):
        wanted = None if plan.shape_of_area is None else inside(plan.shape_of_area, chunk.grid)
        results = []
        for number, side in enumerate(plan.sides):
            here = [each for each in scenes if each[0] in side]
            composed = _Chunk(plan, tile, chunk, here, sources, wanted, ahead).compose()
            out_of_range += composed.out_of_range
            read |= composed.scenes
            if edges:
                edges[number].add(chunk, composed.result, wanted)
            else:
                results.append(composed.result)
        if results:
            finish(chunk.rows, chunk.columns, results, wanted)
    for rows, columns in parts_of(plan, tile) if edges else ():
        wanted = area_of_part(plan, tile, rows, columns)
        finish(rows, columns, [each.blended(rows, columns) for each in edges], wanted)
    return TilePixels(values, out_of_range, in_area, tuple(sorted(read)))


def _finished(plan: Plan, result: Reduced, wanted: Flags | None) -> tuple[Floats, int]:
    """The bands of a side of the mosaic from composed ones, and the number of values that are discarded here.

    Args:
        plan: the plan.
        result: the composed bands.
        wanted: which pixels are in the area, (height, width); all if None.
    """
    values, out_of_range = result.values, 0
    if plan.composite.of == "bands":
        values, out_of_range = plan.formula.compute(dict(zip(plan.composed_bands, result.values, strict=True)))
    pixels = _with_extra_bands(plan, values, result)
    if wanted is not None:
        np.copyto(pixels, np.nan, where=~wanted)
    return pixels, out_of_range


@dataclass(frozen=True)
class _Composed:
    """The result of a chunk.

    Attributes:
        result: the composed bands.
        out_of_range: the number of discarded values of the scenes in the tile, without its halo.
        scenes: numbers of the scenes that were read.
    """

    result: Reduced
    out_of_range: int
    scenes: set[int]


@dataclass(frozen=True)
class _Chunk:
    """Composes a chunk.

    Attributes:
        plan, tile, chunk: what is computed.
        scenes: the scenes that may touch the tile with its halo.
        sources: the open files of scenes.
        wanted: which pixels are in the area, (height, width); all if None.
        ahead: reads later steps.
    """

    plan: Plan
    tile: Tile
    chunk: Chunk
    scenes: Numbered
    sources: OpenSources
    wanted: Flags | None
    ahead: ReadAhead

    def compose(self) -> _Composed:
        """The composed bands of the chunk."""
        plan, grid = self.plan, self.chunk.grid
        shape = (len(plan.composed_bands), grid.height, grid.width)
        layers = min(len(self.scenes), plan.composite.enough or len(self.scenes))
        stack = plan.method.reducer(plan.composite, shape, layers, plan.compared_layers)
        masks, ahead = self._choose_by_masks() if masks_choose(plan, self.scenes) else ({}, self.ahead)
        counted = part_of_tile(plan, self.tile, self.chunk)
        out_of_range, read = 0, set()
        for number, planned in self.scenes:
            useful = stack.open_pixels(self.wanted)
            if useful is not None and not useful[self._part(planned)].any():
                continue
            ahead.begin(self._key(number))
            hidden = self._unpacked(masks.pop(number, None))
            found = read_layers(plan, number, grid, self.sources, useful, hidden, counted)
            if found is None:
                continue
            read.add(number)
            out_of_range += found.out_of_range
            stack.add(number, found.composed, found.compared)
        return _Composed(stack.result(), out_of_range, read)

    def _choose_by_masks(self) -> tuple[dict[int, NDArray[np.uint8]], ReadAhead]:
        """The masks of the scenes until all pixels are visible often enough, and a read-ahead of their bands.

        No data in the bands can make more scenes necessary. Errors are left to the scene that is really read. The masks
        are packed: eight pixels in a byte.
        """
        masks: dict[int, NDArray[np.uint8]] = {}
        needed: list[tuple[Key, Scene]] = []
        missing = np.full(self.chunk.grid.shape, self.plan.most_observations or 0, np.uint16)
        if self.wanted is not None:
            missing[~self.wanted] = 0
        with suppress(MosaicError):
            for number, planned in self.scenes:
                left = missing[self._part(planned)]
                if not left.any():
                    continue
                self.ahead.begin(self._key(number))
                hidden = read_hidden(self.plan, planned.scene, self.chunk.grid, self.sources)
                visible = left > 0 if hidden is None else (left > 0) & ~hidden[self._part(planned)]
                if hidden is not None:
                    masks[number] = np.packbits(hidden)
                if visible.any():
                    needed.append((self._key(number), planned.scene))
                    left -= visible
        grid = self.chunk.grid
        steps = ((key, list(band_windows(self.plan, scene, grid))) for key, scene in needed if is_remote(scene))
        return masks, ReadAhead(self.sources, steps)

    def _unpacked(self, mask: NDArray[np.uint8] | None) -> Flags | None:
        """A packed mask of the chunk, (height, width)."""
        shape = self.chunk.grid.shape
        return None if mask is None else np.unpackbits(mask, count=shape[0] * shape[1]).reshape(shape).view(np.bool_)

    def _key(self, number: int) -> Key:
        return self.tile.index, self.chunk.number, number

    def _part(self, planned: PlannedScene) -> tuple[slice, slice]:
        """The rows and columns of the chunk that a scene may touch, with a margin."""
        around = self.plan.around(self.tile)
        row, column = around.y + self.chunk.rows.start, around.x + self.chunk.columns.start
        window = planned.window
        rows = slice(max(0, window.top - row - SPARE), max(0, window.bottom - row + SPARE))
        return rows, slice(max(0, window.left - column - SPARE), max(0, window.right - column + SPARE))


def _with_extra_bands(plan: Plan, composed: Floats, result: Reduced) -> Floats:
    """The bands of the mosaic: those of the product, then deviations, count and scene, if requested."""
    missing = np.isnan(composed).any(axis=0)
    layers = [np.where(missing, np.float32(np.nan), band) for band in result.deviations]
    if plan.composite.count:
        layers.append(result.count.astype(np.float32))
    if plan.composite.chosen:
        chosen = result.chosen.astype(np.float32)
        chosen[(result.chosen == 0) | missing] = np.nan
        layers.append(chosen)
    return np.concatenate([composed, np.stack(layers)]) if layers else composed
