"""The error tree, and the exit codes that tell the operator the kind of a failure."""

from typing import ClassVar


class MosaicError(Exception):
    """An error with a message for the user: what is wrong, where, and what to do, in one sentence."""

    exit_code: ClassVar[int] = 1


class RequestError(MosaicError):
    """The request, or what it refers to, is invalid. The same request would fail again, so it is not retried.

    Attributes:
        field: the field of the request that causes it, such as spec.source.files.scenes[0].item; None if unknown.
    """

    exit_code = 42

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class PassingError(MosaicError):
    """A source or the store failed. The same request can succeed later."""

    exit_code = 43
