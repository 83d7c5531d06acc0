"""Connections to checked addresses of a host, so later changes in DNS have no effect."""

import socket
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any, TypeVar

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError
from urllib3.util.connection import create_connection

from mosaic_worker.sources.access.budget import Budget

CONNECT_SECONDS = 10
MOST_ADDRESSES = 8
"""Addresses of a host that are tried, in order."""
MOST_RESOLVING = 64
"""Names that are resolved at the same time, including abandoned ones."""

Answer = TypeVar("Answer")
Resolver = Callable[[str, int], Sequence[str]]
_resolving = threading.Semaphore(MOST_RESOLVING)


def resolve(host: str, port: int) -> list[str]:
    """The addresses of a host.

    Raises:
        OSError: it has no address.
    """
    return list(dict.fromkeys(str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)))


def within(seconds: float, resolve: Callable[[], Answer]) -> Answer:
    """The result of a call that cannot be stopped; its thread is abandoned after a timeout.

    Raises:
        TimeoutError: it takes too long.
    """
    if not _resolving.acquire(timeout=seconds):
        raise TimeoutError("too many names are being resolved")
    future: Future[Answer] = Future()

    def run() -> None:
        try:
            future.set_result(resolve())
        except BaseException as error:  # it is raised in the waiting thread
            future.set_exception(error)
        finally:
            _resolving.release()

    threading.Thread(target=run, name="resolve", daemon=True).start()
    return future.result(seconds)


class _PinnedConnection(HTTPConnection):
    """Connects to a checked address instead of resolving the name again."""

    def __init__(self, *arguments: Any, addresses: Resolver, budget: Budget | None, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._addresses, self._budget = addresses, budget

    def _new_conn(self) -> socket.socket:
        error: OSError | None = None
        try:
            for address in self._addresses(self.host, self.port)[:MOST_ADDRESSES]:
                try:
                    return self._connected(address)
                except OSError as failed:
                    error = failed
        except OSError as failed:
            error = failed
        if isinstance(error, TimeoutError):
            raise ConnectTimeoutError(self, "no connection") from error
        raise NewConnectionError(self, "no connection") from error

    def _connected(self, address: str) -> socket.socket:
        seconds = CONNECT_SECONDS if self._budget is None else min(CONNECT_SECONDS, self._budget.remaining())
        connection = create_connection(
            (address, self.port), seconds, source_address=self.source_address, socket_options=self.socket_options
        )
        connection.settimeout(self.timeout)
        if self._budget is not None:
            self._budget.guard(connection)
        return connection


class _PinnedTLSConnection(_PinnedConnection, HTTPSConnection):
    """The same for https. The certificate is compared with the name, not with the address."""


class PinnedPools(urllib3.PoolManager):
    """Pools of connections to the addresses that a function returns for a host."""

    def __init__(self, addresses: Resolver, budget: Budget | None, **named: Any) -> None:
        super().__init__(**named)
        self._addresses, self._budget = addresses, budget

    def _new_pool(
        self, scheme: str, host: str, port: int, request_context: dict[str, Any] | None = None
    ) -> urllib3.HTTPConnectionPool:
        pool = super()._new_pool(scheme, host, port, request_context)
        kind = _PinnedTLSConnection if scheme == "https" else _PinnedConnection
        pool.ConnectionCls = partial(kind, addresses=self._addresses, budget=self._budget)  # type: ignore[assignment]
        return pool
