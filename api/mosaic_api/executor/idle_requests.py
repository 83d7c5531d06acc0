"""Settles requests that no executor processes: cancels, suspends or deletes them, as their users want.

A request that was started too often fails. What ended without a mosaic leaves nothing in the store: a row without a
mosaic only has a `uid` as long as something may be left under it.
"""

import logging
import uuid
from collections.abc import Collection, Sequence
from functools import cache

from mosaic_crds.errors import PassingError
from mosaic_crds.lifecycle import CRASHED, UNPUBLISHED, Phase, StatusWriter, Trouble, messages
from sqlalchemy import ColumnElement, and_, or_, select

from mosaic_api.database import Database, Request
from mosaic_api.database.models import now
from mosaic_api.database.workforce import OtherKindError, expect
from mosaic_api.executor import cleanup
from mosaic_api.executor.queue import ATTEMPTS
from mosaic_api.executor.rows import ORIGINS, end, idle, suspended
from mosaic_api.requests import crud

_log = logging.getLogger(__name__)


def settle(database: Database, store_uri: str, rows: Collection[str] = ()) -> None:
    """Settle the requests with ids, or all if there are none. Several processes may do this at the same time.

    Raises:
        OtherKindError: a cluster now processes the requests of this database.
    """
    with database.transaction() as session:
        query = select(Request.id).where(_due())
        due: Sequence[uuid.UUID] = session.scalars(
            query.where(Request.id.in_(map(uuid.UUID, rows))) if rows else query
        ).all()
    for each in due:
        try:
            _settle(database, store_uri, each)
        except PassingError as error:  # the next check of all tries again
            _log.warning("request %s is not settled yet: %s", each, error)
        except OtherKindError:
            raise
        except Exception:  # the others must not wait for this one
            _log.exception("request %s could not be settled; trying again", each)


def _settle(database: Database, store_uri: str, row: uuid.UUID) -> None:
    with database.transaction() as session:
        expect(session, "executors")
        locked = select(Request).where(Request.id == row, _due()).with_for_update(of=Request, skip_locked=True)
        request = session.scalar(locked)
        if request is None:
            return
        active = request.removed is None and request.cancelled is None and request.attempts < ATTEMPTS
        writer = StatusWriter(request.status, now())
        if active and not request.over:
            writer.suspend()
            crud.set_status(request, writer.status)
            return
        if request.uid is not None:
            cleanup.record_folders(session, request, results=True)
            cleanup.delete_files(request, store_uri)
            request.uid = None
        if request.removed is not None:
            session.delete(request)
        elif request.cancelled is not None and not request.over:
            writer.cancel()
            end(request, writer.status)
        elif not request.over:
            writer.fail(Trouble(CRASHED, messages.given_up(messages.WORKER_CRASHED, ATTEMPTS)))
            end(request, writer.status)


@cache
def _due() -> ColumnElement[bool]:
    still_open = Request.completed.is_(None)
    stop = and_(still_open, or_(Request.cancelled.is_not(None), Request.attempts >= ATTEMPTS))
    suspend = and_(still_open, suspended(), Request.phase != Phase.SUSPENDED)
    clean_up = and_(Request.phase.in_(UNPUBLISHED), Request.uid.is_not(None))
    what = or_(Request.removed.is_not(None), stop, suspend, clean_up)
    return and_(Request.origin.in_(ORIGINS), idle(), what)
