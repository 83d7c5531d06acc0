"""How variables of the environment are read; an error names the variable, and what may stand there."""

from collections.abc import Mapping
from pathlib import Path

from mosaic_crds.errors import RequestError

OF_FILE = "_FILE"
"""Ends the name of a variable that names the file which holds the secret, as containers are given them."""


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
