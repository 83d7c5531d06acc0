"""Scenes that cannot be read: the request fails, or it goes on without them (`spec.source.onUnreadable`).

What is decided before the plan, and the sentences about it. `tiles/skipping.py` has what shows only when pixels
are read.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

from mosaic_crds.errors import RequestError
from mosaic_crds.source import OnUnreadable

from mosaic_worker.sources.access.budget import BudgetError
from mosaic_worker.sources.scenes import Unreadable

Read = TypeVar("Read")
MOST_LISTED = 3
"""Unreadable scenes that a sentence names; the STAC Item lists all."""
LONGEST_REASON = 300
"""Characters of a reason in a sentence."""


def read_or_reason(name: str, read: Callable[[], Read], on_unreadable: OnUnreadable) -> Read | Unreadable:
    """What is read of a scene, or why it cannot be used.

    Args:
        name: what people call it if it cannot be read.
        read: reads its headers, or the document that describes it.
        on_unreadable: whether a scene that cannot be read is an error.

    Raises:
        RequestError: it cannot be used, and that is an error.
        PassingError: a server did not answer; the scene may be readable later.
    """
    try:
        return read()
    except BudgetError:
        raise
    except RequestError as error:
        if on_unreadable == "fail":
            raise
        return Unreadable(name, str(error))


def expect_most_readable(unreadable: Sequence[Unreadable], total: int) -> None:
    """Refuse a request of which more than half of the scenes are unreadable.

    Args:
        unreadable: those scenes.
        total: how many scenes there are, these included.

    Raises:
        RequestError: there are more; the sentence lists the first ones.
    """
    if 2 * len(unreadable) > total:
        raise RequestError(
            f"spec.source: {len(unreadable)} of {total} scenes cannot be read, and source.onUnreadable skips at most "
            f"half of them: {listed(unreadable)}",
            "spec.source",
        )


def unreadable_note(unreadable: Sequence[Unreadable], total: int) -> list[str]:
    """What a user is told of the scenes that are skipped: one sentence, or nothing without any.

    Args:
        unreadable: those scenes.
        total: how many scenes there are, these included.
    """
    if not unreadable:
        return []
    return [f"{len(unreadable)} of {total} scenes cannot be read and are skipped: {listed(unreadable)}"]


def listed(unreadable: Sequence[Unreadable]) -> str:
    """The first unreadable scenes with their reasons."""
    told = [f"{each.scene} ({_shortened(each.reason)})" for each in unreadable[:MOST_LISTED]]
    more = len(unreadable) - len(told)
    return "; ".join([*told, *([f"and {more} more"] if more else [])])


def _shortened(reason: str) -> str:
    return reason if len(reason) <= LONGEST_REASON else reason[: LONGEST_REASON - 3] + "..."
