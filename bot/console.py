"""Output and questions of the command line: progress bars, tables, QR codes, yes or no."""

import io
import platform
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

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

if TYPE_CHECKING:
    from audio.kokoro.prepared import ModelConfig

# Faster is not noticed: speech begins as soon, and the small model is a quarter of the large one.
_FAST_RTF = 0.25


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


def fetch_models(settings: Settings, *, measure: bool = False) -> None:
    """Fetch the model files that are missing or damaged, and the English dictionary; prepare them.

    Args:
        settings: where the files are, and which model is wanted.
        measure: whether to find out how the voice is fastest, unless that is known.

    Raises:
        CommandError: a model file can't be fetched; Crier runs without the dictionary.
    """
    from audio.kokoro.model_files import (  # noqa: PLC0415  # slow to import
        ensure,
        ensure_dictionary,
    )
    from audio.kokoro.prepared import (  # noqa: PLC0415  # likewise
        PreparationError,
        prepare,
        resolve_kind,
        stored_config,
    )
    from audio.types import ModelFileError  # noqa: PLC0415  # slow to import

    adopt_cached_models(settings.model_dir)
    without = ""
    try:
        with file_progress() as progress:
            kind = resolve_kind(settings.kokoro_model, settings.model_dir)
            fetched = ensure(kind, settings.model_dir, progress)
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
    try:
        prepare(settings.model_dir, kind)
    except PreparationError as exc:
        sys.stderr.write(f"{exc}\n")
    except ModelFileError as exc:
        raise CommandError(str(exc)) from exc
    if measure and stored_config(settings.model_dir) is None:
        _find_fastest(settings)


def _with_large_model(model_dir: Path) -> "ModelConfig | None":
    """Fetch the large model, and return what is fastest then; None if it can't be fetched.

    Raises:
        ModelFileError: a model file is damaged.
    """
    from audio.kokoro.fastest import find_fastest  # noqa: PLC0415  # slow to import
    from audio.kokoro.model_files import ensure  # noqa: PLC0415  # likewise
    from audio.types import ModelFileError  # noqa: PLC0415  # likewise

    try:
        with file_progress() as progress:
            ensure("fp32", model_dir, progress)
    except ModelFileError as exc:
        sys.stderr.write(f"{exc}\nThe small model is used.\n")
        return None
    return find_fastest(model_dir, lambda _: None)


def _find_fastest(settings: Settings) -> None:
    """Measure how the voice is fastest; on a Mac, fetch the large model, too, if it may be.

    Raises:
        CommandError: a model file is damaged.
    """
    from audio.kokoro.fastest import find_fastest, is_busy  # noqa: PLC0415  # slow to import
    from audio.kokoro.prepared import usable_processors  # noqa: PLC0415  # likewise
    from audio.types import AudioError, ModelFileError  # noqa: PLC0415  # likewise

    if is_busy():
        sys.stderr.write(
            "The computer is busy, so it was not measured how the voice is fastest. `crier models` "
            "does that later.\n"
        )
        return
    model_dir = settings.model_dir
    out = Console(file=raw(sys.stderr))
    try:
        with out.status("Measuring how the voice is fastest here") as status:
            best = find_fastest(
                model_dir, lambda what: status.update(f"Measuring the voice: {what}")
            )
        on_apple = sys.platform == "darwin" and platform.machine() == "arm64"
        if settings.kokoro_model == "auto" and on_apple and best and best.rtf > _FAST_RTF:
            best = _with_large_model(model_dir) or best
    except ModelFileError as exc:
        raise CommandError(str(exc)) from exc
    except AudioError as exc:
        sys.stderr.write(f"The voice could not be measured: {exc}\n")
        return
    if best is not None:
        sys.stderr.write(
            f"Fastest here: {best.kind} with {best.threads} of {usable_processors()} processors, "
            f"{best.rtf:.2f} s of work for a second of speech\n"
        )


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
