"""A real PostgreSQL for each test run, and an empty database for each test; fixtures for several folders."""

import functools
import shutil
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from mosaic_api.database import Database
from mosaic_api.postgres.server import PrivatePostgres
from sqlalchemy import Connection, Engine, NullPool, create_engine, text

TEMPLATE = "migrated"
FAST = ("fsync", "full_page_writes", "synchronous_commit")
"""Settings that protect data from a power cut; tests do not need them."""
CATALOGS = (
    "pg_attribute",
    "pg_class",
    "pg_constraint",
    "pg_db_role_setting",
    "pg_extension",
    "pg_namespace",
    "pg_proc",
    "pg_rewrite",
    "pg_trigger",
    "pg_type",
)
"""System catalogs with the structure of a database."""


@pytest.fixture(scope="session")
def postgres() -> Iterator[PrivatePostgres]:
    folder = Path(
        tempfile.mkdtemp(prefix="mosaic-pg-")
    )  # the server of root runs as nobody, who cannot enter pytest's folders
    server = PrivatePostgres(folder)
    server.start()
    run_on(server, *(f"ALTER SYSTEM SET {name} = off" for name in FAST), "SELECT pg_reload_conf()")
    yield server
    _administrator(server.url).dispose()
    server.stop()
    shutil.rmtree(folder)


@functools.cache
def _administrator(url: str) -> Engine:
    """An engine that keeps one connection, because connecting takes longer than most statements."""
    return create_engine(url, isolation_level="AUTOCOMMIT", pool_size=1, pool_pre_ping=True)


def run_on(server: PrivatePostgres, *statements: str) -> None:
    """Run statements that cannot run in a transaction."""
    with _administrator(server.url).connect() as connection:
        for statement in statements:
            connection.execute(text(statement))


def url_of(server: PrivatePostgres, name: str) -> str:
    return server.url.replace("/postgres?", f"/{name}?")


@pytest.fixture(scope="session")
def template(postgres: PrivatePostgres) -> str:
    run_on(postgres, f"CREATE DATABASE {TEMPLATE}")
    made = Database(url_of(postgres, TEMPLATE))
    made.migrate()
    with made.engine.connect() as connection:
        for table in _tables(connection):
            assert connection.scalar(text(f"SELECT count(*) FROM {table}")) == 0, table
    made.close()
    return TEMPLATE


_spare: list[tuple[str, str]] = []
"""Emptied databases, with their structure. Copying the template takes fifty times as long."""


@contextmanager
def new_database(server: PrivatePostgres) -> Iterator[str]:
    """The URL of a database with tables and without rows; `template` must exist."""
    name = f"test_{uuid.uuid4().hex}"
    if _spare:
        old, structure = _spare.pop()
        run_on(server, f"ALTER DATABASE {old} RENAME TO {name}")
    else:
        run_on(server, f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
        with _connected(url_of(server, name)) as connection:
            structure = _structure(connection)
    try:
        yield url_of(server, name)
    finally:
        spare = f"spare_{uuid.uuid4().hex}"  # processes that a test left behind do not find it under this name
        run_on(
            server,
            f"ALTER DATABASE {name} ALLOW_CONNECTIONS false",
            f"SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = '{name}'",
            f"ALTER DATABASE {name} RENAME TO {spare}",
            f"ALTER DATABASE {spare} ALLOW_CONNECTIONS true",
        )
        with _connected(url_of(server, spare)) as connection:
            unchanged = _structure(connection) == structure
            if unchanged:
                _empty(connection)
        if unchanged:
            _spare.append((spare, structure))
        else:  # the test created or changed a table
            run_on(server, f"DROP DATABASE {spare}")


@contextmanager
def _connected(url: str) -> Iterator[Connection]:
    """A transaction on a database, whose connection is closed afterwards."""
    with create_engine(url, poolclass=NullPool).begin() as connection:
        yield connection


def _structure(connection: Connection) -> str:
    """A text that changes when anything in the structure of a database is created, changed or removed."""
    newest = ", ".join(f"(SELECT count(*) || ' ' || max(xmin::text::bigint) FROM {catalog})" for catalog in CATALOGS)
    return str(connection.scalar(text(f"SELECT concat_ws(',', {newest})")))


def _empty(connection: Connection) -> None:
    """Delete all rows of a database, and restart its sequences."""
    statements = [
        "SET session_replication_role = replica",  # disables triggers and foreign keys
        *(f"DELETE FROM {table}" for table in _tables(connection)),
        "SELECT setval(format('%I.%I', schemaname, sequencename), 1, false) FROM pg_sequences",
    ]
    connection.exec_driver_sql("; ".join(statements).replace("%", "%%"))


def _tables(connection: Connection) -> Sequence[str]:
    """All tables with data."""
    named = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'"
    return connection.scalars(text(named)).all()


@pytest.fixture
def database_url(postgres: PrivatePostgres, template: str) -> Iterator[str]:
    """The URL of a database with tables and without rows."""
    with new_database(postgres) as url:
        yield url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    opened = Database(database_url)
    yield opened
    opened.close()
