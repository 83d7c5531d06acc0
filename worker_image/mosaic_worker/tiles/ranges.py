"""The tiles step: computes the tiles of a range, writes a part and then a record for each, and merges the records."""

from collections.abc import Callable, Sequence

from mosaic_crds import names

from mosaic_worker.geometry.tiling import Tile, part_levels
from mosaic_worker.output.parts import encode_part
from mosaic_worker.pixels.compute import compute_tile
from mosaic_worker.pixels.layers import UnreadableSceneError
from mosaic_worker.pixels.statistics import measure
from mosaic_worker.plan.model import Plan
from mosaic_worker.sources.readers.environment import raster_environment
from mosaic_worker.sources.readers.open_sources import OpenSources
from mosaic_worker.store import Store
from mosaic_worker.tiles.records import GroupRecords, TileRecord, groups
from mosaic_worker.tiles.shared import ComputedElsewhereError, SharedTiles
from mosaic_worker.tiles.skipping import note_unreadable, skipped_in, unreadable_scenes


def compute_range(
    plan: Plan,
    index: int,
    store: Store,
    sources: OpenSources,
    on_tile: Callable[[Tile], object] = lambda _: None,
) -> None:
    """Compute the tiles of a range that have no record yet.

    It can be interrupted, repeated and run in parallel: parts are named by content, and the first record of a tile
    wins. If a scene proves unreadable and is skipped, tiles that were computed with it are recomputed. Tiles that
    another request computes now are left for the end of their group (`SharedTiles`).

    Args:
        plan: the plan.
        index: the range.
        store: the store for parts and records.
        sources: the open files of scenes.
        on_tile: called with each finished tile.

    Raises:
        RequestError: a scene cannot be read, or more than half of them if unreadable scenes are skipped.
        PassingError: a server or the store did not respond.
    """
    _, stop = plan.ranges[index]
    done_without: frozenset[int] | None = None
    shared = SharedTiles(plan, store)
    while (unreadable := unreadable_scenes(plan, store)) != done_without:
        for group in groups(plan, index):
            records = GroupRecords(plan, group, store, unreadable)
            left = []
            for tile in group:
                try:
                    _compute(plan, tile, stop, records, store, sources, shared)
                    on_tile(tile)
                except ComputedElsewhereError:
                    left.append(tile)
            for tile in left:
                _compute(plan, tile, stop, records, store, sources, shared, wait=True)
                on_tile(tile)
            records.merge(unreadable_scenes(plan, store))
        done_without = unreadable


def _compute(
    plan: Plan,
    tile: Tile,
    stop: int,
    records: GroupRecords,
    store: Store,
    sources: OpenSources,
    shared: SharedTiles,
    *,
    wait: bool = False,
) -> None:
    """Compute a tile, unless it is done; the range ends before the tile `stop`. Raises as `SharedTiles.find`."""
    doubted: int | None = None
    while True:
        unreadable = unreadable_scenes(plan, store)
        if records.has(tile, unreadable):
            return
        found = shared.find(tile, skipped_in(plan, tile, unreadable), wait=wait)
        try:
            part, record = found or make_part(plan, tile, sources, unreadable, plan.tiles[tile.index + 1 : stop][:1])
        except UnreadableSceneError as error:
            if error.number == doubted:
                note_unreadable(plan, error, store)
            else:  # a scene is skipped if it fails again after it is reopened and fetched again
                doubted = error.number
                sources.forget()
            continue
        if found is None:
            shared.add(tile, part, record)
        store.create(names.part_key(plan.uid, tile.index, record.digest), part, durable=False)
        records.add(record)
        return


def make_part(
    plan: Plan,
    tile: Tile,
    sources: OpenSources,
    unreadable: frozenset[int] = frozenset(),
    following: Sequence[Tile] = (),
) -> tuple[Sequence[bytes], TileRecord]:
    """Compute and encode a tile.

    Args:
        plan: the plan.
        tile: the tile.
        sources: the open files of scenes.
        unreadable: the scenes that are left out.
        following: the tiles that are computed next, which are read ahead.

    Returns:
        The pieces of the part, and the record.
    """
    skipped = skipped_in(plan, tile, unreadable)
    with raster_environment():
        pixels = compute_tile(plan, tile, sources, skipped, following)
    product = len(plan.formula.output_bands)
    classifier = plan.formula.classifier
    computed = pixels.values if classifier is None else classifier.classify(pixels.values)
    values, overflow = plan.encoding.fitting(computed)
    place = plan.grid.window(tile.x, tile.y, tile.width, tile.height)
    part = encode_part(values, plan.encoding, place, part_levels(plan.grid, plan.tile_side, plan.block))
    statistics = measure(
        plan.encoding.values(plan.encoding.stored(values))[:product],
        normalised_difference=plan.normalised_difference and classifier is None,
        out_of_range=pixels.out_of_range,
        overflow=overflow[:product],
        inside=pixels.inside,
    )
    record = TileRecord(
        plan=plan.digest,
        code=plan.code,
        tile=tile.index,
        digest=part.digest,
        levels=part.levels,
        above=part.above,
        statistics=statistics,
        scenes=pixels.scenes,
        skipped=skipped,
    )
    return part.pieces, record
