"""What others shared with the central installation, or what it made, taken over as a dataset of one's own."""

import tempfile
import uuid
from pathlib import Path
from typing import Any, NamedTuple

from mosaic_crds.errors import PassingError
from mosaic_crds.files import COG
from mosaic_crds.lifecycle import Phase
from pydantic import ValidationError
from sqlalchemy import select

from mosaic_api.auth.identity import Principal
from mosaic_api.central.client import Central
from mosaic_api.central.schemas import CentralDataset, CentralRequest
from mosaic_api.database import Dataset
from mosaic_api.datasets.crud import expect_room
from mosaic_api.datasets.input_schemas import DatasetCreate, location_and_style, style_of_picture
from mosaic_api.datasets.service import DatasetService
from mosaic_api.datasets.storage import Content
from mosaic_api.web.problems import Conflict

_MULTIHASH = "1220"
"""Of SHA-256, before its digits in `file:checksum`."""


def fetch_dataset(
    service: DatasetService, central: Central, principal: Principal, central_id: uuid.UUID
) -> tuple[Dataset, bool]:
    """Take over a dataset; fetched again, it is the same one.

    Returns:
        The dataset here, and whether it was made by this call.

    Raises:
        Forbidden: the principal may only look.
        Problem: the central installation refuses, or it cannot be kept here.
        PassingError: it does not answer.
    """
    principal.require("editor")
    found = _copy_of(service, principal, central_id)
    if found is not None:
        return found, False
    try:
        theirs = central.get(f"datasets/{central_id}", CentralDataset)
        asked = DatasetCreate.model_validate(_said(theirs))
    except ValidationError:
        raise _strange() from None
    original = theirs.files.get("original")
    if original is None:
        return service.keep(principal, asked, key=central_id, central_id=central_id)
    path = f"datasets/{central_id}/files/original"
    source = _Source(path, original.sha256, original.name, original.bytes)
    return _keep(service, central, principal, asked, source, central_id)


def fetch_mosaic(
    service: DatasetService, central: Central, principal: Principal, central_id: uuid.UUID
) -> tuple[Dataset, bool]:
    """Take over a mosaic that the central installation made, as an image coloured as its picture is.

    Returns:
        The dataset here, and whether it was made by this call.

    Raises:
        Forbidden: the principal may only look.
        Conflict: it is not published yet.
        Problem: the central installation refuses, or it cannot be kept here.
        PassingError: it does not answer.
    """
    principal.require("editor")
    found = _copy_of(service, principal, central_id)
    if found is not None:
        return found, False
    told = central.get(f"requests/{central_id}", CentralRequest)
    item = told.item
    if told.phase != Phase.SUCCEEDED or not item:
        raise Conflict(f"the mosaic is not published there: it is {told.phase.lower()}")
    try:
        request = item["assets"][COG.asset]
        said = {"kind": "image", "name": told.name, "description": item["properties"].get("title", "")}
        asked = DatasetCreate.model_validate(said | style_of_picture(item))
        digest = request["file:checksum"].removeprefix(_MULTIHASH)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise _strange() from None
    source = _Source(f"requests/{central_id}/files/{COG.key}", digest, f"{asked.name}.tif", None)
    return _keep(service, central, principal, asked, source, central_id)


class _Source(NamedTuple):
    """A file there.

    Attributes:
        path: in the API.
        digest: its SHA-256.
        name: of it.
        size: bytes; None where nothing says so.
    """

    path: str
    digest: str
    name: str
    size: int | None


def _keep(
    service: DatasetService,
    central: Central,
    principal: Principal,
    asked: DatasetCreate,
    source: _Source,
    central_id: uuid.UUID,
) -> tuple[Dataset, bool]:
    most, scratch = service.settings.max_upload_bytes, service.storage.scratch
    if source.size is not None:
        most = min(most, max(source.size, 1))
        with service.database.transaction() as session:
            expect_room(session, service.settings, principal.user_id, most)
    with scratch.reserved(most), tempfile.TemporaryDirectory(prefix="fetch-", dir=scratch.folder) as folder:
        target = Path(folder) / "original"
        central.download(source.path, target, source.digest, most)
        with target.open("rb") as file:
            return service.keep(principal, asked, Content(file, source.name), key=central_id, central_id=central_id)


def _strange() -> PassingError:
    return PassingError(
        "the central installation tells of it in a way that this version does not know; update this one"
    )


def _copy_of(service: DatasetService, principal: Principal, central_id: uuid.UUID) -> Dataset | None:
    """The principal's own dataset that is a copy of one there, or that is shared there as it."""
    with service.database.transaction() as session:
        return session.scalars(
            select(Dataset)
            .where(Dataset.central_id == central_id, Dataset.owner_id == principal.user_id, Dataset.removed.is_(None))
            .order_by(Dataset.created)
        ).first()


def _said(theirs: CentralDataset) -> dict[str, Any]:
    said: dict[str, Any] = {
        "kind": theirs.kind,
        "name": theirs.name,
        "description": theirs.description,
        "creator": theirs.creator or theirs.owner or "",
    }
    return said | location_and_style(theirs.kind, theirs.bounds, theirs.details)
