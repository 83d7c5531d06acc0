"""Ctrl-C that is heard wherever it comes.

Python swallows an exception that is raised where nobody can catch it, as in callbacks of weak references and of C
libraries, and with it the KeyboardInterrupt that was raised there; then it comes again a moment later.
"""

import signal
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

AGAIN_SECONDS = 0.01


def hear_interrupts() -> None:
    """Let no Ctrl-C be lost, from now on in this process; call it in the main thread."""
    signal.signal(signal.SIGALRM, signal.default_int_handler)
    sys.unraisablehook = _swallowed


def _swallowed(what: "UnraisableHookArgs") -> None:
    if what.exc_type is KeyboardInterrupt:
        signal.setitimer(signal.ITIMER_REAL, AGAIN_SECONDS)
    else:
        sys.__unraisablehook__(what)
