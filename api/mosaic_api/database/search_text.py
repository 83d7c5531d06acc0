"""Text without what people do not look at when they search.

PostgreSQL folds by its locale, in which a private one, made without, knows ASCII alone.
"""

import unicodedata


def folded(text: str) -> str:
    """A text without regard to case, or to whether an accent is a character of its own (Unicode's D145)."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", text).casefold())
