"""How variables of the environment are read; an error names the variable, and what may stand there."""

import re
from collections.abc import Mapping
from pathlib import Path

from mosaic_crds.errors import RequestError

OF_FILE = "_FILE"
"""Ends the name of a variable that names the file which holds the secret, as containers are given them."""

_UNITS = {"": 1} | {
    unit + ending: base**power for power, unit in enumerate("KMGT", 1) for ending, base in (("", 1000), ("i", 1024))
}
_SIZE = re.compile(r"(\d{1,18}(?:\.\d{1,3})?)([KMGT]i?|)")


def truth(environment: Mapping[str, str], name: str) -> bool:
    """Whether something is so; false if nothing is said.

    Raises:
        RequestError: neither is said.
    """
    text = environment.get(name) or "false"
    if text not in {"true", "false"}:
        raise RequestError(f"the environment variable {name} is {text!r}; true or false is allowed")
    return text == "true"


def listed(environment: Mapping[str, str], name: str) -> tuple[str, ...]:
    """Names, separated by commas."""
    return tuple(part.strip() for part in environment.get(name, "").split(",") if part.strip())


def number(environment: Mapping[str, str], name: str, default: int) -> int:
    """A whole number from 1.

    Raises:
        RequestError: it is none.
    """
    text = environment.get(name, "")
    if text and (not text.isdecimal() or int(text) == 0):
        raise RequestError(f"the environment variable {name} is {text!r}; a whole number from 1 is allowed")
    return int(text) if text else default


def size(environment: Mapping[str, str], name: str) -> int | None:
    """Bytes, as Kubernetes writes them: 10Gi, 500M, 1073741824; None if nothing is said.

    Raises:
        RequestError: it is no size.
    """
    text = environment.get(name, "")
    found = _SIZE.fullmatch(text)
    if text and not found:
        raise RequestError(f"the environment variable {name} is {text!r}; a size such as 10Gi is allowed")
    return int(float(found[1]) * _UNITS[found[2]]) if found else None


def expect(value: str | None, name: str) -> None:
    """Refuse that there is nothing.

    Raises:
        RequestError: there is.
    """
    if not value:
        raise RequestError(f"the environment variable {name} is not set; the chart and compose.yaml set it")


def secret(environment: Mapping[str, str], name: str) -> str:
    """A secret, from its variable or from the file that the variable with the ending OF_FILE names; may be empty.

    Raises:
        RequestError: there is no such file.
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
