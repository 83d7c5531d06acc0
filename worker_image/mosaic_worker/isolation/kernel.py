"""Calls to the Linux kernel that Python lacks."""

import ctypes
import os
import platform
import sys
from contextlib import suppress

PR_SET_DUMPABLE, PR_CAPBSET_DROP, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT = 4, 24, 36, 38, 47
PR_CAP_AMBIENT_CLEAR_ALL = 4
CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWNET = 0x08000000, 0x10000000, 0x40000000
CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, LAST_CAPABILITY = 1, 2, 63
_CAPGET, _CAPSET = {"x86_64": 125, "aarch64": 90}, {"x86_64": 126, "aarch64": 91}
_CAPABILITY_VERSION = 0x20080522

IS_LINUX = sys.platform == "linux"
MACHINE = platform.machine()
_libc = ctypes.CDLL(None, use_errno=True)


def syscall(number: int, *arguments: object) -> int:
    """Make a system call by its number.

    Raises:
        OSError: the kernel refuses it.
    """
    words = [ctypes.c_long(each) if isinstance(each, int) else each for each in arguments]
    result: int = _libc.syscall(ctypes.c_long(number), *words)
    return _expect(result)


def prctl(option: int, value: int = 0) -> int:
    """Change or read an attribute of this process.

    Raises:
        OSError: the kernel refuses it.
    """
    result: int = _libc.prctl(option, *(ctypes.c_ulong(each) for each in (value, 0, 0, 0)))
    return _expect(result)


def unshare(flags: int) -> None:
    """Move this process, which must have one thread, into new namespaces.

    Raises:
        OSError: the kernel refuses it.
    """
    _expect(_libc.unshare(flags))


def hide_memory() -> None:
    """Hide the environment and memory of this process from other processes of the user, and from core dumps.

    The files in /proc of a process that is not dumpable belong to root, and ptrace needs CAP_SYS_PTRACE. Children that
    start another program are dumpable again.
    """
    if IS_LINUX:
        prctl(PR_SET_DUMPABLE, 0)


def adopt_orphans() -> None:
    """Become the parent of processes below this one whose parents end, so that it can wait for them."""
    if IS_LINUX:
        prctl(PR_SET_CHILD_SUBREAPER, 1)


def drop_capabilities(kept: int = 0) -> None:
    """Drop all capabilities except those of a bit mask, for this process and its children.

    Raises:
        OSError: the kernel refuses it.
    """
    for capability in range(LAST_CAPABILITY + 1):
        if not kept >> capability & 1:
            with suppress(OSError):  # there are fewer, or they are dropped already
                prctl(PR_CAPBSET_DROP, capability)
    with suppress(OSError):
        prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
    data = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable: the low words, then the high ones
    syscall(_CAPGET[MACHINE], ctypes.byref(header), ctypes.byref(data))
    held = kept & data[1]
    data[:] = [held, held, 0, 0, 0, 0]
    syscall(_CAPSET[MACHINE], ctypes.byref(header), ctypes.byref(data))


def _expect(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
