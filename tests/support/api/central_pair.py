"""A laptop and the central installation that it shares with, and what tests do on both."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from mosaic_api.settings import Settings

from support.api.installations import Installation, serving, until


@dataclass
class Pair:
    """A laptop, and the central installation that it shares with as the user "lab"."""

    laptop: Installation
    central: Settings
    port: int
    token: str

    @contextmanager
    def central_up(self) -> Iterator[Installation]:
        with serving(self.central, self.port) as central:
            yield central


def keep(client: httpx.Client, content: bytes | None = None, **said: Any) -> dict[str, Any]:
    said = {"name": "one"} | said
    if content is None:
        answer = client.post("datasets", json=said)
    else:
        fields = {name: str(value) for name, value in said.items()}
        answer = client.post("datasets", data=fields, files={"file": ("my file.tif", content)})
    assert answer.status_code == 201, answer.text
    return answer.json()


def shared(client: httpx.Client, dataset: dict[str, Any], state: str = "done") -> dict[str, Any]:
    """A dataset, when sharing it has come so far."""

    def look() -> dict[str, Any] | None:
        told = client.get(f"datasets/{dataset['id']}").json()
        return told if (told["central"] or {}).get("state") == state else None

    return until(look)
