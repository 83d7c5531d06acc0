"""`python -m mosaic_api`: the server of an installation.

`migrate` updates the tables of the database. `hand-over executors` and `hand-over cluster` choose what processes the
requests from now on.
"""

import logging
import os
import socket
import sys
import threading
from collections.abc import Callable, Mapping

import uvicorn
from fastapi import FastAPI
from mosaic_crds.errors import MosaicError
from mosaic_crds.reports import guarded
from mosaic_worker.store import open_store

from mosaic_api.app import create_app
from mosaic_api.database import Database
from mosaic_api.database.workforce import OtherKindError, hand_over
from mosaic_api.kube.client import Cluster, configuration
from mosaic_api.settings import Settings, database_of
from mosaic_api.settings.secrets import guard_secrets, log_isolation
from mosaic_api.sync import run_sync
from mosaic_api.sync.metrics import SyncMetrics
from mosaic_api.web.connections import ANY, OPTIONS, listening

ENV_LOG_LEVEL = "MOSAIC_LOG_LEVEL"
PORT = 8080
GRACE_SECONDS = 5
"""For open responses when the server stops; streams of events would never end."""
USAGE = "usage: python -m mosaic_api [migrate | hand-over executors | hand-over cluster]"


def serve(settings: Settings) -> None:
    """Serve HTTP, and synchronize rows and MosaicRequests, until a signal stops the process.

    Raises:
        OtherKindError: executors process the requests of the database.
    """
    app = create_app(settings)
    options = {"log_config": None, "timeout_graceful_shutdown": GRACE_SECONDS, **OPTIONS}
    server = uvicorn.Server(uvicorn.Config(app, **options))
    with listening(PORT, ANY) as sockets:
        if settings.cluster:
            _serve_with_sync(settings, app, server, sockets)
        else:
            server.run(sockets=sockets)


def _serve_with_sync(settings: Settings, app: FastAPI, server: uvicorn.Server, sockets: list[socket.socket]) -> None:
    cluster = Cluster(configuration(), settings.namespace)
    database, store = Database(settings.database), open_store(settings.store)
    stop = threading.Event()
    metrics = SyncMetrics(app.state.context.metrics.registry)
    parts = (settings, database, store, cluster, stop, metrics, app.state.context.loops)
    refusals: list[OtherKindError] = []

    def sync_until_stopped() -> None:
        try:
            run_sync(*parts)
        except OtherKindError as error:
            refusals.append(error)
            server.should_exit = True

    sync = threading.Thread(target=sync_until_stopped, name="sync lead")
    sync.start()
    try:
        server.run(sockets=sockets)
    finally:
        stop.set()
        sync.join()
        database.close()
    if refusals:
        raise refusals[0]


def on_database(environment: Mapping[str, str], do: Callable[[Database], None]) -> None:
    """Run a function that only needs the database.

    Raises:
        RequestError: the URL of the database is missing or invalid, or `do` raises it.
    """
    database = Database(database_of(environment))
    try:
        do(database)
    finally:
        database.close()


def main(arguments: list[str]) -> int:
    """Run the command line; return the exit code."""
    logging.basicConfig(
        level=os.environ.get(ENV_LOG_LEVEL, "info").upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    logging.getLogger("alembic").setLevel(logging.WARNING)
    environment = guard_secrets(os.environ)
    try:
        match arguments:
            case []:
                log_isolation()
                serve(Settings.from_environment(environment))
            case ["migrate"]:
                on_database(environment, Database.migrate)
            case ["hand-over", ("executors" | "cluster") as kind]:
                on_database(environment, lambda database: hand_over(database, kind))
            case _:
                print(USAGE, file=sys.stderr)  # noqa: T201
                return 2
    except MosaicError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(guarded("mosaic_api", lambda: main(sys.argv[1:])))
