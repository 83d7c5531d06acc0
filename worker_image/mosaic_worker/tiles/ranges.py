"""The tiles step: a range of tiles computed and written, each as a part and then a record that says so."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from mosaic_crds import names
from mosaic_crds.errors import RequestError
from pydantic import TypeAdapter, ValidationError

from mosaic_worker.geometry.tiling import Tile, part_levels
from mosaic_worker.output.parts import LevelIndex, encode_part
from mosaic_worker.pixels.compute import compute_tile, expect_tiles
from mosaic_worker.pixels.statistics import TileStatistics, measure
from mosaic_worker.plan.model import Plan
from mosaic_worker.sources.readers.open_sources import OpenSources
from mosaic_worker.store import Store
from mosaic_worker.tiles.skipping import UnreadableSceneError, note_unreadable, skipped_in, unreadable_scenes

READERS = 8
"""Records that are read at once: of a store over the network each takes a while."""


@dataclass(frozen=True)
class TileRecord:
    """Says that a tile is done, and all that finalize needs to know of it.

    Attributes:
        plan: digest of the plan it belongs to.
        code: version of the code that computed it.
        tile: the tile's index.
        digest: SHA-256 of the part, which is also in the part's name.
        levels: where the blocks of each pyramid level are in the part.
        statistics: of the product's bands.
        scenes: 1-based numbers of the scenes that were read.
        skipped: numbers of the scenes that touch the tile and were not read, because they are unreadable.
    """

    plan: str
    code: str
    tile: int
    digest: str
    levels: tuple[LevelIndex, ...]
    statistics: TileStatistics
    scenes: tuple[int, ...]
    skipped: tuple[int, ...] = ()

    def to_json(self) -> bytes:
        """The record as it is written in the store.

        Raises:
            RequestError: it could not be read back, so that the tile would be computed again and again.
        """
        text = _RECORD.dump_json(self)
        try:
            _RECORD.validate_json(text)
        except ValidationError as error:
            place = ".".join(map(str, error.errors()[0]["loc"]))
            raise RequestError(
                f"the record of tile {self.tile} cannot be read back ({place}); this is a fault of the program"
            ) from error
        return text

    @staticmethod
    def from_json(text: bytes) -> "TileRecord":
        """The record that was written."""
        return _RECORD.validate_json(text)


_RECORD = TypeAdapter(TileRecord)


def compute_range(
    plan: Plan,
    index: int,
    store: Store,
    sources: OpenSources,
    on_tile: Callable[[Tile], object] = lambda _: None,
) -> None:
    """Compute the tiles of a range that have no record yet.

    Safe to interrupt anywhere, to repeat, and to run twice at once: a part is named by its content, and the first
    record of a tile stays. Where unreadable scenes are skipped, tiles that were computed before a scene proved
    unreadable are computed again without it.

    Args:
        plan: the plan.
        index: which range.
        store: where parts and records go.
        sources: handles to the scenes' files, kept open from tile to tile.
        on_tile: told of each tile when it is done, or was already.

    Raises:
        RequestError: a scene cannot be read, or more than half of them where unreadable ones are skipped.
        PassingError: a server or the store did not answer.
    """
    start, stop = plan.ranges[index]
    done_without: frozenset[int] | None = None
    while (unreadable := unreadable_scenes(plan, store)) != done_without:
        for tile in plan.tiles[start:stop]:
            _compute(plan, tile, stop, store, sources)
            on_tile(tile)
        done_without = unreadable


def _compute(plan: Plan, tile: Tile, stop: int, store: Store, sources: OpenSources) -> None:
    """Compute a tile of a range that ends before the tile `stop`, unless it is done."""
    doubted: int | None = None
    while True:
        unreadable = unreadable_scenes(plan, store)
        if read_record(plan, tile, store, unreadable) is not None:
            return
        expect_tiles(plan, plan.tiles[tile.index : min(tile.index + 2, stop)], sources, unreadable)
        try:
            part, record = make_part(plan, tile, sources, unreadable)
        except UnreadableSceneError as error:
            if error.number == doubted:
                note_unreadable(plan, error, store)
            else:  # a scene is skipped only if it fails twice, the second time opened and fetched again
                doubted = error.number
                sources.forget()
            continue
        store.create(names.part_key(plan.uid, tile.index, record.digest), [part], durable=False)
        store.create(names.record_key(plan.uid, tile.index, record.skipped), [record.to_json()], durable=False)
        return


def make_part(
    plan: Plan, tile: Tile, sources: OpenSources, unreadable: frozenset[int] = frozenset()
) -> tuple[bytes, TileRecord]:
    """Compute a tile without unreadable scenes and encode it: the part's bytes, and the record."""
    skipped = skipped_in(plan, tile, unreadable)
    pixels = compute_tile(plan, tile, sources, skipped)
    product = len(plan.formula.output_bands)
    values, overflow = plan.encoding.fitting(pixels.values)
    place = plan.grid.window(tile.x, tile.y, tile.width, tile.height)
    part = encode_part(values, plan.encoding, place, part_levels(plan.grid, plan.tile_side, plan.block))
    statistics = measure(
        plan.encoding.values(plan.encoding.stored(values))[:product],
        normalised_difference=plan.formula.normalised_difference,
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
        statistics=statistics,
        scenes=pixels.scenes,
        skipped=skipped,
    )
    return part.content, record


def read_records(plan: Plan, store: Store, unreadable: frozenset[int] = frozenset()) -> dict[int, TileRecord]:
    """The records of a plan's tiles that are there, by tile; of tiles that were computed without unreadable scenes.

    Raises:
        RequestError: a record belongs to another plan.
    """
    with ThreadPoolExecutor(READERS) as threads:
        found = threads.map(lambda tile: read_record(plan, tile, store, unreadable), plan.tiles)
        return {tile.index: record for tile, record in zip(plan.tiles, found, strict=True) if record is not None}


def read_record(plan: Plan, tile: Tile, store: Store, unreadable: frozenset[int] = frozenset()) -> TileRecord | None:
    """The record of a tile, if it is done; one that a failure of the machine cut short is forgotten.

    Raises:
        RequestError: it belongs to another plan.
    """
    key = names.record_key(plan.uid, tile.index, skipped_in(plan, tile, unreadable))
    text = store.read(key)
    if text is None:
        return None
    try:
        record = TileRecord.from_json(text)
    except ValidationError:
        store.delete(key)
        return None
    if record.plan != plan.digest:
        raise RequestError(f"the work folder of {plan.uid} holds tiles of another plan; delete it and run again")
    return record
