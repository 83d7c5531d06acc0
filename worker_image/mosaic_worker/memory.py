"""Reuse of the memory of freed arrays, and garbage collection."""

import ctypes
import gc
import math
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

KEPT_BYTES = 256 * 2**20
ARENAS = 2
_LIMITS = Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes")
"""Where a container sees its limit, with cgroups v2 and v1."""
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
"""Parameters of mallopt in malloc.h of glibc."""


def keep_freed_memory() -> None:
    """Keep the memory of freed arrays, if the C library is glibc.

    By default glibc returns it to the kernel, which clears it for the next array. That takes a tenth of the time of a
    tile, without decoding.
    """
    _set(_M_MMAP_THRESHOLD, KEPT_BYTES)
    _set(_M_TRIM_THRESHOLD, KEPT_BYTES)


def share_freed_memory() -> None:
    """Let all threads reuse the memory of arrays that any of them freed, if the C library is glibc.

    By default each thread keeps its own, which is a fifth of the memory of finalize.
    """
    _set(_M_ARENA_MAX, ARENAS)


def _set(parameter: int, value: int) -> None:
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(parameter, value)


def memory_limit() -> float:
    """The bytes that this process and others of its container may use; infinite without a limit."""
    for file in _LIMITS:
        with suppress(OSError, ValueError):
            return int(file.read_text())
    return math.inf


@contextmanager
def importing() -> Iterator[None]:
    """Collect no garbage while the block imports modules, and exclude what it made from later collections.

    Collections take a tenth of the time of imports, and find nothing.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
