"""Reuse of the memory of freed arrays."""

import ctypes

KEPT_BYTES = 256 * 2**20
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
"""Parameters of mallopt in malloc.h of glibc."""


def keep_freed_memory() -> None:
    """Keep the memory of freed arrays, if the C library is glibc.

    By default glibc returns it to the kernel, which clears it for the next array. That takes a tenth of the time of a
    tile, without decoding.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, KEPT_BYTES)
        mallopt(_M_TRIM_THRESHOLD, KEPT_BYTES)
