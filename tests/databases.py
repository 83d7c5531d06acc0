"""A real PostgreSQL for each run of the tests, and a database of its own for each test; fixtures of several folders."""

import shutil
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from mosaic_api.database import Database
from mosaic_api.private_postgres import PrivatePostgres
from sqlalchemy import create_engine, text

TEMPLATE = "migrated"


@pytest.fixture(scope="session")
def postgres() -> Iterator[PrivatePostgres]:
    folder = Path(
        tempfile.mkdtemp(prefix="mosaic-pg-")
    )  # pytest's own folders let nobody else in, and root's server is nobody
    server = PrivatePostgres(folder)
    server.start()
    yield server
    server.stop()
    shutil.rmtree(folder)


def run_on(server: PrivatePostgres, statement: str) -> None:
    """Run what cannot be run in a transaction."""
    engine = create_engine(server.url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(statement))
    engine.dispose()


def url_of(server: PrivatePostgres, name: str) -> str:
    return server.url.replace("/postgres?", f"/{name}?")


@pytest.fixture(scope="session")
def template(postgres: PrivatePostgres) -> str:
    run_on(postgres, f"CREATE DATABASE {TEMPLATE}")
    made = Database(url_of(postgres, TEMPLATE))
    made.migrate()
    made.close()
    return TEMPLATE


@pytest.fixture
def database_url(postgres: PrivatePostgres, template: str) -> Iterator[str]:
    """Of a database that has its tables and no rows."""
    name = f"test_{uuid.uuid4().hex}"
    run_on(postgres, f"CREATE DATABASE {name} TEMPLATE {template}")
    yield url_of(postgres, name)
    run_on(postgres, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    opened = Database(database_url)
    yield opened
    opened.close()
