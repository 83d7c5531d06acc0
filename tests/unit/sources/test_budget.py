"""The time budget of a look-up: it ends in time, whatever a server or a resolver does."""

import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import pytest
from mosaic_crds.errors import PassingError, RequestError
from mosaic_worker.sources.access.budget import Budget
from mosaic_worker.sources.access.gate import pod
from mosaic_worker.sources.http.sessions import new_session

SECONDS = 1.0
SOON = 8.0
"""Seconds in which everything must end, even on a busy machine; all socket timeouts are longer."""


@contextmanager
def answering(send: Callable[[socket.socket], None]) -> Iterator[str]:
    """The address of a server that handles each connection with the given function."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                threading.Thread(target=send, args=(connection,), daemon=True).start()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)


def dripping(begin: bytes) -> Callable[[socket.socket], None]:
    """Send some bytes, and then one at intervals that are shorter than the timeout of a socket."""

    def send(connection: socket.socket) -> None:
        with connection:
            try:
                connection.sendall(begin)
                while True:
                    connection.sendall(b"1")
                    time.sleep(0.05)  # interval between two bytes
            except OSError:
                return

    return send


def get(url: str, budget: Budget, resolver: Callable[[str, int], Sequence[str]] | None = None) -> bytes:
    gate = replace(pod(url.split("/")[2]), budget=budget)
    more = {"resolver": resolver} if resolver else {}
    return new_session(gate, **more).get(url).content


@pytest.mark.parametrize(
    "begin",
    [b"", b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n"],
)
def test_gives_up_a_slow_server_in_time(begin: bytes):
    began = time.monotonic()
    budget = Budget(SECONDS, 2**20)
    threading.Timer(SECONDS, budget.end).start()  # as a waiting caller does
    with answering(dripping(begin)) as address, pytest.raises(PassingError):
        get(f"http://{address}/", budget)
    assert time.monotonic() - began < SOON


def test_gives_up_a_slow_handshake_in_time():
    began = time.monotonic()
    budget = Budget(SECONDS, 2**20)
    threading.Timer(SECONDS, budget.end).start()
    record = b"\x16\x03\x03\x40\x00"  # of 16 KiB, sent one byte at a time
    with answering(dripping(record)) as address, pytest.raises(PassingError):
        get(f"https://{address}/", budget)
    assert time.monotonic() - began < SOON


def test_gives_up_a_slow_name_resolution_in_time():
    free = threading.Event()
    began = time.monotonic()

    def resolve(*_: object) -> Sequence[str]:
        free.wait()
        return []

    with pytest.raises(PassingError):
        get("https://example.org/", Budget(SECONDS, 2**20), resolve)
    free.set()
    assert time.monotonic() - began < SOON


def test_does_not_wait_for_retry_after_beyond_the_budget():
    def send(connection: socket.socket) -> None:
        with connection:
            connection.recv(4096)
            connection.sendall(b"HTTP/1.1 503 Busy\r\nRetry-After: 30\r\nContent-Length: 0\r\n\r\n")

    began = time.monotonic()
    with answering(send) as address, pytest.raises(PassingError, match="no answer within"):
        get(f"http://{address}/", Budget(SECONDS, 2**20))
    assert time.monotonic() - began < SOON


def test_limits_the_total_size_of_all_responses():
    content = b"x" * 40_000

    def send(connection: socket.socket) -> None:
        with connection:
            connection.recv(4096)
            head = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(content)
            connection.sendall(head + content)

    budget = Budget(30, 100_000)
    with answering(send) as address:
        assert [get(f"http://{address}/", budget) for _ in range(2)] == [content] * 2
        with pytest.raises(RequestError, match="request a smaller area"):
            get(f"http://{address}/", budget)


def test_a_callback_runs_only_if_it_is_registered_when_the_time_is_over():
    budget, done = Budget(30, 1), []
    with budget.ending(lambda: done.append("too late")):
        pass
    with budget.ending(lambda: done.append("in time")):
        budget.end()
        budget.end()
    assert set(done) == {"in time"}
    assert budget.left == 0
    with pytest.raises(PassingError):
        budget.wait(0)
