"""Where requests are: a server with the REST API, or a Kubernetes. The commands do with either the same."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

from mosaic_crds.errors import PassingError

DEFAULT_SERVER = "http://127.0.0.1:8080"
LOOKS = 10
PAUSE_SECONDS = 2.0


@dataclass(frozen=True)
class Seen:
    """A request as it was seen.

    Attributes:
        id: by which the place knows it.
        name: by which people do.
        created: when it was asked for, as ISO 8601.
        status: of the MosaicRequest.
    """

    id: str
    name: str
    created: str
    status: dict[str, Any] = field(repr=False)

    @property
    def phase(self) -> str:
        """Where it stands."""
        return str(self.status.get("phase") or "Pending")

    @property
    def message(self) -> str:
        """What is told of it."""
        return str(self.status.get("message") or "")


class Place(Protocol):
    """Each method raises RequestError for what cannot be, and PassingError when the place does not answer."""

    def submit(self, name: str, spec: dict[str, Any]) -> Seen:
        """Ask for a mosaic."""
        ...

    def find(self, name: str) -> Seen:
        """The request of a name or an id."""
        ...

    def listed(self) -> list[Seen]:
        """Requests, newest first: all of a namespace, or the last of a server."""
        ...

    def follow(self, seen: Seen) -> Iterator[Seen]:
        """A request whenever it has changed; RequestError when it is removed."""
        ...

    def cancel(self, seen: Seen) -> None:
        """Wish that it stops."""
        ...

    def pieces(self, seen: Seen, file: str, start: int) -> AbstractContextManager[Iterator[bytes]]:
        """A file of the published mosaic, from a byte on."""
        ...


def persistently(look: Callable[[], Iterator[Seen]]) -> Iterator[Seen]:
    """What a look gives, and another one when it has ended or was cut off; only so many in a row may give nothing.

    Raises:
        PassingError: they gave nothing.
    """
    failures = 0
    while True:
        try:
            for seen in look():
                failures = 0
                yield seen
        except PassingError:
            failures += 1
            if failures == LOOKS:
                raise
        time.sleep(PAUSE_SECONDS)
