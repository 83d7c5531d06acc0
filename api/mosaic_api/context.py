"""What every route needs, made once with the application."""

from dataclasses import dataclass, field
from typing import cast

from anyio import CapacityLimiter
from fastapi import Request
from mosaic_worker.store import Store

from mosaic_api.database import Database
from mosaic_api.news import News
from mosaic_api.settings import Settings

CONVERSIONS = 2


@dataclass(frozen=True)
class Context:
    """An application's parts.

    Attributes:
        settings: of the installation.
        database: where rows are.
        store: where results and uploads are.
        news: tells of rows that changed.
        conversions: lets so many uploads be converted at once, each in a process of up to 4 GiB.
    """

    settings: Settings
    database: Database
    store: Store
    news: News = field(repr=False)
    conversions: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(CONVERSIONS), repr=False)


def context_of(request: Request) -> Context:
    """The context of the application that answers a request."""
    return cast("Context", request.app.state.context)
