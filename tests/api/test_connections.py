"""Connections: the addresses on which a server listens, and the limits of idle and half-open connections."""

import json
import socket
import threading
import time
import urllib.parse
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import httpx
import pytest
import uvicorn
from mosaic_api.app import create_app
from mosaic_api.auth.call_limits import network_of
from mosaic_api.auth.identity import MOST_SESSIONS, create_token, named_user, open_session, principal_of_session
from mosaic_api.context import STREAMS_EACH
from mosaic_api.database import Database, Token
from mosaic_api.settings import Settings
from mosaic_api.web import connections
from mosaic_api.web.connections import ANY, LOOPBACK, OPTIONS, listening
from mosaic_crds.errors import RequestError
from sqlalchemy import func, select
from test_requests_api import SPEC

from support.api.clients import Client
from support.api.installations import Installation, until


@contextmanager
def served(settings: Settings, addresses: tuple[str, str], **options: object) -> Iterator[int]:
    """The port of a server with the options of the programs."""
    with listening(0, addresses) as sockets:
        config = uvicorn.Config(create_app(settings), log_level="warning", **(OPTIONS | options))
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": sockets})
        thread.start()
        try:
            until(lambda: server.started)
            yield sockets[0].getsockname()[1]
        finally:
            server.should_exit = True
            thread.join()


def has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


@pytest.mark.parametrize("addresses", [LOOPBACK, ANY])
def test_listens_on_ipv4_and_ipv6(settings: Settings, database: Database, addresses: tuple[str, str]):
    with served(settings, addresses) as port:
        assert httpx.get(f"http://127.0.0.1:{port}/healthz").status_code == 200
        if has_ipv6():
            assert httpx.get(f"http://[::1]:{port}/healthz").status_code == 200
        with pytest.raises(RequestError, match="another program uses it"), listening(port, addresses):
            pass


@pytest.mark.parametrize(
    "sent",
    [b"", b"GET /healthz HT", b"GET /healthz HTTP/1.1\r\nHost: a\r\n", b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\nGET"],
)
def test_closes_a_half_open_connection(
    settings: Settings, database: Database, sent: bytes, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(connections, "HEADER_SECONDS", 0.5)
    with served(settings, LOOPBACK) as port, socket.create_connection(("127.0.0.1", port), timeout=20) as half_open:
        half_open.sendall(sent)
        ended = threading.Event()

        def trickle() -> None:
            while not ended.wait(0.1):
                try:
                    half_open.sendall(b"x")
                except OSError:
                    return

        thread = threading.Thread(target=trickle)
        thread.start()
        began = time.monotonic()
        try:
            while half_open.recv(4096):
                pass
        except ConnectionResetError:
            pass
        finally:
            ended.set()
            thread.join()
        assert time.monotonic() - began < 10


def test_slow_responses_and_bodies_do_not_count_as_half_open(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(connections, "HEADER_SECONDS", 0.2)

    def body() -> Iterator[bytes]:
        for _ in range(6):
            time.sleep(0.1)  # together longer than the limit for headers
            yield b" "

    with served(settings, LOOPBACK) as port, httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        assert client.post("/api/v1/requests", content=body()).status_code in {401, 403}
        assert client.get("/healthz").status_code == 200


def test_answers_503_to_too_many_connections(settings: Settings, database: Database):
    with served(settings, LOOPBACK, limit_concurrency=5) as port, ExitStack() as opened:
        for _ in range(5):
            opened.enter_context(socket.create_connection(("127.0.0.1", port)))
        until(lambda: httpx.get(f"http://127.0.0.1:{port}/healthz").status_code == 503)


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("a socket", "a socket"),
    ],
)
def test_an_ipv6_network_counts_as_one_address(address: str, network: str):
    assert network_of(address) == network


@pytest.mark.parametrize("times", [1, 2, 5, 30])
@pytest.mark.parametrize("place", ["/?a={}", "/api/v1/requests/{}", "/?{}"])
def test_refuses_an_encoded_token_in_a_url(client: Client, place: str, times: int):
    hidden = "mosaic_" + "x" * 43
    for _ in range(times):
        hidden = "".join(f"%{ord(letter):02X}" if letter in "m_%" else letter for letter in hidden)
        hidden = hidden if len(hidden) < 3000 else urllib.parse.quote(hidden[:3000])
    answer = client().get(place.format(hidden))
    assert answer.status_code == 400
    assert "revoke this token" in answer.json()["detail"]


def test_accepts_urls_that_only_resemble_tokens(client: Client):
    assert client().get("/healthz", params={"a": "100 % mosaic_", "b": "%25%2525"}).status_code == 200


def test_a_new_login_ends_the_oldest_of_too_many(database: Database):
    with database.transaction() as session:
        ann = named_user(session, "ann")
        create_token(session, ann, "kept", ["read"], None)
        cookies = []
        for number in range(MOST_SESSIONS + 5):
            cookies.append(open_session(session, ann, f"browser {number}"))
            session.flush()
        assert session.scalar(select(func.count()).select_from(Token)) == MOST_SESSIONS + 1
        assert principal_of_session(session, cookies[4]) is None
        assert principal_of_session(session, cookies[5]) is not None


def test_limits_the_event_streams_of_each_user(settings: Settings, database: Database):
    with served(settings, LOOPBACK) as port, ExitStack() as opened:
        installation = Installation(settings, port, database)
        ann, bob = (opened.enter_context(installation.client(installation.token(name))) for name in ("ann", "bob"))
        answer = ann.post("requests", json={"spec": SPEC})
        path = f"requests/{answer.json()['id']}"
        ann.patch(path, json={"shared": True})
        streams = [opened.enter_context(ann.stream("GET", f"{path}/events")) for _ in range(STREAMS_EACH)]
        assert {stream.status_code for stream in streams} == {200}
        refused = ann.get(f"{path}/events")
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "5")
        assert json.loads(refused.text)["detail"]
        assert opened.enter_context(bob.stream("GET", f"{path}/events")).status_code == 200
        streams[0].close()
        until(lambda: still_open(ann, f"{path}/events"))
        assert ann.get(f"requests/{uuid.uuid4()}/events").status_code == 404


def still_open(client: httpx.Client, path: str) -> bool:
    with client.stream("GET", path) as stream:
        return stream.status_code == 200
