"""Limits of time and bytes for a look-up that a user waits for."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from mosaic_crds.errors import PassingError, RequestError

MOST_GUARDED = 128
"""Connections that are tracked: more than the threads of a look-up use at the same time."""


class BudgetError(RequestError):
    """A look-up reads too many bytes; another file does not help."""


class Budget:
    """The time and bytes of a look-up, in all of its threads; `end` stops it early.

    A socket timeout restarts with each byte, so a server that sends one byte per second never times out. Therefore all
    connections are shut down at the end, which wakes the threads that read from them.
    """

    def __init__(self, seconds: float, most_bytes: int) -> None:
        """Start the clock; `most_bytes` limits all responses together."""
        self.seconds, self.most_bytes = seconds, most_bytes
        self._deadline = time.monotonic() + seconds
        self._bytes = 0
        self._over = threading.Event()
        self._changing = threading.Lock()
        self._guarded: list[socket.socket] = []
        self._endings: list[Callable[[], None]] = []

    @property
    def left(self) -> float:
        """Seconds until the end; 0 after it."""
        return 0.0 if self._over.is_set() else max(0.0, self._deadline - time.monotonic())

    def remaining(self) -> float:
        """Seconds until the end.

        Raises:
            PassingError: the time is over.
        """
        if left := self.left:
            return left
        raise PassingError(f"no answer within {self.seconds:g} seconds")

    def wait(self, seconds: float) -> None:
        """Wait.

        Raises:
            PassingError: the time ends first.
        """
        if seconds > self.remaining() or self._over.wait(seconds):
            raise PassingError(f"no answer within {self.seconds:g} seconds")

    def take(self, count: int) -> None:
        """Count bytes of a response.

        Raises:
            BudgetError: there are too many.
            PassingError: the time is over.
        """
        self.remaining()
        with self._changing:
            self._bytes += count
            if self._bytes > self.most_bytes:
                raise BudgetError(f"more than {self.most_bytes // 2**20} MiB must be read; request a smaller area")

    def guard(self, connection: socket.socket) -> None:
        """Shut a connection down at the end.

        Raises:
            PassingError: the time is over.
        """
        copy = connection.dup()  # TLS detaches the descriptor of the socket itself
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
        """Call `do` if the end comes first."""
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
        """Stop the look-up. It may be called more than once."""
        self._over.set()
        with self._changing:
            guarded, self._guarded = self._guarded, []
            for do in self._endings:
                do()
        for connection in guarded:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
