"""Output and questions of the command line: progress bars, tables, QR codes, yes or no."""

import io
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
from bot.errors import CommandError
from bot.paths import adopt_cached_models
from bot.settings import Settings


@contextmanager
def file_progress() -> Iterator[Callable[[str, int, int], None]]:
    """Show a progress bar on stderr for each fetched file.

    Yields:
        A function to call with the file's name, the bytes so far, and the total bytes.
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
        # A device's name may look like rich's markup, or contain control characters.
        table.add_row(*(Text(clean_line(cell)) for cell in row))
    Console(file=raw(sys.stdout)).print(table)


def fetch_models(settings: Settings) -> None:
    """Fetch the model files that are missing or damaged, and the English dictionary.

    Raises:
        CommandError: a model file can't be fetched; Crier runs without the dictionary.
    """
    from audio.kokoro.model_files import (  # noqa: PLC0415  # slow to import
        ensure,
        ensure_dictionary,
        resolve_kind,
    )
    from audio.types import ModelFileError  # noqa: PLC0415  # slow to import

    adopt_cached_models(settings.model_dir)
    without = ""
    try:
        with file_progress() as progress:
            fetched = ensure(resolve_kind(settings.kokoro_model), settings.model_dir, progress)
            try:
                fetched += ensure_dictionary(settings.model_dir, progress)
            except ModelFileError as exc:
                without = str(exc)
    except ModelFileError as exc:
        raise CommandError(str(exc)) from exc
    if without:
        sys.stderr.write(f"{without}\nUntil then espeak-ng reads English, less well.\n")
    for path in fetched:
        sys.stderr.write(f"Fetched and checked {path}\n")


def invitation(link: str) -> str:
    """Return a text with a link and its QR code."""
    return f"Or open this on your phone, by its QR code:\n\n{qr_code(link)}\n  {link}"


def qr_code(text: str) -> str:
    """Return a QR code for a terminal, in half blocks, bright on dark."""
    import segno  # noqa: PLC0415  # only if a code is shown

    out = io.StringIO()
    segno.make_qr(text, error="l").terminal(out, border=2, compact=True)
    return out.getvalue()


def confirm(question: str, *, default: bool) -> bool:
    """Ask a yes-or-no question on the terminal until it is answered. Blocks.

    Args:
        question: without the hint for the answers.
        default: the answer that an empty line gives.

    Raises:
        EOFError: Ctrl-D.
        KeyboardInterrupt: Ctrl-C.
    """
    while (answer := parse_yes_no(input(yes_no_prompt(question, default)), default)) is None:
        sys.stdout.write(YES_NO_HINT)
    return answer


YES_NO_HINT = "Please answer y or n.\n"


def yes_no_prompt(question: str, default: bool) -> str:
    """Return the prompt of a yes-or-no question; a capital letter marks the default."""
    return f"{question} [{'Y/n' if default else 'y/N'}] "


def parse_yes_no(answer: str, default: bool) -> bool | None:
    """Return the answer, *default* for an empty line, or None for anything else."""
    return {"": default, "y": True, "yes": True, "n": False, "no": False}.get(
        answer.strip().lower()
    )
