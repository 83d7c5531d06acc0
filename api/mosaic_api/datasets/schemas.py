"""The REST schemas of datasets, which installations also exchange."""

import uuid
from datetime import datetime
from typing import Any, Self

from mosaic_api.auth.identity import Principal
from mosaic_api.database import Dataset as DatasetRow
from mosaic_api.datasets.crud import version
from mosaic_api.web.schemas import ApiModel


class DatasetFile(ApiModel):
    """A file of a row."""

    name: str
    media_type: str
    bytes: int
    sha256: str


class DatasetSharing(ApiModel):
    """The state of a dataset on the central server."""

    id: uuid.UUID | None
    """Its id there, after it was shared."""
    state: str | None
    """waiting, done or failed; null if it was fetched from there."""
    wish: str | None
    """share or unshare."""
    attempts: int
    next: datetime | None
    """The time of the next attempt."""
    message: str | None


class Dataset(ApiModel):
    """A row."""

    id: uuid.UUID
    kind: str
    name: str
    description: str
    creator: str
    """The author, as free text."""
    owner: str | None
    """The name of its owner."""
    mine: bool
    """Whether you own it."""
    shared: bool
    """Whether all users of this installation may see it."""
    created: datetime
    changed: datetime
    bounds: tuple[float, float, float, float]
    """West, south, east, north in degrees; west > east crosses the antimeridian."""
    footprint: dict[str, Any]
    """GeoJSON geometry."""
    files: dict[str, DatasetFile]
    """original: the uploaded file; display: what the map shows, if that is another file."""
    details: dict[str, Any]
    """Bands and statistics of an image; layers, fields and shown features of a vector file."""
    version: str
    """The ETag of its editable fields, for If-Match."""
    central: DatasetSharing | None = None

    @classmethod
    def of(cls, row: DatasetRow, principal: Principal) -> Self:
        """The row as the principal may see it."""
        mine = row.owner_id == principal.user_id
        return cls(
            id=row.id,
            kind=row.kind,
            name=row.name,
            description=row.description,
            creator=row.creator,
            owner=row.owner.name if row.owner else None,
            mine=mine,
            shared=row.shared,
            created=row.created,
            changed=row.changed,
            bounds=(row.west, row.south, row.east, row.north),
            footprint=row.footprint,
            files={
                role: DatasetFile(
                    name=file["name"], media_type=file["mediaType"], bytes=file["bytes"], sha256=file["sha256"]
                )
                for role, file in row.files.items()
            },
            details=row.details,
            version=version(row),
            central=_sharing(row) if mine or principal.is_admin else None,
        )


class DatasetList(ApiModel):
    """A page of datasets, newest first."""

    datasets: list[Dataset]
    total: int
    """The number of datasets on all pages."""
    next: str | None
    """The URL of the next page."""


def _sharing(row: DatasetRow) -> DatasetSharing | None:
    if row.central_id is None and not row.sharing:
        return None
    told = row.sharing
    return DatasetSharing(
        id=row.central_id,
        state=told.get("state"),
        wish=told.get("wish"),
        attempts=told.get("attempts", 0),
        next=told.get("next"),
        message=told.get("message"),
    )
