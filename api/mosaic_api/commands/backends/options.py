"""The options that select a backend, and the token for it."""

import os
import stat
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from mosaic_crds.errors import RequestError

if TYPE_CHECKING:
    from mosaic_api.commands.backends.base import Backend

DEFAULT_SERVER = "http://127.0.0.1:8080"
TOKEN_FILE = Path("~/.config/mosaic/token")


def with_backend(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of a backend to a command, which gets the `backend` that they select."""
    options = [
        click.option(
            "--server",
            metavar="URL",
            envvar="MOSAIC_SERVER",
            help=f"Server URL (token: MOSAIC_TOKEN or {TOKEN_FILE}; none for your own `mosaic serve`)."
            f"  [default: {DEFAULT_SERVER}]",
        ),
        click.option("--context", metavar="NAME", help="Use Kubernetes through this context of your kubeconfig."),
        click.option(
            "--namespace", "-n", metavar="NAME", help="Kubernetes namespace.  [default: the one of the context]"
        ),
    ]

    @wraps(command)
    def called(server: str | None, context: str | None, namespace: str | None, **others: Any) -> None:
        command(backend=_backend_of(server, context, namespace), **others)

    for option in reversed(options):
        called = option(called)
    return called


def _backend_of(server: str | None, context: str | None, namespace: str | None) -> "Backend":
    """The backend that the options select.

    Raises:
        RequestError: the options contradict each other or are not valid.
    """
    if context is not None:
        from mosaic_api.commands.backends.cluster import ClusterBackend

        return ClusterBackend(context, namespace)
    if namespace is not None:
        raise RequestError("--namespace needs --context: a server has a single namespace")
    from mosaic_api.commands.backends.rest import RestBackend

    advice = "check its address" if server else "is `mosaic serve` running?"
    return RestBackend(server or DEFAULT_SERVER, _token(server), advice)


def _token(server: str | None) -> str | None:
    """The token for a server: from the environment, from the folder of a server on this machine, or from the file.

    Raises:
        RequestError: other users can read the file.
    """
    from mosaic_api.auth.local_token import found_token

    token = os.environ.get("MOSAIC_TOKEN") or found_token(server or DEFAULT_SERVER)
    path = TOKEN_FILE.expanduser()
    if token or server is None or not path.is_file():
        return token or None
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise RequestError(f"other users can read the token in {path}: run `chmod 600 {path}`")
    return path.read_text(encoding="utf-8").strip() or None
