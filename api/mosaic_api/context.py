"""The parts of the application that routes need, created once."""

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
"""Uploads in progress, of all users and of each, each with a file on the disk; most wait for a conversion. A single
user may use all."""
STREAMS, STREAMS_EACH = 1000, 20
"""Open streams of events, of all users and of each; the page opens one for each request that is shown."""
LOOKUPS = CallBudget()
"""For searches and estimates."""
CENTRAL_CALLS = CallBudget(seconds=30, at_once=16, of_one=4, a_minute=120)
"""For calls that are passed on to the central installation."""
FETCHES = CallBudget(seconds=900, at_once=4, of_one=2, a_minute=30)
"""For downloads from the central installation, each with a file on the disk."""
WATCH_POOL = 2
"""Connections for health and metrics, which work while all others are in use."""
SHOWN_SECONDS = 3.0
MOST_SHOWN = 1000
TILE_SECONDS = 600.0
MOST_TILES = 1000
"""Of about 50 kB."""


@dataclass(frozen=True)
class Context:
    """The parts of an application.

    Attributes:
        changes: notifications of changed rows.
        limits: calls and failed logins of one caller.
        provider: of logins; None if users need a token.
        cogs: open COGs of the store.
        published: published mosaics by credentials and id. They stay for some seconds, so a user may see one for a
            moment after it is no longer shared.
        tiles: PNG tiles by ETag.
        previews: of running requests.
        reads: threads that read the store.
        lookups: calls for searches and estimates.
        central_calls, fetches: calls of the central installation.
        storage: the files of datasets.
        scratch: disk space for files in transit.
        uploads, streams: limits of what is open at the same time.
        working: threads for uploads, separate from those of other calls.
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
        """Create the context of an installation.

        Raises:
            RequestError: its store has an unknown kind.
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
        """Listen for changes, and delete files that killed servers left."""
        sweep_scratch()
        self.changes.start()

    def close(self) -> None:
        """Close connections and files."""
        self.scratch.close()
        self.changes.stop()
        self.cogs.close()
        self.database.close()
        self.metrics.close()
        self.health.close()


def context_of(request: Request) -> Context:
    """The context of the application that handles a request."""
    return cast("Context", request.app.state.context)


async def get_context(request: Request) -> Context:
    """The same as a dependency, which needs no thread."""
    return context_of(request)


ContextDep = Annotated[Context, Depends(get_context)]
"""Type of the parameter of a route."""
