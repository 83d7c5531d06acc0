"""What a backend must offer. The commands use all backends in the same way."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

from mosaic_crds.errors import PassingError, RequestError
from mosaic_crds.lifecycle import TERMINAL, Phase

MAX_FAILURES = 10
PAUSE_SECONDS = 2.0


@dataclass(frozen=True)
class RequestInfo:
    """A request as a backend returned it, with its id there, and its creation in ISO 8601."""

    id: str
    name: str
    created: str
    status: dict[str, Any] = field(repr=False)

    @property
    def phase(self) -> str:
        """The phase; Pending if it has none yet."""
        return str(self.status.get("phase") or Phase.PENDING)

    @property
    def terminal(self) -> bool:
        """Whether no other phase follows."""
        return self.phase in TERMINAL

    @property
    def message(self) -> str:
        """The message of the status."""
        return str(self.status.get("message") or "")


class Backend(Protocol):
    """Each method raises RequestError if the call is refused, and PassingError if the backend does not respond."""

    def submit(self, name: str, spec: dict[str, Any]) -> RequestInfo:
        """Create a request."""
        ...

    def find(self, name: str) -> RequestInfo:
        """Return the request with a name or an id."""
        ...

    def list_requests(self) -> list[RequestInfo]:
        """Return requests, newest first: all of a namespace, or the last ones of a server."""
        ...

    def watch(self, request: RequestInfo) -> Iterator[RequestInfo]:
        """Return a request each time it changes; RequestError if it is deleted."""
        ...

    def cancel(self, request: RequestInfo) -> None:
        """Cancel a request."""
        ...

    def read_file(self, request: RequestInfo, file: str, start: int) -> AbstractContextManager[Iterator[bytes]]:
        """Return a file of the mosaic in pieces, from a byte on."""
        ...


def unknown(name: str) -> RequestError:
    """The error for a request that does not exist."""
    return RequestError(f"request {name} not found; `mosaic get` lists all")


def retried(watch: Callable[[], Iterator[RequestInfo]]) -> Iterator[RequestInfo]:
    """Watch again whenever a watch ends or fails, until too many in a row fail.

    Raises:
        PassingError: the backend does not respond.
    """
    failures = 0
    while True:
        try:
            for request in watch():
                failures = 0
                yield request
        except PassingError:
            failures += 1
            if failures == MAX_FAILURES:
                raise
        time.sleep(PAUSE_SECONDS)
