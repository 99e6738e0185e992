"""`crier logs`: the end of the log, over its rotation, and what comes after."""

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

_LOOK_S = 0.25
# A line as bot/logs.py writes it, in local time.
_LINE = re.compile(
    r"(?P<at>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}) (?P<level>[A-Z]+) +(?P<thread>\S+) +"
    r"(?P<logger>\S+): (?P<message>.*)"
)


def logs_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `crier logs` takes."""
    parser.add_argument("-f", "--follow", action="store_true", help="go on with what comes")
    parser.add_argument("-n", "--lines", type=_number, default=50, metavar="N", help="how many, 50")
    parser.add_argument("--json", action="store_true", help="one JSON object for each line")


def logs(options: argparse.Namespace) -> int:
    """Show the end of the log.

    Raises:
        CommandError: there is none.
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
    """Yield the last *count* lines of a log that rotates to ``.1`` and so on; then what comes.

    Blocks where it follows, and never ends then.

    Raises:
        OSError: it can't be read; where it does not follow, also that there is none.
    """
    while follow and not path.exists():
        time.sleep(_LOOK_S)
    file = path.open("rb")
    try:
        lines, rest = _whole(file.read())
        yield from [*_older(path, file, count - len(lines)), *lines][-count:] if count else ()
        while follow:
            part = file.read()
            # Nobody writes into a file that has been rotated away, so this reads it to its end.
            if not part and _replaced(path, file):
                part = file.read()
                file.close()
                file = path.open("rb")
            lines, rest = _whole(rest + part)
            yield from lines
            if not part:
                time.sleep(_LOOK_S)
    finally:
        file.close()


def as_json(line: str) -> str:
    """Return a line of the log as a JSON object; a traceback's have a message alone."""
    if line.startswith("{"):
        return line
    match = _LINE.fullmatch(line)
    fields = match.groupdict() if match else {"message": line}
    if "at" in fields:
        at = dt.datetime.strptime(fields["at"], "%Y-%m-%d %H:%M:%S,%f").astimezone(dt.UTC)
        fields["at"] = at.isoformat(timespec="milliseconds")
    return json.dumps(fields, ensure_ascii=False)


def _whole(raw: bytes) -> tuple[list[str], bytes]:
    """Return the lines that have ended, and what has not."""
    *lines, rest = raw.split(b"\n")
    return [line.decode(errors="replace") for line in lines], rest


def _older(path: Path, newest: BinaryIO, count: int) -> list[str]:
    """Return the last lines before those of *newest*, at least *count* where there are."""
    lines: list[str] = []
    for number in itertools.count(1):
        older = path.with_name(f"{path.name}.{number}")
        if len(lines) >= count or not older.exists():
            return lines
        if _same(older, newest):
            continue  # rotated since it was opened
        lines = [*_whole(older.read_bytes())[0], *lines]
    return lines


def _same(path: Path, file: BinaryIO) -> bool:
    return os.path.samestat(path.stat(), os.fstat(file.fileno()))


def _replaced(path: Path, file: BinaryIO) -> bool:
    """Say whether there is a new file of that name, or the old one has been emptied."""
    try:
        return not _same(path, file) or path.stat().st_size < file.tell()
    except FileNotFoundError:
        return False  # between two steps of a rotation


def _number(text: str) -> int:
    count = int(text)
    if count < 0:
        raise ValueError(text)
    return count
