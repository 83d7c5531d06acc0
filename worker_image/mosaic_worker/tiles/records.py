"""Records: a tile is done when its record is in the store. The record leads to the part."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from mosaic_crds import names
from mosaic_crds.errors import RequestError
from pydantic import TypeAdapter, ValidationError

from mosaic_worker.geometry.tiling import Tile
from mosaic_worker.output.parts import LevelIndex
from mosaic_worker.pixels.statistics import TileStatistics
from mosaic_worker.plan.model import Plan
from mosaic_worker.store import Store
from mosaic_worker.tiles.skipping import skipped_in

READERS = 8
"""Records that are read in parallel, because a network store is slow."""


@dataclass(frozen=True)
class TileRecord:
    """The record of a finished tile, for finalize.

    Attributes:
        plan: digest of the plan.
        code: version of the code.
        tile: index of the tile.
        digest: of the part; it is also in its name.
        levels: the levels in the part.
        above: the level above them, as plain numbers.
        statistics: of the bands of the product.
        scenes: 1-based numbers of the scenes that were read.
        skipped: numbers of the unreadable scenes that touch the tile.
    """

    plan: str
    code: str
    tile: int
    digest: str
    levels: tuple[LevelIndex, ...]
    above: LevelIndex
    statistics: TileStatistics
    scenes: tuple[int, ...]
    skipped: tuple[int, ...] = ()

    def to_json(self) -> bytes:
        """The record for the store.

        Raises:
            RequestError: it could not be read back, so the tile would be recomputed forever.
        """
        text = _RECORD.dump_json(self)
        try:
            _RECORD.validate_json(text)
        except ValidationError as error:
            place = ".".join(map(str, error.errors()[0]["loc"]))
            raise RequestError(
                f"the record of tile {self.tile} cannot be read back ({place}); this is a bug in the program"
            ) from error
        return text

    @staticmethod
    def from_json(text: bytes) -> "TileRecord":
        """The record from the store."""
        return _RECORD.validate_json(text)


_RECORD = TypeAdapter(TileRecord)


def read_records(plan: Plan, store: Store, unreadable: frozenset[int] = frozenset()) -> dict[int, TileRecord]:
    """The existing records of a plan, by tile; only of tiles that were computed without unreadable scenes.

    Raises:
        RequestError: a record belongs to another plan.
    """
    with ThreadPoolExecutor(READERS) as threads:
        found = threads.map(lambda tile: read_record(plan, tile, store, unreadable), plan.tiles)
        return {tile.index: record for tile, record in zip(plan.tiles, found, strict=True) if record is not None}


def read_record(plan: Plan, tile: Tile, store: Store, unreadable: frozenset[int] = frozenset()) -> TileRecord | None:
    """The record of a tile, if it is done; a truncated record is deleted.

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
        raise RequestError(f"the work folder of {plan.uid} has tiles of another plan; delete it and run again")
    return record
