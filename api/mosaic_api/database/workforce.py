"""What works the requests of a database off: executors, or a cluster, and never both, for each takes all for its own.

It is recorded by whoever comes first. Whoever works holds the record meanwhile, and only `hand_over` changes it.
"""

from typing import Literal

from mosaic_crds.errors import RequestError
from sqlalchemy import func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from mosaic_api.database import Database, Request, Workforce
from mosaic_api.database.models import now

Kind = Literal["executors", "cluster"]
SYNC_LOCK = "mosaic sync"
"""Whose holder keeps rows and MosaicRequests in step."""
_PROGRAMS: dict[str, str] = {
    "executors": "the executors (`python -m mosaic_api.executor`, `mosaic serve`)",
    "cluster": "the API that runs with MOSAIC_CLUSTER=true",
}
"""What has to be stopped for an end of the work of a kind."""


class OtherKindError(RequestError):
    """What is recorded is not the kind that wants to work."""


def expect(session: Session, kind: Kind) -> None:
    """Let only one kind go on, and hold the record of it until the end of the transaction; the first one makes it.

    Raises:
        OtherKindError: the other kind works here.
    """
    recorded = select(Workforce.kind).with_for_update(read=True)
    found = session.scalar(recorded)
    if found is None:
        session.execute(insert(Workforce).values(id=1, kind=kind, since=now()).on_conflict_do_nothing())
        found = session.scalar(recorded)
    if found != kind:
        raise OtherKindError(
            f"the requests of this database are worked off by {_named(found)}, and never by {_named(kind)} as well: "
            f"use another database, or stop {_PROGRAMS[found or kind]} and run `python -m mosaic_api hand-over {kind}`"
        )


def hand_over(database: Database, kind: Kind) -> None:
    """Let another kind work from now on; what is not over is begun anew by it, or goes on.

    Raises:
        RequestError: the former one is still at work.
        PassingError: the database does not answer.
    """
    with database.transaction() as session:
        session.execute(insert(Workforce).values(id=1, kind=kind, since=now()).on_conflict_do_nothing())
        record = session.scalars(select(Workforce).with_for_update()).one()
        leased = session.scalar(
            select(func.count()).where(Request.worker.is_not(None), Request.lease_until > func.now())
        )
        free = session.scalar(text("SELECT pg_try_advisory_xact_lock(hashtext(:lock))"), {"lock": SYNC_LOCK})
        if record.kind == kind:
            return
        if leased or not free:
            raise RequestError(
                f"{_named(record.kind)} cannot be relieved while at work: stop {_PROGRAMS[record.kind]}, and try again "
                "after half a minute"
            )
        session.execute(update(Request).where(Request.worker.is_not(None)).values(worker=None, lease_until=None))
        record.kind, record.since = kind, now()


def _named(kind: str | None) -> str:
    return "a cluster" if kind == "cluster" else "executors"
