"""`crier logs`: the end of the log, across rotations, and new lines."""

import asyncio
import json
import logging
import logging.handlers
import os
from pathlib import Path

import pytest

from bot.cli.main import main
from bot.paths import CHECKOUT
from bot.service.log_tail import as_json, tail
from tests.support import fork_server


@pytest.fixture
def log_file(tmp_path: Path) -> Path:
    """Return the path of the log."""
    return tmp_path / "crier.log"


def write(path: Path, *numbers: int) -> None:
    """Write a line for each number."""
    path.write_text("".join(f"line {number}\n" for number in numbers))


def last(path: Path, count: int) -> list[str]:
    """Return the last numbers of a log."""
    return [line.removeprefix("line ") for line in tail(path, count, follow=False)]


def test_tail_reads_older_files(log_file: Path) -> None:
    """If the newest file has too few lines, those of older ones come first, in order."""
    write(log_file, 5, 6)
    write(log_file.with_name("crier.log.1"), 3, 4)
    write(log_file.with_name("crier.log.2"), 1, 2)

    assert last(log_file, 1) == ["6"]
    assert last(log_file, 3) == ["4", "5", "6"]
    assert last(log_file, 50) == ["1", "2", "3", "4", "5", "6"]
    assert last(log_file, 0) == []


async def test_tail_follows_rotations(log_file: Path) -> None:
    """New lines are shown once and in order, however often the file is rotated."""
    environment = {**os.environ, "DATA_DIR": str(log_file.parent), "PYTHONPATH": str(CHECKOUT)}
    follower = await fork_server.start(
        *("bot", "logs", "-f", "-n", "1"),
        environment=environment,
        stdout=asyncio.subprocess.PIPE,
    )
    assert follower.stdout is not None
    writer = logging.handlers.RotatingFileHandler(log_file, maxBytes=60, backupCount=9)
    shown = []
    try:
        for burst in range(0, 40, 5):
            for number in range(burst, burst + 5):
                writer.emit(logging.makeLogRecord({"msg": f"line {number}"}))
                if number == 0:  # only the last of the existing lines is shown
                    shown.append(await asyncio.wait_for(follower.stdout.readline(), 10))
            while len(shown) < burst + 5:
                shown.append(await asyncio.wait_for(follower.stdout.readline(), 10))
    finally:
        writer.close()
        follower.kill()
        await follower.wait()

    assert log_file.with_name("crier.log.3").exists()
    assert shown == [f"line {number}\n".encode() for number in range(40)]


def test_tail_waits_for_complete_line(log_file: Path) -> None:
    """Half a line, even half a letter, is shown when the rest has come."""
    log_file.write_bytes(b"one\ntw\xc3")
    lines = tail(log_file, 5, follow=True)
    first = next(lines)
    with log_file.open("ab") as file:
        file.write(b"\xb6\n")

    assert first == "one"
    assert next(lines) == "twö"


def test_tail_follows_truncated_log_from_start(log_file: Path) -> None:
    """After the file was truncated by hand, new lines are shown."""
    write(log_file, 1, 2)
    lines = tail(log_file, 1, follow=True)
    assert next(lines) == "line 2"
    write(log_file, 3)

    assert next(lines) == "line 3"


def test_as_json_splits_line_into_fields() -> None:
    """A line becomes an object; a line of JSON is unchanged."""
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


def test_logs_without_log_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The error names the folder, and the exit code is 1."""
    monkeypatch.setenv("DATA_DIR", str(tmp_path))

    assert main(["logs"]) == 1
    assert f"There is no log in {tmp_path} yet" in capsys.readouterr().err


def test_logs_works_with_wrong_setting(
    log_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The log can be read when a setting is wrong."""
    write(log_file, 1)
    monkeypatch.setenv("DATA_DIR", str(log_file.parent))
    monkeypatch.setenv("KOKORO_SPEED", "9")

    assert main(["logs"]) == 0
    assert capsys.readouterr().out == "line 1\n"
