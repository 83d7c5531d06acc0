"""Connections to servers: only where the gate admits, to the very address it saw, and patient with passing faults.

A session is one of `requests`, so that libraries which take one (pystac-client) stand on the same ground. Every request
and every redirect passes the gate here. A host's name is resolved once for each connection, the gate sees all of its
addresses, and the connection goes to one of those: an answer of DNS that changes a moment later changes nothing.
"""

import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from importlib.metadata import version
from typing import Any, TypeVar

import requests
import urllib3
from mosaic_crds.errors import MosaicError, PassingError, RequestError
from requests.adapters import BaseAdapter, HTTPAdapter
from requests.cookies import RequestsCookieJar
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError
from urllib3.util.connection import create_connection

from mosaic_worker.sources.access.budget import Budget
from mosaic_worker.sources.access.gate import Gate, shown
from mosaic_worker.sources.http.retries import CONNECTIONS, PASSING, Patience, retry_after, waits_of
from mosaic_worker.version import DISTRIBUTION

CONNECT_SECONDS = 10
MOST_ADDRESSES = 8
"""Of a host, that are tried one after the other."""
DNS_SECONDS = 20
"""Until a name must be resolved; the C library has no timeout of its own."""
MOST_RESOLVING = 64
"""Names that are resolved at once; a thread whose answer nobody waits for any longer counts too."""
SILENT_SECONDS = 30
"""After so long without a byte a server counts as gone."""
ANSWER_SECONDS = 120
"""After so long an answer is not waited for to its end, however steadily it drips."""
LARGEST_ANSWER = 16 * 2**20
"""Bytes of an answer that is no range of a file."""

UNCHANGED = {"", "identity", "none", "aws-chunked"}
"""Of Content-Encoding: the bytes are those of the file. S3 servers say aws-chunked of how a file came to them."""

logging.getLogger("urllib3.connectionpool").setLevel(logging.INFO)  # below that it logs queries, and so signatures

Answer = TypeVar("Answer")
_resolving = threading.Semaphore(MOST_RESOLVING)
Resolver = Callable[[str, int], Sequence[str]]


def resolve(host: str, port: int) -> list[str]:
    """The addresses of a host.

    Raises:
        OSError: it has none.
    """
    return list(dict.fromkeys(str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)))


def new_session(
    gate: Gate, *, connections: int = CONNECTIONS, resolver: Resolver = resolve, patience: Patience | None = None
) -> requests.Session:
    """A session that asks only where the gate admits; safe to use from several threads.

    At most so many connections to one host are open at once.

    On the user's own machine the environment counts: its proxies, its CA bundle, its .netrc. In a pod it does not, for
    a proxy would resolve names itself, where nobody checks the addresses.

    Its requests raise MosaicError, a sentence that does not say which field is at fault, when there is no answer or one
    that may not be read. A refusal (4xx), and a fault that did not pass (5xx), is an answer. Answers are read whole.
    """
    session = _Session(gate)
    adapter = _Adapter(gate, connections, resolver, patience or Patience())
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    return session


class _Session(requests.Session):
    def __init__(self, gate: Gate) -> None:
        super().__init__()
        self._gate = gate
        self.trust_env = gate.hosts is None
        self.max_redirects = 5
        self.headers["Accept-Encoding"] = "identity"  # a small answer must not become a large one here
        self.headers["User-Agent"] = f"{DISTRIBUTION}/{version(DISTRIBUTION)}"
        self.cookies = _NoCookies()

    def get_adapter(self, url: str) -> BaseAdapter:
        """Admit a URL, that of a redirect too, before anything is asked."""
        admitted = self._gate.admit(url, shown(url))
        if not admitted.lower().startswith(("http://", "https://")):
            raise RequestError(f"{shown(url)} is no http:// or https:// URL")
        return super().get_adapter(admitted)

    def request(self, method: str, url: str, *arguments: Any, **named: Any) -> requests.Response:  # type: ignore[override]
        """Ask; see `new_session`."""
        try:
            return super().request(method, url, *arguments, **named)
        except requests.RequestException as error:
            raise PassingError(f"{shown(url)} could not be fetched ({_reason(error)})") from None


class _NoCookies(RequestsCookieJar):
    """Servers know nobody again; and threads share nothing."""

    def set_cookie(self, *_: object, **__: object) -> None:
        """Keep nothing."""


class _Checked(HTTPConnection):
    """Connects to an address that was checked, in place of a name that would be resolved again."""

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


class _CheckedTLS(_Checked, HTTPSConnection):
    """The same for https; the name, not the address, is what the certificate is compared with."""


class _Pools(urllib3.PoolManager):
    def __init__(self, addresses: Resolver, budget: Budget | None, **named: Any) -> None:
        super().__init__(**named)
        self._addresses, self._budget = addresses, budget

    def _new_pool(
        self, scheme: str, host: str, port: int, request_context: dict[str, Any] | None = None
    ) -> urllib3.HTTPConnectionPool:
        pool = super()._new_pool(scheme, host, port, request_context)
        kind = _CheckedTLS if scheme == "https" else _Checked
        pool.ConnectionCls = partial(kind, addresses=self._addresses, budget=self._budget)  # type: ignore[assignment]
        return pool


class _Adapter(HTTPAdapter):
    """Sends one request, a redirect's too: admitted, bounded, and again after a passing fault."""

    def __init__(self, gate: Gate, connections: int, resolver: Resolver, patience: Patience) -> None:
        self._gate, self._resolver, self._patience = gate, resolver, patience
        super().__init__(pool_maxsize=connections, pool_block=True)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **named: Any) -> None:
        counts = {"num_pools": connections, "maxsize": maxsize, "block": block}
        self.poolmanager = _Pools(self._checked, self._gate.budget, **counts, **named)

    def _checked(self, host: str, port: int) -> Sequence[str]:
        budget = self._gate.budget
        seconds = DNS_SECONDS if budget is None else min(DNS_SECONDS, budget.remaining())
        found = _within(seconds, lambda: self._resolver(host, port))
        self._gate.admit_addresses(host, port, found)
        return found

    def send(self, request: requests.PreparedRequest, *_: object, **named: Any) -> requests.Response:
        waits, budget = waits_of(self._patience), self._gate.budget
        while True:
            silent = SILENT_SECONDS if budget is None else min(SILENT_SECONDS, budget.remaining())
            try:
                response = self._answer(request, named | {"stream": True, "timeout": (CONNECT_SECONDS, silent)})
            except (requests.ConnectionError, requests.Timeout, HTTPError, OSError) as error:
                if budget is not None:
                    budget.remaining()
                wait = waits(0.0)
                if wait is None or isinstance(error, requests.exceptions.SSLError):
                    raise PassingError(f"{shown(request.url or '')} could not be fetched ({_reason(error)})") from None
            else:
                if response.status_code not in PASSING:
                    return response
                wait = waits(retry_after(response.headers.get("Retry-After", "")))
                if wait is None:
                    return response
            if budget is None:
                time.sleep(wait)
            else:
                budget.wait(wait)

    def _answer(self, request: requests.PreparedRequest, named: dict[str, Any]) -> requests.Response:
        response = super().send(request, **named)
        try:
            response._content = _content(response, time.monotonic() + ANSWER_SECONDS, self._gate.budget)
        except MosaicError as error:
            raise type(error)(f"{shown(request.url or '')} {error}") from None
        finally:
            response.close()
        response._content_consumed = True
        if self._gate.budget is not None:
            self._gate.budget.remaining()  # an answer that its end cut short looks whole where it has no length
        return response


def _content(response: requests.Response, deadline: float, budget: Budget | None) -> bytes:
    """The body of an answer, the beginning of one that is no success.

    Raises:
        RequestError: it is larger than it may be, or encoded.
        PassingError: it does not end.
    """
    if response.request.method == "HEAD":
        return b""
    wanted = response.ok and not response.is_redirect
    asked = response.request.headers.get("Range")
    most = LARGEST_ANSWER if asked is None else _length(str(asked))
    encoding = response.headers.get("Content-Encoding", "")
    if wanted and not UNCHANGED.issuperset(part.strip().lower() for part in encoding.split(",")):
        raise RequestError(f"is sent encoded as {encoding}, which was not asked for")
    stated = response.headers.get("Content-Length", "").strip()
    found, size = [], 0
    if not (wanted and stated.isdecimal() and float(stated) > most):
        while size <= most and (chunk := response.raw.read1(2**18, decode_content=False)):
            found.append(chunk)
            size += len(chunk)
            if budget is not None:
                budget.take(len(chunk))
            if time.monotonic() > deadline:
                raise PassingError(f"was not sent to its end within {ANSWER_SECONDS} s")
        if size <= most or not wanted:
            return b"".join(found)[:most]
    if asked is not None and response.status_code != requests.codes.partial_content:
        raise RequestError("is sent whole where a part was asked for; it must be on a server that gives byte ranges")
    raise RequestError(f"is answered with more than the {most} bytes that are read of it")


def _within(seconds: float, resolve: Callable[[], Answer]) -> Answer:
    """What a call gives that cannot be stopped; after a while it is left to itself.

    Raises:
        TimeoutError: it takes too long.
    """
    if not _resolving.acquire(timeout=seconds):
        raise TimeoutError("too many names are being resolved")
    future: Future[Answer] = Future()

    def run() -> None:
        try:
            future.set_result(resolve())
        except BaseException as error:  # whoever waits for it gets it
            future.set_exception(error)
        finally:
            _resolving.release()

    threading.Thread(target=run, name="resolve", daemon=True).start()
    return future.result(seconds)


def _length(byte_range: str) -> int:
    first, last = byte_range.removeprefix("bytes=").split("-")
    return int(last) - int(first) + 1 if first else int(last)


def _reason(error: BaseException) -> str:
    """What lies at the root of an error; its own text may hold the URL, and so a signature."""
    root: BaseException | None = error
    reason = "the connection was cut"
    while root is not None:
        if isinstance(root, requests.TooManyRedirects):
            return "it leads from redirect to redirect"
        if isinstance(root, ssl.SSLCertVerificationError):
            return f"its certificate cannot be trusted: {root.verify_message}"
        if isinstance(root, socket.gaierror):
            return "the host was not found"
        if isinstance(root, TimeoutError | requests.Timeout):
            reason = "no answer in time"
        elif isinstance(root, OSError) and root.strerror:
            return root.strerror
        root = root.__cause__ or root.__context__
    return reason
