"""One process works, the others wait: the holder of a lock in the database, which ends with its connection."""

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
"""Between looks whether the lock is free, or still held."""
_LOST_IN_SECONDS = 25
"""After so long the server ends the connection of a machine that has vanished, and with it the lock."""
_log = logging.getLogger(__name__)


def lead(
    database: Database,
    work: Callable[[threading.Event], None],
    stop: threading.Event,
    beat: Beat = lambda: None,
) -> None:
    """Wait for the lock and work while it is held; wait again where it is lost, until it is time to stop.

    For a moment after a lock is lost two may be at work; whatever the work does must bear that.

    Args:
        database: holds the lock.
        work: done while the lock is held, until the event that it is given is set.
        stop: ends all.
        beat: called while it waits or works.

    Raises:
        OtherKindError: executors work off what is in the database.
    """
    while not stop.is_set():
        try:
            with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                connection.detach()  # the lock ends with this connection, which nobody else gets
                _notice_loss(connection)
                if _await_lock(connection, stop, beat):
                    with database.transaction() as session:
                        expect(session, "cluster")
                    _work(connection, work, stop, beat)
                    stop.wait(TRY_SECONDS)  # where the work ended by itself, after a fault
        except (SQLAlchemyError, PassingError) as error:  # after a lost connection also what it says of its own state
            _log.warning("the database does not answer: %s; trying again", " ".join(str(error).split()))
            stop.wait(TRY_SECONDS)
            beat()


def _notice_loss(connection: Connection) -> None:
    for name, value in (("idle", 10), ("interval", 5), ("count", (_LOST_IN_SECONDS - 10) // 5)):
        connection.execute(text(f"SET tcp_keepalives_{name} = {value}"))


def _await_lock(connection: Connection, stop: threading.Event, beat: Beat) -> bool:
    """Whether the lock was got before it was time to stop."""
    asked = text("SELECT pg_try_advisory_lock(hashtext(:lock))")
    while not connection.scalar(asked, {"lock": SYNC_LOCK}):
        if stop.wait(TRY_SECONDS):
            return False
        beat()
    return True


def _work(connection: Connection, work: Callable[[threading.Event], None], stop: threading.Event, beat: Beat) -> None:
    """Work until it is time to stop, the work ends or the connection is lost."""
    over = threading.Event()
    worker = threading.Thread(target=work, args=(over,), name="sync", daemon=True)
    _log.info("this process keeps rows and MosaicRequests in step")
    worker.start()
    try:
        while worker.is_alive() and not stop.wait(TRY_SECONDS):
            connection.execute(text("SELECT 1"))
            beat()
    finally:
        over.set()
        worker.join()
