"""What is to be done with requests that nobody works on: they stop, stand still or are gone, as people wish it.

One that was begun too often is given up. Whatever ended without a mosaic leaves nothing in the store: a row without a
mosaic has a `uid` only as long as something may be left under it.
"""

import logging
import uuid
from collections.abc import Sequence

from mosaic_crds.errors import PassingError
from mosaic_crds.lifecycle import CRASHED, UNPUBLISHED, Phase, StatusWriter, Trouble, messages
from sqlalchemy import ColumnElement, and_, or_, select

from mosaic_api.database import Database, Request
from mosaic_api.database.models import now
from mosaic_api.database.workforce import OtherKindError, expect
from mosaic_api.executor.cleanup import RequestFiles, write_down
from mosaic_api.executor.queue import ATTEMPTS
from mosaic_api.executor.rows import ORIGINS, end, idle, suspended
from mosaic_api.requests import crud

_log = logging.getLogger(__name__)


def fulfil(database: Database, store_uri: str, row: str | None = None) -> None:
    """Do it for one row, or for all; several may try at once, and one of them does it.

    Raises:
        OtherKindError: a cluster works this database off by now.
        PassingError: the database does not answer.
    """
    with database.transaction() as session:
        query = select(Request.id).where(_wished())
        wished: Sequence[uuid.UUID] = session.scalars(
            query if row is None else query.where(Request.id == uuid.UUID(row))
        ).all()
    for each in wished:
        try:
            _fulfil(database, store_uri, each)
        except PassingError as error:  # and it is tried again at the next look at all
            _log.warning("what is wished of %s is not done yet: %s", each, error)
        except OtherKindError:
            raise
        except Exception:  # the others' wishes do not wait for this one
            _log.exception("what is wished of %s could not be done; it is tried again", each)


def _fulfil(database: Database, store_uri: str, row: uuid.UUID) -> None:
    with database.transaction() as session:
        expect(session, "executors")
        locked = select(Request).where(Request.id == row, _wished()).with_for_update(of=Request, skip_locked=True)
        request = session.scalar(locked)
        if request is None:
            return
        wanted = request.removed is None and request.cancelled is None and request.attempts < ATTEMPTS
        writer = StatusWriter(request.status, now())
        if wanted and not request.over:
            writer.suspend()
            crud.tell(request, writer.status)
            return
        if request.uid is not None:
            write_down(session, request, results=True)
            RequestFiles(request.namespace, request.name, request.uid).delete(store_uri)
            request.uid = None
        if request.removed is not None:
            session.delete(request)
        elif request.cancelled is not None and not request.over:
            writer.cancel()
            end(request, writer.status)
        elif not request.over:
            writer.fail(Trouble(CRASHED, messages.given_up(messages.WORKER_CRASHED, ATTEMPTS)))
            end(request, writer.status)


def _wished() -> ColumnElement[bool]:
    still_open = Request.completed.is_(None)
    stop = and_(still_open, or_(Request.cancelled.is_not(None), Request.attempts >= ATTEMPTS))
    stand_still = and_(still_open, suspended(), Request.phase != Phase.SUSPENDED)
    leave_nothing = and_(Request.phase.in_(UNPUBLISHED), Request.uid.is_not(None))
    what = or_(Request.removed.is_not(None), stop, stand_still, leave_nothing)
    return and_(Request.origin.in_(ORIGINS), idle(), what)
