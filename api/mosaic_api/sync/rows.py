"""Which rows of `mosaics` are kept in step with a cluster, and how they are read."""

from collections import defaultdict
from collections.abc import Iterable

from sqlalchemy import ColumnElement, or_, select

from mosaic_api.database import Database, Mosaic
from mosaic_api.sync.observed import Row

ORIGINS = ("api", "cluster", "overlays")


def followed(namespace: str) -> Iterable[ColumnElement[bool]]:
    """The conditions for rows of a namespace that may still need something."""
    return (
        Mosaic.namespace == namespace,
        Mosaic.origin.in_(ORIGINS),
        or_(Mosaic.removed.is_not(None), Mosaic.gone.is_(None)),
    )


def rows_of(database: Database, namespace: str, name: str | None = None) -> dict[str, list[Row]]:
    """The rows of a namespace that may still need something, by their names; of one name if it is given.

    Raises:
        PassingError: the database does not answer.
    """
    wanted = [*followed(namespace), *([] if name is None else [Mosaic.name == name])]
    found: defaultdict[str, list[Row]] = defaultdict(list)
    with database.transaction() as session:
        for mosaic in session.scalars(select(Mosaic).where(*wanted)):
            found[mosaic.name].append(Row.of(mosaic))
    return found
