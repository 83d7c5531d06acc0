"""Stores of plans, parts and results: one interface for all kinds."""

import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from mosaic_crds.errors import RequestError

from mosaic_worker.store.address import SCHEMES
from mosaic_worker.store.directory import DirectoryStore
from mosaic_worker.store.stored import Stored


class Store(Protocol):
    """Named objects that are created whole, once, and never changed.

    Keys are paths with `/` between their parts. Every method raises PassingError, with a sentence, when the store
    itself fails: it is full, refuses the credentials, or does not answer.
    """

    def create(self, key: str, content: Iterable[bytes], *, durable: bool = True) -> bool:
        """Write an object whole or not at all; False, and nothing is changed, when there is one already.

        What is not durable may be lost or cut short when the machine fails, which whoever reads it must notice; what
        is, is on the disk when this returns.
        """
        ...

    def read(self, key: str, start: int = 0, stop: int | None = None) -> bytes | None:
        """The content from one byte to before another, the whole if they are not given; None without such an object."""
        ...

    def list(self, prefix: str) -> Iterator[Stored]:
        """The objects below a prefix that ends with `/`, in no order."""
        ...

    def delete(self, key: str) -> None:
        """Delete an object; one that is not there is deleted already."""
        ...

    def location(self, key: str) -> str:
        """The URI by which people and Items name the object."""
        ...

    def open(self, key: str) -> io.BufferedReader:
        """The object as a seekable file for reading, of which only what is read is fetched.

        GDAL reads it with `rasterio.open(key, opener=lambda path, mode: store.open(path))`, and needs no credentials of
        its own for that. FileNotFoundError without such an object.
        """
        ...


def open_store(uri: str) -> Store:
    """The store that a URI or a plain path names.

    Raises:
        RequestError: its kind is not known, or its URI is malformed.
        PassingError: it cannot be used.
    """
    parts = urlsplit(uri)
    if parts.scheme == "" or (parts.scheme == "file" and parts.netloc in {"", "localhost"}):
        return DirectoryStore(Path(unquote(parts.path) if parts.scheme else uri).expanduser())
    if parts.scheme in SCHEMES and uri.startswith(f"{parts.scheme}://"):
        from mosaic_worker.store.remote import open_remote

        return open_remote(uri)
    known = ", ".join(["a path", "file:///path", *(f"{scheme}://" for scheme in sorted(SCHEMES))])
    raise RequestError(f"the store {parts.scheme}:… is of no known kind; use one of {known}")
