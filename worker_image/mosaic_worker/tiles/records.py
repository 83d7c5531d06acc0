"""Records: a tile is done when its record is in the store. The record leads to the part.

When all tiles of a group are done, one object with their records replaces the single ones, so that the store has fewer
objects and finalize reads fewer.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from mosaic_crds import names
from mosaic_crds.errors import RequestError
from pydantic import TypeAdapter, ValidationError

from mosaic_worker.geometry.tiling import FEW_BANDS, Tile
from mosaic_worker.output.parts import LevelIndex
from mosaic_worker.pixels.statistics import TileStatistics
from mosaic_worker.plan.model import Plan
from mosaic_worker.store import Store
from mosaic_worker.tiles.skipping import skipped_in

MOST_TOGETHER = 100
"""The most tiles of a group: so many records are in memory while its tiles are computed."""
FEWEST_TOGETHER = 10
"""Smaller groups keep single records, because to replace them takes longer than to read them."""
AT_ONCE = 8
"""Calls to the store in parallel, because a network store is slow."""


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
        reused: whether another request computed it.
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
    reused: bool = False

    def to_json(self) -> bytes:
        """The record for the store, as one line.

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


def groups(plan: Plan, index: int) -> list[Sequence[Tile]]:
    """The tiles of a range in groups, whose records are together; in order."""
    start, stop = plan.ranges[index]
    most = together(plan)
    return [plan.tiles[first : min(first + most, stop)] for first in range(start, stop, most)]


def together(plan: Plan) -> int:
    """The most tiles of a group: fewer with many bands, because each has statistics."""
    return max(1, MOST_TOGETHER * min(FEW_BANDS, len(plan.band_names)) // len(plan.band_names))


def read_records(
    plan: Plan,
    store: Store,
    unreadable: frozenset[int] = frozenset(),
    keep: Callable[[TileRecord], TileRecord] = lambda record: record,
) -> dict[int, TileRecord]:
    """The existing records of a plan, by tile; only of tiles that were computed without unreadable scenes.

    Args:
        plan: the plan.
        store: the store.
        unreadable: numbers of the unreadable scenes.
        keep: returns what to keep of a record; called once for each tile. A mosaic can have a million.

    Raises:
        RequestError: a record belongs to another plan.
    """
    folder = names.records_prefix(plan.uid)
    keys: dict[str, list[str]] = defaultdict(list)
    for key in (stored.key for stored in store.list(folder)):
        keys[key.removeprefix(folder).partition("/")[0]].append(key)
    found = [
        (group, keys[str(group[0].index)])
        for index in range(len(plan.ranges))
        for group in groups(plan, index)
        if str(group[0].index) in keys
    ]
    with ThreadPoolExecutor(AT_ONCE) as threads:
        read = threads.map(lambda each: _read(plan, each[0], each[1], store, unreadable), found)
        return {tile: keep(record) for records in read for tile, record in records.items()}


def forget_record(plan: Plan, tile: int, store: Store) -> None:
    """Delete the record of a tile, whose part is lost. The other tiles of its group stay done."""
    group = next(
        each
        for index, (start, stop) in enumerate(plan.ranges)
        if start <= tile < stop
        for each in groups(plan, index)
        if each[0].index <= tile <= each[-1].index
    )
    prefix = names.group_prefix(plan.uid, group[0].index)
    keys = [stored.key for stored in store.list(prefix)]
    whole = [key for key in keys if _is_of_group(key)]
    for key in whole:
        for record in _records_in(plan, group, key, store):
            if record.tile != tile:
                store.create(_key(plan, group, record), [record.to_json()], durable=False)
    mine = [key for key in keys if key.removeprefix(prefix).partition(".")[0].partition("-")[0] == str(tile)]
    for key in [*mine, *whole]:
        store.delete(key)


class GroupRecords:
    """The records of a group for the worker that computes its tiles.

    Raises:
        RequestError: a record belongs to another plan.
    """

    def __init__(self, plan: Plan, group: Sequence[Tile], store: Store, unreadable: frozenset[int]) -> None:
        self._plan, self._group, self._store = plan, group, store
        self._keys = {stored.key for stored in store.list(names.group_prefix(plan.uid, group[0].index))}
        found = _read(plan, group, self._keys, store, unreadable)
        self._lines = {tile: (record.skipped, record.to_json()) for tile, record in found.items()}

    def has(self, tile: Tile, unreadable: frozenset[int]) -> bool:
        """Whether a tile is done, without unreadable scenes."""
        return self._lines.get(tile.index, (None,))[0] == skipped_in(self._plan, tile, unreadable)

    def add(self, record: TileRecord) -> None:
        """Write the record of a tile; the first one stays."""
        key, line = _key(self._plan, self._group, record), record.to_json()
        self._store.create(key, [line], durable=False)
        self._keys.add(key)
        self._lines[record.tile] = record.skipped, line

    def merge(self, unreadable: frozenset[int]) -> None:
        """Replace single records by one object, if the group is large and all its tiles are done."""
        if len(self._group) < FEWEST_TOGETHER or not all(self.has(tile, unreadable) for tile in self._group):
            return
        skipped = sorted({scene for tile in self._group for scene in skipped_in(self._plan, tile, unreadable)})
        merged = names.group_records_key(self._plan.uid, self._group[0].index, skipped)
        if merged not in self._keys:
            lines = [self._lines[tile.index][1] for tile in self._group]
            self._store.create(merged, [line + b"\n" for line in lines], durable=False)
        with ThreadPoolExecutor(AT_ONCE) as threads:
            list(threads.map(self._store.delete, self._keys - {merged}))
        self._keys = {merged}


def _key(plan: Plan, group: Sequence[Tile], record: TileRecord) -> str:
    return names.record_key(plan.uid, group[0].index, record.tile, record.skipped)


def _is_of_group(key: str) -> bool:
    return key.rpartition("/")[2].startswith(names.GROUP_RECORDS)


def _read(
    plan: Plan, group: Sequence[Tile], keys: Collection[str], store: Store, unreadable: frozenset[int]
) -> dict[int, TileRecord]:
    """The records of a group that were computed without unreadable scenes, by tile; those of the whole group first."""
    wanted = {tile.index: skipped_in(plan, tile, unreadable) for tile in group}
    found: dict[int, TileRecord] = {}
    for key in sorted(keys, key=lambda key: (not _is_of_group(key), key)):
        if len(found) == len(group):
            break
        for record in _records_in(plan, group, key, store):
            if record.skipped == wanted.get(record.tile):
                found.setdefault(record.tile, record)
    return found


def _records_in(plan: Plan, group: Sequence[Tile], key: str, store: Store) -> list[TileRecord]:
    """The records in an object; a truncated object is deleted.

    Raises:
        RequestError: they belong to another plan.
    """
    content = store.read(key)
    if content is None:  # another worker has merged the group meanwhile
        return []
    try:
        records = records_of(content)
        whole = len(records) == (len(group) if _is_of_group(key) else 1)
    except ValidationError:
        whole = False
    if not whole:
        store.delete(key)
        return []
    if any(record.plan != plan.digest for record in records):
        raise RequestError(f"the work folder of {plan.uid} has tiles of another plan; delete it and run again")
    return records


def records_of(content: bytes) -> list[TileRecord]:
    """The records in an object of the store.

    Raises:
        ValidationError: a record is truncated.
    """
    return [TileRecord.from_json(line) for line in content.splitlines() or [b""]]
