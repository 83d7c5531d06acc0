"""Which place a command works at, by its options, and the token for it."""

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click
from mosaic_crds.errors import RequestError

from mosaic_api.commands.place import DEFAULT_SERVER

if TYPE_CHECKING:
    from mosaic_api.commands.place import Place

TOKEN_FILE = Path("~/.config/mosaic/token")


def with_place(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command options that say where requests are; it takes `server`, `context` and `namespace`."""
    options = [
        click.option(
            "--server",
            metavar="URL",
            envvar="MOSAIC_SERVER",
            help=f"Of the REST API; its token is in MOSAIC_TOKEN or {TOKEN_FILE}; your own `mosaic serve` needs none."
            f"  [default: {DEFAULT_SERVER}]",
        ),
        click.option("--context", metavar="NAME", help="In place of a server: a context of your kubeconfig."),
        click.option("--namespace", "-n", metavar="NAME", help="Of the requests there.  [default: the context's]"),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def place_of(server: str | None, context: str | None, namespace: str | None) -> "Place":
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

    return Server(server or DEFAULT_SERVER, _token(server))


def _token(server: str | None) -> str | None:
    """The token for a server: a program of the same user on this machine has written its own down.

    Raises:
        RequestError: others can read the file.
    """
    from mosaic_api.auth.local_token import found_token

    token = os.environ.get("MOSAIC_TOKEN") or found_token(server or DEFAULT_SERVER)
    path = TOKEN_FILE.expanduser()
    if token or server is None or not path.is_file():
        return token or None
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise RequestError(f"others can read the token in {path}: chmod 600 {path}")
    return path.read_text(encoding="utf-8").strip() or None
