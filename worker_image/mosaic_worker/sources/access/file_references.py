"""Which file a reference to this machine means: hrefs are URI references, but people also write names as they are."""

from collections.abc import Callable, Iterator
from urllib.parse import unquote


def decoded(reference: str) -> Iterator[str]:
    """The paths that a URI reference may mean, the most likely one first, the reference as it is last.

    A space in a URI is `%20`, `#` begins a fragment and `?` a query; `+` is a plus. Who writes a file's name as it is
    means these characters themselves.

    Args:
        reference: without a scheme and a host.
    """
    path = reference.partition("#")[0].partition("?")[0]
    for text in dict.fromkeys((path, reference)):
        try:
            yield unquote(text, errors="strict")
        except UnicodeDecodeError:
            continue
    yield reference


def as_written(reference: str) -> Iterator[str]:
    """The paths that a person may mean by a path: the path as it is, or one that is copied from a URI."""
    yield reference
    yield from decoded(reference)


def chosen(candidates: Iterator[str], exists: Callable[[str], bool]) -> str:
    """The first candidate that exists, else the first."""
    found = [path for path in dict.fromkeys(candidates) if path]
    if len(found) == 1:
        return found[0]
    return next((path for path in found if exists(path)), found[0])
