"""Where plans, parts and results live: one interface for every kind of store."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from mosaic_crds.errors import RequestError

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


def open_store(uri: str) -> Store:
    """The store that a URI or a plain path names.

    Raises:
        RequestError: its kind is not known.
        PassingError: it cannot be used.
    """
    parts = urlsplit(uri)
    if parts.scheme == "" or (parts.scheme == "file" and parts.netloc in {"", "localhost"}):
        return DirectoryStore(Path(unquote(parts.path) if parts.scheme else uri).expanduser())
    raise RequestError(f"the store {uri!r} is of no known kind; use a path or file:///path")
