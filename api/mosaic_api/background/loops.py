"""Background loops. They log an error, wait and continue. Readiness and a metric report a loop that hangs or died.

All long-lived background threads run here.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from mosaic_crds.errors import MosaicError

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 15.0
"""Seconds to wait after an error; doubled after each further one."""
SILENCE = 180.0
"""Default seconds without a beat after which a loop counts as stuck."""
_log = logging.getLogger(__name__)

Beat = Callable[[], None]
Work = Callable[[Beat], None]
"""Waits for its next round itself, calls `beat` in each round, and is called again when it returns or raises."""


@dataclass
class Loop:
    """The state of a background loop.

    Attributes:
        name: in the log and in metrics.
        silence: seconds without a beat after which it counts as stuck.
        failures: number of errors.
        beaten: time of the last beat, on the monotonic clock.
        thread: in which it runs.
    """

    name: str
    silence: float = SILENCE
    failures: int = 0
    beaten: float = field(default_factory=time.monotonic)
    thread: threading.Thread | None = None

    def beat(self) -> None:
        """Report that it is alive."""
        self.beaten = time.monotonic()

    @property
    def age(self) -> float:
        """Seconds since the last beat."""
        return time.monotonic() - self.beaten

    @property
    def trouble(self) -> str:
        """Why the loop does not work; empty if it does."""
        if self.thread is not None and self.thread.ident is not None and not self.thread.is_alive():
            return f"the background loop {self.name!r} is dead"
        if self.age > self.silence:
            return f"the background loop {self.name!r} has been stuck for {self.age:.0f} s"
        return ""


class Loops:
    """The background loops of a process."""

    def __init__(self, first_pause: float = FIRST_PAUSE, longest_pause: float = LONGEST_PAUSE) -> None:
        self._pauses = first_pause, longest_pause
        self._loops: dict[str, Loop] = {}
        self._changing = threading.Lock()

    def start(
        self,
        name: str,
        work: Work,
        stop: threading.Event,
        *,
        silence: float = SILENCE,
        ends: tuple[type[Exception], ...] = (),
    ) -> threading.Thread:
        """Run a loop in a daemon thread.

        Args:
            name: of the loop; a new one replaces an ended one of the same name.
            work: the function that it runs.
            stop: ends it.
            silence: seconds without a beat after which it counts as stuck.
            ends: errors that end it.
        """

        def target() -> None:
            try:
                self._run(loop, work, stop, ends)
            except ends as error:
                _log.info("%s ends: %s", name, error)

        loop = Loop(name, silence)
        loop.thread = threading.Thread(target=target, name=name, daemon=True)
        self._add(loop)
        loop.thread.start()
        return loop.thread

    def run(
        self,
        name: str,
        work: Work,
        stop: threading.Event,
        *,
        silence: float = SILENCE,
        ends: tuple[type[Exception], ...] = (),
    ) -> None:
        """Run a loop in this thread; see `start`.

        Raises:
            Exception: one of `ends`.
        """
        loop = Loop(name, silence, thread=threading.current_thread())
        self._add(loop)
        self._run(loop, work, stop, ends)

    def all(self) -> list[Loop]:
        """The loops that should run now."""
        with self._changing:
            return list(self._loops.values())

    def troubles(self) -> list[str]:
        """The loops that hang or died, one sentence each."""
        return [loop.trouble for loop in self.all() if loop.trouble]

    def _add(self, loop: Loop) -> None:
        with self._changing:
            self._loops[loop.name] = loop

    def _run(self, loop: Loop, work: Work, stop: threading.Event, ends: tuple[type[Exception], ...]) -> None:
        first, longest = self._pauses
        pause = first
        try:
            while not stop.is_set():
                began = time.monotonic()
                loop.beat()
                try:
                    work(loop.beat)
                except ends:
                    raise
                except Exception as error:
                    if stop.is_set():
                        break
                    if time.monotonic() - began > longest:
                        pause = first
                    _log_error(loop.name, error, pause)
                    loop.failures += 1
                    loop.beat()
                    stop.wait(pause)
                    pause = min(2 * pause, longest)
                else:
                    pause = first
        except Exception:
            self._remove(loop)
            raise
        self._remove(loop)

    def _remove(self, loop: Loop) -> None:
        """Forget a loop that ended normally; one that ended otherwise stays, and counts as dead."""
        with self._changing:
            if self._loops.get(loop.name) is loop:
                del self._loops[loop.name]


def _log_error(name: str, error: Exception, pause: float) -> None:
    if isinstance(error, MosaicError):
        _log.warning("%s: %s; trying again in %g s", name, error, pause)
    else:
        _log.error("%s: unexpected error; trying again in %g s", name, pause, exc_info=error)
