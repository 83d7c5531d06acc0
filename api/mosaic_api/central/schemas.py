"""What the central installation answers: the parts that are used here, and whatever else a newer version says."""

import uuid
from typing import Any

from pydantic import BaseModel, ConfigDict

from mosaic_api.datasets.schemas import ToldFile


class _Told(BaseModel):
    model_config = ConfigDict(extra="allow")


class TheirDataset(_Told):
    """A dataset there."""

    id: uuid.UUID
    kind: str
    name: str
    description: str
    creator: str
    owner: str | None
    shared: bool
    bounds: tuple[float, float, float, float]
    files: dict[str, ToldFile]
    details: dict[str, Any]


class TheirDatasets(_Told):
    """A page of datasets there."""

    datasets: list[TheirDataset]
    total: int
    next: str | None


class TheirRequest(_Told):
    """A mosaic there."""

    id: uuid.UUID
    name: str
    phase: str
    item: dict[str, Any] | None = None


class TheirRequests(_Told):
    """A page of mosaics there."""

    requests: list[TheirRequest]
    total: int
    next: str | None
