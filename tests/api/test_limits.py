"""Limits: the rate of calls and of failed logins of each caller, and the size and duration of a body."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from mosaic_api.app import create_app
from mosaic_api.auth import call_limits
from mosaic_api.auth.call_limits import RateLimiter, SharedRateLimiter
from mosaic_api.auth.identity import create_token, named_user
from mosaic_api.database import Audit, Database, Failure
from mosaic_api.settings import Settings
from mosaic_api.web.body_limit import MOST_BODY_BYTES, BodyLimit, BodyTimeout
from sqlalchemy import select, update

from support.api.clients import Client

PUBLIC_URL = "https://mosaics.example.org"


UPLOADS = ("/api/v1/datasets",)
FORM = (b"content-type", b"multipart/form-data; boundary=x")


async def status_of(app: BodyLimit, scope: dict, receive: object) -> int:
    """The status of the response."""
    sent = []

    async def send(message: dict) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent[0]["status"]


class Clock:
    """A clock that only a test advances."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_allows_a_burst_of_a_minute_and_then_the_steady_rate():
    clock = Clock()
    bucket = RateLimiter(6, clock)
    assert [bucket.take("ann") for _ in range(6)] == [0] * 6
    wait = bucket.take("ann")
    assert wait == pytest.approx(10)
    assert bucket.take("bob") == 0, "each caller has a separate limit"
    clock.now += wait
    assert bucket.take("ann") == 0
    assert bucket.take("ann") == pytest.approx(10)
    clock.now += 3600
    assert [bucket.take("ann") for _ in range(7)] == [0] * 6 + [pytest.approx(10)]


@given(per_minute=st.integers(1, 100), pauses=st.lists(st.floats(0, 100), max_size=200))
def test_no_caller_exceeds_twice_the_rate_in_any_minute(per_minute: int, pauses: list[float]):
    clock = Clock()
    bucket = RateLimiter(per_minute, clock)
    allowed = []
    for pause in pauses:
        clock.now += pause
        if bucket.take("ann") == 0:
            allowed.append(clock.now)
    for start in allowed:
        assert sum(start <= moment < start + 59.9 for moment in allowed) <= 2 * per_minute


def test_forgets_the_least_recent_of_too_many_callers(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(call_limits, "MOST_KEYS", 100)
    clock = Clock()
    bucket = RateLimiter(1, clock)
    for number in range(100):
        bucket.take(number)
    clock.now += 30
    assert bucket.take("late") == 0
    assert bucket.take("late") > 0
    assert bucket.take(99) > 0, "recent callers are remembered"
    assert bucket.take(0) == 0, "the first caller is forgotten"
    clock.now += 45
    for number in range(200, 290):
        assert bucket.take(number) == 0
    assert bucket.take("late") > 0, "idle callers are forgotten before others"


@pytest.fixture
def strict(settings: Settings, database: Database) -> Iterator[Client]:
    """Like `client`, for an application that allows 5 calls and 3 failures a minute."""
    with TestClient(create_app(replace(settings, max_calls=5, max_failures=3)), base_url=PUBLIC_URL) as anybody:

        def make(name: str | None = None) -> TestClient:
            headers = {}
            if name is not None:
                with database.transaction() as session:
                    secret = create_token(session, named_user(session, name), "test", ("admin",), None)[1]
                headers = {"Authorization": f"Bearer {secret}"}
            made = TestClient(anybody.app, base_url=PUBLIC_URL, headers=headers)
            made.portal = anybody.portal
            return made

        yield make


def test_a_caller_over_the_limit_gets_retry_after_and_others_are_served(strict: Client):
    first, second, bob = strict("ann"), strict("ann"), strict("bob")
    assert [each.get("/api/v1/me").status_code for each in (first, second, first, second, first)] == [200] * 5
    answer = second.get("/api/v1/requests")
    assert (answer.status_code, answer.headers["content-type"]) == (429, "application/problem+json")
    assert 1 <= int(answer.headers["retry-after"]) <= 12
    assert f"in {answer.headers['retry-after']} s" in answer.json()["detail"]
    assert bob.get("/api/v1/me").status_code == 200
    assert first.get("/healthz").status_code == 200


def test_limits_failed_logins_and_still_accepts_a_valid_token(strict: Client, database: Database):
    wrong = {"Authorization": "Bearer mosaic_wrong"}
    anonymous, ann = strict(), strict("ann")
    assert [anonymous.get("/api/v1/me", headers=wrong).status_code for _ in range(3)] == [401] * 3
    answer = anonymous.get("/api/v1/me", headers=wrong)
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) <= 20
    page = anonymous.post("/login", data={"token": "mosaic_wrong"})
    assert (page.status_code, "retry-after" in page.headers) == (429, True)
    assert ann.get("/api/v1/me").json()["name"] == "ann"
    with database.transaction() as session:
        assert "failed login" not in session.scalars(select(Audit.action)).all(), (
            "failed tokens do not fill the audit log"
        )


def test_replicas_share_the_count_of_failures(settings: Settings):
    strict = replace(settings, max_failures=3)
    wrong = {"Authorization": "Bearer mosaic_wrong"}
    with TestClient(create_app(strict), base_url=PUBLIC_URL) as one, TestClient(create_app(strict)) as other:
        seen = [each.get("/api/v1/me", headers=wrong).status_code for each in (one, other, one, other, one)]
    assert seen == [401, 401, 401, 429, 429]


def test_concurrent_failures_do_not_exceed_the_limit(database: Database):
    bucket = SharedRateLimiter(7, database)
    with ThreadPoolExecutor(12) as threads:
        waits = list(threads.map(lambda _: bucket.take("203.0.113.7"), range(12)))
    assert waits.count(0) == 7
    assert all(0 < wait <= 60 / 7 for wait in waits if wait)
    assert bucket.take("203.0.113.8") == 0


def test_forgets_failures_after_a_minute(database: Database):
    bucket = SharedRateLimiter(2, database)
    assert [bucket.take("a"), bucket.take("a"), bucket.take("b")] == [0, 0, 0]
    assert bucket.take("a") == pytest.approx(30, abs=10)
    with database.transaction() as session:
        session.execute(update(Failure).values(free=Failure.free - timedelta(seconds=31)))
    assert [bucket.take("a"), bucket.take("a") > 0] == [0, True]
    with database.transaction() as session:
        assert session.scalars(select(Failure.address)).all() == ["a"]


def test_a_laptop_has_no_limit_of_calls(settings: Settings):
    single = replace(settings, single_user=True, public_url="", max_calls=1)
    with TestClient(create_app(single), base_url="http://127.0.0.1:8080") as one:
        assert {one.get("/api/v1/me").status_code for _ in range(20)} == {200}


@pytest.mark.parametrize("kind", ["application/json", "application/x-www-form-urlencoded", "text/plain", ""])
def test_refuses_a_body_by_its_content_length(client: Client, kind: str):
    body = b"[" + b" " * MOST_BODY_BYTES + b"]"
    answer = client("ann").post("/api/v1/requests", content=body, headers={"Content-Type": kind})
    assert (answer.status_code, answer.headers["content-type"]) == (413, "application/problem+json")
    assert "larger than 1 MiB" in answer.json()["detail"]


def test_stops_reading_a_chunked_body_at_the_limit(settings: Settings):
    given = []

    async def endless() -> dict[str, object]:
        given.append(1)
        return {"type": "http.request", "body": b" " * 2**16, "more_body": True}

    async def reading(scope: dict, receive: object, send: object) -> None:
        while True:
            await receive()

    scope = {"type": "http", "method": "POST", "path": "/login", "headers": [(b"transfer-encoding", b"chunked")]}
    assert asyncio.run(status_of(BodyLimit(reading, settings, UPLOADS), scope, endless)) == 413
    assert len(given) == MOST_BODY_BYTES // 2**16 + 1


@pytest.mark.parametrize("path", ["/api/v1/requests", "/login"])
def test_answers_a_too_large_chunked_body_with_a_problem(client: Client, path: str):
    kind = "application/json" if path != "/login" else "application/x-www-form-urlencoded"
    pieces = (b"a" * 2**16 for _ in range(2 * MOST_BODY_BYTES // 2**16))
    answer = client("ann").post(path, content=pieces, headers={"Content-Type": kind})
    assert "content-length" not in answer.request.headers
    assert (answer.status_code, answer.headers["content-type"]) == (413, "application/problem+json")


def test_allows_larger_bodies_of_uploads(settings: Settings):
    seen = []

    async def whole() -> dict[str, object]:
        return {"type": "http.request", "body": b" " * (2 * MOST_BODY_BYTES), "more_body": False}

    async def reading(scope: dict, receive: object, send: object) -> None:
        seen.append(await receive())

    scope = {"type": "http", "method": "POST", "path": UPLOADS[0], "headers": [FORM]}
    asyncio.run(BodyLimit(reading, settings, UPLOADS)(scope, whole, None))
    assert len(seen) == 1


@pytest.mark.parametrize("path", ["/login", "/api/v1/requests", "/api/v1/tokens"])
def test_only_upload_routes_allow_larger_bodies(client: Client, path: str):
    """Other routes keep a body in memory, and read it before they authenticate the caller."""
    body = b"--x\r\n" + b" " * (2 * MOST_BODY_BYTES)
    answer = client().post(path, content=body, headers={"Content-Type": "multipart/form-data; boundary=x"})
    assert answer.status_code == 413
    assert answer.headers["connection"] == "close"


@pytest.mark.parametrize(
    ("pieces", "pause", "patience"),
    [
        (1, 60, BodyTimeout(stall=0.2)),
        (10_000, 0.01, BodyTimeout(stall=5, start=0.3, rate=100_000)),
        (10_000, 0.01, BodyTimeout(stall=5, start=5, rate=1, most=0.3)),
    ],
    ids=["stalls", "too-slow-on-average", "too-long"],
)
def test_ends_a_body_that_arrives_too_slowly(settings: Settings, pieces: int, pause: float, patience: BodyTimeout):
    given = []

    async def slow() -> dict[str, object]:
        if len(given) == pieces:
            await asyncio.Event().wait()
        given.append(1)
        await asyncio.sleep(pause if len(given) > 1 else 0)
        return {"type": "http.request", "body": b" ", "more_body": True}

    async def reading(scope: dict, receive: object, send: object) -> None:
        while True:
            await receive()

    scope = {"type": "http", "method": "POST", "path": "/login", "headers": []}
    limited = BodyLimit(reading, settings, UPLOADS, patience)
    assert asyncio.run(asyncio.wait_for(status_of(limited, scope, slow), 10)) == 408


def test_waits_without_limit_after_the_end_of_a_body(settings: Settings):
    """An event stream waits for the client to disconnect."""
    messages = [{"type": "http.request", "body": b"", "more_body": False}, {"type": "http.disconnect"}]
    seen = []

    async def receive() -> dict[str, object]:
        await asyncio.sleep(0.3 if seen else 0)
        return messages[len(seen)]

    async def reading(scope: dict, receive: object, send: object) -> None:
        seen.append(await receive())
        seen.append(await receive())

    scope = {"type": "http", "method": "GET", "path": "/api/v1/events", "headers": []}
    asyncio.run(BodyLimit(reading, settings, UPLOADS, BodyTimeout(stall=0.1, start=0.1))(scope, receive, None))
    assert [message["type"] for message in seen] == ["http.request", "http.disconnect"]
