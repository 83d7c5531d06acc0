"""Connections to servers: admission, DNS checks, limits, retries, and messages without signatures."""

import gzip
import logging
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
import trustme
from mosaic_crds.errors import MosaicError, PassingError, RequestError
from mosaic_worker.sources.access.gate import Gate, own_machine, pod
from mosaic_worker.sources.http import pinned_connections, remote_files, sessions
from mosaic_worker.sources.http.client import Client
from mosaic_worker.sources.http.remote_files import RemoteFiles
from mosaic_worker.sources.http.sessions import RetryPolicy, new_session

from support.servers.range_server import RangeHandler, RequestLog, serving, serving_by

PUBLIC = "93.184.216.34"


@contextmanager
def answering(
    script: Callable[[RangeHandler], object], log: RequestLog | None = None, host: str = "127.0.0.1", port: int = 0
) -> Iterator[str]:
    """A server whose response to each request is given by a script."""
    kind = type("Handler", (RangeHandler,), {"log": log, "do_GET": lambda handler: script(handler)})  # noqa: PLW0108 (a method)
    with serving_by(kind, host, port) as address:
        yield address


def client_of(
    gate: Gate, resolver: Callable[[str, int], Sequence[str]] = pinned_connections.resolve, **retries
) -> Client:
    client = Client(gate)
    client.session = new_session(gate, resolver=resolver, retries=RetryPolicy(**{"first_seconds": 0.001} | retries))
    return client


class Answers:
    """A resolver that returns one answer after the other; the last one repeats."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers, self.calls = list(answers), 0

    def __call__(self, host: str, port: int) -> Sequence[str]:
        self.calls += 1
        return self.answers[min(self.calls, len(self.answers)) - 1]


def test_resolves_a_name_once_and_connects_to_the_checked_address():
    first, second = RequestLog(), RequestLog()
    hello = lambda handler: handler.answer(200, handler.headers["Host"].encode())  # noqa: E731
    with (
        answering(hello, first) as address,
        answering(hello, second, "127.0.0.2", int(address.split(":")[1])),
    ):
        name = f"scenes.test:{address.split(':')[1]}"
        resolver = Answers(["127.0.0.1"], ["127.0.0.2"])
        assert client_of(pod(name), resolver).document(f"http://{name}/a") == name.encode()
        assert (resolver.calls, len(first.requests), len(second.requests)) == (1, 1, 0)


def test_ignores_a_dns_answer_that_changes_to_a_private_address_later(monkeypatch):
    tried = []

    def refuse(place: tuple[str, int], *_: object, **__: object) -> None:  # a substitute for the internet
        tried.append(place)
        raise ConnectionRefusedError(111, "Connection refused")

    monkeypatch.setattr(pinned_connections, "create_connection", refuse)
    client = client_of(pod("*"), Answers([PUBLIC], ["127.0.0.1"]), tries=5)
    with pytest.raises(RequestError, match=r"rebinding\.test has the private address 127\.0\.0\.1"):
        client.document("http://rebinding.test/a")
    assert tried == [(PUBLIC, 80)]


@pytest.mark.parametrize(
    "private", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "::ffff:10.0.0.1", "64:ff9b::a00:1"]
)
def test_refuses_a_host_with_one_private_address(private):
    for hosts in ("*", "*.test"):
        with pytest.raises(RequestError, match=r"inner\.test has the private address .*; list the host itself"):
            client_of(pod(hosts), Answers([PUBLIC, private])).document("http://inner.test/a")


@pytest.mark.parametrize("host", ["localhost", "ip6-localhost", "2130706433"])
def test_host_names_of_this_machine_are_private(host):
    with pytest.raises(MosaicError, match=r"has the private address|was not found"):
        client_of(pod("*")).document(f"http://{host}/latest/meta-data")


@pytest.mark.parametrize(
    ("location", "sentence"),
    [
        ("http://{other}/a", "the host {other} is not among those"),
        ("http://inner.test/a", "inner.test has the private address 10.0.0.1"),
        ("http://169.254.169.254/latest/meta-data", "169.254.169.254 has the private address"),
        ("http://[::ffff:127.0.0.1]/a", "has the private address"),
        ("http://2130706433/a", "2130706433 has the private address 127.0.0.1"),
        ("http://user:secret@data.example.org/a", "without a user name"),
        ("file:///etc/passwd", "is a local file"),
        ("ftp://data.example.org/a", "has the unknown scheme ftp://"),
        ("gopher://data.example.org/a", "has the unknown scheme gopher://"),
    ],
)
def test_follows_redirects_only_to_admitted_addresses(location, sentence):
    log = RequestLog()
    with answering(lambda handler: handler.answer(200, b"secret"), log) as other:
        where = location.replace("{other}", other)
        with answering(lambda handler: handler.answer(302, Location=where)) as address:
            client = client_of(pod(f"{address},*"), lambda host, _: [host if host == "127.0.0.1" else "10.0.0.1"])
            with pytest.raises(RequestError) as caught:
                client.document(f"http://{address}/a")
    assert sentence.replace("{other}", other) in str(caught.value)
    assert "secret" not in str(caught.value)
    assert log.requests == []


def test_gives_up_endless_redirects():
    with (
        answering(lambda handler: handler.answer(302, Location="/a")) as address,
        pytest.raises(PassingError, match="too many redirects"),
    ):
        client_of(pod(address)).document(f"http://{address}/a")


def test_follows_an_admitted_redirect():
    with answering(lambda handler: handler.answer(200, b"hello")) as other:
        with answering(lambda handler: handler.answer(307, Location=f"http://{other}/a")) as address:
            assert client_of(pod(f"{address},{other}")).document(f"http://{address}/a") == b"hello"


def _send_endlessly(handler: RangeHandler, status: int, **headers: str) -> None:
    """Send bytes until the client closes the connection."""
    handler.close_connection = True
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.end_headers()
    try:
        while True:
            handler.wfile.write(bytes(2**16))
    except OSError:
        pass


def test_aborts_an_endless_response():
    with (
        answering(partial(_send_endlessly, status=200)) as address,
        pytest.raises(RequestError, match="more than 16777216 bytes"),
    ):
        client_of(pod(address)).document(f"http://{address}/a")


def test_aborts_an_endless_part():
    endless = partial(_send_endlessly, status=206, **{"Content-Range": "bytes 0-9/10"})
    with answering(endless) as address, pytest.raises(RequestError, match="more than 10 bytes"):
        client_of(pod(address)).part(f"http://{address}/a", 0, 10)


def test_gives_up_a_slow_response(monkeypatch):
    monkeypatch.setattr(sessions, "ANSWER_SECONDS", 0)
    with (
        answering(partial(_send_endlessly, status=200)) as address,
        pytest.raises(PassingError, match="timed out after"),
    ):
        client_of(pod(address)).document(f"http://{address}/a")


@pytest.mark.parametrize(
    ("status", "content", "headers", "sentence"),
    [
        (200, bytes(5000), {}, "is sent as a whole where a part was requested"),
        (200, bytes(5), {}, None),
        (206, bytes(10), {"Content-Range": "bytes 5-14/100"}, "is sent with another range"),
        (206, bytes(5), {"Content-Range": "bytes 0-9/100"}, "is sent with another range"),
        (206, bytes(5), {"Content-Range": "bytes 0-4/100"}, "is sent with another range"),
        (206, bytes(5), {"Content-Range": "bytes 0-4/5"}, None),
        (206, bytes(10), {"Content-Range": "Bytes  0 - 9 / 10 "}, None),
        (206, bytes(10), {"Content-Range": "bytes=0-9/10"}, None),
        (206, bytes(10), {"content-range": "bytes 0-9/10", "Content-Encoding": "Identity"}, None),
        (206, bytes(10), {"Content-Range": "bytes 0-9/10", "Content-Encoding": ""}, None),
        (206, bytes(10), {"Content-Range": f"bytes 0-9/{'9' * 5000}"}, "is sent with another range"),
        (206, bytes(10), {"Content-Range": "bytes 0-9/5"}, "is sent with another range"),
        (206, bytes(10), {"Content-Range": "bytes 0-9/10", "Content-Type": "multipart/byteranges"}, None),
        (206, bytes(10), {"Content-Range": "pixels 0-9/10"}, "is sent with another range"),
        (206, bytes(10), {}, "is sent with another range"),
        (206, bytes(10), {"Content-Range": "bytes 0-9/10", "Content-Encoding": "gzip"}, "the encoding gzip"),
    ],
)  # fmt: skip
def test_a_response_is_the_requested_range_or_an_error(status, content, headers, sentence):
    with answering(lambda handler: handler.answer(status, content, **headers)) as address:
        client = client_of(pod(address))
        if sentence is None:
            assert client.part(f"http://{address}/a", 0, 10).content == content
        else:
            with pytest.raises(RequestError, match=sentence):
                client.part(f"http://{address}/a", 0, 10)


def _slow(handler: RangeHandler, most: int, content: bytes) -> None:
    """Send at most this many bytes of a range, as some caches do."""
    start, stop = (int(number) for number in handler.headers["Range"].removeprefix("bytes=").split("-"))
    part = content[start : min(stop + 1, start + most)]
    handler.answer(206, part, **{"Content-Range": f"bytes {start}-{start + len(part) - 1}/{len(content)}"})


def test_joins_a_range_that_arrives_in_pieces():
    content = bytes(range(100))
    with answering(partial(_slow, most=7, content=content)) as address:
        assert client_of(pod(address)).part(f"http://{address}/a", 10, 60).content == content[10:60]
        assert client_of(pod(address)).part(f"http://{address}/a", 90, 200).content == content[90:]


def test_gives_up_a_range_that_arrives_byte_by_byte():
    log = RequestLog()
    with (
        answering(partial(_slow, most=1, content=bytes(1000)), log) as address,
        pytest.raises(RequestError, match="too many pieces"),
    ):
        client_of(pod(address)).part(f"http://{address}/a", 0, 1000)
    assert len(log.requests) == 64


def test_does_not_join_pieces_of_two_files():
    tags = iter("abcdefgh")

    def script(handler: RangeHandler) -> None:
        start = int(handler.headers["Range"].removeprefix("bytes=").split("-")[0])
        handler.answer(206, bytes(5), **{"Content-Range": f"bytes {start}-{start + 4}/10", "ETag": f'"{next(tags)}"'})

    with answering(script) as address, pytest.raises(RequestError, match="changed while it was read"):
        client_of(pod(address)).part(f"http://{address}/a", 0, 10)


class Silent:
    """A server that omits the file size in a range response, and sends it in one of the other ways."""

    def __init__(self, content: bytes, *ways: str) -> None:
        self.content, self.ways, self.log = content, ways, []

    def __call__(self, handler: RangeHandler) -> None:
        self.log.append((handler.command, handler.headers.get("Range")))
        first, last = handler.headers.get("Range", "bytes=0-").removeprefix("bytes=").split("-")
        if handler.command == "HEAD":
            handler.answer(200 if "head" in self.ways else 405, self.content)
        elif first == "" and "suffix" not in self.ways:
            handler.answer(200, self.content)
        else:
            start, stop = (int(first), int(last) + 1) if first else (len(self.content) - int(last), len(self.content))
            part = self.content[start:stop]
            handler.answer(206, part, **{"Content-Range": f"bytes {start}-{start + len(part) - 1}/*", "ETag": '"a"'})


@pytest.mark.parametrize("ways", [["suffix"], ["head"], ["suffix", "head"]])
@pytest.mark.parametrize("size", [1000, 200_000])
def test_a_size_that_is_missing_in_a_range_is_requested_once(ways, size):
    script = Silent(bytes(range(250)) * (size // 250), *ways)
    with answering(script) as address:
        files = RemoteFiles(client_of(pod(address)))
        file = files.get(f"http://{address}/a")
        assert file.size == size
        before = len(script.log)
        assert before <= 3
        assert file.read(0, size) == script.content
        assert all(command == "GET" and given != "bytes=-1" for command, given in script.log[before:])
        files.close()


def test_does_not_guess_a_size_that_no_response_contains():
    with answering(Silent(bytes(200_000))) as address:
        with pytest.raises(RequestError, match=r"the server does not state the size of http://.*/a;"):
            client_of(pod(address)).part(f"http://{address}/a", 0, 100)
        assert client_of(pod(address)).part(f"http://{address}/a", 0, 100, 200_000).size == 200_000


def test_a_weak_etag_matches_the_strong_one_of_the_same_file():
    tags = iter(['"a"', 'W/"a"', '"a"', 'W/"b"'])

    def script(handler: RangeHandler) -> None:
        start, last = (int(number) for number in handler.headers["Range"].removeprefix("bytes=").split("-"))
        size = last + 1 - start
        handler.answer(206, bytes(size), **{"Content-Range": f"bytes {start}-{last}/9000000", "ETag": next(tags)})

    with answering(script) as address:
        files = RemoteFiles(client_of(pod(address)))
        file = files.get(f"http://{address}/a")
        for start in (0, 1_000_000, 2_000_000):
            assert file.read(start, 10) == bytes(10)
        with pytest.raises(RequestError, match="changed while it was read"):
            file.read(3_000_000, 10)
        files.close()


def test_fetches_a_small_file_of_a_server_without_ranges_again_after_eviction(monkeypatch):
    monkeypatch.setattr(remote_files, "MEMORY", 0)
    content = bytes(range(250)) * 200
    log = RequestLog()
    with answering(lambda handler: handler.answer(200, content), log) as address:
        files = RemoteFiles(client_of(pod(address)))
        for start in (0, 20_000, 49_990):
            assert files.get(f"http://{address}/a").read(start, 100) == content[start : start + 100]
        files.close()
    assert len(log.requests) == 4


def test_a_feature_that_a_server_does_not_implement_is_not_retried():
    log = RequestLog()
    with answering(lambda handler: handler.answer(501), log) as address, pytest.raises(RequestError, match="501"):
        client_of(pod(address)).document(f"http://{address}/a")
    assert len(log.requests) == 1


def test_neither_requests_nor_unpacks_compressed_responses():
    sent = []

    def bomb(handler: RangeHandler) -> None:
        sent.append(handler.headers["Accept-Encoding"])
        handler.answer(200, gzip.compress(bytes(10_000_000)), **{"Content-Encoding": "gzip"})

    with (
        answering(bomb) as address,
        pytest.raises(RequestError, match="sent with the encoding gzip, which was not req"),
    ):
        client_of(pod(address)).document(f"http://{address}/a")
    assert sent == ["identity"]


def _cut(handler: RangeHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "100")
    handler.end_headers()
    handler.wfile.write(b"half")
    handler.close_connection = True


def _close(handler: RangeHandler) -> None:
    handler.close_connection = True


@pytest.mark.parametrize(
    "fault",
    [
        lambda handler: handler.answer(429, **{"Retry-After": "0"}),
        lambda handler: handler.answer(429, **{"Retry-After": "Wed, 01 Jan 2020 00:00:00 GMT"}),
        lambda handler: handler.answer(500),
        lambda handler: handler.answer(503, **{"Retry-After": "soon"}),
        _cut,
        _close,
    ],
    ids=["429", "429 until a date", "500", "503", "cut", "closed"],
)
def test_retries_after_a_temporary_fault(fault):
    log = RequestLog()

    def script(handler: RangeHandler) -> None:
        log.requests.append((handler.path, "", 0))
        if len(log.requests) < 4:
            fault(handler)
        else:
            handler.answer(200, b"hello")

    with answering(script) as address:
        assert client_of(pod(address)).document(f"http://{address}/a") == b"hello"
    assert len(log.requests) == 4


def test_gives_up_after_a_persistent_fault():
    log = RequestLog()
    with answering(lambda handler: handler.answer(503), log) as address:
        with pytest.raises(PassingError, match="the server answered 503"):
            client_of(pod(address)).document(f"http://{address}/a")
    assert len(log.requests) == 5


def test_gives_up_immediately_if_retry_after_is_an_hour():
    log = RequestLog()
    with answering(lambda handler: handler.answer(503, **{"Retry-After": "3600"}), log) as address:
        with pytest.raises(PassingError):
            client_of(pod(address)).document(f"http://{address}/a")
    assert len(log.requests) == 1


def test_a_retry_waits_as_long_as_retry_after_demands():
    times = []

    def script(handler: RangeHandler) -> None:
        times.append(time.monotonic())
        handler.answer(503 if len(times) == 1 else 200, **{"Retry-After": "1"})

    with answering(script) as address:
        client_of(pod(address)).document(f"http://{address}/a")
    assert 1 <= times[1] - times[0] < 5


@pytest.mark.parametrize(
    "script", [*(lambda h, s=s: h.answer(s) for s in (400, 403, 404, 429, 500)), _cut, _close, None]
)
def test_messages_and_logs_never_contain_a_query(script, caplog):
    caplog.set_level(logging.DEBUG)
    with answering(script or _close) as address:
        url = f"http://{address if script else '127.0.0.1:1'}/a.tif?sig=secret"
        for ask in (
            client_of(own_machine(Path())).document,
            lambda url: client_of(own_machine(Path())).part(url, 0, 5),
        ):
            with pytest.raises(MosaicError) as caught:
                ask(url)
            assert "/a.tif" in str(caught.value)
            assert "secret" not in str(caught.value)
    assert "secret" not in caplog.text


def test_proxies_of_the_environment_are_used_on_the_users_machine_but_not_in_a_pod(monkeypatch, tmp_path):
    (tmp_path / "a").write_bytes(b"directly")
    proxied = RequestLog()
    with serving(tmp_path) as address, answering(lambda handler: handler.answer(200, b"by proxy"), proxied) as proxy:
        monkeypatch.setenv("http_proxy", f"http://{proxy}")
        monkeypatch.delenv("no_proxy", raising=False)
        assert client_of(pod(address)).document(f"http://{address}/a") == b"directly"
        assert client_of(own_machine(tmp_path)).document(f"http://{address}/a") == b"by proxy"
    assert proxied.paths == [f"http://{address}/a"]


def test_requests_send_no_cookies_of_a_server():
    sent = []

    def script(handler: RangeHandler) -> None:
        sent.append(handler.headers.get("Cookie"))
        handler.answer(200, **{"Set-Cookie": "known=1; Path=/"})

    with answering(script) as address:
        client = client_of(pod(address))
        for _ in range(2):
            client.document(f"http://{address}/a")
    assert sent == [None, None]


def test_checks_the_certificate_against_the_name_although_it_connects_to_the_address(tmp_path, monkeypatch):
    authority, tls = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("scenes.test").configure_cert(tls)
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "authority.pem"))
    kind = type("Handler", (RangeHandler,), {"do_GET": lambda handler: handler.answer(200, b"hello")})
    with serving_by(kind, tls=tls) as address:
        port = address.split(":")[1]
        for gate in (own_machine(tmp_path), pod(f"scenes.test:{port},other.test:{port}")):
            client = client_of(gate, lambda *_: ["127.0.0.1"])
            assert client.document(f"https://scenes.test:{port}/a") == b"hello"
            with pytest.raises(PassingError, match=r"https://other\.test:\d+/a could not be fetched \(its certificate"):
                client.document(f"https://other.test:{port}/a?sig=secret")
            monkeypatch.delenv("REQUESTS_CA_BUNDLE")
            with pytest.raises(PassingError, match="its certificate cannot be trusted"):
                client_of(gate, lambda *_: ["127.0.0.1"]).document(f"https://scenes.test:{port}/a")
            monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "authority.pem"))


def test_reuses_a_connection():
    places = set()

    def script(handler: RangeHandler) -> None:
        places.add(handler.client_address)
        handler.answer(206, bytes(10), **{"Content-Range": "bytes 0-9/10"})

    with answering(script) as address:
        client = client_of(pod(address))
        for _ in range(5):
            client.part(f"http://{address}/a", 0, 10)
    assert len(places) == 1
