"""Progress bars as the story shows them."""

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn


def bars(console: Console) -> Progress:
    """Bars with counts and the time taken; without a terminal only their end is shown."""
    return Progress(
        TextColumn("{task.description:<30}"),
        BarColumn(bar_width=32),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
    )
