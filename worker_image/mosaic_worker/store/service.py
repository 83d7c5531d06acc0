"""The calls that a store needs of a service on the network, and the faults that a service reports."""

from collections.abc import Sequence
from enum import Enum, auto
from typing import NamedTuple, Protocol

from mosaic_worker.store.stored import Stored


class Fault(Enum):
    """Why a service did not do what it was asked."""

    EXISTS = auto()
    """There is an object of that name already."""
    LOST = auto()
    """It does not know the upload: it is finished or aborted already, or its parts were dropped."""
    PASSING = auto()
    """It does not answer, is too busy or broke: the same may succeed in a moment."""
    DENIED = auto()
    """It refuses the credentials, or what they may do."""
    NO_CREDENTIALS = auto()
    """None are there to be sent."""
    NO_CONTAINER = auto()
    """There is no container, bucket or file system of that name."""
    OTHER = auto()
    """It says something else."""


class ServiceError(Exception):
    """A service did not do what it was asked.

    Attributes:
        fault: why.
        code: the same in the service's own word. Nothing else of an error is kept: texts of errors hold URLs, and these
            may hold a signature.
    """

    def __init__(self, fault: Fault, code: str) -> None:
        super().__init__(f"{fault.name}: {code}")
        self.fault = fault
        self.code = code


class Head(NamedTuple):
    """What a service says of one object: its size in bytes, and the upload that made it (see `Service.put`)."""

    size: int
    upload: str


class Page(NamedTuple):
    """Some of the objects of a listing, by their paths, and the token that gives the next page; None after the last."""

    found: Sequence[Stored]
    following: str | None


class Service(Protocol):
    """The calls that a store is made of, each one request or a few; every one raises ServiceError.

    Paths are the objects' full names in the container. `upload` is a name that nobody else has; it is kept with the
    object, so that a writer who never heard an answer recognises the object as its own.
    """

    credentials: str
    """Where they are taken from, for people: names of environment variables."""
    container: str
    """The container in the service's own words: `bucket 'mosaics'`."""
    host: str
    """Which it asks, with the port where it has one."""

    def put(self, path: str, content: bytes, upload: str) -> None:
        """Create a small object; Fault.EXISTS when there is one."""
        ...

    def begin(self, path: str, upload: str) -> str:
        """Begin to upload a large object; gives what names it in the next three calls."""
        ...

    def put_part(self, path: str, begun: str, number: int, content: bytes) -> str:
        """Upload a part, counted from 0; gives what names it."""
        ...

    def commit(self, path: str, begun: str, parts: Sequence[str], upload: str) -> None:
        """Let the object of these parts appear; Fault.EXISTS when there is one."""
        ...

    def abort(self, path: str, begun: str) -> None:
        """Drop the parts."""
        ...

    def forget_abandoned(self, prefix: str, seconds: float) -> None:
        """Drop the parts of uploads below a prefix that began so long ago and were never finished."""
        ...

    def head(self, path: str) -> Head | None:
        """What it says of an object; None without one."""
        ...

    def get(self, path: str, start: int, stop: int | None) -> bytes | None:
        """Bytes of an object, as `Store.read` gives them."""
        ...

    def page(self, prefix: str, token: str | None) -> Page:
        """Objects below a prefix, from its beginning or where a token says."""
        ...

    def delete(self, path: str) -> None:
        """Delete an object; one that is not there is deleted already."""
        ...
