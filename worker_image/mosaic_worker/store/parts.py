"""Large objects in parts, of which a few are uploaded at the same time."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

SMALLEST = 8 * 2**20
"""Bytes of the first parts. S3 takes none of less than 5 MiB."""
GROWTH = 1000
"""After so many parts they are larger by SMALLEST: S3 takes 10,000 of an object, which are then 461 GB."""
AT_ONCE = 3
"""Parts in memory and on their way, beside the one that is being filled."""


def in_parts(content: Iterable[bytes]) -> Iterator[bytes]:
    """The content as parts of at least SMALLEST bytes but for the last, which may be the only one, and empty."""
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
    """Upload parts, a few at once; give what names them, in their order, and the bytes they have together.

    The first error ends it, after the uploads that are under way.
    """
    names: list[str] = []
    under_way: deque[Future[str]] = deque()
    size = 0
    with ThreadPoolExecutor(AT_ONCE) as threads:
        for number, part in enumerate(parts):
            if len(under_way) == AT_ONCE:
                names.append(under_way.popleft().result())
            size += len(part)
            under_way.append(threads.submit(upload, number, part))
        names.extend(future.result() for future in under_way)
    return names, size
