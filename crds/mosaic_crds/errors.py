"""The one error tree, and the exit codes by which a pod tells the operator whose fault it was."""

from typing import ClassVar


class MosaicError(Exception):
    """An error with a message for the person who asked: what was wrong, where, and what to do, in one sentence."""

    exit_code: ClassVar[int] = 1


class RequestError(MosaicError):
    """The request, or what it points to, cannot work; the same request will fail again, so nobody retries it.

    Attributes:
        field: of the request, that is to blame, such as spec.source.files.scenes[0].item; None where it is not known.
    """

    exit_code = 42

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class PassingError(MosaicError):
    """A source or store did not answer as it should; the same request may succeed later."""

    exit_code = 43
