"""What to do about the rows and the MosaicRequest of a name: a pure function of what is seen and the time."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias

from mosaic_crds.lifecycle import Phase

from mosaic_api.sync.observed import Observed, Resource, Row, followed

LINGERING = timedelta(seconds=60)
"""For so long the pods of a request that was deleted at work may go on writing; then its files are deleted."""


@dataclass(frozen=True)
class Apply:
    """Ask the cluster for the mosaic of a row."""

    row: Row


@dataclass(frozen=True)
class TakeOver:
    """Write into its row what the cluster tells of a request."""

    row: Row
    resource: Resource


@dataclass(frozen=True)
class FetchItem:
    """Read the Item of a published mosaic from the store."""

    row: Row


@dataclass(frozen=True)
class Cancel:
    """Let the cluster stop the work on a request."""

    row: Row
    uid: str


@dataclass(frozen=True)
class Delete:
    """Delete a request in the cluster."""

    row: Row
    uid: str


@dataclass(frozen=True)
class GiveUp:
    """Write down that a row was cancelled before the cluster was asked."""

    row: Row


@dataclass(frozen=True)
class Rename:
    """Give a row another name, since its own was taken in the cluster by another request."""

    row: Row


@dataclass(frozen=True)
class Lose:
    """Write down that the request of a row has gone from the cluster, once it is sure that somebody deleted it."""

    row: Row


@dataclass(frozen=True)
class Adopt:
    """Make a row of a request that was applied with kubectl."""

    resource: Resource


@dataclass(frozen=True)
class Forget:
    """Delete the files of a removed row, and the row."""

    row: Row


@dataclass(frozen=True)
class Wait:
    """Look again after a while, though nothing may be heard."""

    seconds: float


Action: TypeAlias = Apply | TakeOver | FetchItem | Cancel | Delete | GiveUp | Rename | Lose | Adopt | Forget | Wait


def decide(seen: Observed, now: datetime) -> list[Action]:
    """What to do, in this order; every action may be done again, or be cut off, and the next look sees what is left.

    Args:
        seen: the rows and the MosaicRequest of a name.
        now: with a zone.
    """
    actions: list[Action] = []
    for row in seen.rows:
        own = seen.resource if seen.owner == row else None
        actions += _removal(row, own, now) if row.removed else _progress(row, own, seen)
    if seen.resource is not None and seen.owner is None and not seen.resource.leaving and not seen.name_is_held:
        actions.append(Adopt(seen.resource))
    return actions


def _removal(row: Row, own: Resource | None, now: datetime) -> Iterator[Action]:
    """What is left to do until nothing is left of a row that nobody wants any more."""
    if own is not None:
        if not own.leaving:
            yield Delete(row, own.uid)
    elif row.uid is None or row.phase == Phase.SUCCEEDED:
        yield Forget(row)
    elif row.gone is None:
        yield Lose(row)
    elif now < row.gone + LINGERING:
        yield Wait((row.gone + LINGERING - now).total_seconds())
    else:
        yield Forget(row)


def _progress(row: Row, own: Resource | None, seen: Observed) -> Iterator[Action]:
    """What is left to do until a row and its request say the same."""
    if own is not None:
        if _differs(row, own):
            yield TakeOver(row, own)
        elif row.lacks_item:
            yield FetchItem(row)
        if row.cancelled and not (row.over or own.cancelled or own.leaving):
            yield Cancel(row, own.uid)
    elif row.uid is not None:
        yield Lose(row)
    elif seen.resource is not None:
        if not (seen.resource.leaving or (seen.owner is not None and seen.owner.removed)):
            yield Rename(row)
    elif row.over:
        return
    elif row.cancelled:
        yield GiveUp(row)
    else:
        yield Apply(row)


def _differs(row: Row, own: Resource) -> bool:
    """Whether the cluster tells what the row does not say."""
    return (
        row.uid != own.uid
        or row.status != own.status
        or followed(row.spec) != own.execution
        or (own.cancelled and not row.cancelled)
    )
