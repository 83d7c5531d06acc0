"""Unreadable scenes: the request fails, or skips them (`spec.source.onUnreadable`).

This is the decision before the plan. `tiles/skipping.py` handles scenes that prove unreadable later.
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
    """The result of `read`, or why the scene `name` cannot be used.

    Raises:
        RequestError: it cannot be used, and that is an error.
        PassingError: a server did not respond; the scene may be readable later.
    """
    try:
        return read()
    except BudgetError:
        raise
    except RequestError as error:
        if on_unreadable == "fail":
            raise
        return Unreadable(name, str(error))


def expect_most_readable(unreadable: Sequence[Unreadable], total: int, where: str) -> None:
    """Check that at most half of the scenes are unreadable.

    Args:
        unreadable: the unreadable scenes.
        total: the number of scenes, including these.
        where: the field of the request that describes the scenes.

    Raises:
        RequestError: there are more; the message lists the first ones.
    """
    if 2 * len(unreadable) > total:
        raise RequestError(
            f"{where}: {len(unreadable)} of {total} scenes cannot be read, and source.onUnreadable skips at most "
            f"half of them: {listed(unreadable)}",
            where,
        )


def unreadable_note(unreadable: Sequence[Unreadable], total: int) -> list[str]:
    """A note on the skipped scenes, if any; `total` includes them."""
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
