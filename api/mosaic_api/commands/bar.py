"""A bar for a request that somebody else works on, fed by its statuses."""

from collections.abc import Mapping
from typing import Any, Self

from mosaic_crds.lifecycle import TERMINAL, Phase
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn


class StatusBar:
    """Phase, percent and what is told, on stderr; where that is no terminal a line for each phase."""

    def __init__(self, name: str) -> None:
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[left]}"),
            TimeElapsedColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._name, self._phase = name, ""
        self._task = self._bar.add_task(name, total=100, left="")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def show(self, status: Mapping[str, Any]) -> None:
        """Show how it stands."""
        phase, progress = status.get("phase") or Phase.PENDING, status.get("progress") or {}
        left = progress.get("etaSeconds")
        self._bar.update(
            self._task,
            description=f"{self._name}: {phase}",
            completed=100 if phase == Phase.SUCCEEDED else progress.get("percent", 0),
            left="" if left is None or phase != Phase.RUNNING else f"{left} s left",
        )
        if phase != self._phase and not self._console.is_terminal and phase not in TERMINAL:
            self._console.print(f"{self._name}: {phase}: {status.get('message', '')}".rstrip(": "))
        self._phase = phase


def is_over(status: Mapping[str, Any]) -> bool:
    """Whether nothing more happens to a request."""
    return status.get("phase") in TERMINAL
