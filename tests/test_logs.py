"""The log: one line per message, as text or as JSON, without its text and without tokens."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest

from bot import logs
from bot.chat.sandbox import Sandbox
from bot.service.log_tail import as_json
from tests.conftest import ALICE, TOKEN, StartBot, reaction_to

Form = Literal["text", "json"]
WORDS = "The canary sings number 42."


@pytest.fixture(params=["text", "json"])
def form(request: pytest.FixtureRequest) -> Form:
    """Return each form of the log."""
    chosen: Form = request.param
    return chosen


@pytest.fixture
def log_file(tmp_path: Path, form: Form) -> Iterator[Path]:
    """Start a log and return its file; restore pytest's handlers afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    for handler in handlers:
        root.removeHandler(handler)  # which `start` would close
    yield logs.start("INFO", tmp_path, TOKEN, terminal=False, form=form)
    for handler in root.handlers[:]:
        root.removeHandler(handler)
        handler.close()
    for handler in handlers:
        root.addHandler(handler)
    root.setLevel(level)


async def test_log_has_one_line_per_message_without_its_text(
    start_toned: StartBot, sandbox: Sandbox, log_file: Path, form: Form
) -> None:
    """Id, source, characters, chunks, first sound, length, device and outcome are in one line."""
    async with start_toned():
        message = sandbox.send(ALICE, WORDS)
        await sandbox.wait_for(reaction_to(message, "👍"))
    content = log_file.read_text()
    lines = [line for line in content.splitlines() if "Message 1: heard" in line]

    assert len(lines) == 1
    assert "canary" not in content
    if form == "json":
        values = json.loads(lines[0])
        assert values["id"] == 1
        assert values["source"] == "telegram"
        assert values["outcome"] == "heard"
        assert values["characters"] == len(WORDS)
        assert values["chunks"] >= 1
        assert values["first_sound_ms"] > 0
        assert values["audio_s"] > 0
        assert values["device"] == "speaker_a"
        assert values["underruns"] == 0
        assert values["thread"] == "MainThread"
    else:
        assert f"from telegram, {len(WORDS)} characters in 1 chunk, first sound after" in lines[0]
        assert "s of sound on speaker_a" in lines[0]


def test_log_lines_contain_no_token(log_file: Path, form: Form) -> None:
    """Tracebacks and odd texts stay within their line; both forms hide the token."""
    try:
        raise ValueError(f'https://x/bot{TOKEN}/getMe\n"quoted"')
    except ValueError:
        logging.getLogger("bot.test").exception("It went wrong with %s", TOKEN)
    content = log_file.read_text()

    assert TOKEN not in content
    assert TOKEN.partition(":")[2] not in content
    if form == "json":
        (line,) = content.splitlines()
        fields = json.loads(line)
        assert fields["level"] == "ERROR"
        assert "ValueError" in fields["traceback"]


@pytest.mark.usefixtures("form")
def test_log_lines_can_not_be_forged(log_file: Path) -> None:
    """A newline in a value or an error starts no line of its own; no control code is left."""
    forged = "x\n2026-01-01 00:00:00,000 ERROR   MainThread  bot.app: forged\x1b[2J\x9b\u202e"
    try:
        raise OSError(forged)
    except OSError:
        logging.getLogger("bot.test").exception("Device %s", forged)
    content = log_file.read_text()
    lines = [json.loads(as_json(line)) for line in content.splitlines()]

    assert [line["logger"] for line in lines if "logger" in line] == ["bot.test"]
    assert not [c for c in content if (ord(c) < 32 and c != "\n") or c in "\x9b\u202e"]


@pytest.mark.usefixtures("form")
def test_log_tracebacks_quote_no_text(log_file: Path) -> None:
    """The message of another library's error may quote a text, and is left out."""
    text = WORDS[4:10]
    known: dict[str, str] = {}
    try:
        try:
            known[text]
        except KeyError as exc:
            raise ValueError(text) from exc
    except ValueError:
        logging.getLogger("bot.test").exception("Unexpected error in composing")
    content = log_file.read_text()

    assert text not in content
    assert "ValueError (LOG_LEVEL=DEBUG shows what it says)" in content
    assert "KeyError (LOG_LEVEL=DEBUG shows what it says)" in content
