"""Streams of events end soon after their client loses the permission to read."""

import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import httpx
import pytest
from mosaic_api.auth.identity import create_token, named_user, principal_of
from mosaic_api.database import Request, Token, User, change_feed
from mosaic_api.database.models import now
from mosaic_api.requests import crud
from mosaic_api.settings import Settings
from sqlalchemy import update
from test_requests_api import SPEC

from support.api.installations import Installation, serving
from support.databases import database  # noqa: F401 (a fixture)
from support.ports import free_port

QUIET_SECONDS = 0.3
WITHIN_SECONDS = 10
"""Less than the interval between heartbeats, after which a client would notice the end in any case."""


@pytest.fixture
def installation(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Installation]:
    monkeypatch.setattr(change_feed, "QUIET_SECONDS", QUIET_SECONDS)
    port = free_port()
    with serving(replace(settings, public_url=f"http://127.0.0.1:{port}"), port) as made:
        yield made


def submitted(installation: Installation, owner: str = "ann") -> uuid.UUID:
    with installation.database.transaction() as session:
        who = principal_of(named_user(session, owner))
        return crud.create(session, installation.settings, who, None, SPEC).id


@contextmanager
def logged_in(installation: Installation, name: str, role: str) -> Iterator[httpx.Client]:
    """A browser with a session, opened with a token."""
    headers = {"Origin": installation.url}
    with installation.client() as browser:
        browser.headers.update(headers)
        answer = browser.post(f"{installation.url}/login", data={"token": installation.token(name, role)})
        assert answer.status_code == 303, answer.text
        yield browser


def events(client: httpx.Client, request: uuid.UUID, then: Callable[[], object]) -> list[str]:
    """The names of the events until the stream ends; `then` is called after the first one.

    Raises:
        httpx.ReadTimeout: The stream did not end.
    """
    kinds = []
    with client.stream("GET", f"requests/{request}/events", timeout=WITHIN_SECONDS) as stream:
        assert stream.status_code == 200
        for line in stream.iter_lines():
            if line.startswith("event: "):
                kinds.append(line.removeprefix("event: "))
                if len(kinds) == 1:
                    then()
    return kinds


def change(installation: Installation, table: type, **columns: object) -> None:
    with installation.database.transaction() as session:
        session.execute(update(table).values(**columns))


@contextmanager
def changes_of_others(installation: Installation, other: uuid.UUID) -> Iterator[None]:
    """Continuous changes of another row, without a quiet pause."""
    over = threading.Event()

    def change_again() -> None:
        while not over.wait(QUIET_SECONDS / 10):
            with installation.database.transaction() as session:
                session.execute(update(Request).where(Request.id == other).values(changed=now()))

    thread = threading.Thread(target=change_again)
    thread.start()
    yield
    over.set()
    thread.join()


@pytest.mark.parametrize("busy", [False, True], ids=["quiet", "busy"])
def test_ends_when_the_token_is_revoked(installation: Installation, busy: bool):
    request, other = submitted(installation), submitted(installation)
    with installation.client(installation.token("ann")) as ann:
        if busy:
            with changes_of_others(installation, other):
                assert events(ann, request, lambda: change(installation, Token, revoked=now())) == ["request"]
        else:
            assert events(ann, request, lambda: change(installation, Token, revoked=now())) == ["request"]


def test_ends_when_the_token_expires(installation: Installation):
    request = submitted(installation)
    with installation.client(installation.token("ann")) as ann:
        assert events(ann, request, lambda: change(installation, Token, expires=now())) == ["request"]


def test_ends_after_logging_out(installation: Installation):
    request = submitted(installation)
    with logged_in(installation, "ann", "editor") as browser:
        again = httpx.Cookies(browser.cookies)  # the cookies of a second window

        def log_out() -> None:
            answer = httpx.post(f"{installation.url}/logout", cookies=again, headers={"Origin": installation.url})
            assert answer.status_code == 303, answer.text

        assert events(browser, request, log_out) == ["request"]


def test_ends_when_the_user_is_disabled(installation: Installation):
    request = submitted(installation)
    with logged_in(installation, "ann", "editor") as browser:
        assert events(browser, request, lambda: change(installation, User, disabled=True)) == ["request"]


def test_ends_when_an_administrator_loses_the_role(installation: Installation):
    request = submitted(installation)
    with logged_in(installation, "eve", "admin") as browser:
        assert events(browser, request, lambda: change(installation, User, role="editor")) == ["request", "removed"]


def test_continues_while_the_client_may_read(installation: Installation):
    request = submitted(installation)
    with installation.database.transaction() as session:
        secret = create_token(session, named_user(session, "ann"), "test", ("read",), None)[1]
    with installation.client(secret) as ann:
        with (
            pytest.raises(httpx.ReadTimeout),
            ann.stream("GET", f"requests/{request}/events", timeout=10 * QUIET_SECONDS) as stream,
        ):
            assert [line for line in stream.iter_lines() if line.startswith("event: ")] == ["event: request"]
