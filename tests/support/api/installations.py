"""Running installations, each with its own database, store and HTTP port."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx
import uvicorn
from mosaic_api.app import create_app
from mosaic_api.auth.identity import create_token, named_user
from mosaic_api.database import Database
from mosaic_api.settings import Settings
from sqlalchemy import text

PATIENCE_SECONDS = 60


@dataclass(frozen=True)
class Installation:
    """A running installation."""

    settings: Settings
    port: int
    database: Database

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self, token: str = "") -> httpx.Client:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return httpx.Client(base_url=f"{self.url}/api/v1/", headers=headers, timeout=60)

    def token(self, name: str, role: str = "editor") -> str:
        with self.database.transaction() as session:
            return create_token(session, named_user(session, name, role), "test", ("admin",), None)[1]


@contextmanager
def serving(settings: Settings, port: int) -> Iterator[Installation]:
    """Run an installation on a port of 127.0.0.1."""
    config = uvicorn.Config(create_app(settings), host="127.0.0.1", port=port, log_level="warning", lifespan="on")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    until(lambda: server.started)
    database = Database(settings.database)
    try:
        yield Installation(settings, port, database)
    finally:
        database.close()
        server.should_exit = True
        thread.join()


def until(condition, seconds: float = PATIENCE_SECONDS):
    """Poll until a function returns something true; return it."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "the condition was not met in time"
        time.sleep(0.05)
    return found


def waits_for_lock(database: Database) -> bool:
    """Whether a transaction waits for a lock."""
    with database.transaction() as session:
        return bool(session.scalar(text("SELECT count(*) FROM pg_locks WHERE NOT granted")))
