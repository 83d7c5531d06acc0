"""Why a step does not work: the reasons of failures, and their messages."""

from typing import NamedTuple

REFUSED = "Refused"
"""The request causes the failure."""
SOURCE_OR_STORE = "SourceOrStore"
"""A source or the store failed."""
CRASHED = "Crashed"
"""The worker ended unexpectedly."""
RETRYING = "Retrying"
"""The step is tried again."""


class Trouble(NamedTuple):
    """What went wrong: a reason in one word, for conditions and metrics, and a message for people."""

    reason: str
    message: str
