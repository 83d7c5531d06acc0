"""Words in messages: numbers with nouns, and the word that a misspelt one was meant to be."""

from collections.abc import Iterable
from difflib import SequenceMatcher
from itertools import takewhile

ALIKE = 0.6
"""The lowest similarity, from 0 to 1, of a suggestion."""


def counted(number: int, noun: str) -> str:
    """A number with its noun: "1 scene", "2 scenes"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def nearest(word: str, candidates: Iterable[str]) -> str | None:
    """The candidate most similar to a word, ignoring case, the first of equals; None if none is similar.

    Swapped letters are the most common mistake, so candidates with the same letters come first.
    """
    lower = word.lower()

    def likeness(candidate: str) -> tuple[bool, float, int]:
        other = candidate.lower()
        beginning = takewhile(lambda pair: pair[0] == pair[1], zip(lower, other, strict=False))
        ratio = SequenceMatcher(None, lower, other).ratio()
        return sorted(lower) == sorted(other) and ratio >= ALIKE, ratio, len(list(beginning))

    best = max(candidates, key=likeness, default=None)
    return best if best is not None and likeness(best)[1] >= ALIKE else None


def did_you_mean(word: str, candidates: Iterable[str]) -> str:
    """A question such as " (did you mean x?)" to append to a misspelt word; empty if no candidate is similar."""
    near = nearest(word, candidates)
    return f" (did you mean {near}?)" if near else ""
