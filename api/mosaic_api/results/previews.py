"""Previews of running requests: pictures of finished tiles, with provisional colours.

They are made from the same parts and records as the mosaic.
"""

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
from mosaic_crds import names
from mosaic_crds.errors import RequestError
from mosaic_worker.finalize.publishing import stretches
from mosaic_worker.geometry.grid import Grid
from mosaic_worker.geometry.projection import Bounds
from mosaic_worker.output.mercator import EARTH_RADIUS, picture_grid, picture_mesh, shown
from mosaic_worker.output.palettes import picture_palette
from mosaic_worker.output.parts import LevelIndex, decode_level, digest_of
from mosaic_worker.output.stretched import Limits, stretch_to_bytes
from mosaic_worker.pixels.statistics import MosaicStatistics, TileStatistics, merge
from mosaic_worker.plan.model import Plan
from mosaic_worker.plan.stored import read_plan
from mosaic_worker.store import Store
from mosaic_worker.tiles.records import TileRecord, groups, records_of
from pydantic import ValidationError

from mosaic_api.results.tiles import coloured
from mosaic_api.web.cache import TtlCache
from mosaic_api.web.problems import NotFound

SIDE = 512
"""Maximum width and height of a tile's picture in pixels."""
MOST_KEPT = 16
"""Requests whose records are cached."""


@dataclass(frozen=True)
class DoneTile:
    """A finished tile: the key of its part, the level that is shown, its index in the part, and the picture's grid."""

    key: str
    level: int
    index: LevelIndex
    grid: Grid

    @property
    def bounds(self) -> Bounds:
        """West, south, east, north in degrees; beyond 180 across the antimeridian."""
        left, bottom, right, top = (edge / EARTH_RADIUS for edge in self.grid.bounds)
        south, north = (float(np.degrees(np.arctan(np.sinh(edge)))) for edge in (bottom, top))
        return float(np.degrees(left)), south, float(np.degrees(right)), north


class Preview:
    """The finished tiles of a request; reads each record once. Threads may share it."""

    def __init__(self, plan: Plan, store: Store) -> None:
        self._plan, self._store = plan, store
        self._done: dict[int, DoneTile] = {}
        self._groups = {
            str(group[0].index): range(group[0].index, group[-1].index + 1)
            for index in range(len(plan.ranges))
            for group in groups(plan, index)
        }
        self._totals: TileStatistics | None = None
        self._looking = threading.Lock()

    def finished(self) -> dict[int, DoneTile]:
        """The finished tiles by index."""
        with self._looking:
            new: dict[int, TileRecord] = {}
            for key in sorted(stored.key for stored in self._store.list(names.records_prefix(self._plan.uid))):
                if not all(tile in self._done for tile in self._tiles_in(key)):
                    for record in self._records(key):  # 7-<digest>.json, without unreadable scenes, precedes 7.json
                        if record.tile not in self._done:
                            new.setdefault(record.tile, record)
            if new:
                earlier = [self._totals] if self._totals else []
                self._totals = _totals(merge([*earlier, *(record.statistics for record in new.values())]))
                self._done |= {tile: self._done_tile(record) for tile, record in new.items()}
            return dict(self._done)

    def stretch(self) -> Limits:
        """The stretch of the mosaic if no more tiles followed; empty without tiles."""
        with self._looking:
            if self._totals is None:
                return []
            bands = merge([self._totals]).bands
            return stretches(self._plan, [bands[number] for number in self._plan.picture])

    def picture(self, tile: int, stretch: Limits) -> bytes:
        """A tile's picture as PNG.

        Raises:
            NotFound: it is not finished, or its part is deleted.
        """
        done = self._done.get(tile) or self.finished().get(tile)
        content = self._store.read(done.key, done.index.start, done.index.stop) if done else None
        if done is None or content is None or digest_of(content) != done.index.digest:
            raise NotFound(f"the tile {tile} is not finished, or is deleted")
        mesh = picture_mesh(done.grid, self._grid(tile).reduced(1 << done.level))
        values = decode_level(content, self._plan.encoding, self._plan.picture)
        window = mesh.window
        needed = values[:, window.top : window.bottom, window.left : window.right]
        colours = self._plan.colours
        return coloured(
            shown(mesh, stretch_to_bytes(needed, stretch, colours.tone)),
            picture_palette(self._plan.product, colours.colormap),
        )

    @property
    def bands(self) -> int:
        """The number of bands of the picture."""
        return len(self._plan.picture)

    def _tiles_in(self, key: str) -> Sequence[int]:
        """The tiles whose records are in an object; none if it is none of ours."""
        place = PurePosixPath(key)
        group = self._groups.get(place.parent.name, range(0))
        what = place.stem.partition("-")[0]
        return group if what == names.GROUP_RECORDS else [tile for tile in group if str(tile) == what]

    def _records(self, key: str) -> list[TileRecord]:
        """The records in an object; none if it is invalid or of another plan, which the workers handle."""
        content = self._store.read(key)
        try:
            records = records_of(content or b"")
        except ValidationError:
            return []
        return [each for each in records if each.plan == self._plan.digest and each.tile < len(self._plan.tiles)]

    def _done_tile(self, record: TileRecord) -> DoneTile:
        level = next(
            (number for number, index in enumerate(record.levels) if max(index.width, index.height) <= SIDE),
            len(record.levels) - 1,
        )
        key = names.part_key(self._plan.uid, record.tile, record.digest)
        return DoneTile(key, level, record.levels[level], picture_grid(self._grid(record.tile), SIDE)[0])

    def _grid(self, tile: int) -> Grid:
        cut = self._plan.tiles[tile]
        return self._plan.grid.window(cut.x, cut.y, cut.width, cut.height)


class Previews:
    """The previews of requests that somebody watches."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._kept: TtlCache[Preview | None] = TtlCache(math.inf, MOST_KEPT)

    def of(self, uid: str) -> Preview | None:
        """The preview of a request; None until it is planned, or if other code runs it."""

        def find() -> Preview | None:
            try:
                plan = read_plan(uid, self._store)
            except RequestError:
                return None
            return None if plan is None else Preview(plan, self._store)

        return self._kept.get(uid, find)


def _totals(statistics: MosaicStatistics) -> TileStatistics:
    """Merged statistics as those of one large tile, to merge them with others."""
    return TileStatistics(statistics.bands[0].bins, statistics.bands, statistics.out_of_range)
