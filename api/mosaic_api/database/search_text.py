"""Normalizes text for searches.

PostgreSQL folds case by its locale; a private database has none, so it only folds ASCII.
"""

import unicodedata


def folded(text: str) -> str:
    """A text without differences of case, and with composed accents (Unicode's D145)."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", text).casefold())
