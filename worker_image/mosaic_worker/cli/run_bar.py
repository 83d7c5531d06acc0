"""The progress of `mosaic run` on a terminal."""

from collections.abc import Collection

from rich.progress import MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from mosaic_worker.cli.progress import progress_bar
from mosaic_worker.cli.run_progress import RunProgress
from mosaic_worker.plan.model import Plan


class RunBar(RunProgress):
    """Tiles, megapixels per second and the time left of a run."""

    def __init__(self) -> None:
        tiles = MofNCompleteColumn(), TextColumn("tiles {task.fields[speed]}")
        self._bar = progress_bar(*tiles, TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())
        self._pixels = 0

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def planned(self, plan: Plan, done: Collection[int]) -> None:
        """Print what will be made, and start the bar after the tiles of an earlier run."""
        super().planned(plan, done)
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

    def _show(self, line: str) -> None:
        self._bar.console.print(line)
