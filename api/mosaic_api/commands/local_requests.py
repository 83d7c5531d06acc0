"""Requests in the database of this machine: its one user submits and watches them."""

import uuid
from collections.abc import Iterator

from mosaic_crds.errors import RequestError
from mosaic_crds.lifecycle import UNPUBLISHED
from mosaic_crds.request import MosaicRequest
from sqlalchemy import select

from mosaic_api.auth.identity import principal_of, single_user
from mosaic_api.database import Request
from mosaic_api.local.installation import Installation
from mosaic_api.requests import crud

POLL_SECONDS = 1.0


def submit(manifest: MosaicRequest, installation: Installation) -> tuple[uuid.UUID, bool]:
    """Create a request, or find the one with the same name and spec; one that failed is replaced.

    Returns:
        the id of its row, and whether it has finished already.

    Raises:
        Conflict: another request has the name.
    """
    name, settings = manifest.metadata.name, installation.settings
    with installation.database.transaction() as session:
        principal = principal_of(single_user(session))
        named = (Request.namespace == settings.namespace, Request.name == name, Request.removed.is_(None))
        before = session.scalar(select(Request).where(*named))
        spec = manifest.spec.model_dump(mode="json", by_alias=True, exclude_unset=True)
        if before is not None and before.phase in UNPUBLISHED:
            crud.remove(session, principal, before.id)
            session.flush()
        elif before is not None and before.spec == spec:
            return before.id, before.over
        request = crud.create(session, settings, principal, name, spec)
        request.origin = "command"
        return request.id, False


def watch(row: uuid.UUID, installation: Installation) -> Iterator[Request]:
    """A request each time it may have changed, until it finishes.

    Raises:
        RequestError: it was deleted.
        PassingError: the database does not respond.
    """
    for changes in installation.database.changes(POLL_SECONDS):
        if not changes or f"requests {row}" in changes:
            with installation.database.transaction() as session:
                request = session.get(Request, row)
            if request is None or request.removed is not None:
                raise RequestError("the request was deleted")
            yield request
            if request.over:
                return
