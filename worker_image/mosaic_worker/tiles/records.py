"""Records: a tile is done when its record is in the store, and finalize needs nothing else to find its part."""

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
"""Records that are read in parallel: over the network each takes a while."""


@dataclass(frozen=True)
class TileRecord:
    """A tile is done; all that finalize needs to know of it.

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
                f"the record of tile {self.tile} cannot be read back ({place}); this is a bug in the program"
            ) from error
        return text

    @staticmethod
    def from_json(text: bytes) -> "TileRecord":
        """The record that was written."""
        return _RECORD.validate_json(text)


_RECORD = TypeAdapter(TileRecord)


def read_records(plan: Plan, store: Store, unreadable: frozenset[int] = frozenset()) -> dict[int, TileRecord]:
    """The records of a plan's tiles that are there, by tile; of tiles that were computed without unreadable scenes.

    Raises:
        RequestError: a record belongs to another plan.
    """
    with ThreadPoolExecutor(READERS) as threads:
        found = threads.map(lambda tile: read_record(plan, tile, store, unreadable), plan.tiles)
        return {tile.index: record for tile, record in zip(plan.tiles, found, strict=True) if record is not None}


def read_record(plan: Plan, tile: Tile, store: Store, unreadable: frozenset[int] = frozenset()) -> TileRecord | None:
    """The record of a tile, if it is done; one that a failure of the machine truncated is deleted.

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
