"""The keys of shared tiles: digests of everything that determines the pixels of a tile."""

import hashlib
import json
from collections.abc import Collection
from dataclasses import replace
from functools import cached_property

from mosaic_crds.spec import Output
from pydantic import TypeAdapter

from mosaic_worker.geometry.tiling import Tile
from mosaic_worker.pixels.chunks import touching_scenes
from mosaic_worker.plan.model import Estimate, Plan
from mosaic_worker.plan.scenes import PlannedScene, Subtracted

ONLY_FOR_PUBLISHING = ("formats", "colormap", "stretch", "gamma", "picture")
"""Fields of the output that finalize uses."""
_SCENE = TypeAdapter(PlannedScene)


class TileKeys:
    """The keys of the tiles of a plan.

    A key contains the whole plan except what is known not to change pixels, so that a new field of the plan counts. Of
    the scenes it contains those that touch the tile, and what is derived from all of them: the encoding.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._scenes: dict[int, str] = {}

    def of(self, tile: Tile, skipped: Collection[int] = ()) -> str:
        """The key of a tile: SHA-256.

        Args:
            tile: the tile.
            skipped: numbers of the unreadable scenes that the tile is computed without.
        """
        plan = self._plan
        scenes = [
            (number if plan.composite.chosen else 0, number in skipped, number in plan.sides[-1], self._scene(number))
            for number, _ in touching_scenes(plan, tile)
        ]
        return _digest(json.dumps([self._common, tile.index, scenes]).encode())

    @cached_property
    def _common(self) -> str:
        """The digest of what all tiles of the plan have in common."""
        plan = self._plan
        unused = {name: Output.model_fields[name].get_default() for name in ONLY_FOR_PUBLISHING}
        common = replace(
            plan,
            uid="",
            name="",
            output=plan.output.model_copy(update=unused),
            ranges=(),
            scenes=(),
            estimate=Estimate(0, 0),
            warnings=(),
            unreadable=(),
            shared=False,
            subtracted=plan.subtracted and Subtracted(0, 0),
        )
        return _digest(common.to_json() + repr(plan.encoding).encode())

    def _scene(self, number: int) -> str:
        """The digest of a scene by its number, with all files and numbers that are read of it."""
        if number not in self._scenes:
            planned = replace(self._plan.scenes[number - 1], clear=None)  # only the order of scenes depends on it
            self._scenes[number] = _digest(_SCENE.dump_json(planned))
        return self._scenes[number]


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
