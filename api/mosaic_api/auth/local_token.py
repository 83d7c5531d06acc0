"""The token of the one user of a program on this machine, where it is kept, and how commands find it.

Everybody who works on a machine reaches its loopback addresses, so that listening there keeps nobody out.
"""

import fcntl
import logging
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO
from urllib.parse import urlencode, urlsplit

from mosaic_crds.errors import RequestError

PARAMETER = "token"
"""Of the link."""
FILE = "token"
"""In the folder of an installation."""
ANNOUNCED = Path("~/.config/mosaic/local")
"""Where the programs that run write down their tokens, by port, for the commands of the same user."""
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_log = logging.getLogger(__name__)


def token_of(data: Path) -> str:
    """The token of the installation in a folder, which is made at the first start.

    Raises:
        RequestError: it cannot be read or written.
    """
    path = data / FILE
    try:
        if path.is_file() and not path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            kept = path.read_text(encoding="utf-8").strip()
            if kept:
                return kept
        path.unlink(missing_ok=True)  # others could read it, or it was cut short
        token = secrets.token_urlsafe(32)
        with _new(path) as file:
            file.write(f"{token}\n")
    except OSError as error:
        raise RequestError(f"the token in {path} cannot be kept: {error.strerror}") from None
    return token


def link(url: str, token: str) -> str:
    """The link that lets a browser in."""
    return f"{url}/?{urlencode({PARAMETER: token})}"


@contextmanager
def announced(port: int, token: str) -> Iterator[None]:
    """Write the token down for this user's commands as long as this process listens at a port.

    A lock on the file says that it does: what a killed process left behind is not believed.
    """
    folder = ANNOUNCED.expanduser()
    path = folder / str(port)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        file = _new(path)
    except OSError as error:
        _log.warning("commands must be given MOSAIC_TOKEN, for %s cannot be written: %s", path, error.strerror)
        yield
        return
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(token)
        file.flush()
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def found_token(server: str) -> str | None:
    """The token of the program of this user that listens at a URL of this machine; None if there is none."""
    parts = urlsplit(server)
    if parts.scheme != "http" or parts.hostname not in LOOPBACK:
        return None
    try:
        with (ANNOUNCED.expanduser() / str(parts.port or 80)).open(encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return file.read() or None
    except OSError:
        pass
    return None


def _new(path: Path) -> TextIO:
    """A new file that only this user reads."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8")
