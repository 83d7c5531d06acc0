"""Reads the parts of the tiles for finalize, a few ahead, and checks their digests."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future
from threading import Lock
from typing import NamedTuple

from mosaic_crds import names
from mosaic_crds.errors import PassingError
from xxhash import xxh3_128

from mosaic_worker.output.parts import LevelIndex, digest_of
from mosaic_worker.plan.model import Plan
from mosaic_worker.store import Store
from mosaic_worker.tiles.records import TileRecord, forget_record

READERS = 8
"""Parallel reads, because a network store is slow."""
BYTES_AHEAD = 64 * 2**20
"""Bytes that are read ahead; a single read can be larger."""


class LostTilesError(PassingError):
    """Tiles have no record, or their parts are lost or damaged: recompute them.

    Attributes:
        tiles: the known number.
    """

    def __init__(self, message: str, tiles: int = 1) -> None:
        super().__init__(message)
        self.tiles = tiles


class Parts:
    """The parts of the tiles, the input of the COG and the picture. It is thread-safe."""

    def __init__(self, plan: Plan, records: Sequence[TileRecord], store: Store, readers: Executor) -> None:
        self._plan, self._records, self._store, self._readers = plan, records, store, readers
        self._forgetting = Lock()

    def index(self, tile: int, level: int) -> LevelIndex:
        """A level of a tile; the level after the last one with blocks is that of plain numbers."""
        record = self._records[tile]
        return (*record.levels, record.above)[level]

    def level(self, tile: int, level: int) -> bytes:
        """The bytes of a level.

        Raises:
            LostTilesError: it is lost or damaged. It is deleted, so that the next run recomputes it.
        """
        index = self.index(tile, level)
        content = self._read(tile, index.start, index.stop)
        if content is None or digest_of(content) != index.digest:
            raise self._lost(tile)
        return content

    def whole(self, level: int) -> Iterator[bytes]:
        """A level of each tile, in order. Raises as `level`."""
        indexes = [self.index(tile, level) for tile in range(len(self._records))]
        wanted = (_Piece(tile, index.start, index.stop) for tile, index in enumerate(indexes))
        for piece, content in self._ahead(wanted):
            if digest_of(content) != indexes[piece.tile].digest:
                raise self._lost(piece.tile)
            yield content

    def rows(self, level: int, places: Iterable[tuple[int, int]]) -> Iterator[bytes]:
        """Rows of blocks of a level: the bytes of each (tile, row). The rows of a tile are requested from the top.

        The digest of a tile is compared after its last row, so do not publish the others before. Raises as `level`.
        """
        digests: dict[int, xxh3_128] = {}
        wanted = (_Piece(tile, *self.index(tile, level).row(row, self._plan.block)) for tile, row in places)
        for piece, content in self._ahead(wanted):
            tile, index = piece.tile, self.index(piece.tile, level)
            digests.setdefault(tile, xxh3_128()).update(content)
            if piece.stop == index.stop and digests.pop(tile).hexdigest() != index.digest:
                raise self._lost(tile)
            yield content

    def _ahead(self, wanted: Iterator["_Piece"]) -> Iterator[tuple["_Piece", bytes]]:
        """Pieces of parts, in order, read a few ahead."""
        under_way: deque[tuple[_Piece, Future[bytes | None]]] = deque()
        size = 0
        following = next(wanted, None)
        while under_way or following is not None:
            while following is not None and (
                not under_way or (len(under_way) < READERS and size + following.size <= BYTES_AHEAD)
            ):
                size += following.size
                under_way.append((following, self._readers.submit(self._read, *following)))
                following = next(wanted, None)
            piece, future = under_way.popleft()
            content = future.result()
            size -= piece.size
            if content is None or len(content) != piece.size:
                raise self._lost(piece.tile)
            yield piece, content

    def _read(self, tile: int, start: int, stop: int) -> bytes | None:
        key = names.part_key(self._plan.uid, tile, self._records[tile].digest)
        return self._store.read(key, start, stop)

    def _lost(self, tile: int) -> LostTilesError:
        """The error of a lost or damaged part, which is deleted, so that the next run recomputes it."""
        with self._forgetting:
            forget_record(self._plan, tile, self._store)
        self._store.delete(names.part_key(self._plan.uid, tile, self._records[tile].digest))
        return LostTilesError(f"the part of tile {tile} is lost or damaged; run again to recompute it")


class _Piece(NamedTuple):
    """Bytes [start, stop) of the part of a tile."""

    tile: int
    start: int
    stop: int

    @property
    def size(self) -> int:
        return self.stop - self.start
