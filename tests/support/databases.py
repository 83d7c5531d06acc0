"""A real PostgreSQL for each run of the tests, and an empty database for each test; fixtures of several folders."""

import shutil
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from mosaic_api.database import Database
from mosaic_api.postgres.server import PrivatePostgres
from sqlalchemy import Connection, create_engine, text

TEMPLATE = "migrated"
FAST = ("fsync", "full_page_writes", "synchronous_commit")
"""What protects data from a power cut, which tests need not survive."""
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
"""Where PostgreSQL keeps the structure of a database."""


@pytest.fixture(scope="session")
def postgres() -> Iterator[PrivatePostgres]:
    folder = Path(
        tempfile.mkdtemp(prefix="mosaic-pg-")
    )  # pytest's own folders let nobody else in, and root's server is nobody
    server = PrivatePostgres(folder)
    server.start()
    run_on(server, *(f"ALTER SYSTEM SET {name} = off" for name in FAST), "SELECT pg_reload_conf()")
    yield server
    server.stop()
    shutil.rmtree(folder)


def run_on(server: PrivatePostgres, *statements: str) -> None:
    """Run what cannot be run in a transaction."""
    engine = create_engine(server.url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


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
"""Databases that are empty again, with their structure. Copying the template takes fifty times as long."""


@contextmanager
def new_database(server: PrivatePostgres) -> Iterator[str]:
    """The URL of a database that has its tables and no rows; `template` must have been made."""
    name = f"test_{uuid.uuid4().hex}"
    if _spare:
        old, structure = _spare.pop()
        run_on(server, f"ALTER DATABASE {old} RENAME TO {name}")
    else:
        run_on(server, f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
        structure = _structure(server, name)
    try:
        yield url_of(server, name)
    finally:
        spare = f"spare_{uuid.uuid4().hex}"  # what a test may have left behind does not find it under this name
        run_on(
            server,
            f"ALTER DATABASE {name} ALLOW_CONNECTIONS false",
            f"SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = '{name}'",
            f"ALTER DATABASE {name} RENAME TO {spare}",
            f"ALTER DATABASE {spare} ALLOW_CONNECTIONS true",
        )
        if _structure(server, spare) == structure:
            _empty(server, spare)
            _spare.append((spare, structure))
        else:  # the test has made or changed a table
            run_on(server, f"DROP DATABASE {spare}")


def _structure(server: PrivatePostgres, name: str) -> str:
    """Differs between two times if anything of a database's structure was made, changed or removed between them."""
    newest = ", ".join(f"(SELECT count(*) || ' ' || max(xmin::text::bigint) FROM {catalog})" for catalog in CATALOGS)
    engine = create_engine(url_of(server, name))
    with engine.connect() as connection:
        structure = connection.scalar(text(f"SELECT concat_ws(',', {newest})"))
    engine.dispose()
    return str(structure)


def _empty(server: PrivatePostgres, name: str) -> None:
    """Delete all rows of a database, and let its sequences begin again."""
    engine = create_engine(url_of(server, name))
    with engine.begin() as connection:
        connection.execute(text("SET session_replication_role = replica"))  # without triggers and foreign keys
        for table in _tables(connection):
            connection.execute(text(f"DELETE FROM {table}"))
        connection.execute(text("SELECT setval(format('%I.%I', schemaname, sequencename), 1, false) FROM pg_sequences"))
    engine.dispose()


def _tables(connection: Connection) -> Sequence[str]:
    """All tables that hold data."""
    named = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'"
    return connection.scalars(text(named)).all()


@pytest.fixture
def database_url(postgres: PrivatePostgres, template: str) -> Iterator[str]:
    """Of a database that has its tables and no rows."""
    with new_database(postgres) as url:
        yield url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    opened = Database(database_url)
    yield opened
    opened.close()
