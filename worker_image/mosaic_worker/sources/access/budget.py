"""Limits of one look-up: time and bytes. It stops there, because a user waits for the result."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from mosaic_crds.errors import PassingError, RequestError

MOST_GUARDED = 128
"""Connections that are remembered; more than the threads of a look-up use at once."""


class BudgetError(RequestError):
    """A look-up would take more bytes than it may, whichever file it reads next."""


class Budget:
    """The time and the bytes of one look-up, whatever threads it uses; `end` stops it before its time.

    A timeout of a socket begins again with each byte, so that a server which sends one byte a second is never late.
    At the end every connection is shut down, which wakes the thread that reads from it.
    """

    def __init__(self, seconds: float, most_bytes: int) -> None:
        """It begins now.

        Args:
            seconds: that it may last.
            most_bytes: of all answers together.
        """
        self.seconds, self.most_bytes = seconds, most_bytes
        self._deadline = time.monotonic() + seconds
        self._bytes = 0
        self._over = threading.Event()
        self._changing = threading.Lock()
        self._guarded: list[socket.socket] = []
        self._endings: list[Callable[[], None]] = []

    @property
    def left(self) -> float:
        """Seconds until its end; 0 after it."""
        return 0.0 if self._over.is_set() else max(0.0, self._deadline - time.monotonic())

    def remaining(self) -> float:
        """Seconds until its end.

        Raises:
            PassingError: it has ended.
        """
        if left := self.left:
            return left
        raise PassingError(f"no answer within {self.seconds:g} seconds")

    def wait(self, seconds: float) -> None:
        """Wait, but not beyond its end.

        Raises:
            PassingError: it ends before.
        """
        if seconds > self.remaining() or self._over.wait(seconds):
            raise PassingError(f"no answer within {self.seconds:g} seconds")

    def take(self, count: int) -> None:
        """Count bytes of an answer.

        Raises:
            BudgetError: there are too many.
            PassingError: it has ended.
        """
        self.remaining()
        with self._changing:
            self._bytes += count
            if self._bytes > self.most_bytes:
                raise BudgetError(f"more than {self.most_bytes // 2**20} MiB would have to be read; ask for less")

    def guard(self, connection: socket.socket) -> None:
        """Shut a connection down at the end, whoever wraps it until then.

        Raises:
            PassingError: it has ended.
        """
        copy = connection.dup()  # of the descriptor: TLS takes the socket itself away
        with self._changing:
            self._guarded.append(copy)
            oldest = self._guarded.pop(0) if len(self._guarded) > MOST_GUARDED else None
        if oldest is not None:
            oldest.close()
        if self._over.is_set():
            self.end()
        self.remaining()

    @contextmanager
    def ending(self, do: Callable[[], None]) -> Iterator[None]:
        """Do something at the end, if that comes first."""
        with self._changing:
            self._endings.append(do)
        try:
            if self._over.is_set():
                do()
            yield
        finally:
            with self._changing:
                self._endings.remove(do)

    def end(self) -> None:
        """Stop what is under way; it may be called more than once."""
        self._over.set()
        with self._changing:
            guarded, self._guarded = self._guarded, []
            for do in self._endings:
                do()
        for connection in guarded:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
