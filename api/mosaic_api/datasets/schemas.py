"""A dataset as it is told over REST, also from one installation to another."""

import uuid
from datetime import datetime
from typing import Any, Self

from mosaic_api.auth.identity import Principal
from mosaic_api.database import Dataset
from mosaic_api.datasets.crud import version
from mosaic_api.web.schemas import Body


class ToldFile(Body):
    """A file of a dataset."""

    name: str
    media_type: str
    bytes: int
    sha256: str


class Sharing(Body):
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


class Told(Body):
    """A dataset."""

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
    files: dict[str, ToldFile]
    """original: as it was sent; display: what is shown of it, if that is another file."""
    details: dict[str, Any]
    """The bands and statistics of an image; the layers, their fields and what is shown of a vector file."""
    version: str
    """Of what can be changed of it: its ETag, for If-Match."""
    central: Sharing | None = None

    @classmethod
    def of(cls, dataset: Dataset, principal: Principal) -> Self:
        """As it is told to the principal."""
        mine = dataset.owner_id == principal.user_id
        return cls(
            id=dataset.id,
            kind=dataset.kind,
            name=dataset.name,
            description=dataset.description,
            creator=dataset.creator,
            owner=dataset.owner.name if dataset.owner else None,
            mine=mine,
            shared=dataset.shared,
            created=dataset.created,
            changed=dataset.changed,
            bounds=(dataset.west, dataset.south, dataset.east, dataset.north),
            footprint=dataset.footprint,
            files={
                role: ToldFile(
                    name=file["name"], media_type=file["mediaType"], bytes=file["bytes"], sha256=file["sha256"]
                )
                for role, file in dataset.files.items()
            },
            details=dataset.details,
            version=version(dataset),
            central=_sharing(dataset) if mine or principal.is_admin else None,
        )


def _sharing(dataset: Dataset) -> Sharing | None:
    if dataset.central_id is None and not dataset.sharing:
        return None
    told = dataset.sharing
    return Sharing(
        id=dataset.central_id,
        state=told.get("state"),
        wish=told.get("wish"),
        attempts=told.get("attempts", 0),
        next=told.get("next"),
        message=told.get("message"),
    )
