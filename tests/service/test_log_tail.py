"""`crier logs`: the end of the log over its rotation, and what comes after."""

import asyncio
import json
import logging
import logging.handlers
import os
import sys
from pathlib import Path

import pytest

from bot.cli.main import main
from bot.paths import CHECKOUT
from bot.service.log_tail import as_json, tail


@pytest.fixture
def log_file(tmp_path: Path) -> Path:
    """Return where the log will be."""
    return tmp_path / "crier.log"


def write(path: Path, *numbers: int) -> None:
    """Write a line for each number."""
    path.write_text("".join(f"line {number}\n" for number in numbers))


def last(path: Path, count: int) -> list[str]:
    """Return the last numbers of a log."""
    return [line.removeprefix("line ") for line in tail(path, count, follow=False)]


def test_the_end_reaches_into_older_files(log_file: Path) -> None:
    """Where the newest file has too few lines, older ones give theirs, in order."""
    write(log_file, 5, 6)
    write(log_file.with_name("crier.log.1"), 3, 4)
    write(log_file.with_name("crier.log.2"), 1, 2)

    assert last(log_file, 1) == ["6"]
    assert last(log_file, 3) == ["4", "5", "6"]
    assert last(log_file, 50) == ["1", "2", "3", "4", "5", "6"]
    assert last(log_file, 0) == []


async def test_following_misses_no_line_over_rotations(log_file: Path) -> None:
    """What comes while it follows is shown once and in order, however often the file changes."""
    environment = {**os.environ, "DATA_DIR": str(log_file.parent), "PYTHONPATH": str(CHECKOUT)}
    follower = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "bot", "logs", "-f", "-n", "1"),
        env=environment,
        stdout=asyncio.subprocess.PIPE,
    )
    assert follower.stdout is not None
    writer = logging.handlers.RotatingFileHandler(log_file, maxBytes=60, backupCount=9)
    shown = []
    try:
        for burst in range(0, 40, 5):
            for number in range(burst, burst + 5):
                writer.emit(logging.makeLogRecord({"msg": f"line {number}"}))
                if number == 0:  # only the last of what is there already is shown
                    shown.append(await asyncio.wait_for(follower.stdout.readline(), 10))
            while len(shown) < burst + 5:
                shown.append(await asyncio.wait_for(follower.stdout.readline(), 10))
    finally:
        writer.close()
        follower.kill()
        await follower.wait()

    assert log_file.with_name("crier.log.3").exists()
    assert shown == [f"line {number}\n".encode() for number in range(40)]


def test_a_line_is_shown_when_it_is_whole(log_file: Path) -> None:
    """Half a line, half a letter even, waits for its other half."""
    log_file.write_bytes(b"one\ntw\xc3")
    lines = tail(log_file, 5, follow=True)
    first = next(lines)
    with log_file.open("ab") as file:
        file.write(b"\xb6\n")

    assert first == "one"
    assert next(lines) == "twö"


def test_an_emptied_log_is_followed_from_its_beginning(log_file: Path) -> None:
    """Who empties the file by hand sees what comes then."""
    write(log_file, 1, 2)
    lines = tail(log_file, 1, follow=True)
    assert next(lines) == "line 2"
    write(log_file, 3)

    assert next(lines) == "line 3"


def test_json_has_the_parts_of_a_line() -> None:
    """A line becomes an object; one that is JSON already stays as it is."""
    line = "2026-01-02 03:04:05,678 WARNING audio       audio.output.portaudio: It went: away"
    fields = json.loads(as_json(line))

    assert fields.pop("at").endswith(":05.678+00:00")
    assert fields == {
        "level": "WARNING",
        "thread": "audio",
        "logger": "audio.output.portaudio",
        "message": "It went: away",
    }
    assert as_json('{"a": 1}') == '{"a": 1}'
    assert json.loads(as_json("ValueError: x")) == {"message": "ValueError: x"}


def test_without_a_log_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The folder is named, and the exit code is 1."""
    monkeypatch.setenv("DATA_DIR", str(tmp_path))

    assert main(["logs"]) == 1
    assert f"There is no log in {tmp_path} yet" in capsys.readouterr().err


def test_a_wrong_setting_does_not_hide_the_log(
    log_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The log can be read when it is needed most."""
    write(log_file, 1)
    monkeypatch.setenv("DATA_DIR", str(log_file.parent))
    monkeypatch.setenv("KOKORO_SPEED", "9")

    assert main(["logs"]) == 0
    assert capsys.readouterr().out == "line 1\n"
