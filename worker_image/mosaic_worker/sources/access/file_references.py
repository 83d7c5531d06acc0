"""The local file that a reference means: a URI reference, or a plain file name."""

from collections.abc import Callable, Iterator
from urllib.parse import unquote


def decoded(reference: str) -> Iterator[str]:
    """The paths that a URI reference without scheme and host may mean, the most likely first, the literal one last.

    In a URI `%20` is a space, `#` starts a fragment and `?` a query. In a plain file name they are literal.
    """
    path = reference.partition("#")[0].partition("?")[0]
    for text in dict.fromkeys((path, reference)):
        try:
            yield unquote(text, errors="strict")
        except UnicodeDecodeError:
            continue
    yield reference


def as_written(reference: str) -> Iterator[str]:
    """The paths that a user may mean: the literal path, or one copied from a URI."""
    yield reference
    yield from decoded(reference)


def chosen(candidates: Iterator[str], exists: Callable[[str], bool]) -> str:
    """The first candidate that exists, otherwise the first."""
    found = [path for path in dict.fromkeys(candidates) if path]
    if len(found) == 1:
        return found[0]
    return next((path for path in found if exists(path)), found[0])
