"""The one error tree, and the exit codes by which a pod tells the operator whose fault it was."""

from typing import ClassVar


class MosaicError(Exception):
    """An error with a message for the person who asked: what was wrong, where, and what to do, in one sentence."""

    exit_code: ClassVar[int] = 1


class RequestError(MosaicError):
    """The request, or what it points to, cannot work; the same request will fail again, so nobody retries it."""

    exit_code = 42


class PassingError(MosaicError):
    """A source or store did not answer as it should; the same request may succeed later."""

    exit_code = 43
