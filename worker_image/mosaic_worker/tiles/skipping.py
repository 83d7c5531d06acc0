"""Scenes that prove unreadable while tiles are computed, where the request skips such scenes.

The decision holds for the whole mosaic. The worker that finds a scene unreadable writes a note, create-only, and after
that no worker reads the scene. The key of a tile's record names the unreadable scenes that touch the tile
(`names.record_key`), so a tile that was computed with such a scene counts as not done, and is repeated without it.
To leave a scene out can only make tiles read more of the others. So the notes are the same in the end for any division
and order of the tiles: decision 31 explains why.
"""

import json

from mosaic_crds import names

from mosaic_worker.geometry.tiling import Tile
from mosaic_worker.pixels.compute import UnreadableSceneError
from mosaic_worker.plan.model import Plan
from mosaic_worker.sources.scenes import Unreadable
from mosaic_worker.sources.unreadable import expect_most_readable
from mosaic_worker.store import Store


def unreadable_scenes(plan: Plan, store: Store) -> frozenset[int]:
    """The numbers of the scenes that are noted as unreadable so far; does not read the store where none are skipped.

    Raises:
        RequestError: they are more than half of the request's scenes.
    """
    if plan.on_unreadable == "fail":
        return frozenset()
    keys = {stored.key for stored in store.list(names.unreadable_prefix(plan.uid))}
    numbers = frozenset(
        number for number in range(1, len(plan.scenes) + 1) if names.unreadable_key(plan.uid, number) in keys
    )
    if numbers:
        expect_most_readable([*plan.unreadable, *reasons(plan, numbers, store)], plan.scenes_found)
    return numbers


def note_unreadable(plan: Plan, error: UnreadableSceneError, store: Store) -> None:
    """Note that a scene is unreadable; the first reason stays."""
    store.create(names.unreadable_key(plan.uid, error.number), [json.dumps({"reason": str(error)}).encode()])


def reasons(plan: Plan, numbers: frozenset[int], store: Store) -> list[Unreadable]:
    """The scenes of some numbers, and why they are unreadable."""
    found = []
    for number in sorted(numbers):
        note = store.read(names.unreadable_key(plan.uid, number))
        reason = str(json.loads(note)["reason"]) if note else "it cannot be read"
        found.append(Unreadable(plan.scenes[number - 1].scene.id, reason))
    return found


def skipped_in(plan: Plan, tile: Tile, unreadable: frozenset[int]) -> tuple[int, ...]:
    """The numbers of the unreadable scenes that touch a tile, in order: those that it is computed without."""
    return tuple(number for number in sorted(unreadable) if plan.scenes[number - 1].touches(tile))
