"""When and how often requests to servers are repeated, and the connections per host."""

import email.utils
import random
import time
from collections.abc import Callable
from dataclasses import dataclass

CONNECTIONS = 8
"""Maximum connections to one host, unless a source has a lower limit."""
RETRYABLE = {408, 425, 429} | (set(range(500, 600)) - {501, 505})
"""Status codes that may change when the request is repeated; 501 and 505 mean "not implemented"."""


@dataclass(frozen=True)
class RetryPolicy:
    """How a request is repeated: the delay doubles each time, and is at least as long as the server requests.

    Attributes:
        tries: the maximum number of attempts.
        first_seconds: the delay before the second try.
        most_seconds: the maximum sum of all delays.
    """

    tries: int = 5
    first_seconds: float = 0.5
    most_seconds: float = 60.0


def delays(policy: RetryPolicy) -> Callable[[float], float | None]:
    """Returns a function: the delay before the next try, given the delay that the server requests; None to give up."""
    tries, waited = 1, 0.0

    def delay(server_asks: float) -> float | None:
        nonlocal tries, waited
        seconds = max(server_asks, policy.first_seconds * 2 ** (tries - 1) * random.uniform(0.75, 1.25))  # noqa: S311
        tries, waited = tries + 1, waited + seconds
        return None if tries > policy.tries or waited > policy.most_seconds else seconds

    return delay


def retry_after(header: str) -> float:
    """Seconds of a Retry-After header, which is a number or a date; 0 if it is neither."""
    if header.strip().isdecimal():
        return float(header)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(header).timestamp() - time.time())
    except ValueError:
        return 0.0
