"""Reads environment variables. Errors name the variable and what is allowed."""

import re
from collections.abc import Mapping
from pathlib import Path

from mosaic_crds.errors import RequestError

OF_FILE = "_FILE"
"""Suffix of a variable that names the file with the secret, as for containers."""

_UNITS = {"": 1} | {
    unit + ending: base**power for power, unit in enumerate("KMGT", 1) for ending, base in (("", 1000), ("i", 1024))
}
_SIZE = re.compile(r"(\d{1,18}(?:\.\d{1,3})?)([KMGT]i?|)")


def truth(environment: Mapping[str, str], name: str) -> bool:
    """A boolean; false if the variable is missing."""
    text = environment.get(name) or "false"
    if text not in {"true", "false"}:
        raise RequestError(f"the environment variable {name} is {text!r}; it must be true or false")
    return text == "true"


def listed(environment: Mapping[str, str], name: str) -> tuple[str, ...]:
    """Comma-separated names."""
    return tuple(part.strip() for part in environment.get(name, "").split(",") if part.strip())


def number(environment: Mapping[str, str], name: str, default: int) -> int:
    """An integer from 1."""
    text = environment.get(name, "")
    if text and (not text.isdecimal() or int(text) == 0):
        raise RequestError(f"the environment variable {name} is {text!r}; it must be an integer >= 1")
    return int(text) if text else default


def size(environment: Mapping[str, str], name: str) -> int | None:
    """Bytes in Kubernetes' notation: 10Gi, 500M, 1073741824; None if the variable is missing."""
    text = environment.get(name, "")
    found = _SIZE.fullmatch(text)
    if text and not found:
        raise RequestError(f"the environment variable {name} is {text!r}; it must be a size such as 10Gi")
    return int(float(found[1]) * _UNITS[found[2]]) if found else None


def expect(value: str | None, name: str) -> None:
    """Refuse a missing value.

    Raises:
        RequestError: it is missing.
    """
    if not value:
        raise RequestError(f"the environment variable {name} is not set; the chart and compose.yaml set it")


def secret(environment: Mapping[str, str], name: str) -> str:
    """A secret from a variable, or from the file named by the variable with the suffix OF_FILE; may be empty.

    Raises:
        RequestError: the file cannot be read.
    """
    file = environment.get(name + OF_FILE)
    if not file:
        return environment.get(name, "")
    try:
        return Path(file).read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise RequestError(
            f"the environment variable {name}{OF_FILE} names {file}, which cannot be read: {error}"
        ) from None
