"""Connects to the database: sessions for transactions, and a connection that receives notifications."""

import json
import select
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import psycopg2
from mosaic_crds.errors import PassingError, RequestError
from mosaic_crds.json_input import storable
from psycopg2.errors import InsufficientPrivilege
from psycopg2.extensions import connection as Connection  # noqa: N812 (it is a class)
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import DBAPIError, OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session, sessionmaker

CHANGED = "mosaic_changed"
"""The channel of notifications: `requests <id>`, `datasets <id>` or `overlays <id>`."""
Changes = list[str]
"""Notifications that came together, each once."""
CONNECT_SECONDS = 10
POOL = 20
"""Maximum number of connections. A request uses one."""
KEPT = 5
"""Number of connections that stay open."""
POOL_SECONDS = 10
"""How long to wait for a connection if all are in use."""
_KEPT_ALIVE = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 25_000}
"""Ends a connection to a server that vanished after 25 s, even if it only listens."""


def _json(value: Any) -> str:
    """Encode the value of a JSON column, without what PostgreSQL refuses."""
    return json.dumps(storable(value), allow_nan=False)


class Database:
    """A PostgreSQL database."""

    def __init__(self, url: str, pool: int = POOL) -> None:
        """Connects at the first use. `pool` is the maximum number of connections."""
        self.engine: Engine = create_engine(
            url,
            json_serializer=_json,
            pool_pre_ping=True,
            pool_size=min(KEPT, pool),
            max_overflow=pool - min(KEPT, pool),
            pool_timeout=POOL_SECONDS,
            connect_args={"connect_timeout": CONNECT_SECONDS, "options": "-c timezone=UTC", **_KEPT_ALIVE},
        )
        self._sessions = sessionmaker(self.engine, expire_on_commit=False)

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """A session that is committed at the end, or rolled back after an error.

        Raises:
            PassingError: the database does not answer.
        """
        try:
            with self._sessions.begin() as session:
                yield session
        except PoolTimeout:
            raise PassingError("the database is busy: all connections to it are in use") from None
        except DBAPIError as error:
            if isinstance(error, OperationalError) or error.connection_invalidated:
                raise PassingError(f"the database does not answer: {_reason(error)}") from error
            raise

    @contextmanager
    def repeatable_read(self) -> Iterator[Session]:
        """A session that sees the database as it was at its first query.

        Raises:
            PassingError: the database does not answer.
        """
        with self.transaction() as session:
            session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
            yield session

    def migrate(self) -> None:
        """Update the tables to the newest version. If several processes try, one of them does it.

        Raises:
            RequestError: the database user may not create tables.
            PassingError: the database does not answer.
        """
        from mosaic_api.database.revisions import upgrade  # noqa: PLC0415 (executors start without alembic)

        try:
            with self.engine.begin() as connection:
                upgrade(connection)
        except OperationalError as error:
            raise PassingError(f"the database does not answer: {_reason(error)}") from error
        except ProgrammingError as error:
            if not isinstance(error.orig, InsufficientPrivilege):
                raise
            raise RequestError(
                f"the database user may not create tables ({_reason(error)}): make it the owner of the database, "
                "or grant the missing rights"
            ) from None

    def answers(self) -> bool:
        """Whether the database answers."""
        try:
            with self.engine.connect() as connection:
                connection.execute(text("SELECT 1"))
        except (DBAPIError, PoolTimeout):
            return False
        return True

    def changes(self, timeout: float) -> Iterator[Changes]:
        """The notifications of committed changes; none at the start, and after each `timeout` seconds without one.

        Those that arrive while the caller does something come together. Changes before the start are not reported:
        without a notification, check all relevant rows.

        Raises:
            PassingError: the connection is lost.
        """
        try:
            with self.engine.connect() as pooled:
                pooled.detach()  # it is closed at the end: nobody else may receive its notifications
                connection = cast("Connection", pooled.connection.dbapi_connection)
                try:
                    yield from _notifications(connection, timeout)
                except psycopg2.Error:
                    pooled.invalidate()  # a lost connection cannot be rolled back
                    raise
        except PoolTimeout:
            raise PassingError("the database is busy: all connections to it are in use") from None
        except (DBAPIError, psycopg2.Error) as error:
            raise PassingError(f"the database does not answer: {_reason(error)}") from error

    def watch(self, timeout: float, stop: threading.Event, beat: Callable[[], None]) -> Iterator[Changes]:
        """Like `changes`, until an event is set; calls `beat` for each."""
        for changes in self.changes(timeout):
            if stop.is_set():
                return
            beat()
            yield changes

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


def _notifications(connection: Connection, timeout: float) -> Iterator[Changes]:
    connection.autocommit = True
    connection.cursor().execute(f"LISTEN {CHANGED}")
    yield []
    while True:
        ready, _, _ = select.select([connection], [], [], timeout)
        connection.poll()
        payloads, connection.notifies[:] = [each.payload for each in connection.notifies], []
        if payloads or not ready:
            yield list(dict.fromkeys(payloads))


def _reason(error: DBAPIError | psycopg2.Error) -> str:
    """The message of the server or the network on one line, without the query."""
    return " ".join(str(error.orig if isinstance(error, DBAPIError) else error).split())
