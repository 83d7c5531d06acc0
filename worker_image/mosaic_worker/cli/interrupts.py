"""Ctrl-C that is never lost.

Python swallows an exception that is raised where no caller can catch it, as in callbacks of weak references and of C
libraries. If it swallows a KeyboardInterrupt, this module raises it again a moment later.
"""

import signal
import sys
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

AGAIN_SECONDS = 0.01


def keep_interrupts() -> None:
    """Raise a swallowed Ctrl-C again, from now on in this process; call it in the main thread."""
    signal.signal(signal.SIGALRM, _raise_again)
    sys.unraisablehook = _swallowed


def _swallowed(what: "UnraisableHookArgs") -> None:
    if what.exc_type is KeyboardInterrupt:
        signal.setitimer(signal.ITIMER_REAL, AGAIN_SECONDS)
    else:
        sys.__unraisablehook__(what)


def _raise_again(_: int, frame: FrameType | None) -> None:
    """Raise the interrupt, or wait again if `_swallowed` has not returned yet: there, Python would swallow it too."""
    caller = frame
    while caller is not None:
        if caller.f_code is _swallowed.__code__:
            signal.setitimer(signal.ITIMER_REAL, AGAIN_SECONDS)
            return
        caller = caller.f_back
    raise KeyboardInterrupt
