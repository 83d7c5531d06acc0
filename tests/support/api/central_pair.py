"""A laptop and the central installation with which it shares, and helpers for both."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from mosaic_api.settings import Settings

from support.api.installations import Installation, serving, until


@dataclass
class Pair:
    """A laptop, and the central installation with which it shares as the user "lab"."""

    laptop: Installation
    central: Settings
    port: int
    token: str

    @contextmanager
    def central_up(self) -> Iterator[Installation]:
        with serving(self.central, self.port) as central:
            yield central


def keep(client: httpx.Client, content: bytes | None = None, **fields_given: Any) -> dict[str, Any]:
    fields_given = {"name": "one"} | fields_given
    if content is None:
        answer = client.post("datasets", json=fields_given)
    else:
        fields = {name: str(value) for name, value in fields_given.items()}
        answer = client.post("datasets", data=fields, files={"file": ("my file.tif", content)})
    assert answer.status_code == 201, answer.text
    return answer.json()


def shared(client: httpx.Client, dataset: dict[str, Any], state: str = "done") -> dict[str, Any]:
    """Wait until sharing a dataset reaches a state; return the dataset."""

    def look() -> dict[str, Any] | None:
        read = client.get(f"datasets/{dataset['id']}").json()
        return read if (read["central"] or {}).get("state") == state else None

    return until(look)
