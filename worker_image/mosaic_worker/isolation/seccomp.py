"""A filter of system calls: calls to other processes, kernel settings or sockets return EPERM.

The filter is a classic BPF program, built from tables; see seccomp(2) and <linux/filter.h>. Other calls are allowed,
because a list of the calls of Python, GDAL and the C library changes with each release.
"""

import ctypes
import errno
import os
import socket
import struct
from collections.abc import Sequence

from mosaic_worker.isolation.kernel import IS_LINUX, MACHINE, syscall

_SET_MODE_FILTER, _GET_ACTION_AVAILABLE = 1, 2
_KILL_PROCESS, _ERRNO, _ALLOW = 0x80000000, 0x00050000, 0x7FFF0000
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16
"""Offsets in `struct seccomp_data`; the low word of an argument is first."""
_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_SECCOMP = {"x86_64": 317, "aarch64": 277}
_X32 = 0x40000000
_NEW_NAMESPACES, _CLONE_THREAD = 0x7E020000 | 0x80, 0x00010000
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C

_OTHERS = {
    # name: number on x86_64, number on aarch64 (-1: none)
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "kcmp": (312, 272),
    "pidfd_open": (434, 434), "pidfd_getfd": (438, 438), "pidfd_send_signal": (424, 424),
    "process_madvise": (440, 440), "process_mrelease": (448, 448), "perf_event_open": (298, 241),
    "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240), "migrate_pages": (256, 238),
    "move_pages": (279, 239), "setpriority": (141, 140), "ioprio_set": (251, 30), "sched_setscheduler": (144, 119),
    "sched_setparam": (142, 118), "sched_setattr": (314, 274),
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
    "bpf": (321, 280), "userfaultfd": (323, 282), "add_key": (248, 217), "request_key": (249, 218),
    "keyctl": (250, 219), "unshare": (272, 97), "setns": (308, 268), "mount": (165, 40), "umount2": (166, 39),
    "pivot_root": (155, 41), "chroot": (161, 51), "open_tree": (428, 428), "move_mount": (429, 429),
    "fsopen": (430, 430), "fsmount": (432, 432), "mount_setattr": (442, 442), "open_by_handle_at": (304, 265),
    "name_to_handle_at": (303, 264), "fanotify_init": (300, 262), "personality": (135, 92), "acct": (163, 89),
    "swapon": (167, 224), "swapoff": (168, 225), "reboot": (169, 142), "sethostname": (170, 161),
    "setdomainname": (171, 162), "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106),
    "kexec_load": (246, 104), "kexec_file_load": (320, 294), "quotactl": (179, 60), "syslog": (103, 116),
    "settimeofday": (164, 170), "clock_settime": (227, 112), "clock_adjtime": (305, 266), "adjtimex": (159, 171),
    "iopl": (172, -1), "ioperm": (173, -1), "modify_ldt": (154, -1), "vhangup": (153, 58),
}  # fmt: skip
"""Calls that readers of files do not need: other processes, namespaces, kernel settings, ways around this filter."""
_SOCKETS = {"connect": (42, 203), "bind": (49, 200), "listen": (50, 201), "accept": (43, 202), "accept4": (288, 242),
            "socketpair": (53, 199)}  # fmt: skip
_PROGRAMS_AND_LINKS = {"execve": (59, 221), "execveat": (322, 281), "symlink": (88, -1), "symlinkat": (266, 36),
                       "link": (86, -1), "linkat": (265, 37), "mknod": (133, -1), "mknodat": (259, 33),
                       "fork": (57, -1), "vfork": (58, -1)}  # fmt: skip
_SOCKET, _CLONE, _CLONE3, _IOCTL = (41, 198), (56, 220), (435, 435), (16, 29)
_OF_PROCESS = {"kill": (62, 129), "tkill": (200, 130), "tgkill": (234, 131), "prlimit64": (302, 261),
               "sched_setaffinity": (203, 122)}  # fmt: skip
_SIGNALS = {"kill", "tkill", "tgkill"}
"""Signals; the first argument of the other calls may also be 0, which is this process."""

Instruction = tuple[int, int, int, int]
"""Operation, jump if true, jump if false, operand."""


def is_available() -> bool:
    """Whether this kernel has filters, and the calls of this architecture are known."""
    if not IS_LINUX or MACHINE not in _ARCHITECTURES:
        return False
    action = ctypes.c_uint32(_ERRNO)
    try:
        syscall(_SECCOMP[MACHINE], _GET_ACTION_AVAILABLE, 0, ctypes.byref(action))
    except OSError:
        return False
    return True


def program(machine: str, *, families: Sequence[int], alone: int | None) -> list[Instruction]:
    """The filter.

    Args:
        machine: the architecture, as in `platform.machine()`.
        families: the allowed socket families; if empty, all calls for sockets are denied.
        alone: the id of a process that must not start others or create links; None if it may.
    """
    column = 0 if machine == "x86_64" else 1
    denied = [*_OTHERS.values(), *([] if families else _SOCKETS.values())]
    denied += _PROGRAMS_AND_LINKS.values() if alone is not None else []
    made: list[Instruction] = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 1, 0, _ARCHITECTURES[machine]),
        (_RETURN, 0, 0, _KILL_PROCESS),
        (_LOAD, 0, 0, _NUMBER),
    ]
    if machine == "x86_64":
        made += [(_AT_LEAST, 0, 1, _X32), _refuse()]
    for numbers in denied:
        if numbers[column] >= 0:
            made += [(_EQUAL, 0, 1, numbers[column]), _refuse()]
    made += [(_EQUAL, 0, 1, _CLONE3[column]), (_RETURN, 0, 0, _ERRNO | errno.ENOSYS)]  # its flags are not visible
    threads = [(_ANY_BIT, 1, 0, _CLONE_THREAD), _refuse()] if alone is not None else []
    made += _when(_CLONE[column], 0, [*threads, (_ANY_BIT, 0, 1, _NEW_NAMESPACES), _refuse(), _allow()])
    made += _when(_IOCTL[column], 1, [(_EQUAL, 1, 0, _TIOCSTI), (_EQUAL, 0, 1, _TIOCLINUX), _refuse(), _allow()])
    made += _when(_SOCKET[column], 0, _one_of(families))
    for name, numbers in _OF_PROCESS.items():
        if name in _SIGNALS:
            made += _when(numbers[column], 0, _one_of([alone])) if alone is not None else []
        else:
            made += _when(numbers[column], 0, _one_of([0] if alone is None else [0, alone]))
    return [*made, _allow()]


def apply(*, families: Sequence[int], alone: bool) -> None:
    """Filter the calls of this thread and its children; PR_SET_NO_NEW_PRIVS must be set.

    Raises:
        OSError: the kernel refuses it.
    """
    made = program(MACHINE, families=families, alone=os.getpid() if alone else None)
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *each) for each in made))
    pointer = ctypes.create_string_buffer(struct.pack("@HP", len(made), ctypes.addressof(code)))
    syscall(_SECCOMP[MACHINE], _SET_MODE_FILTER, 0, ctypes.byref(pointer))


INTERNET = (socket.AF_INET, socket.AF_INET6, getattr(socket, "AF_NETLINK", 16))
"""Socket families for DNS and HTTP."""


def _refuse() -> Instruction:
    return _RETURN, 0, 0, _ERRNO | errno.EPERM


def _allow() -> Instruction:
    return _RETURN, 0, 0, _ALLOW


def _when(number: int, argument: int, then: list[Instruction]) -> list[Instruction]:
    """Check a call by the low word of an argument; `then` must return."""
    return [(_EQUAL, 0, len(then) + 1, number), (_LOAD, 0, 0, _ARGUMENTS + 8 * argument), *then]


def _one_of(values: Sequence[int]) -> list[Instruction]:
    """Allow only these values of the loaded word."""
    count = len(values)
    return [*((_EQUAL, count - place, 0, value) for place, value in enumerate(values)), _refuse(), _allow()]
