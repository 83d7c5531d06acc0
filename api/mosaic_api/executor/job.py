"""The input of a request's process, as one line of JSON."""

import json
from dataclasses import asdict, dataclass, field
from typing import Any, Self


@dataclass(frozen=True)
class Job:
    """The input of a request's process.

    Attributes:
        request: the MosaicRequest, with a uid.
        store: URI of the store.
        allowed_hosts, scenes, max_pixels, private: of the settings.
        scratch: a folder for temporary files.
    """

    request: dict[str, Any]
    store: str
    allowed_hosts: str | None
    scenes: list[str]
    max_pixels: int
    private: list[str] = field(default_factory=list)
    scratch: str = ""

    def to_line(self) -> str:
        """Encode it."""
        return json.dumps(asdict(self)) + "\n"

    @classmethod
    def from_line(cls, line: str) -> Self:
        """Decode it."""
        return cls(**json.loads(line))
