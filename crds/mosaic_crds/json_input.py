"""Reads JSON that others wrote: uploads, bodies of calls, STAC, responses and requests, by one rule.

The rule is that of I-JSON (RFC 7493): UTF-8, each name once in an object, numbers that a double can hold, no lone
surrogates. Besides, no NUL, which PostgreSQL cannot store, and no more levels or bytes than anybody needs. What breaks
the rule is refused, and never changed to something else.
"""

import json
import math
import re
from typing import Any

from mosaic_crds.errors import RequestError

LARGEST_JSON = 16 * 2**20
"""Bytes of a document."""
DEEPEST_JSON = 64
"""Levels of lists and objects; a STAC Item and a MosaicRequest have about 10."""
KEPT_LEVELS = 2 * DEEPEST_JSON
"""Of a text that is nested too deeply for Python's own decoder."""
LONGEST_KEY_SHOWN = 60

_TOKENS = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]')
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


class _Refused(Exception):  # noqa: N818 (it never leaves this module)
    """What is wrong with a value, and the steps that lead to it, the last one first."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.steps: list[int | str] = []


def parse_json(content: str | bytes, where: str, largest: int = LARGEST_JSON) -> Any:
    """The value in a JSON text that others wrote.

    Args:
        content: the text; bytes are UTF-8.
        where: the name of the document, for messages.
        largest: bytes, or characters of a str, that it may have.

    Raises:
        RequestError: it is not JSON that meets the rule; one sentence says why, and `field` says where.
    """
    if len(content) > largest:
        raise RequestError(f"{where} has more than the {largest} bytes that are allowed")
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
    except ValueError:  # Python reads no integer of more than 4,300 digits
        raise RequestError(f"{where} has a number with too many digits") from None
    check_json(value, where)
    return value


class ShallowDecoder(json.JSONDecoder):
    """Decodes JSON of any depth: if it is too deep for Python's own decoder, deep values become the text "...".

    For lists and watches of an API server, which holds objects of up to 10,000 levels: one object of one user would
    hide those of all others. So much is kept that the rule above still refuses a request that was cut.
    """

    def decode(self, s: str, *arguments: Any) -> Any:
        """The value in a text."""
        try:
            return super().decode(s, *arguments)
        except RecursionError:
            return super().decode(_cut(s), *arguments)


def read_json_of_any_depth() -> None:
    """Let `json.loads` of this process read what is nested too deeply for Python.

    Libraries of Kubernetes call it for lists and for each line of a watch, and take no other decoder. Where it raises
    RecursionError on one object, which anybody with a namespace may create, nothing is read of all the others.
    """
    json._default_decoder = ShallowDecoder()  # type: ignore[attr-defined]


def check_json(value: Any, where: str) -> None:
    """Refuse a value, read from JSON or YAML, that does not meet the rule.

    Raises:
        RequestError: it does not; `field` says which part.
    """
    try:
        _check(value, 1)
    except _Refused as refused:
        raise _error(refused, where) from None


def storable(value: Any, level: int = 1) -> Any:
    """A value as PostgreSQL can store it as JSON.

    NUL and lone surrogates become U+FFFD, numbers that are not finite become null, and what is too deep becomes "...".
    For values that must be kept although nobody could refuse them, such as a request that was made with kubectl.
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
    """A text of JSON with `"..."` in place of what is nested too deeply."""
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
    """A name as it may be shown, shortened."""
    printable = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in key[:LONGEST_KEY_SHOWN])
    return printable if len(key) <= LONGEST_KEY_SHOWN else f"{printable}..."
