"""Leader election by a lock in the database, which ends with its connection."""

import logging
import threading
from collections.abc import Callable

from mosaic_crds.errors import PassingError
from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from mosaic_api.background.loops import Beat
from mosaic_api.database import Database
from mosaic_api.database.workforce import SYNC_LOCK, expect

TRY_SECONDS = 2.0
"""Interval of checks whether the lock is free, or still held."""
_LOST_IN_SECONDS = 25
"""When the server ends the connection of a vanished machine, and with it the lock."""
_log = logging.getLogger(__name__)


def lead(
    database: Database,
    work: Callable[[threading.Event], None],
    stop: threading.Event,
    beat: Beat = lambda: None,
) -> None:
    """Work while this process holds the lock; wait for it whenever it does not, until `stop` is set.

    The work ends when its event is set. For a moment after a lock is lost, two processes may work, which must do no
    harm.

    Raises:
        OtherKindError: executors process the requests of the database.
    """
    while not stop.is_set():
        try:
            with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.detach()  # the lock ends with this connection, which must not be reused
                _notice_loss(connection)
                if _await_lock(connection, stop, beat):
                    with database.transaction() as session:
                        expect(session, "cluster")
                    _work(connection, work, stop, beat)
                    stop.wait(TRY_SECONDS)  # if the work ended after an error
        except (SQLAlchemyError, PassingError) as error:  # also errors of a lost connection's own state
            _log.warning("the database does not answer: %s; trying again", " ".join(str(error).split()))
            stop.wait(TRY_SECONDS)
            beat()


def _notice_loss(connection: Connection) -> None:
    for name, value in (("idle", 10), ("interval", 5), ("count", (_LOST_IN_SECONDS - 10) // 5)):
        connection.execute(text(f"SET tcp_keepalives_{name} = {value}"))


def _await_lock(connection: Connection, stop: threading.Event, beat: Beat) -> bool:
    """Wait for the lock; return whether this process has it before it must stop."""
    attempt = text("SELECT pg_try_advisory_lock(hashtext(:lock))")
    while not connection.scalar(attempt, {"lock": SYNC_LOCK}):
        if stop.wait(TRY_SECONDS):
            return False
        beat()
    return True


def _work(connection: Connection, work: Callable[[threading.Event], None], stop: threading.Event, beat: Beat) -> None:
    """Work until `stop` is set, the work ends or the connection is lost."""
    over = threading.Event()
    worker = threading.Thread(target=work, args=(over,), name="sync", daemon=True)
    _log.info("this process synchronizes rows and MosaicRequests")
    worker.start()
    try:
        while worker.is_alive() and not stop.wait(TRY_SECONDS):
            connection.execute(text("SELECT 1"))
            beat()
    finally:
        over.set()
        worker.join()
