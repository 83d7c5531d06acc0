"""How servers are treated: their connections, which of their answers pass, and how long that is waited for."""

import email.utils
import random
import time
from collections.abc import Callable
from dataclasses import dataclass

CONNECTIONS = 8
"""At once to one host, unless a service wants fewer."""
PASSING = {408, 425, 429} | (set(range(500, 600)) - {501, 505})
"""What servers answer that may answer otherwise a little later; not what they do not implement."""


@dataclass(frozen=True)
class Patience:
    """How a passing fault is waited out: twice as long each time, and as long as the server asks.

    Attributes:
        tries: how often a request is made.
        first_seconds: before the second try.
        most_seconds: in all; a server that asks for more is given up at once.
    """

    tries: int = 5
    first_seconds: float = 0.5
    most_seconds: float = 60.0


def waits_of(patience: Patience) -> Callable[[float], float | None]:
    """How long to wait before each further try, given what the server asks for; None to give up."""
    tries, waited = 1, 0.0

    def wait(asked_for: float) -> float | None:
        nonlocal tries, waited
        seconds = max(asked_for, patience.first_seconds * 2 ** (tries - 1) * random.uniform(0.75, 1.25))  # noqa: S311
        tries, waited = tries + 1, waited + seconds
        return None if tries > patience.tries or waited > patience.most_seconds else seconds

    return wait


def retry_after(header: str) -> float:
    """Seconds of a Retry-After header, which are a number or a date; 0 where it says nothing."""
    if header.strip().isdecimal():
        return float(header)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(header).timestamp() - time.time())
    except ValueError:
        return 0.0
