"""Copies datasets and mosaics of the central installation into this one."""

import tempfile
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from mosaic_crds.errors import PassingError
from mosaic_crds.files import COG
from mosaic_crds.lifecycle import Phase
from sqlalchemy import select

from mosaic_api.auth.identity import Principal
from mosaic_api.central.client import Central
from mosaic_api.central.schemas import CentralDataset, CentralRequest
from mosaic_api.database import Dataset
from mosaic_api.datasets.crud import expect_room
from mosaic_api.datasets.schemas import DatasetCreate, location_and_style, style_of_picture
from mosaic_api.datasets.service import DatasetService
from mosaic_api.datasets.storage import Content
from mosaic_api.web.problems import Conflict

_MULTIHASH = "1220"
"""The prefix of a SHA-256 in `file:checksum`."""


def fetch_dataset(
    service: DatasetService, central: Central, principal: Principal, central_id: uuid.UUID
) -> tuple[Dataset, bool]:
    """Copy a dataset; a second call returns the first one's copy.

    Returns:
        The dataset here, and whether this call created it.

    Raises:
        Problem: the principal may not create datasets, or one of the installations refuses it.
        PassingError: the central installation does not answer.
    """

    def describe() -> tuple[DatasetCreate, _Source | None]:
        theirs = central.get(f"datasets/{central_id}", CentralDataset)
        original = theirs.files.get("original")
        path = f"datasets/{central_id}/files/original"
        source = _Source(path, original.sha256, original.name, original.bytes) if original else None
        return DatasetCreate.model_validate(_fields_of(theirs)), source

    return _fetch(service, central, principal, central_id, describe)


def fetch_mosaic(
    service: DatasetService, central: Central, principal: Principal, central_id: uuid.UUID
) -> tuple[Dataset, bool]:
    """Copy a mosaic that the central installation published, as an image with the colours of its picture.

    Returns and raises like `fetch_dataset`.

    Raises:
        Conflict: it is not published yet.
    """

    def describe() -> tuple[DatasetCreate, _Source]:
        theirs = central.get(f"requests/{central_id}", CentralRequest)
        item = theirs.item
        if theirs.phase != Phase.SUCCEEDED or not item:
            raise Conflict(f"the mosaic is not published there: it is {theirs.phase.lower()}")
        values = {"kind": "image", "name": theirs.name, "description": item["properties"].get("title", "")}
        fields = DatasetCreate.model_validate(values | style_of_picture(item))
        digest = item["assets"][COG.asset]["file:checksum"].removeprefix(_MULTIHASH)
        return fields, _Source(f"requests/{central_id}/files/{COG.key}", digest, f"{fields.name}.tif", None)

    return _fetch(service, central, principal, central_id, describe)


class _Source(NamedTuple):
    """A file of the central installation: its path in the API, SHA-256, name, and size in bytes if it is known."""

    path: str
    digest: str
    name: str
    size: int | None


def _fetch(
    service: DatasetService,
    central: Central,
    principal: Principal,
    central_id: uuid.UUID,
    describe: Callable[[], tuple[DatasetCreate, _Source | None]],
) -> tuple[Dataset, bool]:
    """The dataset that `describe` returns with its file; the copy that already exists, if there is one."""
    principal.require("editor")
    found = _copy_of(service, principal, central_id)
    if found is not None:
        return found, False
    try:
        fields, source = describe()
    except (KeyError, TypeError, ValueError, AttributeError):
        raise _unsupported() from None
    if source is None:
        return service.keep(principal, fields, key=central_id, central_id=central_id)
    most, scratch = service.settings.max_upload_bytes, service.storage.scratch
    if source.size is not None:
        most = min(most, max(source.size, 1))
        with service.database.transaction() as session:
            expect_room(session, service.settings, principal.user_id, most)
    with scratch.reserved(most), tempfile.TemporaryDirectory(prefix="fetch-", dir=scratch.folder) as folder:
        target = Path(folder) / "original"
        central.download(source.path, target, source.digest, most)
        with target.open("rb") as file:
            return service.keep(principal, fields, Content(file, source.name), key=central_id, central_id=central_id)


def _unsupported() -> PassingError:
    return PassingError("unsupported response of the central installation; update this installation")


def _copy_of(service: DatasetService, principal: Principal, central_id: uuid.UUID) -> Dataset | None:
    """The principal's own dataset that is a copy of a central one, or that is shared there as it."""
    with service.database.transaction() as session:
        return session.scalars(
            select(Dataset)
            .where(Dataset.central_id == central_id, Dataset.owner_id == principal.user_id, Dataset.removed.is_(None))
            .order_by(Dataset.created)
        ).first()


def _fields_of(theirs: CentralDataset) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "kind": theirs.kind,
        "name": theirs.name,
        "description": theirs.description,
        "creator": theirs.creator or theirs.owner or "",
    }
    return fields | location_and_style(theirs.kind, theirs.bounds, theirs.details)
