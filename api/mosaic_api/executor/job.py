"""What the process of a request does, as one line of JSON between the executor and that process."""

import json
from dataclasses import asdict, dataclass, field
from typing import Any, Self


@dataclass(frozen=True)
class Job:
    """The input of the process of a request.

    Attributes:
        request: the MosaicRequest, with a uid.
        store: where results and work are kept.
        allowed_hosts, scenes, max_pixels, private: as in the settings.
    """

    request: dict[str, Any]
    store: str
    allowed_hosts: str | None
    scenes: list[str]
    max_pixels: int
    private: list[str] = field(default_factory=list)

    def to_line(self) -> str:
        """As it is written to the process."""
        return json.dumps(asdict(self)) + "\n"

    @classmethod
    def from_line(cls, line: str) -> Self:
        """As the process reads it."""
        return cls(**json.loads(line))
