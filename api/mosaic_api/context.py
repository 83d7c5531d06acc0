"""What every route needs, made once with the application."""

from dataclasses import dataclass, field
from threading import Semaphore
from typing import Annotated, Self, cast

from anyio import CapacityLimiter
from fastapi import Depends, Request
from mosaic_worker.store import Store, open_store

from mosaic_api.database import Database
from mosaic_api.entries.filing import Filing
from mosaic_api.identity import Principal
from mosaic_api.limits import Limits
from mosaic_api.login import Provider
from mosaic_api.metrics import Metrics
from mosaic_api.news import News
from mosaic_api.outside import Outside
from mosaic_api.remembered import Remembered
from mosaic_api.results.datasets import Datasets
from mosaic_api.results.previews import Previews
from mosaic_api.results.shown import ShownMosaic
from mosaic_api.settings import Settings

CONVERSIONS = 2
UPLOADS, FETCHES = 8, 4
"""In hand at once, each with a file on the disk; most wait for a conversion, or for the central installation."""
SHOWN_SECONDS = 3.0
MOST_SHOWN = 1000
TILE_SECONDS = 600.0
MOST_TILES = 1000
"""Of some 50 kB."""


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
        datasets: COGs of the store, kept open.
        shown: who looks at which published mosaic, by credentials and its id: for some seconds, so that what is not
            shared any more is seen a little longer.
        tiles: as PNG, by their ETag: many people look at the same mosaic.
        previews: of mosaics that are being made.
        outside: asks servers elsewhere.
        metrics: of this application.
        filing: reads and keeps the files of entries.
        uploads, fetches: let so many be in hand; each their own, so that a stuck fetch holds no upload up.
    """

    settings: Settings
    database: Database
    store: Store
    news: News = field(repr=False)
    datasets: Datasets = field(repr=False)
    shown: Remembered[tuple[Principal, ShownMosaic]] = field(repr=False)
    tiles: Remembered[bytes] = field(repr=False)
    previews: Previews = field(repr=False)
    outside: Outside = field(repr=False)
    metrics: Metrics = field(repr=False)
    limits: Limits = field(repr=False)
    filing: Filing = field(repr=False)
    provider: Provider | None = None
    uploads: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(UPLOADS), repr=False)
    fetches: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(FETCHES), repr=False)

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """That of an installation.

        Raises:
            RequestError: its store is of no known kind.
            PassingError: its store cannot be used.
        """
        database, store = Database(settings.database), open_store(settings.store)
        return cls(
            settings=settings,
            database=database,
            store=store,
            news=News(database),
            datasets=Datasets(store),
            shown=Remembered(SHOWN_SECONDS, MOST_SHOWN),
            tiles=Remembered(TILE_SECONDS, MOST_TILES),
            previews=Previews(store),
            outside=Outside(),
            metrics=Metrics(database),
            limits=Limits(settings, database),
            filing=Filing(database, store, settings.max_pixels, Semaphore(CONVERSIONS)),
            provider=Provider(settings.oidc, settings.public_url) if settings.oidc else None,
        )

    def close(self) -> None:
        """Give back what is open."""
        self.news.stop()
        self.datasets.close()
        self.database.close()


def context_of(request: Request) -> Context:
    """The context of the application that answers a request."""
    return cast("Context", request.app.state.context)


HERE = Annotated[Context, Depends(context_of)]
"""The parameter of a route that needs it."""
