"""Stores of plans, parts and results: one interface for all kinds."""

import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from mosaic_crds.errors import RequestError

from mosaic_worker.store.address import SCHEMES
from mosaic_worker.store.directory import DirectoryStore
from mosaic_worker.store.stored import Chunk, Stored


class Store(Protocol):
    """Named objects that are created completely, once, and never changed.

    Keys are paths with `/`. Every method raises PassingError if the store fails: it is full, refuses the credentials,
    or does not respond.
    """

    def create(self, key: str, content: Iterable[Chunk], *, durable: bool = True) -> bool:
        """Write an object completely or not at all. Return False, without a change, if it exists already.

        A durable object is on the disk on return, also one that existed. Others can be lost or truncated if the machine
        fails, so their readers must check them.
        """
        ...

    def read(self, key: str, start: int = 0, stop: int | None = None) -> bytes | None:
        """The bytes [start, stop) of an object, by default all; None if it does not exist."""
        ...

    def list(self, prefix: str) -> Iterator[Stored]:
        """The objects below a prefix that ends with `/`, in any order."""
        ...

    def delete(self, key: str) -> None:
        """Delete an object, if it exists."""
        ...

    def location(self, key: str) -> str:
        """The URI of an object, for users and Items."""
        ...

    def open(self, key: str) -> io.BufferedReader:
        """Open an object as a seekable file; only the parts that are read are fetched.

        GDAL reads it with `rasterio.open(key, opener=lambda path, mode: store.open(path))`, without credentials.

        Raises:
            FileNotFoundError: the object does not exist.
        """
        ...


def open_store(uri: str) -> Store:
    """The store of a URI or a plain path.

    Raises:
        RequestError: its scheme is unknown, or its URI is malformed.
        PassingError: it cannot be used.
    """
    parts = urlsplit(uri)
    if parts.scheme == "" or (parts.scheme == "file" and parts.netloc in {"", "localhost"}):
        return DirectoryStore(Path(unquote(parts.path) if parts.scheme else uri).expanduser())
    if parts.scheme in SCHEMES and uri.startswith(f"{parts.scheme}://"):
        from mosaic_worker.store.remote import open_remote

        return open_remote(uri)
    known = ", ".join(f"{scheme}://" for scheme in sorted(SCHEMES))
    raise RequestError(f"unknown store {parts.scheme}:…; use a path, file:///path, {known}")
