"""Shutting a process in, by all that the kernel offers, and saying what that is.

The walls, of which any may be missing: namespaces without a network, no capabilities, Landlock (files, ports, signals)
and a filter of system calls. They hold for the thread that calls, so a process does so before it has others.
"""

import socket
from collections.abc import Callable
from pathlib import Path

from mosaic_worker.isolation import kernel, landlock, seccomp
from mosaic_worker.isolation.rules import Rules

_NULL = Path("/dev/null")
_SKILLS = 1 << kernel.CAP_DAC_OVERRIDE | 1 << kernel.CAP_DAC_READ_SEARCH
"""Of root, which a process with a network keeps: the folders that it is given may be another user's."""


def seal(rules: Rules) -> list[str]:
    """Leave this process, and all that it starts, what the rules say, as far as the kernel can; it cannot be undone.

    Returns:
        the walls that hold, for people.
    """
    if not kernel.IS_LINUX or kernel.MACHINE not in {"x86_64", "aarch64"}:
        return []
    kernel.hide_memory()
    return [told for wall in (_namespaces, _capabilities, _landlock, _seccomp) if (told := _built(wall, rules))]


def _built(wall: Callable[[Rules], str], rules: Rules) -> str:
    """What a wall calls itself; nothing where the kernel refuses it, as many containers refuse namespaces."""
    try:
        return wall(rules)
    except OSError:
        return ""


def _namespaces(rules: Rules) -> str:
    if rules.network:
        return ""
    kernel.unshare(kernel.CLONE_NEWUSER | kernel.CLONE_NEWNET | kernel.CLONE_NEWIPC)
    return "namespaces without a network"


def _capabilities(rules: Rules) -> str:
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    kernel.drop_capabilities(_SKILLS if rules.network else 0)
    return "no capabilities"


def _landlock(rules: Rules) -> str:
    offered = landlock.version()
    if offered < (landlock.LINKS_VERSION if rules.network else 1):  # a store links files from folder to folder
        return ""
    landlock.restrict(rules.readable, [*rules.writable, _NULL], links=rules.network, network=rules.network)
    return f"Landlock {offered}"


def _seccomp(rules: Rules) -> str:
    if not seccomp.is_available():
        return ""
    seccomp.apply(families=(*seccomp.INTERNET, socket.AF_UNIX) if rules.network else (), alone=rules.alone)
    return "seccomp"


WALLS = ("namespaces without a network", "no capabilities", "Landlock", "seccomp")


def report(walls: list[str]) -> str:
    """What holds and what is missing, as one sentence for a log."""
    missing = [wall for wall in WALLS if not any(each.startswith(wall) for each in walls)]
    held = f"isolated by {', '.join(walls)}" if walls else "not isolated"
    return f"{held}; this system does not offer {', '.join(missing)}" if missing else held
