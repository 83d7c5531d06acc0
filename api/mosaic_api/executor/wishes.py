"""What is wished of requests that nobody works on: that they stop, stand still, or are gone."""

import logging
import uuid
from collections.abc import Sequence

from mosaic_crds.errors import PassingError
from mosaic_crds.names import Phase
from sqlalchemy import ColumnElement, and_, or_, select

from mosaic_api import mosaics
from mosaic_api.database import Database, Mosaic
from mosaic_api.executor.rows import ORIGINS, end, idle, suspended
from mosaic_api.executor.story import done_by_then, suspended_message
from mosaic_api.executor.traces import Traces
from mosaic_api.workforce import expect

_log = logging.getLogger(__name__)


def fulfil(database: Database, store_uri: str, row: str | None = None) -> None:
    """Fulfil the wishes of one row, or of all; several may try at once, and one of them does it.

    Raises:
        PassingError: the database does not answer.
    """
    with database.transaction() as session:
        query = select(Mosaic.id).where(_wished())
        wished: Sequence[uuid.UUID] = session.scalars(
            query if row is None else query.where(Mosaic.id == uuid.UUID(row))
        ).all()
    for each in wished:
        try:
            _fulfil(database, store_uri, each)
        except PassingError as error:  # and it is tried again at the next look at all
            _log.warning("what is wished of %s is not done yet: %s", each, error)


def _fulfil(database: Database, store_uri: str, row: uuid.UUID) -> None:
    with database.transaction() as session:
        expect(session, "executors")
        locked = select(Mosaic).where(Mosaic.id == row, _wished()).with_for_update(of=Mosaic, skip_locked=True)
        mosaic = session.scalar(locked)
        if mosaic is None:
            return
        if mosaic.cancelled is None and mosaic.removed is None:
            standing = {"phase": str(Phase.SUSPENDED), "message": suspended_message(mosaic.status)}
            mosaics.tell(mosaic, mosaic.status | standing)
            return
        if mosaic.uid is not None and (mosaic.removed is not None or not mosaic.over):
            Traces(mosaic.namespace, mosaic.name, mosaic.uid).delete(store_uri)
        if mosaic.removed is not None:
            session.delete(mosaic)
        else:
            end(mosaic, Phase.CANCELLED, f"cancelled{done_by_then(mosaic.status)}")


def _wished() -> ColumnElement[bool]:
    still_open = Mosaic.completed.is_(None)
    stop = and_(still_open, Mosaic.cancelled.is_not(None))
    stand_still = and_(still_open, suspended(), Mosaic.phase != Phase.SUSPENDED)
    return and_(Mosaic.origin.in_(ORIGINS), idle(), or_(Mosaic.removed.is_not(None), stop, stand_still))
