"""The queue of requests in the database: executors claim them with a lease, report their status, release and end them.

A lease that is not renewed ends, and another executor continues. An executor that lost its lease cannot change the row
any more. The database's clock counts.
"""

import uuid
from collections.abc import Callable
from datetime import timedelta
from enum import Enum, auto
from functools import cache
from typing import Any, TypeVar

from mosaic_crds.lifecycle import UNPUBLISHED
from sqlalchemy import Select, func, select, update
from sqlalchemy.orm import Session

from mosaic_api.database import Database, Request
from mosaic_api.database.models import now
from mosaic_api.database.workforce import expect
from mosaic_api.executor.cleanup import record_folders
from mosaic_api.executor.rows import busy, end, is_open, lease_end, served, suspended, takeable
from mosaic_api.executor.status import ExecutorStatus, Status
from mosaic_api.requests import crud

ATTEMPTS = 5
"""How often a request is started; then `idle_requests` lets it fail."""
BACK_OFF = (5.0, 20.0, 60.0, 180.0)
"""Seconds to wait after each failed attempt."""
T = TypeVar("T")


class LostError(Exception):
    """The lease has ended."""


class Interruption(Enum):
    """What the user wants of a running request."""

    CANCEL = auto()
    SUSPEND = auto()


class Queue:
    """The queue as seen by one executor."""

    def __init__(self, database: Database, worker: str) -> None:
        """The name of the worker must be unique."""
        self._database, self._worker = database, worker

    def join(self) -> None:
        """Record that executors process the requests of this database.

        Raises:
            OtherKindError: a cluster does.
        """
        with self._database.transaction() as session:
            expect(session, "executors")

    def claim(self) -> Request | None:
        """Claim the next request: of the owner with the fewest running ones, and of these the one who waited longest.

        Raises:
            OtherKindError: a cluster now processes the requests of this database.
        """
        with self._database.transaction() as session:
            expect(session, "executors")
            request = session.scalar(_next())
            if request is not None:
                begun = ExecutorStatus(request.status, now())
                begun.begin(request.changed if request.started is not None else None)
                crud.set_status(request, begun.status, begun.now)
                request.uid = request.uid or str(request.id)
                request.worker, request.attempts = self._worker, request.attempts + 1
                request.lease_until = lease_end()
            return request

    def report(self, row: uuid.UUID, status: Status) -> Interruption | None:
        """Write the status and renew the lease; return what the user wants.

        Raises:
            LostError: the lease has ended.
        """

        def written(request: Request) -> Interruption | None:
            crud.set_status(request, status)
            request.lease_until = lease_end()
            request.changed = now()
            return _interruption(request)

        return self._held(row, written)

    def interruption(self, row: uuid.UUID) -> Interruption | None:
        """What the user wants; raises like `report`."""
        with self._database.transaction() as session:
            return _interruption(self._mine(session, row))

    def release(self, row: uuid.UUID, status: Status, *, wait: float = 0, counted: bool = True) -> None:
        """Let any executor continue after some seconds; raises like `report`.

        `counted` is false if the attempt did not fail.
        """

        def released(request: Request) -> None:
            crud.set_status(request, status)
            request.worker = None
            request.lease_until = func.now() + timedelta(seconds=wait) if wait else None
            request.attempts -= 0 if counted else 1

        self._held(row, released)

    def end(self, row: uuid.UUID, status: Status, item: dict[str, Any] | None, *, left: bool) -> None:
        """End a request; `left` says whether the store has files of it. Raises like `report`."""
        with self._database.transaction() as session:
            request = self._mine(session, row, lock=True)
            record_folders(session, request, results=status["phase"] in UNPUBLISHED)
            request.item = item
            request.uid = request.uid if left else None
            end(request, status)

    def is_unwanted(self, row: uuid.UUID) -> bool:
        """Whether nobody needs the files of a request: it is deleted, or ended without a mosaic."""
        with self._database.transaction() as session:
            request = session.get(Request, row)
            return request is None or request.phase in UNPUBLISHED

    def free_all(self) -> None:
        """End all leases. Only call it if no other executor uses this database."""
        with self._database.transaction() as session:
            session.execute(update(Request).where(Request.worker.is_not(None)).values(worker=None, lease_until=None))

    def _held(self, row: uuid.UUID, change: Callable[[Request], T]) -> T:
        with self._database.transaction() as session:
            return change(self._mine(session, row, lock=True))

    def _mine(self, session: Session, row: uuid.UUID, *, lock: bool = False) -> Request:
        query = select(Request).where(Request.id == row, Request.worker == self._worker)
        request = session.scalar(query.with_for_update(of=Request) if lock else query)
        if request is None:
            raise LostError(f"another executor processes {row}, or it is deleted")
        return request


@cache
def _next() -> Select[Request]:
    """The request to claim next; building the statement takes longer than the database."""
    return (
        select(Request)
        .where(is_open(), takeable(), Request.cancelled.is_(None), ~suspended(), Request.attempts < ATTEMPTS)
        .order_by(busy(), served().nulls_first(), Request.created, Request.id)
        .limit(1)
        .with_for_update(of=Request, skip_locked=True)
    )


def _interruption(request: Request) -> Interruption | None:
    if request.cancelled is not None or request.removed is not None:
        return Interruption.CANCEL
    return Interruption.SUSPEND if request.spec.get("execution", {}).get("suspend") else None
