"""Decides what to do about the rows and the MosaicRequest of a name: a pure function of observed state and time."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias

from mosaic_crds.lifecycle import Phase

from mosaic_api.database import Request
from mosaic_api.kube.resource import Resource
from mosaic_api.sync.observed import Observed, followed, lacks_item

LINGERING = timedelta(seconds=60)
"""How long the pods of a deleted running request may still write; then its files are deleted."""


@dataclass(frozen=True)
class RowAction:
    """An action for a row."""

    row: Request


@dataclass(frozen=True)
class ClusterAction(RowAction):
    """An action for the MosaicRequest of a row: the one with the uid, not another one of its name."""

    uid: str


class Apply(RowAction):
    """Apply the MosaicRequest of a row."""


@dataclass(frozen=True)
class TakeOver(RowAction):
    """Write the state of a MosaicRequest into its row."""

    resource: Resource


class FetchItem(RowAction):
    """Read the Item of a published mosaic."""


class Cancel(ClusterAction):
    """Cancel a MosaicRequest."""


class Delete(ClusterAction):
    """Delete a MosaicRequest."""


class GiveUp(RowAction):
    """Cancel a row that was not applied yet."""


class Rename(RowAction):
    """Rename a row whose name another MosaicRequest has."""


class Lose(RowAction):
    """Record that the MosaicRequest of a row is gone, after making sure that it was deleted."""


class Forget(RowAction):
    """Delete the files of a removed row, and the row."""


@dataclass(frozen=True)
class Adopt:
    """Create a row for a MosaicRequest that was applied with kubectl."""

    resource: Resource


@dataclass(frozen=True)
class Wait:
    """Observe again after some time, even without a change."""

    seconds: float


Action: TypeAlias = RowAction | Adopt | Wait


def decide(seen: Observed, now: datetime) -> list[Action]:
    """What to do, in this order. Every action may be repeated or interrupted; the next observation shows what is left.

    `now` has a time zone.
    """
    actions: list[Action] = []
    for row in seen.rows:
        own = seen.resource if seen.owner == row else None
        actions += _removal(row, own, now) if row.removed else _progress(row, own, seen)
    if seen.resource is not None and seen.owner is None and not seen.resource.leaving and not seen.name_is_held:
        actions.append(Adopt(seen.resource))
    return actions


def _removal(row: Request, own: Resource | None, now: datetime) -> Iterator[Action]:
    """The next step to delete everything of a removed row."""
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


def _progress(row: Request, own: Resource | None, seen: Observed) -> Iterator[Action]:
    """The next step to make a row and its MosaicRequest agree."""
    if own is not None:
        if _differs(row, own):
            yield TakeOver(row, own)
        elif lacks_item(row):
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


def _differs(row: Request, own: Resource) -> bool:
    """Whether the MosaicRequest has something that the row does not."""
    return (
        row.uid != own.uid
        or row.status != own.status
        or followed(row.spec) != followed(own.spec)
        or (own.cancelled and row.cancelled is None)
    )
