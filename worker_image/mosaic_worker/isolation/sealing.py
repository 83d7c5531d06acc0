"""Shutting a process in, by all that the kernel offers, and saying what that is.

The walls, of which any may be missing: namespaces without a network, no capabilities, Landlock (files, ports, signals)
and a filter of system calls. They hold for the thread that calls, so a process does so before it has others.
"""

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

    Raises:
        OSError: the kernel refuses a wall that it says it has.
    """
    if not kernel.IS_LINUX or kernel.MACHINE not in ("x86_64", "aarch64"):
        return []
    walls = []
    kernel.hide_memory()
    if not rules.network and _leave_namespaces():
        walls.append("namespaces without a network")
    kernel.drop_capabilities(_SKILLS if rules.network else 0)
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    walls.append("no capabilities")
    offered = landlock.version()
    if offered >= (2 if rules.network else 1):  # a store links files from folder to folder
        landlock.restrict(rules.readable, [*rules.writable, _NULL], links=rules.network, network=rules.network)
        walls.append(f"Landlock {offered}")
    if seccomp.is_available():
        seccomp.apply(families=seccomp.INTERNET if rules.network else (), alone=rules.alone)
        walls.append("seccomp")
    return walls


def _leave_namespaces() -> bool:
    try:
        kernel.unshare(kernel.CLONE_NEWUSER | kernel.CLONE_NEWNET | kernel.CLONE_NEWIPC)
    except OSError:  # many containers, and some distributions, do not let them be made
        return False
    return True


WALLS = ("namespaces without a network", "no capabilities", "Landlock", "seccomp")


def report(walls: list[str]) -> str:
    """What holds and what is missing, as one sentence for a log."""
    missing = [wall for wall in WALLS if not any(each.startswith(wall) for each in walls)]
    held = f"isolated by {', '.join(walls)}" if walls else "not isolated"
    return f"{held}; this system does not offer {', '.join(missing)}" if missing else held
