"""Health checks respond quickly while other calls block."""

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import anyio.to_thread
from fastapi.testclient import TestClient
from test_metrics import samples

from support.api.clients import Client


@contextmanager
def blocked_thread_pool(client: TestClient) -> Iterator[None]:
    """Block every thread of the pool that ordinary routes share."""
    free = threading.Event()

    async def block_all() -> None:
        async with anyio.create_task_group() as tasks:
            for _ in range(100):
                tasks.start_soon(anyio.to_thread.run_sync, free.wait)

    future = client.portal.start_task_soon(block_all)
    try:
        while client.portal.call(borrowed) < 40:
            time.sleep(0.01)
        yield
    finally:
        free.set()
        future.result(20)


async def borrowed() -> int:
    return int(anyio.to_thread.current_default_thread_limiter().borrowed_tokens)


def test_health_checks_use_no_shared_threads(client: Client):
    anybody = client()
    with blocked_thread_pool(anybody):
        began = time.monotonic()
        for path in ("/healthz", "/readyz", "/metrics"):
            assert anybody.get(path).status_code == 200
        assert time.monotonic() - began < 3


def test_health_checks_use_no_shared_connections(client: Client):
    anybody = client()
    with ExitStack() as taken:
        for _ in range(20):
            taken.enter_context(anybody.app.state.context.database.engine.connect())
        assert anybody.get("/readyz").status_code == 200
        assert samples(anybody)["mosaic_database_up",] == 1


def test_reports_a_hanging_database_in_time(client: Client, monkeypatch):
    anybody, free = client(), threading.Event()
    monkeypatch.setattr(anybody.app.state.context.health._database, "_check", free.wait)
    began = time.monotonic()
    answers = [anybody.get("/readyz") for _ in range(2)]
    free.set()
    assert [answer.status_code for answer in answers] == [503, 503]
    assert "the database does not answer" in answers[0].json()["detail"]
    assert time.monotonic() - began < 10
