"""Sessions that call only what the gate admits, and repeat requests after a temporary error.

A session is one of `requests`, because pystac-client needs one. The gate checks every request and every redirect. The
name of a host is resolved once for each connection. The gate checks all addresses of the host, and the connection goes
to one of them, so a later change in DNS has no effect.
"""

import logging
import os
import socket
import ssl
import time
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import requests
from mosaic_crds.errors import MosaicError, PassingError, RequestError
from requests.adapters import BaseAdapter, HTTPAdapter
from requests.cookies import RequestsCookieJar
from urllib3.exceptions import HTTPError

from mosaic_worker.sources.access.budget import Budget
from mosaic_worker.sources.access.gate import Gate, redacted
from mosaic_worker.sources.http.pinned_connections import CONNECT_SECONDS, PinnedPools, Resolver, resolve, within
from mosaic_worker.sources.http.retries import CONNECTIONS, RETRYABLE, RetryPolicy, delays, retry_after
from mosaic_worker.version import DISTRIBUTION

DNS_SECONDS = 20
"""Timeout for resolving a name; the C library has none."""
SILENT_SECONDS = 30
"""Timeout between two bytes of a response."""
ANSWER_SECONDS = 120
"""Timeout for a whole response, also while bytes arrive."""
LARGEST_ANSWER = 16 * 2**20
"""Bytes of a response that is not a range of a file."""

UNCHANGED = {"", "identity", "none", "aws-chunked"}
"""Values of Content-Encoding that leave the bytes as they are. S3 servers return the aws-chunked of an upload."""

logging.getLogger("urllib3.connectionpool").setLevel(logging.INFO)  # at DEBUG it logs queries with signatures


def new_session(
    gate: Gate, *, connections: int = CONNECTIONS, resolver: Resolver = resolve, retries: RetryPolicy | None = None
) -> requests.Session:
    """A session that calls only what the gate admits. It is thread-safe.

    On the user's own machine it uses the proxies, the CA bundle and the .netrc of the environment. In a pod it uses
    only the CA bundle, REQUESTS_CA_BUNDLE, because a proxy resolves names itself and nobody checks the addresses.

    Its requests raise MosaicError if there is no response, or one that must not be read. The message does not name the
    field. A status of 4xx, or of 5xx after all tries, is a response. Responses are read completely.

    Args:
        gate: what may be called.
        connections: the maximum to one host at the same time.
        resolver: returns the addresses of a host.
        retries: how requests are repeated.
    """
    session = _Session(gate)
    adapter = _Adapter(gate, connections, resolver, retries or RetryPolicy())
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    return session


class _Session(requests.Session):
    def __init__(self, gate: Gate) -> None:
        super().__init__()
        self._gate = gate
        self.trust_env = gate.hosts is None
        self.verify = os.environ.get("REQUESTS_CA_BUNDLE") or True
        self.max_redirects = 5
        self.headers["Accept-Encoding"] = "identity"  # a small response must not expand to a large one
        self.headers["User-Agent"] = f"{DISTRIBUTION}/{version(DISTRIBUTION)}"
        self.cookies = _NoCookies()

    def get_adapter(self, url: str) -> BaseAdapter:
        """Check a URL before it is called, also that of a redirect."""
        admitted = self._gate.admit(url, redacted(url))
        if not admitted.lower().startswith(("http://", "https://")):
            raise RequestError(f"{redacted(url)} is not an http:// or https:// URL")
        return super().get_adapter(admitted)

    def request(self, method: str, url: str, *arguments: Any, **named: Any) -> requests.Response:  # type: ignore[override]
        """Send a request; see `new_session`."""
        try:
            return super().request(method, url, *arguments, **named)
        except requests.RequestException as error:
            raise PassingError(f"{redacted(url)} could not be fetched ({_reason(error)})") from None


class _NoCookies(RequestsCookieJar):
    """Keeps no cookies, so that servers cannot track and threads share nothing."""

    def set_cookie(self, *_: object, **__: object) -> None:
        """Keep nothing."""


class _Adapter(HTTPAdapter):
    """Sends one request, also that of a redirect, with limits, and repeats it after a temporary error."""

    def __init__(self, gate: Gate, connections: int, resolver: Resolver, retries: RetryPolicy) -> None:
        self._gate, self._resolver, self._retries = gate, resolver, retries
        super().__init__(pool_maxsize=connections, pool_block=True)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **named: Any) -> None:
        counts = {"num_pools": connections, "maxsize": maxsize, "block": block}
        self.poolmanager = PinnedPools(self._checked, self._gate.budget, **counts, **named)

    def _checked(self, host: str, port: int) -> Sequence[str]:
        budget = self._gate.budget
        seconds = DNS_SECONDS if budget is None else min(DNS_SECONDS, budget.remaining())
        found = within(seconds, lambda: self._resolver(host, port))
        self._gate.admit_addresses(host, port, found)
        return found

    def send(self, request: requests.PreparedRequest, *_: object, **named: Any) -> requests.Response:
        waits, budget = delays(self._retries), self._gate.budget
        while True:
            silent = SILENT_SECONDS if budget is None else min(SILENT_SECONDS, budget.remaining())
            try:
                response = self._answer(request, named | {"stream": True, "timeout": (CONNECT_SECONDS, silent)})
            except (requests.ConnectionError, requests.Timeout, HTTPError, OSError) as error:
                if budget is not None:
                    budget.remaining()
                wait = waits(0.0)
                if wait is None or isinstance(error, requests.exceptions.SSLError):
                    raise PassingError(
                        f"{redacted(request.url or '')} could not be fetched ({_reason(error)})"
                    ) from None
            else:
                if response.status_code not in RETRYABLE:
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
            raise type(error)(f"{redacted(request.url or '')} {error}") from None
        finally:
            response.close()
        response._content_consumed = True
        if self._gate.budget is not None:
            self._gate.budget.remaining()  # a response that is cut off looks complete if it states no length
        return response


def _content(response: requests.Response, deadline: float, budget: Budget | None) -> bytes:
    """The body of a response; only the beginning if it is not a success.

    Raises:
        RequestError: it is too large, or encoded.
        PassingError: it times out.
    """
    if response.request.method == "HEAD":
        return b""
    wanted = response.ok and not response.is_redirect
    asked = response.request.headers.get("Range")
    most = LARGEST_ANSWER if asked is None else _length(str(asked))
    encoding = response.headers.get("Content-Encoding", "")
    if wanted and not UNCHANGED.issuperset(part.strip().lower() for part in encoding.split(",")):
        raise RequestError(f"is sent with the encoding {encoding}, which was not requested")
    stated = response.headers.get("Content-Length", "").strip()
    found, size = [], 0
    if not (wanted and stated.isdecimal() and float(stated) > most):
        while size <= most and (chunk := response.raw.read1(2**18, decode_content=False)):
            found.append(chunk)
            size += len(chunk)
            if budget is not None:
                budget.take(len(chunk))
            if time.monotonic() > deadline:
                raise PassingError(f"timed out after {ANSWER_SECONDS} s")
        if size <= most or not wanted:
            return b"".join(found)[:most]
    if asked is not None and response.status_code != requests.codes.partial_content:
        raise RequestError("is sent as a whole where a part was requested; its server must support byte ranges")
    raise RequestError(f"has a response of more than {most} bytes")


def _length(byte_range: str) -> int:
    first, last = byte_range.removeprefix("bytes=").split("-")
    return int(last) - int(first) + 1 if first else int(last)


def _reason(error: BaseException) -> str:
    """The cause of an error. Its own text may contain the URL, and so a signature."""
    root: BaseException | None = error
    reason = "the connection was cut"
    while root is not None:
        if isinstance(root, requests.TooManyRedirects):
            return "too many redirects"
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
