"""Calls to other servers have time limits and quotas, and stop when no client waits for them."""

import asyncio
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from typing import Any

import httpx
import pytest
from mosaic_api.auth import oidc
from mosaic_api.context import CENTRAL_CALLS, LOOKUPS
from mosaic_api.database import Database
from mosaic_api.settings import Oidc, Settings
from mosaic_api.web.outbound import CallBudget, OutboundCalls
from mosaic_api.web.problems import TooMany, Unavailable
from mosaic_crds.errors import RequestError
from mosaic_worker.sources.access.budget import Budget

from support.api.clients import Client
from support.api.installations import Installation, serving, until
from support.ports import free_port
from support.servers.range_server import serving_by

ONE, TWO = uuid.uuid4(), uuid.uuid4()


def call(outside: OutboundCalls, user: uuid.UUID, work: Callable[[], Any], question: str | None = None) -> Any:
    return asyncio.run(outside.run(None, user, lambda _: work(), question))


def test_caches_an_answer():
    outside, calls = OutboundCalls(CallBudget()), []
    work = lambda: calls.append(1) or len(calls)  # noqa: E731
    assert [call(outside, uuid.uuid4(), work, "question") for _ in range(3)] == [1, 1, 1]
    assert call(outside, ONE, work, "another") == 2
    assert [call(outside, ONE, work) for _ in range(2)] == [3, 4]


def test_does_not_cache_failures():
    outside, answers = OutboundCalls(CallBudget()), iter([RequestError("no"), None])

    def work() -> str:
        error = next(answers)
        if error:
            raise error
        return "yes"

    with pytest.raises(RequestError):
        call(outside, ONE, work, "question")
    assert call(outside, ONE, work, "question") == "yes"


def test_limits_duration_and_concurrency_of_calls():
    outside, release = OutboundCalls(CallBudget(seconds=0.1, at_once=2, of_one=1)), threading.Event()
    with pytest.raises(Unavailable, match=r"0\.1 seconds"):
        call(outside, ONE, release.wait)
    with pytest.raises(TooMany, match="limit of 1 calls to other servers") as refused:
        call(outside, ONE, str)
    assert refused.value.headers["Retry-After"]
    with pytest.raises(Unavailable, match=r"0\.1 seconds"):
        call(outside, TWO, release.wait)
    with pytest.raises(Unavailable, match="limit of 2 calls to other servers"):
        call(outside, uuid.uuid4(), str)
    release.set()

    def accepted() -> bool:
        try:
            return call(outside, ONE, str) == ""
        except TooMany:
            return False

    until(accepted)


def test_limits_the_calls_of_a_user():
    outside = OutboundCalls(CallBudget(a_minute=5))
    for number in range(5):
        call(outside, ONE, str, f"question {number}")
    with pytest.raises(TooMany):
        call(outside, ONE, str, "one more")
    assert call(outside, ONE, str, "question 0") == ""
    assert call(outside, TWO, str, "one more") == ""


def test_a_shared_call_continues_when_the_first_client_leaves():
    outside, release, budgets = OutboundCalls(CallBudget()), threading.Event(), []

    def work(budget: Budget) -> str:
        budgets.append(budget)
        release.wait(20)
        budget.remaining()
        return "yes"

    async def two() -> str:
        first = asyncio.create_task(outside.run(None, ONE, work, "question"))
        second = asyncio.create_task(outside.run(None, TWO, work, "question"))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.wait([first])
        release.set()
        return await second

    assert asyncio.run(two()) == "yes"
    assert len(budgets) == 1


@contextmanager
def answering(answer: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[str]:
    """The address of a server that answers all requests with one function."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            try:
                answer(self)
            except OSError:
                self.close_connection = True

        do_POST = do_GET  # noqa: N815 (the interface's)

        def log_message(self, *_: object) -> None:
            pass

    with serving_by(Handler) as address:
        yield address


def trickle(handler: BaseHTTPRequestHandler, ended: threading.Event, gone: list[int]) -> None:
    """Send an endless header byte by byte, so that no socket timeout occurs."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
    try:
        while not ended.wait(0.05):
            handler.wfile.write(b"x")
    except OSError:
        gone.append(1)
        raise


@pytest.fixture
def slow() -> Iterator[tuple[str, list[int]]]:
    """A server that sends a byte from time to time, and a list with an element for each client that disconnected."""
    ended, gone = threading.Event(), []
    with answering(lambda handler: trickle(handler, ended, gone)) as address:
        yield address, gone
        ended.set()


def search(address: str, number: int = 0) -> dict[str, Any]:
    stac = {"url": f"http://{address}", "collection": f"c{number}", "datetime": "2024-06-01/2024-09-30"}
    return {"source": {"stac": stac}, "area": {"bbox": [-123.6, 48.3, -123.2, 48.6]}}


@pytest.fixture
def installation(settings: Settings, slow: tuple[str, list[int]], monkeypatch) -> Iterator[Installation]:
    monkeypatch.setattr("mosaic_api.context.LOOKUPS", replace(LOOKUPS, seconds=3.0))
    with serving(replace(settings, allowed_hosts=slow[0]), free_port()) as found:
        yield found


def test_gives_up_a_trickling_server_and_frees_its_slot(installation: Installation, slow: tuple[str, list[int]]):
    address, gone = slow
    with installation.client(installation.token("vic", "viewer")) as vic:
        for number in range(2):
            began = time.monotonic()
            answer = vic.post("scenes", json=search(address, number))
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
            assert "no answer" in answer.json()["detail"]
            assert 2 < time.monotonic() - began < 10
        until(lambda: len(gone) >= 2, 10)


def test_many_slow_calls_do_not_block_other_requests(installation: Installation, slow: tuple[str, list[int]]):
    address, _ = slow
    statuses: list[int] = []
    tokens = [installation.token(name, "viewer") for name in ("vic", "val")]

    def look_up(number: int) -> None:
        with installation.client(tokens[number % 2]) as caller:
            statuses.append(caller.post("scenes", json=search(address, number)).status_code)

    threads = [threading.Thread(target=look_up, args=(number,)) for number in range(45)]
    for thread in threads:
        thread.start()
    with installation.client(tokens[0]) as vic, httpx.Client(base_url=installation.url) as probe:
        until(lambda: statuses.count(429) >= 30)
        began = time.monotonic()
        assert probe.get("/readyz").status_code == 200
        assert vic.get("requests").status_code == 200
        assert time.monotonic() - began < 3
    for thread in threads:
        thread.join()
    assert set(statuses) == {429, 503}


def test_a_call_ends_when_its_client_disconnects(settings: Settings, slow: tuple[str, list[int]]):
    address, gone = slow
    with serving(replace(settings, allowed_hosts=address), free_port()) as installation:
        with installation.client(installation.token("vic", "viewer")) as vic, pytest.raises(httpx.ReadTimeout):
            vic.post("scenes", json=search(address), timeout=1.5)
        until(lambda: gone, 10)  # long before the limit of 25 s


def test_refuses_a_search_whose_items_are_too_large(settings: Settings, client: Client):
    item = (
        b'{"type":"Feature","id":"%d","properties":{"datetime":"2024-07-01T00:00:00Z","x":"%s"},"links":[],"assets":{},'
    )
    item += b'"geometry":null,"stac_version":"1.0.0","collection":"c0"}'

    def answer(handler: BaseHTTPRequestHandler) -> None:
        here = handler.headers["Host"].encode()
        if "search" in handler.path:
            number = int(handler.path.partition("page=")[2] or 0)
            following = b'{"rel":"next","href":"http://%s/search?page=%d"}' % (here, number + 1)
            content = b'{"type":"FeatureCollection","features":[%s],"links":[%s]}' % (
                item % (number, b"y" * 14 * 2**20),
                following,
            )
        else:
            content = (
                b'{"type":"Catalog","id":"a","description":"","stac_version":"1.0.0","conformsTo":'
                b'["https://api.stacspec.org/v1.0.0/core","https://api.stacspec.org/v1.0.0/item-search"],'
                b'"links":[{"rel":"search","href":"http://%s/search","method":"GET"}]}' % here
            )
        handler.send_response(200)
        handler.send_header("Content-Type", "application/geo+json")
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    with answering(answer) as address:
        with serving(replace(settings, allowed_hosts=address), free_port()) as installation:
            with installation.client(installation.token("vic", "viewer")) as vic:
                accepted = vic.post("scenes", json=search(address))
    assert accepted.status_code == 422, accepted.text
    assert "32 MiB" in accepted.json()["detail"]


def test_gives_up_a_trickling_central_server(
    settings: Settings, database: Database, slow: tuple[str, list[int]], monkeypatch: pytest.MonkeyPatch
):
    address, gone = slow
    monkeypatch.setattr("mosaic_api.context.CENTRAL_CALLS", replace(CENTRAL_CALLS, seconds=2.0))
    central = replace(settings, central_url=f"http://{address}", central_token="mosaic_of_there")
    with serving(central, free_port()) as installation:
        with installation.client(installation.token("vic", "viewer")) as vic:
            began = time.monotonic()
            answer = vic.get("central/datasets")
            assert (answer.status_code, "retry-after" in answer.headers) == (503, True)
            assert time.monotonic() - began < 10
    until(lambda: gone, 10)


def test_gives_up_a_trickling_provider(
    settings: Settings, database: Database, slow: tuple[str, list[int]], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(oidc, "TOTAL_SECONDS", 1.0)
    away = replace(settings, oidc=Oidc(f"http://{slow[0]}", "client"))
    with serving(away, free_port()) as installation:
        began = time.monotonic()
        answer = httpx.get(f"{installation.url}/auth/start", timeout=30)
        assert answer.status_code == 503
        assert time.monotonic() - began < 10
