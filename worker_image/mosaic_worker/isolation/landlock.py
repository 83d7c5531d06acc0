"""Landlock restricts files, TCP ports and signals for a process and its children (Linux 5.13).

The constants are from <linux/landlock.h>; the system calls have the same numbers on all architectures.
"""

import ctypes
import os
import stat
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from mosaic_worker.isolation.kernel import IS_LINUX, syscall

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_CREATE_RULESET_VERSION = 1
_RULE_PATH_BENEATH = 1

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR, REMOVE_DIR, REMOVE_FILE = (1 << bit for bit in range(6))
MAKE_DIR, MAKE_REG, MAKE_SOCK = 1 << 7, 1 << 8, 1 << 9
REFER, TRUNCATE, IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15
_OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV
_RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}
"""All rights on files, by the first version of the interface that has them."""
_TCP = 0b11
"""Bind and connect TCP ports."""
_SCOPES = 0b11
"""Abstract sockets and signals of other processes."""
READ = EXECUTE | READ_FILE | READ_DIR
WRITE = READ_FILE | READ_DIR | WRITE_FILE | TRUNCATE | MAKE_DIR | MAKE_REG | REMOVE_DIR | REMOVE_FILE
"""Without links, pipes and devices: later readers of such a folder find only files."""
LINKS_VERSION, NETWORK_VERSION, SCOPES_VERSION = 2, 4, 6


class _Ruleset(ctypes.Structure):
    _fields_ = (("fs", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def version() -> int:
    """The version of the interface of this kernel; 0 if it has none."""
    if not IS_LINUX:
        return 0
    try:
        return syscall(_CREATE_RULESET, 0, 0, _CREATE_RULESET_VERSION)
    except OSError:
        return 0


def restrict(readable: Iterable[Path], writable: Iterable[Path], *, links: bool, network: bool) -> None:
    """Restrict this thread to some files and folders; PR_SET_NO_NEW_PRIVS must be set.

    Args:
        readable: may be read and executed, with everything below; missing ones are ignored.
        writable: may also be changed.
        links: whether files may be linked between writable folders, which needs version 2.
        network: whether TCP is allowed.

    Raises:
        OSError: the kernel refuses it.
    """
    offered = version()
    rights = _RIGHTS[max(known for known in _RIGHTS if known <= offered)]
    ruleset = _Ruleset(
        rights,
        _TCP if offered >= NETWORK_VERSION and not network else 0,
        _SCOPES if offered >= SCOPES_VERSION else 0,
    )
    size = 24 if offered >= SCOPES_VERSION else 16 if offered >= NETWORK_VERSION else 8
    rules = syscall(_CREATE_RULESET, ctypes.byref(ruleset), size, 0)
    try:
        write = WRITE | (REFER | MAKE_SOCK if links else 0)
        for paths, allowed in ((readable, READ), (writable, write)):
            for path in paths:
                with suppress(FileNotFoundError, PermissionError, NotADirectoryError):
                    _allow(rules, path, allowed & rights)
        syscall(_RESTRICT_SELF, rules, 0)
    finally:
        os.close(rules)


def _allow(rules: int, path: Path, allowed: int) -> None:
    place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        if not stat.S_ISDIR(os.fstat(place).st_mode):
            allowed &= _OF_FILES
        rule = _PathBeneath(allowed, place)
        syscall(_ADD_RULE, rules, _RULE_PATH_BENEATH, ctypes.byref(rule), 0)
    finally:
        os.close(place)
