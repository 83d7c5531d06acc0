"""Removes possible secrets from the URLs of a request, for users other than its owner.

A URL may have a signature or token in its query, or a password before its host. Services choose the names of these
parameters, so the whole query is removed. A secret in the path cannot be told from a folder's name, and stays.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

_QUERY = re.compile(r"[?#].*", re.DOTALL)
_USER = re.compile(r"^((?:[A-Za-z][A-Za-z0-9+.-]*:)?/*)[^/]*@")
_IN_TEXT = re.compile(
    r"(?<![A-Za-z0-9+.-])(?:https?:[/\\]*|(?:[A-Za-z][A-Za-z0-9+.-]{0,30}:)?//)[^\s\"'`<>\\]+", re.IGNORECASE
)
"""URLs in a text; the lookbehind keeps the search linear."""


def redacted(request: Mapping[str, Any]) -> dict[str, Any]:
    """A request as other users see it.

    Args:
        request: JSON with any of `spec`, `status` and `item`; the rest stays.

    Returns:
        A copy, with `redacted` true if anything is removed.
    """
    seen = dict(request)
    if isinstance(seen.get("spec"), Mapping):
        seen["spec"] = _spec(seen["spec"])
    for name in ("status", "item"):
        if name in seen:
            seen[name] = _each(seen[name], _text)
    return seen | {"redacted": seen != dict(request) or bool(request.get("redacted"))}


def _spec(spec: Mapping[str, Any]) -> dict[str, Any]:
    seen: dict[str, Any] = _each(spec, _text)
    for field in ("source", "minus"):
        files = (spec.get(field) or {}).get("files")
        if files is not None:  # also invalid URLs, which do not look like URLs
            seen[field] = seen[field] | {"files": _each(files, _address)}
    return seen


def _each(value: Any, change: Callable[[str], str]) -> Any:
    """A JSON value with each text changed, except names of fields."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {name: _each(part, change) for name, part in value.items()}
    return [_each(part, change) for part in value] if isinstance(value, list) else value


def _address(address: str) -> str:
    return _USER.sub(r"\1", _QUERY.sub("", address))


def _text(text: str) -> str:
    return _IN_TEXT.sub(lambda found: _address(found.group()), text)
