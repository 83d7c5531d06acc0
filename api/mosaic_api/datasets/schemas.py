"""A dataset as it is told over REST, also from one installation to another."""

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
    """How a dataset stands to the central installation."""

    id: uuid.UUID | None
    """Its id there, once it is there."""
    state: str | None
    """waiting, done or failed; null if it was fetched from there."""
    wish: str | None
    """share or unshare."""
    attempts: int
    next: datetime | None
    """When it is tried again."""
    message: str | None


class Dataset(ApiModel):
    """A row."""

    id: uuid.UUID
    kind: str
    name: str
    description: str
    creator: str
    """As people write it."""
    owner: str | None
    """The name of whom it belongs to."""
    mine: bool
    """Whether it belongs to who asks."""
    shared: bool
    """Whether everybody here may see it."""
    created: datetime
    changed: datetime
    bounds: tuple[float, float, float, float]
    """West, south, east, north in degrees; west > east crosses the antimeridian."""
    footprint: dict[str, Any]
    """GeoJSON geometry."""
    files: dict[str, DatasetFile]
    """original: as it was sent; display: what is shown of it, if that is another file."""
    details: dict[str, Any]
    """The bands and statistics of an image; the layers, their fields and what is shown of a vector file."""
    version: str
    """Of what can be changed of it: its ETag, for If-Match."""
    central: DatasetSharing | None = None

    @classmethod
    def of(cls, row: DatasetRow, principal: Principal) -> Self:
        """As it is told to the principal."""
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
    """Of all pages."""
    next: str | None
    """The address of the next page."""


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
