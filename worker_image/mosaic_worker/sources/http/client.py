"""The HTTP client of a request: small documents and ranges of files."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from mosaic_crds.errors import MosaicError, PassingError, RequestError

from mosaic_worker.sources.access.gate import Gate, redacted
from mosaic_worker.sources.access.s3_names import is_object
from mosaic_worker.sources.http.retries import CONNECTIONS, RETRYABLE
from mosaic_worker.sources.http.s3 import Buckets, access_from
from mosaic_worker.sources.http.signed_urls import Signer

if TYPE_CHECKING:
    import requests

UNSIGNED = {400, 401, 403, 404, 409}
"""Status codes for a missing or expired signature; some servers hide that the file exists."""

PARTIAL = 206
NOT_THERE = 416
"""The status if a file has none of the requested bytes, for example because it is empty."""
MOST_ANSWERS = 64
"""Responses that are joined if a server returns less than the requested range (RFC 9110, 15.3.7)."""
_CONTENT_RANGE = re.compile(r"bytes[ =]\s*(\d{1,18})\s*-\s*(\d{1,18})\s*/\s*(\d{1,18}|\*)", re.IGNORECASE)
_DIGITS = re.compile(r"\d{1,18}")
_WEAK = re.compile(r"W/(?=\")", re.IGNORECASE)


@contextmanager
def at_field(where: str) -> Iterator[None]:
    """Prefix the messages of errors with the field of the request, or the band of a scene."""
    try:
        yield
    except MosaicError as error:
        raise type(error)(f"{where}: {error}") from None


@dataclass(frozen=True)
class Part:
    """A range of a file.

    Attributes:
        content: the bytes; fewer than requested at the end of the file.
        size: the size of the whole file.
        identity: the ETag, or size and time: it changes with the content. A weak ETag equals the strong one of the same
            text (weak comparison, RFC 9110, 8.8.3.2), because a cache may weaken only some responses.
    """

    content: bytes
    size: int
    identity: str


def is_certain(identity: str) -> bool:
    """Whether an identity changes whenever the content does: not if the server states neither an ETag nor a time."""
    return not identity.endswith(":")


class Client:
    """Calls servers that a gate admits, with the signatures of a signer. It is thread-safe.

    Callers add the field of the request to its messages.
    """

    def __init__(self, gate: Gate, signer: Signer | None = None, connections: int | None = None) -> None:
        self.gate = gate
        self.signer = signer or Signer()
        self._connections = connections or self.signer.connections or CONNECTIONS

    @cached_property
    def session(self) -> "requests.Session":
        """The session, for libraries that send requests themselves."""
        from mosaic_worker.sources.http.sessions import new_session  # noqa: PLC0415 (0.1 s that local files do not need)

        return new_session(self.gate, connections=self._connections)

    @cached_property
    def _buckets(self) -> Buckets:
        return Buckets(access_from(os.environ, own=self.gate.hosts is None), self.gate, lambda: self.session)

    def document(self, href: str) -> bytes:
        """The content of a small file.

        Raises:
            RequestError: it does not exist, cannot be read, or is too large.
            PassingError: the server did not respond.
        """
        return self._get(href, {}).content

    def part(self, href: str, start: int, stop: int, size: int | None = None) -> Part:
        """Bytes [start, stop) of a file.

        Args:
            href: an admitted, unsigned URL.
            start: the first byte.
            stop: the byte after the last.
            size: the size of the file, if known, for servers that do not return it.

        Raises:
            RequestError: as for `document`; or the server does not support ranges, or the file changes meanwhile.
            PassingError: the server did not respond.
        """
        found: Part | None = None
        for _ in range(MOST_ANSWERS):
            read = found.content if found else b""
            part = self._partial(href, start + len(read), stop, found.size if found else size)
            if found and (found.size, found.identity) != (part.size, part.identity):
                raise RequestError(f"{redacted(href)} changed while it was read; run the request again")
            found = replace(part, content=read + part.content) if read else part
            if start + len(found.content) >= min(stop, found.size):
                return found
        raise RequestError(f"{redacted(href)} is sent in too many pieces; its server must return the requested ranges")

    def _partial(self, href: str, start: int, stop: int, size: int | None) -> Part:
        """The beginning of a range: one response of the server."""
        response = self._get(href, {"Range": f"bytes={start}-{stop - 1}"})
        content, headers = response.content, response.headers
        first, last, whole = _place(response) or (-1, -1, -1)
        if first != start or last >= stop or len(content) != last + 1 - first or (whole is not None and last >= whole):
            raise RequestError(
                f"{redacted(href)} is sent with another range than requested; its server must support byte ranges"
            )
        if whole is None:
            whole = self._size(href, last + 1) if size is None else size
        etag = _WEAK.sub("", headers.get("ETag", "").strip())
        return Part(content, whole, etag or f"{whole}:{headers.get('Last-Modified', '')}")

    def _size(self, href: str, least: int) -> int:
        """The size of a file, at least `least`, if responses with ranges lack it: by its last byte, or by HEAD.

        Raises:
            RequestError: the server does not state it.
        """
        with suppress(RequestError):
            place = _place(self._get(href, {"Range": "bytes=-1"}))
            if place is not None and place[1] + 1 >= least:
                return place[1] + 1
        with suppress(RequestError):
            stated = self._get(href, {}, "HEAD").headers.get("Content-Length", "")
            if _DIGITS.fullmatch(stated) and int(stated) >= least:
                return int(stated)
        raise RequestError(f"the server does not state the size of {redacted(href)}; use one that does")

    def _get(self, href: str, headers: dict[str, str], method: str = "GET") -> "requests.Response":
        if is_object(href):
            return self._buckets.ask(method, href, headers)
        response = self.session.request(method, self.signer.sign(href), headers=headers)
        if response.status_code in UNSIGNED and self.signer.renew(href):
            response = self.session.request(method, self.signer.sign(href), headers=headers)
        if response.ok:
            return response
        if response.status_code == NOT_THERE and "Range" in headers:
            raise RequestError(
                f"{redacted(href)} is empty, or ends before the requested range (the server answered 416)"
            )
        kind = PassingError if response.status_code in RETRYABLE else RequestError
        raise kind(f"the server answered {response.status_code} for {redacted(href)}")


def _place(response: "requests.Response") -> tuple[int, int, int | None] | None:
    """The first and last byte of a response, and the size of the file, if known; None if the response lacks them."""
    if response.status_code != PARTIAL:
        size = len(response.content)
        return 0, size - 1, size
    found = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", "").strip())
    return (int(found[1]), int(found[2]), None if found[3] == "*" else int(found[3])) if found else None
