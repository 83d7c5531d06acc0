"""Checks GeoPackages before GDAL opens them. Only tables are read.

A view is a query by the author of the file. A recursive one never ends, and GDAL runs it to count features.
"""

import re
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from mosaic_crds.errors import RequestError

MOST_OBJECTS = 10_000
"""Tables, indexes and triggers of a GeoPackage."""
MOST_STEPS = 1_000_000
"""Steps of SQLite's virtual machine for all queries of a check."""
_SAFE = re.compile(
    r"CREATE (TABLE|(UNIQUE )?INDEX|TRIGGER)\b|CREATE VIRTUAL TABLE .{1,300}? USING rtree\b", re.DOTALL | re.IGNORECASE
)
"""Statements that only store data. Triggers only run on writes, and nothing is written."""
_VIEW = re.compile(r"(?i)CREATE (TEMP(ORARY)? )?VIEW\b")


def check_geopackage(path: Path) -> None:
    """Refuse a GeoPackage that makes its reader compute something.

    SQLite derives what an object is from its statement, so this checks the statement, not the stored type.

    Raises:
        RequestError: it has a view, a computed column or a virtual table other than an R-tree, or is damaged.
    """
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1000
        return int(steps > MOST_STEPS)

    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro&immutable=1", uri=True)) as database:
            database.execute("PRAGMA trusted_schema=OFF")
            database.set_progress_handler(count, 1000)
            objects = database.execute("SELECT type, name, sql FROM sqlite_master").fetchmany(MOST_OBJECTS + 1)
            if len(objects) > MOST_OBJECTS:
                raise RequestError(f"file: the GeoPackage has more than {MOST_OBJECTS:,} tables and indexes")
            for _, name, statement in objects:
                _check_statement(str(name), statement)
            for kind, name, _ in objects:
                if kind == "table":
                    _check_columns(database, str(name))
    except (sqlite3.Error, UnicodeError) as error:
        raise RequestError(f"file: the GeoPackage cannot be read: {error}") from None


def _check_statement(name: str, statement: object) -> None:
    shown = "".join(letter for letter in name if letter.isprintable())[:100]
    if statement is None or (isinstance(statement, str) and _SAFE.match(statement)):  # None: SQLite's own index
        return
    if isinstance(statement, str) and _VIEW.match(statement):
        raise RequestError(
            f"file: the GeoPackage has the view {shown!r}, and only tables are read; export the layers that you need "
            "to a new GeoPackage"
        )
    raise RequestError(f"file: the GeoPackage has {shown!r}, which is not a plain table or index; export its layers")


def _check_columns(database: sqlite3.Connection, table: str) -> None:
    computed = database.execute("SELECT name FROM pragma_table_xinfo(?) WHERE hidden IN (2, 3)", (table,)).fetchone()
    if computed is not None:
        raise RequestError(
            f"file: the table {table[:100]!r} of the GeoPackage computes its column {str(computed[0])[:100]!r}; only "
            "stored columns are read"
        )
