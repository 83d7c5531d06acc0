"""The rows that wait to be worked off, and those that are: taken under a lease, told of, given back, ended.

A lease ends by itself when whoever holds it says nothing for a while, and somebody else goes on. Whoever finds the
lease gone has no word in it any more. The clock is the database's.
"""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, auto
from typing import Any, TypeVar

from mosaic_crds.lifecycle import UNPUBLISHED
from mosaic_crds.spec import Execution
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from mosaic_api.database import Database, Request
from mosaic_api.database.models import now
from mosaic_api.database.workforce import expect
from mosaic_api.executor.cleanup import write_down
from mosaic_api.executor.rows import (
    busy,
    end,
    is_open,
    lease_end,
    served,
    suspended,
    takeable,
)
from mosaic_api.executor.status import ExecutorStatus, Status
from mosaic_api.requests import crud

ATTEMPTS = 5
"""How often a request is begun; then `wishes` gives it up."""
BACK_OFF = (5.0, 20.0, 60.0, 180.0)
"""Seconds after each failed attempt before the next."""
T = TypeVar("T")


class LostError(Exception):
    """The lease is gone."""


class Wish(Enum):
    """What somebody wants of a request that is worked on."""

    CANCEL = auto()
    SUSPEND = auto()


@dataclass(frozen=True)
class Claim:
    """A request that is taken.

    Attributes:
        id: of the row.
        namespace, name, uid, api_version, spec: of the MosaicRequest.
        status: with which work begins.
        attempt: from 1.
        deadline: as the spec has it.
        seconds_left: until then.
    """

    id: uuid.UUID
    namespace: str
    name: str
    uid: str
    api_version: str
    spec: dict[str, Any]
    status: Status
    attempt: int
    deadline: str
    seconds_left: float


class Queue:
    """The rows, as one executor works on them."""

    def __init__(self, database: Database, worker: str) -> None:
        """A worker's name is its alone."""
        self._database, self._worker = database, worker

    def join(self) -> None:
        """Say that executors work this database off.

        Raises:
            OtherKindError: a cluster does.
            PassingError: the database does not answer.
        """
        with self._database.transaction() as session:
            expect(session, "executors")

    def claim(self) -> Claim | None:
        """Take the request whose turn it is: of the owner who has the fewest in work, and whose last is longest ago.

        Raises:
            OtherKindError: a cluster works this database off by now.
            PassingError: the database does not answer.
        """
        with self._database.transaction() as session:
            expect(session, "executors")
            request = session.scalar(
                select(Request)
                .where(is_open(), takeable(), Request.cancelled.is_(None), ~suspended(), Request.attempts < ATTEMPTS)
                .order_by(busy(), served().nulls_first(), Request.created, Request.id)
                .limit(1)
                .with_for_update(of=Request, skip_locked=True)
            )
            return None if request is None else self._take(request)

    def _take(self, request: Request) -> Claim:
        begun = ExecutorStatus(request.status, now())
        begun.begin(request.changed if request.started is not None else None)
        crud.tell(request, begun.status, begun.now)
        request.uid = request.uid or str(request.id)
        request.worker, request.attempts = self._worker, request.attempts + 1
        request.lease_until = lease_end()
        deadline = str(request.spec.get("execution", {}).get("deadline", Execution().deadline))
        return Claim(
            id=request.id,
            namespace=request.namespace,
            name=request.name,
            uid=request.uid,
            api_version=request.api_version,
            spec=request.spec,
            status=begun.status,
            attempt=request.attempts,
            deadline=deadline,
            seconds_left=begun.seconds_left(deadline),
        )

    def tell(self, row: uuid.UUID, status: Status) -> Wish | None:
        """Say how it stands, and so keep the lease.

        Raises:
            LostError: it is gone.
            PassingError: the database does not answer.
        """

        def told(request: Request) -> Wish | None:
            crud.tell(request, status)
            request.lease_until = lease_end()
            request.changed = now()
            return _wish(request)

        return self._held(row, told)

    def wish(self, row: uuid.UUID) -> Wish | None:
        """What is wanted of it, without a word on how it stands.

        Raises:
            LostError: the lease is gone.
            PassingError: the database does not answer.
        """
        with self._database.transaction() as session:
            return _wish(self._mine(session, row))

    def give_back(self, row: uuid.UUID, status: Status, *, wait: float = 0, counted: bool = True) -> None:
        """Let anybody go on with it, after some seconds; an attempt that is not counted was stopped through no fault.

        Raises:
            LostError: the lease is gone.
            PassingError: the database does not answer.
        """

        def given(request: Request) -> None:
            crud.tell(request, status)
            request.worker = None
            request.lease_until = func.now() + timedelta(seconds=wait) if wait else None
            request.attempts -= 0 if counted else 1

        self._held(row, given)

    def end(self, row: uuid.UUID, status: Status, item: dict[str, Any] | None, *, left: bool) -> None:
        """Say that it is over, and whether it has left anything in the store.

        Raises:
            LostError: the lease is gone.
            PassingError: the database does not answer.
        """
        with self._database.transaction() as session:
            request = self._mine(session, row, lock=True)
            write_down(session, request, results=status["phase"] in UNPUBLISHED)
            request.item = item
            request.uid = request.uid if left else None
            end(request, status)

    def is_unwanted(self, row: uuid.UUID) -> bool:
        """Whether nobody does or keeps anything for a request any more: it is gone, or over without a mosaic.

        Raises:
            PassingError: the database does not answer.
        """
        with self._database.transaction() as session:
            request = session.get(Request, row)
            return request is None or request.phase in UNPUBLISHED

    def free_all(self) -> None:
        """Forget all leases, where it is known that nobody else works on this database.

        Raises:
            PassingError: the database does not answer.
        """
        with self._database.transaction() as session:
            session.execute(update(Request).where(Request.worker.is_not(None)).values(worker=None, lease_until=None))

    def _held(self, row: uuid.UUID, change: Callable[[Request], T]) -> T:
        with self._database.transaction() as session:
            return change(self._mine(session, row, lock=True))

    def _mine(self, session: Session, row: uuid.UUID, *, lock: bool = False) -> Request:
        query = select(Request).where(Request.id == row, Request.worker == self._worker)
        request = session.scalar(query.with_for_update(of=Request) if lock else query)
        if request is None:
            raise LostError(f"somebody else works on {row}, or it is gone")
        return request


def _wish(request: Request) -> Wish | None:
    if request.cancelled is not None or request.removed is not None:
        return Wish.CANCEL
    return Wish.SUSPEND if request.spec.get("execution", {}).get("suspend") else None
