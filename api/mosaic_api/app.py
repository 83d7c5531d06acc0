"""Assembles the application from its parts."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI
from mosaic_worker.version import DISTRIBUTION
from starlette.middleware.sessions import SessionMiddleware

from mosaic_api.auth.identity import SESSION_SECONDS
from mosaic_api.auth.origin_guard import OriginGuard
from mosaic_api.background.loops import Loops
from mosaic_api.context import Context
from mosaic_api.maintenance import Maintenance
from mosaic_api.monitoring.metrics import MetricsMiddleware
from mosaic_api.routes import (
    areas,
    central,
    datasets,
    estimates,
    health,
    login,
    metrics,
    pages,
    requests,
    results,
    tokens,
    users,
)
from mosaic_api.settings import Settings
from mosaic_api.web import openapi, problem_details
from mosaic_api.web.body_limit import BodyLimit
from mosaic_api.web.validation import InputValidation

API = "/api/v1"


def create_app(settings: Settings, loops: Loops | None = None) -> FastAPI:
    """The application of an installation. The tables of its database must exist.

    `loops` has the other background loops of this process.
    """
    context = Context.of(settings, loops or Loops())
    maintenance = Maintenance(settings, context.database, context.store, context.loops)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        context.start()
        maintenance.start()
        try:
            yield
        finally:
            maintenance.stop()
            context.close()

    app = FastAPI(
        title="mosaic-operator",
        summary="Create, watch, show and share seamless satellite mosaics.",
        version=version(DISTRIBUTION),
        openapi_url=f"{API}/openapi.json",
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=openapi.operation_id,
        lifespan=lifespan,
    )
    app.state.context = context
    problem_details.explain(app)
    openapi.describe(app)
    for router in (health.router, metrics.router, login.router, pages.router):
        app.include_router(router)
    for router in (
        requests.router,
        results.router,
        estimates.router,
        areas.router,
        datasets.router,
        central.router,
        tokens.router,
        users.router,
    ):
        app.include_router(router, prefix=API)
    pages.mount_files(app)
    app.add_middleware(InputValidation)
    app.add_middleware(BodyLimit, settings=settings, uploads_to=(f"{API}/datasets", f"{API}/areas"))
    if settings.session_secret and not settings.single_user:
        secure = settings.public_url.startswith("https://")
        app.add_middleware(
            SessionMiddleware,
            secret_key=settings.session_secret,
            session_cookie="__Host-mosaic" if secure else "mosaic",  # which no other host can set
            max_age=SESSION_SECONDS,
            same_site="lax",
            https_only=secure,
        )
    app.add_middleware(OriginGuard, settings=settings)
    app.add_middleware(MetricsMiddleware, metrics=context.metrics, prefix=API)
    return app
