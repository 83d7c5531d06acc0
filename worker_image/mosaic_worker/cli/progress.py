"""The progress bar of all commands."""

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn

BAR_WIDTH = 24


def progress_bar(*columns: ProgressColumn) -> Progress:
    """A bar on stderr: a description, the bar, and these columns; hidden where stderr is no terminal."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    shown = (TextColumn("{task.description}"), BarColumn(BAR_WIDTH), *columns)
    return Progress(*shown, console=console, disable=not console.is_terminal)
