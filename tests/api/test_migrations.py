"""Migrations of databases of earlier versions, which keep their rows."""

import re
import uuid
from collections.abc import Iterator
from importlib.resources import as_file, files

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from mosaic_api.database import Audit, Base, Database, Dataset, Request
from mosaic_api.postgres.server import PrivatePostgres
from mosaic_crds.errors import RequestError
from mosaic_crds.names import API_VERSION
from sqlalchemy import select, text

from support.databases import run_on, url_of

INSERT_REQUEST = (
    "INSERT INTO mosaics (id, namespace, name, origin, spec, shared, created, changed, phase, status, attempts, crd) "
    "VALUES (gen_random_uuid(), 'default', 'one', 'api', '{}', false, now(), now(), 'Pending', '{}', :attempts, :crd)"
)
INSERT_DATASET = (
    "INSERT INTO entries (id, kind, name, description, creator, shared, created, changed, west, south, east, north, "
    "footprint, files, details, sharing) "
    "VALUES (:id, 'point', 'Übersicht', 'am See', 'Ann', false, now(), now(), 0, 0, 0, 0, '{}', '{}', '{}', '{}')"
)


@pytest.fixture
def empty(postgres: PrivatePostgres) -> Iterator[Database]:
    """A database without tables."""
    name = f"test_{uuid.uuid4().hex}"
    run_on(postgres, f"CREATE DATABASE {name}")
    opened = Database(url_of(postgres, name))
    yield opened
    opened.close()
    run_on(postgres, f"DROP DATABASE {name} WITH (FORCE)")


def as_of(database: Database, revision: str) -> None:
    """Create the tables of a revision."""
    with as_file(files("mosaic_api.database") / "migrations") as scripts, database.engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(scripts))
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


@pytest.mark.parametrize(
    ("rows", "kind"),
    [
        ([], None),
        ([{"attempts": 0, "crd": None}], None),
        ([{"attempts": 1, "crd": None}], "executors"),
        ([{"attempts": 0, "crd": "a-uid"}], "cluster"),
    ],
    ids=["empty", "asked", "executors", "cluster"],
)
def test_keeps_the_kind_of_workforce_that_processed_requests(empty: Database, rows: list[dict], kind: str | None):
    as_of(empty, "0001")
    with empty.transaction() as session:
        for row in rows:
            session.execute(text(INSERT_REQUEST), row)
    empty.migrate()
    with empty.transaction() as session:
        assert session.scalar(text("SELECT kind FROM workforce")) == kind


def test_existing_requests_get_the_version_of_their_contract(empty: Database):
    as_of(empty, "0001")
    with empty.transaction() as session:
        session.execute(text(INSERT_REQUEST), {"attempts": 0, "crd": None})
    empty.migrate()
    with empty.transaction() as session:
        assert session.scalars(select(Request.api_version)).all() == [API_VERSION]


def test_search_finds_existing_datasets(empty: Database):
    as_of(empty, "0002")
    with empty.transaction() as session:
        session.execute(text(INSERT_DATASET), {"id": (dataset_id := uuid.uuid4())})
    empty.migrate()
    with empty.transaction() as session:
        searched = session.scalar(text("SELECT searched FROM datasets"))
        dataset = session.get_one(Dataset, dataset_id)
        dataset.creator = "Bob"
        session.flush()
        assert searched == "übersicht\nam see\nann" == dataset.searched.replace("bob", "ann")


NAMES = """
SELECT conname::text FROM pg_constraint UNION SELECT relname FROM pg_class UNION SELECT tgname FROM pg_trigger
"""
OLD_NAME = re.compile("(ix_)?(mosaics|entries|loose_files)(_|$)")


def test_renamed_tables_keep_their_rows_and_leave_no_old_names(empty: Database):
    as_of(empty, "0005")
    with empty.transaction() as session:
        session.execute(text(INSERT_REQUEST), {"attempts": 0, "crd": None})
        session.execute(text(INSERT_DATASET), {"id": (dataset_id := uuid.uuid4())})
        session.execute(text("UPDATE entries SET sharing = cast(:sharing AS jsonb)"), {"sharing": '{"wish": "share"}'})
        session.execute(text("INSERT INTO audit (at, action, subject, details) VALUES (now(), 'a', 'entry/7', '{}')"))
        assert len([name for name in session.scalars(text(NAMES)) if OLD_NAME.match(name)]) > 15
    empty.migrate()
    with empty.transaction() as session:
        assert [name for name in session.scalars(text(NAMES)) if OLD_NAME.match(name)] == []
        assert session.scalar(select(Request.name)) == "one"
        dataset = session.get_one(Dataset, dataset_id)
        assert (dataset.name, dataset.sharing) == ("Übersicht", {"action": "share"})
        assert session.scalar(select(Audit.subject)) == "dataset/7"
    changes = empty.changes(5)
    assert next(changes) == []
    with empty.transaction() as session:
        session.delete(session.get_one(Dataset, dataset_id))
    assert next(changes) == [f"datasets {dataset_id}"]
    changes.close()


def test_changes_that_come_while_others_are_handled_are_reported_together_and_once(empty: Database):
    empty.migrate()
    changes, ids = empty.changes(5), [uuid.uuid4(), uuid.uuid4()]
    assert next(changes) == []
    for number, each in enumerate(ids):
        with empty.transaction() as session:
            session.add(Request(id=each, namespace="default", name=f"request-{number}", spec={}, status={}))
    for attempts in (1, 2):
        with empty.transaction() as session:
            session.get_one(Request, ids[0]).attempts = attempts
    assert next(changes) == [f"requests {each}" for each in ids]
    changes.close()


def test_tables_match_the_models(empty: Database):
    empty.migrate()
    with empty.engine.connect() as connection:
        found = compare_metadata(MigrationContext.configure(connection), Base.metadata)
    assert [(what, table.name) for what, table in found] == [("remove_table", "overlays")]  # of the research system


def test_reports_missing_permission_to_create_tables(postgres: PrivatePostgres, empty: Database):
    role = f"poor_{uuid.uuid4().hex}"
    run_on(postgres, f"CREATE ROLE {role} LOGIN PASSWORD '{role}'")
    poor = Database(empty.engine.url.set(username=role, password=role).render_as_string(hide_password=False))
    try:
        with pytest.raises(RequestError, match=r"user may not create tables .* make it the owner of the database"):
            poor.migrate()
    finally:
        poor.close()
        run_on(postgres, f"DROP ROLE {role}")
