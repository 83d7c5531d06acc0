"""A store that hangs blocks only the calls that read from it."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from mosaic_api.database import Database
from mosaic_api.web.problems import TooMany, Unavailable
from mosaic_api.web.store_reads import THREADS, THREADS_EACH, WAITING_EACH, StoreReads
from mosaic_worker.store.directory import DirectoryStore

from support.api.clients import Client
from support.api.installations import until
from support.api.published import Published


def test_a_hanging_store_blocks_no_other_calls(
    client: Client, database: Database, shown: dict[str, Published], monkeypatch: pytest.MonkeyPatch
):
    ann, free, reading = client("ann"), threading.Event(), []
    mosaic = shown["utm"].row(database, shared=True)
    store = ann.app.state.context.store
    assert isinstance(store, DirectoryStore)

    def block(*_: object) -> None:
        reading.append(1)
        free.wait(60)
        raise FileNotFoundError

    monkeypatch.setattr(DirectoryStore, "open", block)
    with ThreadPoolExecutor(60) as others:
        answers = [others.submit(ann.get, f"/api/v1/requests/{mosaic}/files/cog") for _ in range(60)]
        until(lambda: len(reading) == THREADS_EACH)
        assert ann.get("/api/v1/requests").status_code == 200
        assert ann.get(f"/api/v1/requests/{mosaic}/legend").status_code == 200
        bob = client("bob")
        another = others.submit(bob.get, f"/api/v1/requests/{mosaic}/files/cog")
        until(lambda: len(reading) == THREADS_EACH + 1)
        free.set()
        assert {answer.result().status_code for answer in [*answers, another]} <= {404, 503}


def test_limits_the_waiting_reads_of_a_user_and_their_duration():
    reads, free = StoreReads(alone=False, seconds=0.2), threading.Event()

    async def storm() -> list[object]:
        started = [asyncio.create_task(reads.run("ann", free.wait)) for _ in range(WAITING_EACH + 5)]
        await asyncio.sleep(0.5)
        assert await reads.run("bob", str) == ""
        free.set()
        return await asyncio.gather(*started, return_exceptions=True)

    outcomes = asyncio.run(storm())
    assert [type(outcome) for outcome in outcomes[-5:]] == [TooMany] * 5
    assert outcomes[:THREADS_EACH] == [True] * THREADS_EACH
    assert {type(outcome) for outcome in outcomes[THREADS_EACH:-5]} == {Unavailable}


def test_a_single_user_may_use_all_threads():
    reads, free, reading = StoreReads(alone=True), threading.Event(), []

    async def all_at_once() -> None:
        started = [
            asyncio.create_task(reads.run("me", lambda: reading.append(1) or free.wait())) for _ in range(THREADS)
        ]
        while len(reading) < THREADS:
            await asyncio.sleep(0.01)
        free.set()
        await asyncio.gather(*started)

    asyncio.run(all_at_once())
