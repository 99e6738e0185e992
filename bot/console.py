"""What the command line shows: progress bars and tables."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Table
from rich.text import Text

from bot.clean import clean_line, raw


@contextmanager
def file_progress() -> Iterator[Callable[[str, int, int], None]]:
    """Show a bar for each file that is being fetched, on stderr.

    Yields:
        A function to call with the file's name, the bytes so far, and the bytes in all.
    """
    bars = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=Console(file=raw(sys.stderr)),
    )
    tasks: dict[str, TaskID] = {}

    def show(name: str, done_bytes: int, total_bytes: int) -> None:
        if name not in tasks:
            bars.start()
            tasks[name] = bars.add_task(name, total=total_bytes)
        bars.update(tasks[name], completed=done_bytes)

    try:
        yield show
    finally:
        if tasks:
            bars.stop()


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a plain table on stdout."""
    table = Table(*header, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        # A device's name may look like rich's markup, or hold what steers a terminal.
        table.add_row(*(Text(clean_line(cell)) for cell in row))
    Console(file=raw(sys.stdout)).print(table)
