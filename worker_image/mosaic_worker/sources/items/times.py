"""Converts the times of STAC Items to UTC before pystac reads them."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from mosaic_crds.errors import RequestError
from mosaic_crds.times import moment, utc_text

_TIMES = ("datetime", "start_datetime", "end_datetime")


def in_utc(document: dict[str, Any], where: str) -> dict[str, Any]:
    """A copy of an Item with times in UTC; a time without a zone is UTC.

    Raises:
        RequestError: its datetime, or the start of its interval, is not a time.
    """
    properties = document.get("properties")
    if not isinstance(properties, Mapping):
        return document
    needed = "start_datetime" if properties.get("datetime") is None else "datetime"
    times = {}
    for name in _TIMES:
        if isinstance(properties.get(name), str):
            try:
                times[name] = utc_text(_read(properties[name].strip()))
            except ValueError:
                if name == needed:
                    raise RequestError(
                        f"{where}: {name} is {properties[name][:80]!r}, not a time such as 2024-07-01T19:03:11Z"
                    ) from None
    return document | {"properties": {**properties, **times}}


def _read(text: str) -> datetime:
    """A time in any form of ISO 8601, because catalogues also have 2024-07 and 20240701T190311Z."""
    if re.fullmatch(r"\d{4}(-\d{2})?", text):
        text = f"{text}-01-01"[: len("2024-07-01")]
    try:
        return moment(text)
    except ValueError:
        found = datetime.fromisoformat(text)
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
