"""Shared tiles: requests of a namespace that need the same tile compute it once.

A shared tile is one object, its record and its part, below the key of the tile. A request that reads it copies it to
its own work folder, so nothing else depends on shared tiles, and they can be deleted at any time. Pods with the store's
credentials are the only readers and writers: decision 50.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from mosaic_crds import names
from pydantic import ValidationError

from mosaic_worker.geometry.tiling import Tile
from mosaic_worker.output.parts import digest_of
from mosaic_worker.pixels.chunks import touching_scenes
from mosaic_worker.plan.model import Plan
from mosaic_worker.store import Store
from mosaic_worker.tiles.keys import TileKeys
from mosaic_worker.tiles.records import TileRecord

PATIENCE = 20.0
"""Seconds without a new tile after which tiles that others compute are computed here too: they may have died."""
POLL_SECONDS = 0.5
DAY = 24 * 3600

PartAndRecord = tuple[Sequence[bytes], TileRecord]


class ComputedElsewhereError(Exception):
    """Another request computes the tile now."""


class SharedTiles:
    """The shared tiles of the namespace of a plan; without effect if the plan does not share its tiles."""

    def __init__(
        self,
        plan: Plan,
        store: Store,
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._plan, self._store, self._now, self._sleep = plan, store, now, sleep
        self._keys = TileKeys(plan)
        self._patient_until: float | None = None

    def find(self, tile: Tile, skipped: tuple[int, ...], *, wait: bool) -> PartAndRecord | None:
        """The part and the record of a tile for this plan; None if the tile must be computed, and then added.

        Args:
            tile: the tile.
            skipped: numbers of the unreadable scenes that it is computed without.
            wait: whether to wait for a tile that another request computes.

        Raises:
            ComputedElsewhereError: another request computes it, and `wait` is false.
        """
        if not self._plan.shared:
            return None
        namespace, key, uid = self._plan.namespace, self._keys.of(tile, skipped), self._plan.uid.encode()
        claim = names.shared_claim_key(namespace, key)
        if self._store.create(claim, [uid], durable=False):
            return None
        content = self._store.read(names.shared_tile_key(namespace, key))
        if content is None and self._store.read(claim) != uid:
            if not wait:
                raise ComputedElsewhereError
            content = self._wait_for(names.shared_tile_key(namespace, key))
        if content is None:
            return None
        found = self._checked(tile, skipped, content)
        if found is None:
            self._store.delete(names.shared_tile_key(namespace, key))
        else:
            self._store.create(names.shared_use_key(namespace, key, int(self._now() // DAY)), [uid], durable=False)
        return found

    def add(self, tile: Tile, part: Sequence[bytes], record: TileRecord) -> None:
        """Share a computed tile; the first one stays."""
        if not self._plan.shared:
            return
        places = {number: place for place, (number, _) in enumerate(touching_scenes(self._plan, tile))}
        shared = replace(record, scenes=tuple(places[number] for number in record.scenes), skipped=())
        key = names.shared_tile_key(self._plan.namespace, self._keys.of(tile, record.skipped))
        self._store.create(key, [shared.to_json(), b"\n", *part], durable=False)

    def _wait_for(self, key: str) -> bytes | None:
        """The content of a shared tile that another request computes; None after `PATIENCE`."""
        if self._patient_until is None:
            self._patient_until = self._now() + PATIENCE
        while True:
            content = self._store.read(key)
            if content is not None:
                self._patient_until = self._now() + PATIENCE
                return content
            if self._now() >= self._patient_until:
                return None
            self._sleep(POLL_SECONDS)

    def _checked(self, tile: Tile, skipped: tuple[int, ...], content: bytes) -> PartAndRecord | None:
        """The part and the record for this plan of the content of a shared tile; None if it is damaged."""
        text, _, part = content.partition(b"\n")
        try:
            shared = TileRecord.from_json(text)
        except ValidationError:
            return None
        levels = (*shared.levels, shared.above)
        if [digest_of(part[level.start : level.stop]) for level in levels] != [level.digest for level in levels]:
            return None
        numbers = [number for number, _ in touching_scenes(self._plan, tile)]
        record = replace(
            shared,
            plan=self._plan.digest,
            scenes=tuple(numbers[place] for place in shared.scenes),
            skipped=skipped,
            reused=shared.plan != self._plan.digest,
        )
        return [part], record
