"""Responses of the central installation: the fields that are used here. A newer version may add others."""

import uuid
from typing import Any

from pydantic import ConfigDict

from mosaic_api.datasets.schemas import DatasetFile
from mosaic_api.web.schemas import ApiModel


class _CentralModel(ApiModel):
    model_config = ConfigDict(extra="allow")


class CentralDataset(_CentralModel):
    """A dataset of the central installation, whose version may add fields."""

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
    """A page of datasets of the central installation."""

    datasets: list[CentralDataset]
    total: int
    next: str | None


class CentralRequest(_CentralModel):
    """A request of the central installation, whose version may add fields."""

    id: uuid.UUID
    name: str
    phase: str
    item: dict[str, Any] | None = None
    redacted: bool = False
    """Whether parts of URLs are removed, because they may be secret."""


class CentralRequestList(_CentralModel):
    """A page of requests of the central installation."""

    requests: list[CentralRequest]
    total: int
    next: str | None
