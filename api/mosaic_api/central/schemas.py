"""What the central installation answers: the parts that are used here, and whatever else a newer version says."""

import uuid
from typing import Any

from pydantic import BaseModel, ConfigDict

from mosaic_api.datasets.schemas import DatasetFile


class _CentralModel(BaseModel):
    model_config = ConfigDict(extra="allow")


class CentralDataset(_CentralModel):
    """A dataset there."""

    id: uuid.UUID
    kind: str
    name: str
    description: str
    creator: str
    owner: str | None
    shared: bool
    bounds: tuple[float, float, float, float]
    files: dict[str, DatasetFile]
    details: dict[str, Any]


class CentralDatasetList(_CentralModel):
    """A page of datasets there."""

    datasets: list[CentralDataset]
    total: int
    next: str | None


class CentralRequest(_CentralModel):
    """A mosaic there."""

    id: uuid.UUID
    name: str
    phase: str
    item: dict[str, Any] | None = None


class CentralRequestList(_CentralModel):
    """A page of mosaics there."""

    requests: list[CentralRequest]
    total: int
    next: str | None
