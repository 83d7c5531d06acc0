"""The progress of `mosaic run`."""

from collections.abc import Collection
from typing import Self

from rich.progress import MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from mosaic_worker.cli.progress import progress_bar
from mosaic_worker.local import run
from mosaic_worker.plan.model import Plan


class RunProgress(run.Progress):
    """Tiles, megapixels per second and the time left of a run."""

    def __init__(self) -> None:
        tiles = MofNCompleteColumn(), TextColumn("tiles {task.fields[speed]}")
        self._bar = progress_bar(*tiles, TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())
        self._pixels = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def planned(self, plan: Plan, done: Collection[int]) -> None:
        """Print what will be made, and start the bar after the tiles of an earlier run."""
        grid, show = plan.grid, self._bar.console.print
        show(
            f"{plan.formula.title}: {grid.width:,} x {grid.height:,} pixels at {grid.xres:g} in {grid.crs[:40]}, "
            f"scenes: {len(plan.scenes)}, tiles: {len(plan.tiles)}"
        )
        for warning in plan.warnings:
            show(f"note: {warning}")
        if done:
            show(f"tiles of an earlier run: {len(done)}")
        self._bar.start()
        self._task = self._bar.add_task("computing", total=len(plan.tiles), completed=len(done), speed="")

    def tile(self, pixels: int) -> None:
        """Advance by one tile."""
        self._pixels += pixels
        elapsed = self._bar.tasks[0].elapsed or 0
        speed = f"{self._pixels / 1e6 / elapsed:.1f} Mpx/s" if elapsed > 0 else ""
        self._bar.update(self._task, advance=1, speed=speed)

    def finalizing(self) -> None:
        """Show that the mosaic is being assembled."""
        self._bar.update(self._task, description="assembling")
