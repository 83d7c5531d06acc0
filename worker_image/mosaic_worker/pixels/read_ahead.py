"""Reads from servers what the next scenes and tiles need, while pixels are computed."""

from collections import deque
from collections.abc import Collection, Iterable, Iterator, Sequence

from mosaic_worker.geometry.tiling import Tile
from mosaic_worker.pixels.chunks import Numbered, chunks_of, masks_choose, touching_scenes
from mosaic_worker.pixels.scene import band_windows, mask_windows
from mosaic_worker.plan.model import Plan
from mosaic_worker.plan.scenes import PlannedScene
from mosaic_worker.sources.access.gate import is_url
from mosaic_worker.sources.http.remote_files import MEMORY
from mosaic_worker.sources.readers.open_sources import OpenSources, WindowToRead
from mosaic_worker.sources.scenes import Scene

AHEAD_BYTES = MEMORY // 2
"""Maximum bytes of later steps that are read ahead; the other half of the memory has what is in use."""
HEADERS_AHEAD = 16
"""Steps whose headers are read before their pixels are."""
Key = tuple[int, int, int]
"""A step: the tile, the chunk in it, and the scene."""
Step = tuple[Key, Sequence[WindowToRead]]


class ReadAhead:
    """Starts to read later steps when a step begins.

    Args:
        sources: the open files of scenes.
        steps: all steps in ascending order.
    """

    def __init__(self, sources: OpenSources, steps: Iterable[Step]) -> None:
        self._sources = sources
        self._steps = iter(steps)
        self._coming: deque[Step] = deque()
        self._started: deque[tuple[Key, int]] = deque()

    def begin(self, key: Key) -> None:
        """A step begins: earlier ones are done, and later ones are read, as many as fit into the memory."""
        while self._started and self._started[0][0] < key:
            self._started.popleft()
        while sum(size for _, size in self._started) < AHEAD_BYTES and (step := self._next(key)) is not None:
            self._started.append((step[0], self._sources.prefetch(step[1])))

    def _next(self, key: Key) -> Step | None:
        """The next step, not before a key; the headers of the following steps are on their way."""
        while True:
            while len(self._coming) < HEADERS_AHEAD and (step := next(self._steps, None)) is not None:
                if step[0] >= key:
                    self._sources.prefetch_headers(href for href, *_ in step[1])
                    self._coming.append(step)
            if not self._coming:
                return None
            step = self._coming.popleft()
            if step[0] >= key:
                return step


def is_remote(scene: Scene) -> bool:
    """Whether any file of a scene is on a server."""
    return any(map(is_url, scene.hrefs))


def steps_of(plan: Plan, tiles: Sequence[Tile], skipped: Collection[int]) -> Iterator[Step]:
    """What tiles will certainly read, scene by scene.

    That is everything, if all scenes are read. Otherwise it is the first scenes of each chunk, or, if masks tell which
    ones are needed, the masks.
    """
    for tile in tiles:
        here = [(number, planned) for number, planned in touching_scenes(plan, tile) if number not in skipped]
        if not any(is_remote(planned.scene) for _, planned in here):
            continue
        sides = [[each for each in here if each[0] in side] for side in plan.sides]
        read = [(number, planned.scene, bands) for side in sides for number, planned, bands in _certain(plan, side)]
        for chunk in chunks_of(plan, tile):
            for number, scene, bands in read:
                windows = list(mask_windows(plan, scene, chunk.grid))
                if bands:
                    windows += band_windows(plan, scene, chunk.grid)
                yield (tile.index, chunk.number, number), windows


def _certain(plan: Plan, scenes: Numbered) -> list[tuple[int, PlannedScene, bool]]:
    """The scenes of a side that each chunk certainly reads, and whether it reads their bands too."""
    by_masks = masks_choose(plan, scenes)
    if plan.most_observations is not None and not by_masks:
        scenes = scenes[: plan.most_observations]
    return [(number, planned, not by_masks) for number, planned in scenes]
