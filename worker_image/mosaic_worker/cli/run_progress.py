"""The progress of `mosaic run` without a terminal: what will be made."""

from collections.abc import Collection
from typing import Self

import click

from mosaic_worker.local import run
from mosaic_worker.plan.model import Plan


class RunProgress(run.Progress):
    """Prints what a run will make."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def planned(self, plan: Plan, done: Collection[int]) -> None:
        """Print the mosaic, the warnings, and how many tiles an earlier run computed."""
        grid = plan.grid
        self._show(
            f"{plan.title}: {grid.width:,} x {grid.height:,} pixels at {grid.xres:g} in {grid.crs[:40]}, "
            f"scenes: {len(plan.scenes)}, tiles: {len(plan.tiles)}"
        )
        for warning in plan.warnings:
            self._show(f"note: {warning}")
        if done:
            self._show(f"tiles of an earlier run: {len(done)}")

    def _show(self, line: str) -> None:
        click.echo(line, err=True)
