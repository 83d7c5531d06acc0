"""How code reaches the database: sessions for transactions, and a connection that hears what others commit."""

import json
import select
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import as_file, files
from typing import Any, cast

import psycopg2
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from mosaic_crds.errors import PassingError, RequestError
from mosaic_crds.json_input import storable
from psycopg2.errors import InsufficientPrivilege
from psycopg2.extensions import connection as Connection  # noqa: N812 (it is a class)
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import DBAPIError, OperationalError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session, sessionmaker

CHANGED = "mosaic_changed"
"""The channel that tells of changed rows: `requests <id>`, `datasets <id>` or `overlays <id>`."""
CONNECT_SECONDS = 10
POOL = 20
"""Connections at most; each runs one request's queries."""
KEPT = 5
"""Connections that stay open."""
POOL_SECONDS = 10
"""After which nobody waits any longer for a connection that others use."""
_KEPT_ALIVE = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 25_000}
"""So that a connection to a server that has vanished ends after 25 s, also where one only listens."""


def _json(value: Any) -> str:
    """A value of a JSON column as it is stored, without what PostgreSQL refuses."""
    return json.dumps(storable(value), allow_nan=False)


class Database:
    """A PostgreSQL database."""

    def __init__(self, url: str, pool: int = POOL) -> None:
        """Connects when it is first used, at most so many times at once."""
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
        """A session whose work is committed at the end, or undone where something fails.

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
        """Bring the tables to the newest form; several may try at once, and one of them does it.

        Raises:
            RequestError: its user may not make tables.
            PassingError: the database does not answer.
        """
        with _migrations() as config:
            try:
                with self.engine.begin() as connection:
                    connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('mosaic migrations'))"))
                    config.attributes["connection"] = connection
                    command.upgrade(config, "head")
            except OperationalError as error:
                raise PassingError(f"the database does not answer: {_reason(error)}") from error
            except ProgrammingError as error:
                if not isinstance(error.orig, InsufficientPrivilege):
                    raise
                raise RequestError(
                    f"the database does not let its user make tables ({_reason(error)}): let it own the database, "
                    "or grant what is missing"
                ) from None

    def answers(self) -> bool:
        """Whether it does."""
        try:
            with self.engine.connect() as connection:
                connection.execute(text("SELECT 1"))
        except (DBAPIError, PoolTimeout):
            return False
        return True

    def changes(self, timeout: float) -> Iterator[str | None]:
        """What is told of changed rows, as it is committed; None at first, and whenever nothing was told for a while.

        What was committed while nobody listened is not told: at None, look at all that matters.

        Args:
            timeout: seconds after which None is given.

        Raises:
            PassingError: the connection is lost.
        """
        try:
            with self.engine.connect() as pooled:
                pooled.detach()  # it is closed at the end, so that nobody else hears what is told
                connection = cast("Connection", pooled.connection.dbapi_connection)
                try:
                    yield from _told(connection, timeout)
                except psycopg2.Error:
                    pooled.invalidate()  # a lost connection has nothing that could be undone
                    raise
        except PoolTimeout:
            raise PassingError("the database is busy: all connections to it are in use") from None
        except (DBAPIError, psycopg2.Error) as error:
            raise PassingError(f"the database does not answer: {_reason(error)}") from error

    def close(self) -> None:
        """Give all connections back."""
        self.engine.dispose()


def has_revision(revision: str) -> bool:
    """Whether this version has a migration to a revision of the tables."""
    with _migrations() as config:
        return any(script.revision == revision for script in ScriptDirectory.from_config(config).walk_revisions())


@contextmanager
def _migrations() -> Iterator[Config]:
    with as_file(files("mosaic_api.database") / "migrations") as scripts:
        config = Config()
        config.set_main_option("script_location", str(scripts))
        yield config


def _told(connection: Connection, timeout: float) -> Iterator[str | None]:
    connection.autocommit = True
    connection.cursor().execute(f"LISTEN {CHANGED}")
    yield None
    while True:
        ready, _, _ = select.select([connection], [], [], timeout)
        connection.poll()
        if not ready:
            yield None
        told, connection.notifies[:] = [each.payload for each in connection.notifies], []
        yield from told


def _reason(error: DBAPIError | psycopg2.Error) -> str:
    """What the server or the network said, on one line, without the query."""
    return " ".join(str(error.orig if isinstance(error, DBAPIError) else error).split())
