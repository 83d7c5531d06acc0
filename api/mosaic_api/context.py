"""What every route needs, made once with the application."""

from dataclasses import dataclass, field
from typing import Annotated, Self, cast

from anyio import CapacityLimiter
from fastapi import Depends, Request
from mosaic_worker.store import Store, open_store

from mosaic_api.auth.call_limits import CallLimits
from mosaic_api.auth.identity import Principal
from mosaic_api.auth.oidc import Provider
from mosaic_api.background.loops import Loops
from mosaic_api.database import Database
from mosaic_api.database.change_feed import ChangeFeed
from mosaic_api.datasets.fair_queue import FairQueue
from mosaic_api.datasets.scratch import Scratch, sweep_scratch
from mosaic_api.datasets.storage import DatasetStorage
from mosaic_api.monitoring.health import Health
from mosaic_api.monitoring.metrics import Metrics
from mosaic_api.results.open_cogs import OpenCogs
from mosaic_api.results.previews import Previews
from mosaic_api.results.published import PublishedMosaic
from mosaic_api.settings import Settings
from mosaic_api.web.admission import Admission
from mosaic_api.web.cache import TtlCache
from mosaic_api.web.outbound import CallBudget, OutboundCalls
from mosaic_api.web.store_reads import StoreReads

CONVERSIONS = 2
UPLOADS, UPLOADS_EACH = 12, 3
"""At once, of all users and of each, each with a file on the disk; most wait for a conversion. A laptop's one user may
have all."""
STREAMS, STREAMS_EACH = 1000, 20
"""Of events, of all users and of each; the page opens one for each request that somebody looks at."""
LOOKUPS = CallBudget()
"""Of searches and estimates."""
CENTRAL_CALLS = CallBudget(seconds=30, at_once=16, of_one=4, a_minute=120)
"""Of the central installation, passed on."""
FETCHES = CallBudget(seconds=900, at_once=4, of_one=2, a_minute=30)
"""From the central installation, each with a file on the disk."""
WATCH_POOL = 2
"""Connections for health and metrics alone, which answer also where all others are in use."""
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
        changes: tells of rows that changed.
        limits: of what one caller may do.
        provider: by which people log in; None if they need a token.
        cogs: COGs of the store, kept open.
        published: who looks at which published mosaic, by credentials and its id: for some seconds, so that what is not
            shared any more is seen a little longer.
        tiles: as PNG, by their ETag: many people look at the same mosaic.
        previews: of mosaics that are being made.
        reads: of the store, in threads of their own.
        lookups: searches and estimates, which ask servers elsewhere.
        central_calls, fetches: calls of the central installation.
        metrics: of this application.
        loops: what works in the background of this process.
        health: whether this process can work.
        storage: reads and keeps the files of datasets.
        scratch: the disk that files pass through.
        uploads, streams: let so many in at once.
        working: threads for these, apart from those that answer.
    """

    settings: Settings
    database: Database
    store: Store
    changes: ChangeFeed = field(repr=False)
    cogs: OpenCogs = field(repr=False)
    published: TtlCache[tuple[Principal, PublishedMosaic]] = field(repr=False)
    tiles: TtlCache[bytes] = field(repr=False)
    previews: Previews = field(repr=False)
    metrics: Metrics = field(repr=False)
    limits: CallLimits = field(repr=False)
    storage: DatasetStorage = field(repr=False)
    scratch: Scratch = field(repr=False)
    uploads: Admission = field(repr=False)
    streams: Admission = field(repr=False)
    reads: StoreReads = field(repr=False)
    lookups: OutboundCalls = field(repr=False)
    central_calls: OutboundCalls = field(repr=False)
    fetches: OutboundCalls = field(repr=False)
    loops: Loops = field(repr=False)
    health: Health = field(repr=False)
    working: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(UPLOADS), repr=False)
    provider: Provider | None = None

    @classmethod
    def of(cls, settings: Settings, loops: Loops) -> Self:
        """That of an installation.

        Args:
            settings: of the installation.
            loops: what works in the background of this process.

        Raises:
            RequestError: its store is of no known kind.
            PassingError: its store cannot be used.
        """
        database, store = Database(settings.database), open_store(settings.store)
        scratch, alone = Scratch(settings.max_scratch_bytes), settings.single_user
        conversions = FairQueue(CONVERSIONS, CONVERSIONS if alone else CONVERSIONS - 1)
        watch = Database(settings.database, pool=WATCH_POOL)
        return cls(
            settings=settings,
            database=database,
            store=store,
            changes=ChangeFeed(database, loops),
            cogs=OpenCogs(store),
            published=TtlCache(SHOWN_SECONDS, MOST_SHOWN),
            tiles=TtlCache(TILE_SECONDS, MOST_TILES),
            previews=Previews(store),
            metrics=Metrics(watch, loops),
            loops=loops,
            health=Health(watch, loops),
            limits=CallLimits(settings, database),
            storage=DatasetStorage(
                database, store, scratch, settings.max_pixels, settings.max_display_bytes, conversions
            ),
            scratch=scratch,
            uploads=Admission("uploads", UPLOADS, UPLOADS if alone else UPLOADS_EACH),
            reads=StoreReads(alone=alone),
            streams=Admission("streams of events", STREAMS, STREAMS if alone else STREAMS_EACH),
            lookups=OutboundCalls(LOOKUPS.of(alone)),
            central_calls=OutboundCalls(CENTRAL_CALLS.of(alone)),
            fetches=OutboundCalls(FETCHES.of(alone)),
            provider=Provider(settings.oidc, settings.public_url) if settings.oidc else None,
        )

    def start(self) -> None:
        """Begin to listen, and delete what servers left behind that were killed."""
        sweep_scratch()
        self.changes.start()

    def close(self) -> None:
        """Give back what is open."""
        self.scratch.close()
        self.changes.stop()
        self.cogs.close()
        self.database.close()
        self.metrics.close()
        self.health.close()


def context_of(request: Request) -> Context:
    """The context of the application that answers a request."""
    return cast("Context", request.app.state.context)


async def get_context(request: Request) -> Context:
    """The same as a dependency, for which no thread is needed."""
    return context_of(request)


ContextDep = Annotated[Context, Depends(get_context)]
"""The parameter of a route that needs it."""
