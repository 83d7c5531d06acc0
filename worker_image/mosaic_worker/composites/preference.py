"""The order in which scenes are read, if `spec.composite` has `enough` or `prefer`; otherwise that of the method."""

from collections.abc import Sequence
from dataclasses import replace

from mosaic_crds.composite import Composite
from mosaic_crds.errors import RequestError

from mosaic_worker.composites import METHODS
from mosaic_worker.composites.method import Observed, age


def preferred(composite: Composite, scenes: Sequence[Observed], clear: Sequence[float | None] = ()) -> list[int]:
    """Positions of scenes in the order in which they are read.

    Args:
        composite: how they are composed.
        scenes: the scenes.
        clear: the clear share of each scene, 0 to 1; None if it is unknown. Empty if no mask was read, as for an
            estimate, where the order does not matter.

    Raises:
        RequestError: one of several scenes lacks the date or cloud cover that the order needs.
    """
    method = METHODS[composite.method]
    if composite.prefer == "clear":
        shares = clear or [None] * len(scenes)
        return sorted(range(len(scenes)), key=lambda place: (_behind(shares[place]), age(scenes[place])))
    if composite.enough is None:
        return method.order(scenes)
    undated = [scene for scene in scenes if scene.datetime is None]
    if undated and len(scenes) > 1:
        raise RequestError(
            f"spec.composite.enough: newest first needs the datetime of each scene, and {undated[0].id} has none; "
            "give it one, or use prefer: clear"
        )
    return replace(method, sort_key=lambda scene: (age(scene),), needs=None).order(scenes)


def _behind(share: float | None) -> float:
    """Smaller for clearer scenes; those whose share is unknown are behind all others."""
    return 1.0 if share is None else -share
