"""Times and durations in requests, catalogues and files. A time without a time zone is UTC, on every machine."""

import re
from datetime import UTC, datetime, timedelta, timezone

TIME = (
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"([Tt ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.,][0-9]{1,9})?)?([Zz]|[+-][0-9]{2}(:?[0-9]{2})?)?)?"
)
"""A regular expression for a date or a time, which Rust, Go and Python interpret in the same way.

RFC 3339, section 5.6, and common variants: no zone, no seconds, a space instead of T, +0000 or +00.
"""
_PARTS = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d+))?)?(?:[Zz]|([+-])(\d\d)(?::?(\d\d))?)?)?",
    re.ASCII,
)
_DATE = len("2024-07-01")
DURATION = r"([1-9][0-9]{0,5}[smhd])+"
"""A regular expression for a duration, as `TIME`."""
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
"""Seconds of the units of durations."""


def moment(text: str) -> datetime:
    """Parse a time, in UTC.

    A date means midnight UTC. 24:00 is midnight of the next day, and a leap second (23:59:60) is the second after it.
    Digits beyond microseconds are cut off.

    Raises:
        ValueError: it is not a time.
    """
    found = _PARTS.fullmatch(text)
    if found is None:
        raise ValueError(f"{text[:80]!r} is not a time")
    year, month, day, hour, minute, second = (int(part or 0) for part in found.groups()[:6])
    fraction = int((found[7] or "")[:6].ljust(6, "0"))
    ends_day = hour == 24 and minute == second == fraction == 0
    ahead_hours, ahead_minutes = int(found[9] or 0), int(found[10] or 0)
    if not ((hour < 24 or ends_day) and minute < 60 and second <= 60 and ahead_hours < 24 and ahead_minutes < 60):
        raise ValueError(f"{text[:80]!r} has an invalid time of day or time zone")
    ahead = timedelta(hours=ahead_hours, minutes=ahead_minutes)
    zone = timezone(-ahead if found[8] == "-" else ahead)
    try:
        start = datetime(year, month, day, tzinfo=zone)
        taken = start + timedelta(hours=hour, minutes=minute, seconds=second, microseconds=fraction)
        return taken.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{text[:80]!r} is not between the years 1 and 9999") from None


def interval(text: str) -> str:
    """A date, a time or an interval as STAC APIs expect it: times in UTC with a Z; dates and `..` are unchanged.

    Raises:
        ValueError: a part is not a time, or the end is before the start.
    """
    parts = text.split("/")
    times = [None if part == ".." else moment(part) for part in parts]
    start, end = times[0], times[-1]
    if start is not None and end is not None and start > end and start.date().isoformat() != parts[-1]:
        raise ValueError("the start of the interval is after its end")
    return "/".join(
        part if time is None or len(part) == _DATE else utc_text(time) for part, time in zip(parts, times, strict=True)
    )


def duration_seconds(text: str) -> int:
    """Seconds of a duration such as 15m, 6h or 1d12h.

    Raises:
        ValueError: it is not a duration.
    """
    if not re.fullmatch(DURATION, text):
        raise ValueError(f"{text!r} is not a duration such as 15m, 6h or 1d12h")
    return sum(int(number) * UNITS[unit] for number, unit in re.findall(r"([0-9]+)([smhd])", text))


def utc_text(time: datetime) -> str:
    """A time as RFC 3339 in UTC."""
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")


def timestamp(time: datetime) -> str:
    """A time as in the status of a Kubernetes object: in UTC, whole seconds."""
    return time.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def time_or_none(text: object) -> datetime | None:
    """The time in an object of the Kubernetes API; None for anything else than a time with a zone."""
    try:
        found = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return None if found is None or found.tzinfo is None else found
