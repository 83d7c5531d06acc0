"""What a process asks of servers: small documents, and ranges of files. One client for a request, from any thread."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from mosaic_crds.errors import MosaicError, PassingError, RequestError

from mosaic_worker.sources.gate import Gate, shown
from mosaic_worker.sources.patience import CONNECTIONS, PASSING
from mosaic_worker.sources.signing import Signer

if TYPE_CHECKING:
    import requests

UNSIGNED = {400, 401, 403, 404, 409}
"""What servers answer where a signature is missing or has ended; some do not own to having the file."""


_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")


@contextmanager
def saying(where: str) -> Iterator[None]:
    """Let an error say which field of the request, or which band of a scene, it was met at."""
    try:
        yield
    except MosaicError as error:
        raise type(error)(f"{where}: {error}") from None


@dataclass(frozen=True)
class Part:
    """A range of a file, and what its server says of the whole.

    Attributes:
        content: the bytes; fewer than were asked for at the end of the file.
        size: of the file.
        identity: what changes when the file's content does: its ETag, or size and time.
    """

    content: bytes
    size: int
    identity: str


class Client:
    """Asks servers, within what a gate admits, with the signatures that a signer has.

    Its errors are sentences that do not say which field of the request is at fault; whoever knows it says so.
    """

    def __init__(self, gate: Gate, signer: Signer | None = None, connections: int | None = None) -> None:
        self.gate = gate
        self.signer = signer or Signer()
        self._connections = connections or self.signer.connections or CONNECTIONS

    @cached_property
    def session(self) -> "requests.Session":
        """What libraries are given that ask by themselves."""
        from mosaic_worker.sources.connections import new_session  # noqa: PLC0415 (0.1 s that local files do not need)

        return new_session(self.gate, connections=self._connections)

    def document(self, href: str) -> bytes:
        """A small file.

        Raises:
            RequestError: it is not there, may not be read, or is no small file.
            PassingError: the server did not give it.
        """
        response = self._get(href, {})
        return response.content

    def part(self, href: str, start: int, stop: int) -> Part:
        """Bytes [start, stop) of a file.

        Raises:
            RequestError: as of a document, or the server gives no ranges.
            PassingError: the server did not give it.
        """
        response = self._get(href, {"Range": f"bytes={start}-{stop - 1}"})
        content, headers = response.content, response.headers
        if response.status_code == 206:
            said = _CONTENT_RANGE.fullmatch(headers.get("Content-Range", ""))
            first, last, size = (int(number) for number in said.groups()) if said else (-1, -1, -1)
        else:
            first, last, size = 0, len(content) - 1, len(content)
        if first != start or last + 1 != min(stop, size) or len(content) != last + 1 - first:
            raise RequestError(
                f"{shown(href)} is sent in another part than was asked for; its server must give byte ranges"
            )
        etag = headers.get("ETag")
        return Part(content, size, etag or f"{size}:{headers.get('Last-Modified', '')}")

    def _get(self, href: str, headers: dict[str, str]) -> "requests.Response":
        response = self.session.get(self.signer.sign(href), headers=headers)
        if response.status_code in UNSIGNED and self.signer.renew(href):
            response = self.session.get(self.signer.sign(href), headers=headers)
        if response.ok:
            return response
        kind = PassingError if response.status_code in PASSING else RequestError
        raise kind(f"the server answered {response.status_code} for {shown(href)}")
