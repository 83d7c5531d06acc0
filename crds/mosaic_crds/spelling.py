"""Suggests the intended word for a misspelt one."""

from collections.abc import Iterable
from difflib import SequenceMatcher
from itertools import takewhile

ALIKE = 0.6
"""Of 1, from which two words count as near."""


def nearest(word: str, candidates: Iterable[str]) -> str | None:
    """The candidate nearest to a word, ignoring case; None if none is near."""
    lower = word.lower()

    def likeness(candidate: str) -> tuple[float, int]:
        other = candidate.lower()
        beginning = takewhile(lambda pair: pair[0] == pair[1], zip(lower, other, strict=False))
        return SequenceMatcher(None, lower, other).ratio(), len(list(beginning))

    best = max(candidates, key=likeness, default=None)
    return best if best is not None and likeness(best)[0] >= ALIKE else None


def did_you_mean(word: str, candidates: Iterable[str]) -> str:
    """A question such as " (did you mean x?)" after the nearest candidate, or nothing; to be put behind a word."""
    near = nearest(word, candidates)
    return f" (did you mean {near}?)" if near else ""
