"""Records what processes the requests of a database: executors or a cluster, never both, as each assumes it is alone.

The first that starts makes the record. It is locked while requests are processed, and only `hand_over` changes it.
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
"""The lock of the process that synchronizes rows and MosaicRequests."""
_PROGRAMS: dict[str, str] = {
    "executors": "the executors (`python -m mosaic_api.executor`, `mosaic serve`)",
    "cluster": "the API that runs with MOSAIC_CLUSTER=true",
}
"""What to stop before another kind takes over."""


class OtherKindError(RequestError):
    """The other kind is recorded."""


def expect(session: Session, kind: Kind) -> None:
    """Make the record, or check it, and lock it until the end of the transaction.

    Raises:
        OtherKindError: the other kind is recorded.
    """
    recorded = select(Workforce.kind).with_for_update(read=True)
    found = session.scalar(recorded)
    if found is None:
        session.execute(insert(Workforce).values(id=1, kind=kind, since=now()).on_conflict_do_nothing())
        found = session.scalar(recorded)
    if found != kind:
        raise OtherKindError(
            f"the requests of this database are processed by {_named(found)}, which excludes {_named(kind)}: use "
            f"another database, or stop {_PROGRAMS[found or kind]} and run `python -m mosaic_api hand-over {kind}`"
        )


def hand_over(database: Database, kind: Kind) -> None:
    """Let another kind process requests from now on. It resumes or restarts the unfinished ones.

    Raises:
        RequestError: the other kind is still running.
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
                f"{_named(record.kind)} cannot hand over while they run: stop {_PROGRAMS[record.kind]}, and try again "
                "after 30 s"
            )
        session.execute(update(Request).where(Request.worker.is_not(None)).values(worker=None, lease_until=None))
        record.kind, record.since = kind, now()


def _named(kind: str | None) -> str:
    return "a cluster" if kind == "cluster" else "executors"
