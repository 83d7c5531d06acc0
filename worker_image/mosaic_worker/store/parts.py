"""Uploads large objects in parts, a few in parallel."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from mosaic_worker.store.stored import Chunk

SMALLEST = 8 * 2**20
"""Bytes of the first parts. The minimum of S3 is 5 MiB."""
GROWTH = 1000
"""After so many parts, parts grow by SMALLEST: so the 10,000 parts that S3 allows are 461 GB."""
AT_ONCE = 5
"""Parts that are uploaded in parallel, while the next one is filled."""
BYTES_AT_ONCE = 64 * 2**20
"""Bytes of parts that are uploaded in parallel, so that larger parts need little more memory; but always two parts."""


def in_parts(content: Iterable[Chunk]) -> Iterator[bytes]:
    """Split content into parts of at least SMALLEST bytes, except the last, which may be empty."""
    number, part = 0, bytearray()
    for chunk in content:
        rest = memoryview(chunk)
        while rest:
            room = SMALLEST * (1 + number // GROWTH) - len(part)
            part += rest[:room]
            rest = rest[room:]
            if rest:
                yield bytes(part)
                number, part = number + 1, bytearray()
    yield bytes(part)


def upload_parts(parts: Iterable[bytes], upload: Callable[[int, bytes], str]) -> tuple[list[str], int]:
    """Upload parts, a few in parallel. Return the names from `upload`, in order, and the total bytes.

    The first error is raised after the running uploads have ended.
    """
    names: list[str] = []
    under_way: deque[Future[str]] = deque()
    size = 0
    with ThreadPoolExecutor(AT_ONCE) as threads:
        for number, part in enumerate(parts):
            most = min(AT_ONCE, max(2, BYTES_AT_ONCE // max(1, len(part))))
            while len(under_way) >= most:
                names.append(under_way.popleft().result())
            size += len(part)
            under_way.append(threads.submit(upload, number, part))
        names.extend(future.result() for future in under_way)
    return names, size
