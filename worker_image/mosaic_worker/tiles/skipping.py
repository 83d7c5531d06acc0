"""Skips scenes that prove unreadable while tiles are computed, if the request allows it.

A scene is skipped for the whole mosaic. The worker that finds it unreadable writes a note, create-only, and then no
worker reads the scene. The key of the record of a tile contains the unreadable scenes that touch the tile
(`names.record_key`), so a tile that was computed with such a scene is not done, and is recomputed. The notes do not
depend on the division and order of the tiles: see decision 31.
"""

import json

from mosaic_crds import names

from mosaic_worker.geometry.tiling import Tile
from mosaic_worker.pixels.layers import UnreadableSceneError
from mosaic_worker.plan.model import Plan
from mosaic_worker.sources.scenes import SIDES, Unreadable
from mosaic_worker.sources.unreadable import expect_most_readable
from mosaic_worker.store import Store


def unreadable_scenes(plan: Plan, store: Store) -> frozenset[int]:
    """The numbers of the unreadable scenes so far.

    Raises:
        RequestError: they are more than half of the scenes of the request.
    """
    if plan.on_unreadable == "fail":
        return frozenset()
    keys = {stored.key for stored in store.list(names.unreadable_prefix(plan.uid))}
    numbers = frozenset(
        number for number in range(1, len(plan.scenes) + 1) if names.unreadable_key(plan.uid, number) in keys
    )
    if numbers:
        _expect_most_readable(plan, numbers, store)
    return numbers


def _expect_most_readable(plan: Plan, numbers: frozenset[int], store: Store) -> None:
    """Check each side of the plan."""
    skipped = len(plan.unreadable) - (plan.subtracted.unreadable if plan.subtracted else 0)
    earlier = [plan.unreadable[:skipped], plan.unreadable[skipped:]]
    for side, before, field in zip(plan.sides, earlier, SIDES, strict=False):
        unreadable = [*before, *reasons(plan, numbers & set(side), store)]
        expect_most_readable(unreadable, len(side) + len(before), field)


def note_unreadable(plan: Plan, error: UnreadableSceneError, store: Store) -> None:
    """Note that a scene is unreadable; the first reason wins."""
    store.create(names.unreadable_key(plan.uid, error.number), [json.dumps({"reason": str(error)}).encode()])


def reasons(plan: Plan, numbers: frozenset[int], store: Store) -> list[Unreadable]:
    """The unreadable scenes with reasons, by number."""
    found = []
    for number in sorted(numbers):
        note = store.read(names.unreadable_key(plan.uid, number))
        reason = str(json.loads(note)["reason"]) if note else "it cannot be read"
        found.append(Unreadable(plan.scenes[number - 1].scene.id, reason))
    return found


def skipped_in(plan: Plan, tile: Tile, unreadable: frozenset[int]) -> tuple[int, ...]:
    """The numbers of the unreadable scenes that touch a tile with its halo, in order."""
    around = plan.around(tile)
    return tuple(number for number in sorted(unreadable) if plan.scenes[number - 1].touches(around))
