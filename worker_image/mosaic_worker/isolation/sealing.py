"""Isolates a process with the mechanisms of the kernel, and reports them.

The mechanisms are namespaces without a network, dropped capabilities, Landlock (files, ports, signals) and a filter of
system calls; any of them may be missing. They apply to the calling thread, so a process uses them before it starts
others.
"""

from collections.abc import Callable
from pathlib import Path

from mosaic_worker.isolation import kernel, landlock, seccomp
from mosaic_worker.isolation.rules import Rules

_NULL = Path("/dev/null")
_SKILLS = 1 << kernel.CAP_DAC_OVERRIDE | 1 << kernel.CAP_DAC_READ_SEARCH
"""Capabilities of root that a process with a network keeps, because its folders may belong to another user."""


def seal(rules: Rules) -> list[str]:
    """Restrict this process and its children to the rules that the kernel supports. It cannot be undone.

    Returns:
        The names of the mechanisms in effect.
    """
    if not kernel.IS_LINUX or kernel.MACHINE not in {"x86_64", "aarch64"}:
        return []
    kernel.hide_memory()
    return [name for wall in (_namespaces, _capabilities, _landlock, _seccomp) if (name := _built(wall, rules))]


def _built(wall: Callable[[Rules], str], rules: Rules) -> str:
    """Apply a mechanism. Return its name; empty if the kernel refuses, as many containers refuse namespaces."""
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
    if offered < (landlock.LINKS_VERSION if rules.network else 1):  # a store links files between folders
        return ""
    landlock.restrict(rules.readable, [*rules.writable, _NULL], links=rules.network, network=rules.network)
    return f"Landlock {offered}"


def _seccomp(rules: Rules) -> str:
    if not seccomp.is_available():
        return ""
    seccomp.apply(families=seccomp.INTERNET if rules.network else (), alone=rules.alone)
    return "seccomp"


WALLS = ("namespaces without a network", "no capabilities", "Landlock", "seccomp")


def report(walls: list[str]) -> str:
    """The mechanisms in effect and the missing ones, as a sentence for a log."""
    missing = [wall for wall in WALLS if not any(each.startswith(wall) for each in walls)]
    held = f"isolated by {', '.join(walls)}" if walls else "not isolated"
    return f"{held}; this system does not offer {', '.join(missing)}" if missing else held
