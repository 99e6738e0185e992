"""`crier logs`: the end of the log, across its rotations, and new lines as they come."""

import argparse
import datetime as dt
import itertools
import json
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from bot.errors import OK, CommandError
from bot.paths import data_dir

_POLL_S = 0.25
# A line as bot/logs.py writes it, in local time.
_LINE = re.compile(
    r"(?P<at>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}) (?P<level>[A-Z]+) +(?P<thread>\S+) +"
    r"(?P<logger>\S+): (?P<message>.*)"
)


def logs_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of `crier logs`."""
    parser.add_argument("-f", "--follow", action="store_true", help="show new lines as they come")
    parser.add_argument("-n", "--lines", type=_number, default=50, metavar="N", help="how many; 50")
    parser.add_argument("--json", action="store_true", help="one JSON object for each line")


def logs(options: argparse.Namespace) -> int:
    """Show the end of the log.

    Raises:
        CommandError: there is no log, or it can't be read.
    """
    path = data_dir() / "crier.log"
    try:
        for line in tail(path, options.lines, follow=options.follow):
            print(as_json(line) if options.json else line, flush=True)
    except FileNotFoundError:
        raise CommandError(
            f"There is no log in {path.parent} yet: Crier has not run, or has another DATA_DIR."
        ) from None
    except BrokenPipeError:
        raise
    except OSError as exc:
        raise CommandError(f"{path} can't be read ({exc.strerror}).") from exc
    return OK


def tail(path: Path, count: int, *, follow: bool) -> Iterator[str]:
    """Yield the last *count* lines of a log that rotates to ``.1`` and so on.

    With *follow*, yield new lines as they come, forever; blocks while there are none.

    Raises:
        OSError: it can't be read; without *follow*, also if there is none.
    """
    while follow and not path.exists():
        time.sleep(_POLL_S)
    file = path.open("rb")
    try:
        lines, rest = _split_lines(file.read())
        yield from [*_older(path, file, count - len(lines)), *lines][-count:] if count else ()
        while follow:
            part = file.read()
            # Nothing is written to a file that was rotated away: this reads the rest of it.
            if not part and _replaced(path, file):
                part = file.read()
                file.close()
                file = path.open("rb")
            lines, rest = _split_lines(rest + part)
            yield from lines
            if not part:
                time.sleep(_POLL_S)
    finally:
        file.close()


def as_json(line: str) -> str:
    """Return a line of the log as a JSON object; a line of a traceback has only a message."""
    if line.startswith("{"):
        return line
    match = _LINE.fullmatch(line)
    fields = match.groupdict() if match else {"message": line}
    if "at" in fields:
        at = dt.datetime.strptime(fields["at"], "%Y-%m-%d %H:%M:%S,%f").astimezone(dt.UTC)
        fields["at"] = at.isoformat(timespec="milliseconds")
    return json.dumps(fields, ensure_ascii=False)


def _split_lines(raw: bytes) -> tuple[list[str], bytes]:
    """Return the complete lines, and the rest."""
    *lines, rest = raw.split(b"\n")
    return [line.decode(errors="replace") for line in lines], rest


def _older(path: Path, newest: BinaryIO, count: int) -> list[str]:
    """Return the last lines before those of *newest*, at least *count* if possible."""
    lines: list[str] = []
    for number in itertools.count(1):
        older = path.with_name(f"{path.name}.{number}")
        if len(lines) >= count or not older.exists():
            return lines
        if _same(older, newest):
            continue  # it was rotated after it was opened
        lines = [*_split_lines(older.read_bytes())[0], *lines]
    return lines


def _same(path: Path, file: BinaryIO) -> bool:
    return os.path.samestat(path.stat(), os.fstat(file.fileno()))


def _replaced(path: Path, file: BinaryIO) -> bool:
    """Whether the file at *path* is a new one, or has been truncated."""
    try:
        return not _same(path, file) or path.stat().st_size < file.tell()
    except FileNotFoundError:
        return False  # between two steps of a rotation


def _number(text: str) -> int:
    count = int(text)
    if count < 0:
        raise ValueError(text)
    return count
