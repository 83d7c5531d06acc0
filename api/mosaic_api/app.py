"""The application: its parts put together."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI
from mosaic_worker.store import open_store
from mosaic_worker.version import DISTRIBUTION
from starlette.middleware.sessions import SessionMiddleware

from mosaic_api import problems
from mosaic_api.access import Doorkeeper
from mosaic_api.context import Context
from mosaic_api.database import Database
from mosaic_api.errands import Errands
from mosaic_api.news import News
from mosaic_api.routes import central, entries, health, mosaics
from mosaic_api.settings import Settings

SESSION_SECONDS = 12 * 3600
API = "/api/v1"


def create_app(settings: Settings) -> FastAPI:
    """The application of an installation, whose database has its tables already."""
    database = Database(settings.database)
    context = Context(settings, database, open_store(settings.store), News(database))
    errands = Errands(settings, database, context.store)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        context.news.start()
        errands.start()
        try:
            yield
        finally:
            errands.stop()
            context.news.stop()
            database.close()

    app = FastAPI(
        title="mosaic-operator",
        summary="Seamless satellite mosaics: ask for them, watch them, see them, keep and share.",
        version=version(DISTRIBUTION),
        openapi_url=f"{API}/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.context = context
    problems.explain(app)
    app.include_router(health.router)
    for router in (mosaics.router, entries.router, central.router):
        app.include_router(router, prefix=API)
    if settings.session_secret:
        app.add_middleware(
            SessionMiddleware,
            secret_key=settings.session_secret,
            session_cookie="mosaic_session",
            max_age=SESSION_SECONDS,
            same_site="lax",
            https_only=settings.public_url.startswith("https://"),
        )
    app.add_middleware(Doorkeeper, settings=settings)
    return app
