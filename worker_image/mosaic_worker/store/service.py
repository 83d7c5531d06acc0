"""The interface of services on a network, and their faults."""

from collections.abc import Sequence
from enum import Enum, auto
from typing import NamedTuple, Protocol

from mosaic_worker.store.stored import Stored

CONNECTIONS = 32
"""Connections that are kept open: for reads, and for parts of two uploads."""


class Fault(Enum):
    """Why a call failed."""

    EXISTS = auto()
    """The object exists already."""
    LOST = auto()
    """The upload is unknown: it is finished, aborted or deleted."""
    PASSING = auto()
    """The service does not respond, is too busy or failed; a retry may succeed."""
    DENIED = auto()
    """The credentials are refused, or lack a permission."""
    NO_CREDENTIALS = auto()
    """There are no credentials."""
    NO_CONTAINER = auto()
    """The container, bucket or file system does not exist."""
    OTHER = auto()
    """Any other fault."""


class ServiceError(Exception):
    """A call failed.

    Attributes:
        fault: why.
        code: the error code of the service. The text is not kept, because it may contain a URL with a signature.
    """

    def __init__(self, fault: Fault, code: str) -> None:
        super().__init__(f"{fault.name}: {code}")
        self.fault = fault
        self.code = code


class Head(NamedTuple):
    """The size of an object in bytes, and the upload that created it (see `Service`)."""

    size: int
    upload: str


class Page(NamedTuple):
    """A page of a list of objects, and the token of the next page; None after the last."""

    found: Sequence[Stored]
    following: str | None


class Service(Protocol):
    """The calls for a store; each raises ServiceError.

    Paths are full names in the container. `upload` is a unique name that is stored with the object, so that a writer
    that lost the response recognises its object.
    """

    credentials: str
    """The environment variables of the credentials, for messages."""
    container: str
    """The container in the terms of the service: `bucket 'mosaics'`."""
    host: str
    """The host of the service, with its port, if any."""

    def put(self, path: str, content: bytes, upload: str) -> None:
        """Create a small object; Fault.EXISTS if it exists."""
        ...

    def begin(self, path: str, upload: str) -> str:
        """Start the upload of a large object; return its id for the next calls."""
        ...

    def put_part(self, path: str, begun: str, number: int, content: bytes) -> str:
        """Upload a part, numbered from 0; return its name."""
        ...

    def commit(self, path: str, begun: str, parts: Sequence[str], upload: str) -> None:
        """Create the object from its parts; Fault.EXISTS if it exists."""
        ...

    def abort(self, path: str, begun: str) -> None:
        """Delete the parts."""
        ...

    def forget_abandoned(self, prefix: str, seconds: float) -> None:
        """Delete the parts of unfinished uploads below a prefix that are older than `seconds`."""
        ...

    def head(self, path: str) -> Head | None:
        """The metadata of an object; None if it does not exist."""
        ...

    def get(self, path: str, start: int, stop: int | None) -> bytes | None:
        """Bytes of an object, as in `Store.read`."""
        ...

    def page(self, prefix: str, token: str | None) -> Page:
        """A page of the objects below a prefix: the first, or that of a token."""
        ...

    def delete(self, path: str) -> None:
        """Delete an object, if it exists."""
        ...
