"""Reads JSON from outside, such as uploads, request bodies, STAC and responses, by one rule.

The rule is I-JSON (RFC 7493): UTF-8, unique names in an object, numbers that fit a double, no lone surrogates. In
addition: no NUL, which PostgreSQL cannot store, and limited depth and size. Other JSON is refused, never changed.
"""

import json
import math
import re
from typing import Any

from mosaic_crds.errors import RequestError

LARGEST_JSON = 16 * 2**20
"""Bytes of a document."""
DEEPEST_JSON = 64
"""Levels of lists and objects; STAC Items and MosaicRequests have about 10."""
KEPT_LEVELS = 2 * DEEPEST_JSON
"""Levels that are kept of a text that is nested too deeply for the decoder of Python."""
LONGEST_KEY_SHOWN = 60

_TOKENS = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]')
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


class _Refused(Exception):  # noqa: N818 (it never leaves this module)
    """What is wrong with a value, and the steps to it, innermost first."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.steps: list[int | str] = []


def parse_json(content: str | bytes, where: str, largest: int = LARGEST_JSON) -> Any:
    """Parse a JSON text from outside.

    Args:
        content: the text; bytes are UTF-8.
        where: the name of the document, for messages.
        largest: the maximum number of bytes, or of characters of a str.

    Raises:
        RequestError: it is not JSON that meets the rule; `field` has the place.
    """
    if len(content) > largest:
        raise RequestError(f"{where} exceeds {largest} bytes")
    try:
        text = content if isinstance(content, str) else content.decode("utf-8-sig")
        value = json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_object)
    except _Refused as refused:
        raise _error(refused, where) from None
    except UnicodeDecodeError:
        raise RequestError(f"{where} is not JSON: it is not text in UTF-8") from None
    except json.JSONDecodeError as error:
        raise RequestError(f"{where} is not JSON (line {error.lineno}: {error.msg})") from None
    except RecursionError:
        raise RequestError(f"{where} is nested more than {DEEPEST_JSON} levels deep") from None
    except ValueError:  # Python refuses integers of more than 4,300 digits
        raise RequestError(f"{where} has a number with too many digits") from None
    check_json(value, where)
    return value


class ShallowDecoder(json.JSONDecoder):
    """Decodes JSON of any depth: if it is too deep for the decoder of Python, deep values become the text "...".

    API servers accept objects of up to 10,000 levels. Without this, one such object of one user makes a list or watch
    unreadable. The rule above still refuses a request that was cut.
    """

    def decode(self, s: str, *arguments: Any) -> Any:
        """The value in a text."""
        try:
            return super().decode(s, *arguments)
        except RecursionError:
            return super().decode(_cut(s), *arguments)


def read_json_of_any_depth() -> None:
    """Make `json.loads` of this process read JSON of any depth.

    Kubernetes libraries use it for lists and watches, and accept no other decoder.
    """
    json._default_decoder = ShallowDecoder()  # type: ignore[attr-defined]


def check_json(value: Any, where: str) -> None:
    """Check that a value from JSON or YAML meets the rule.

    Raises:
        RequestError: it does not; `field` has the place.
    """
    try:
        _check(value, 1)
    except _Refused as refused:
        raise _error(refused, where) from None


def storable(value: Any, level: int = 1) -> Any:
    """A value that PostgreSQL can store as JSON, for values that nobody could refuse, such as requests of kubectl.

    NUL and lone surrogates become U+FFFD, numbers that are not finite become null, and deep values become "...".
    """
    if isinstance(value, str):
        return _UNSTORABLE.sub("\ufffd", value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict | list | tuple) and level > DEEPEST_JSON:
        return "..."
    if isinstance(value, dict):
        return {storable(key): storable(part, level + 1) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [storable(part, level + 1) for part in value]
    return value


def _cut(text: str) -> str:
    """A JSON text with `"..."` in place of values that are nested too deeply."""
    kept: list[str] = []
    level = begin = 0
    for token in _TOKENS.finditer(text):
        if token[0] in "[{":
            level += 1
            if level == KEPT_LEVELS + 1:
                kept.append(text[begin : token.start()])
        elif token[0] in "]}":
            level -= 1
            if level == KEPT_LEVELS:
                kept.append('"..."')
                begin = token.end()
    return "".join(kept) + text[begin:]


def _refuse_constant(name: str) -> Any:
    raise _Refused(f"{name} is not a number in JSON")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _Refused(f"the name {_shown(key)} is given twice in one object")
            seen.add(key)
    return found


def _check(value: Any, level: int) -> None:
    """Check a value and all parts of it."""
    if isinstance(value, str):
        if _UNSTORABLE.search(value):
            raise _Refused("text must not contain NUL or half of a surrogate pair")
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise _Refused("a number must be finite and within the range of a double")
    elif isinstance(value, int):
        if value.bit_length() > 1023:
            raise _Refused("a number must be finite and within the range of a double")
    elif isinstance(value, dict | list):
        if level > DEEPEST_JSON:
            raise _Refused(f"it is nested more than {DEEPEST_JSON} levels deep")
        for step, part in value.items() if isinstance(value, dict) else enumerate(value):
            try:
                if isinstance(step, str) and _UNSTORABLE.search(step):
                    raise _Refused("a name must not contain NUL or half of a surrogate pair")
                _check(part, level + 1)
            except _Refused as refused:
                refused.steps.append(step)
                raise


def _error(refused: _Refused, where: str) -> RequestError:
    steps = [f"[{step}]" if isinstance(step, int) else f".{_shown(step)}" for step in reversed(refused.steps[-12:])]
    field = "".join(steps).removeprefix(".")
    return RequestError(f"{where}: {field}: {refused.reason}" if field else f"{where}: {refused.reason}", field or None)


def _shown(key: str) -> str:
    """A name for messages: printable and shortened."""
    printable = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in key[:LONGEST_KEY_SHOWN])
    return printable if len(key) <= LONGEST_KEY_SHOWN else f"{printable}..."
