"""Where requests are: a server with the REST API, or a Kubernetes. The commands do with either the same."""

import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import click
from mosaic_crds.errors import PassingError, RequestError

DEFAULT_SERVER = "http://127.0.0.1:8080"
LOOKS = 10
PAUSE_SECONDS = 2.0
TOKEN_FILE = Path("~/.config/mosaic/token")


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


def with_place(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command options that say where requests are; it takes `server`, `context` and `namespace`."""
    options = [
        click.option(
            "--server",
            metavar="URL",
            envvar="MOSAIC_SERVER",
            help=f"Of the REST API; its token is in MOSAIC_TOKEN or {TOKEN_FILE}.  [default: {DEFAULT_SERVER}]",
        ),
        click.option("--context", metavar="NAME", help="In place of a server: a context of your kubeconfig."),
        click.option("--namespace", "-n", metavar="NAME", help="Of the requests there.  [default: the context's]"),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def place_of(server: str | None, context: str | None, namespace: str | None) -> Place:
    """The place that the options name.

    Raises:
        RequestError: they name none.
    """
    if context is not None:
        from mosaic_api.commands.cluster import Cluster

        return Cluster(context, namespace)
    if namespace is not None:
        raise RequestError("--namespace goes with --context: a server has one namespace of its own")
    from mosaic_api.commands.server import Server

    return Server(server or DEFAULT_SERVER, _token(named=server is not None))


def _token(*, named: bool) -> str | None:
    """The token for a server; one in a file is for those that are named, for one's own machine needs none.

    Raises:
        RequestError: others can read the file.
    """
    token = os.environ.get("MOSAIC_TOKEN")
    path = TOKEN_FILE.expanduser()
    if token or not named or not path.is_file():
        return token or None
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise RequestError(f"others can read the token in {path}: chmod 600 {path}")
    return path.read_text(encoding="utf-8").strip() or None
