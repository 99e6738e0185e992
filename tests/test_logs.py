"""The log: one line for each utterance, as text or as JSON; never a word of it, never a token."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest

from bot import logs
from bot.sandbox import Sandbox
from tests.conftest import ALICE, TOKEN, StartBot, reaction_to

Form = Literal["text", "json"]
WORDS = "The canary sings number 42."


@pytest.fixture(params=["text", "json"])
def form(request: pytest.FixtureRequest) -> Form:
    """Return each form in turn."""
    chosen: Form = request.param
    return chosen


@pytest.fixture
def log_file(tmp_path: Path, form: Form) -> Iterator[Path]:
    """Return the file of a log that has been started; pytest's own handlers are back afterwards."""
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


async def test_one_line_tells_all_about_an_utterance_but_its_words(
    start_toned: StartBot, sandbox: Sandbox, log_file: Path, form: Form
) -> None:
    """Id, source, characters, chunks, first sound, length, device, outcome: in one line."""
    async with start_toned():
        message = sandbox.send(ALICE, WORDS)
        await sandbox.wait_for(reaction_to(message, "👍"))
    content = log_file.read_text()
    lines = [line for line in content.splitlines() if "Message 1: heard" in line]

    assert len(lines) == 1
    assert "canary" not in content
    if form == "json":
        facts = json.loads(lines[0])
        assert facts["id"] == 1
        assert facts["source"] == "telegram"
        assert facts["outcome"] == "heard"
        assert facts["characters"] == len(WORDS)
        assert facts["chunks"] >= 1
        assert facts["first_sound_ms"] > 0
        assert facts["audio_s"] > 0
        assert facts["device"] == "speaker_a"
        assert facts["underruns"] == 0
        assert facts["thread"] == "MainThread"
    else:
        assert f"from telegram, {len(WORDS)} characters in 1 chunk, first sound after" in lines[0]
        assert "s of sound on speaker_a" in lines[0]


def test_each_line_is_json_and_none_holds_the_token(log_file: Path, form: Form) -> None:
    """Tracebacks and odd texts stay within their line, and the token is hidden in both forms."""
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
