"""The rows of `requests` that are synchronized with a cluster."""

from collections import defaultdict
from collections.abc import Iterable

from mosaic_crds.lifecycle import StatusWriter
from sqlalchemy import ColumnElement, or_, select

from mosaic_api.database import Database, Request
from mosaic_api.database.models import now
from mosaic_api.requests import crud

ORIGINS = ("api", "cluster", "overlays")


def followed(namespace: str) -> Iterable[ColumnElement[bool]]:
    """The conditions for rows of a namespace that may need an action."""
    return (
        Request.namespace == namespace,
        Request.origin.in_(ORIGINS),
        or_(Request.removed.is_not(None), Request.gone.is_(None)),
    )


def wait(request: Request, message: str) -> None:
    """Set the status of a request that is not in the cluster, with what it waits for."""
    if request.status.get("message") != message:
        writer = StatusWriter({}, now())
        writer.wait(message)
        crud.set_status(request, writer.status)


def rows_of(database: Database, namespace: str, name: str | None = None) -> dict[str, list[Request]]:
    """The rows of a namespace that may need an action, by name; or only those of one name."""
    wanted = [*followed(namespace), *([] if name is None else [Request.name == name])]
    found: defaultdict[str, list[Request]] = defaultdict(list)
    with database.transaction() as session:
        for request in session.scalars(select(Request).where(*wanted)):
            found[request.name].append(request)
    return found
