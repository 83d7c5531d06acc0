"""The revisions of the tables, which alembic applies."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import as_file, files

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text


def upgrade(connection: Connection) -> None:
    """Update the tables to the newest revision. If several processes try, one of them does it."""
    connection.execute(text("SELECT pg_advisory_xact_lock(hashtext('mosaic migrations'))"))
    with _config() as config:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def has_revision(revision: str) -> bool:
    """Whether this version knows a revision of the tables."""
    with _config() as config:
        return any(script.revision == revision for script in ScriptDirectory.from_config(config).walk_revisions())


@contextmanager
def _config() -> Iterator[Config]:
    with as_file(files("mosaic_api.database") / "migrations") as scripts:
        config = Config()
        config.set_main_option("script_location", str(scripts))
        yield config
