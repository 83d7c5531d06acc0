"""The progress bar of a request that another process works on, from its statuses."""

from collections.abc import Mapping
from typing import Any, Self

from mosaic_crds.lifecycle import TERMINAL, Phase
from mosaic_worker.cli.progress import progress_bar
from rich.progress import TaskProgressColumn, TextColumn, TimeElapsedColumn


class StatusBar:
    """Phase, percent and the time left, on stderr; where that is no terminal, a line for each phase."""

    def __init__(self, name: str) -> None:
        self._bar = progress_bar(TaskProgressColumn(), TimeElapsedColumn(), TextColumn("{task.fields[left]}"))
        self._name, self._phase = name, ""
        self._task = self._bar.add_task(name, total=100, left="")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def show(self, status: Mapping[str, Any]) -> None:
        """Show a status."""
        phase, progress = status.get("phase") or Phase.PENDING, status.get("progress") or {}
        left = progress.get("etaSeconds")
        self._bar.update(
            self._task,
            description=f"{self._name}: {phase}",
            completed=100 if phase == Phase.SUCCEEDED else progress.get("percent", 0),
            left="" if left is None or phase != Phase.RUNNING else f"{left} s left",
        )
        if phase != self._phase and self._bar.disable and phase not in TERMINAL:
            self._bar.console.print(f"{self._name}: {phase}: {status.get('message', '')}".rstrip(": "))
        self._phase = phase
