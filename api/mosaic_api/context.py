"""What every route needs, made once with the application."""

from dataclasses import dataclass, field
from typing import cast

from fastapi import Request
from mosaic_worker.store import Store

from mosaic_api.database import Database
from mosaic_api.limits import Limits
from mosaic_api.login import Provider
from mosaic_api.news import News
from mosaic_api.settings import Settings


@dataclass(frozen=True)
class Context:
    """An application's parts.

    Attributes:
        settings: of the installation.
        database: where rows are.
        store: where results and uploads are.
        news: tells of rows that changed.
        limits: of what one caller may do.
        provider: by which people log in; None if they need a token.
    """

    settings: Settings
    database: Database
    store: Store
    news: News = field(repr=False)
    limits: Limits = field(repr=False)
    provider: Provider | None = None


def context_of(request: Request) -> Context:
    """The context of the application that answers a request."""
    return cast("Context", request.app.state.context)
