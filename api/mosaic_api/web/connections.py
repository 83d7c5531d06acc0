"""The connections of a server: addresses, limits and timeouts."""

import asyncio
import errno
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import h11
from mosaic_crds.errors import RequestError
from uvicorn.protocols.http.h11_impl import H11Protocol

ANY, LOOPBACK = ("0.0.0.0", "::"), ("127.0.0.1", "::1")  # noqa: S104 (a pod does not know its own address)
"""Addresses to listen at, IPv4 first."""
MOST_CONNECTIONS = 2000
"""Further ones get 503."""
HEADER_SECONDS = 10.0
"""Time for the headers of a request, from the opening of the connection or their first byte."""
BACKLOG = 256


class Connection(H11Protocol):
    """Closes a connection without a request in time; uvicorn would wait for ever."""

    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first request."""
        super().connection_made(transport)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timer."""
        self._stop_watching()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Wait for the rest of a request."""
        super().data_received(data)
        self._watch()

    def _watch(self) -> None:
        if self.conn.their_state is not h11.IDLE:
            self._stop_watching()
        elif self._late is None:
            self._late = self.loop.call_later(HEADER_SECONDS, self.transport.close)

    def _stop_watching(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None


OPTIONS: dict[str, Any] = {"http": Connection, "limit_concurrency": MOST_CONNECTIONS, "access_log": False}
"""uvicorn's options for all servers."""


@contextmanager
def listening(port: int, addresses: tuple[str, str] = LOOPBACK) -> Iterator[list[socket.socket]]:
    """Sockets at a free port, for IPv4 and, if the machine supports it, IPv6.

    Raises:
        RequestError: another program uses the port.
    """
    ipv4, ipv6 = addresses
    with ExitStack() as opened:
        sockets = [opened.enter_context(_bound(socket.AF_INET, ipv4, port))]
        number = sockets[0].getsockname()[1]
        with suppress(_NoAddressError):
            sockets.append(opened.enter_context(_bound(socket.AF_INET6, ipv6, number)))
        yield sockets


class _NoAddressError(Exception):
    """The machine does not have this address."""


def _bound(family: socket.AddressFamily, address: str, port: int) -> socket.socket:
    try:
        opened = socket.socket(family, socket.SOCK_STREAM)
    except OSError:
        raise _NoAddressError from None
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family is socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)  # IPv4 has a socket of its own
        opened.bind((address, port))
        opened.listen(BACKLOG)
    except OSError as error:
        opened.close()
        if family is socket.AF_INET6 and error.errno != errno.EADDRINUSE:
            raise _NoAddressError from None
        used = error.errno == errno.EADDRINUSE
        why = "another program uses it" if used else os.strerror(error.errno or 0)
        raise RequestError(f"port {port} is not available ({why}); choose another with --port") from None
    return opened
