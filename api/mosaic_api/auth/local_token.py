"""The token of a single-user installation: its file, and how commands find it.

All users of a machine reach its loopback addresses, so listening there is no protection.
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
"""In the data folder."""
ANNOUNCED = Path("~/.config/mosaic/local")
"""Folder in which running programs store their tokens by port, for commands of the same user."""
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_log = logging.getLogger(__name__)


def token_of(data: Path) -> str:
    """The token of the installation in a data folder; the first start creates it.

    Raises:
        RequestError: it cannot be read or written.
    """
    path = data / FILE
    try:
        if path.is_file() and not path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            kept = path.read_text(encoding="utf-8").strip()
            if kept:
                return kept
        path.unlink(missing_ok=True)  # others could read it, or it is incomplete
        token = secrets.token_urlsafe(32)
        with _new(path) as file:
            file.write(f"{token}\n")
    except OSError as error:
        raise RequestError(f"the token in {path} cannot be stored: {error.strerror}") from None
    return token


def link(url: str, token: str) -> str:
    """The link that logs a browser in."""
    return f"{url}/?{urlencode({PARAMETER: token})}"


@contextmanager
def announced(port: int, token: str) -> Iterator[None]:
    """Store the token for this user's commands while this process listens at a port.

    The process locks the file, so that one left by a killed process is ignored.
    """
    folder = ANNOUNCED.expanduser()
    path = folder / str(port)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        file = _new(path)
    except OSError as error:
        _log.warning("%s cannot be written (%s); commands need MOSAIC_TOKEN", path, error.strerror)
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
    """The token of this user's program that listens at a local URL; None if there is none."""
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
    """Create a file that only this user can read."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8")
