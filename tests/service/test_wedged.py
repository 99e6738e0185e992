"""A bot that only a new process can help: what each start does about it."""

import sys
from pathlib import Path

import pytest

from bot.chat.sandbox import Sandbox
from bot.paths import CHECKOUT
from tests.support.commandline import Environment
from tests.support.terminal import terminal

# Each process but the last finds itself stuck; the text of the program is its command line, too.
_PROGRAM = """
import pathlib, sys
from bot.app import Watchdog
from tests.support import run_with_fake_voice
starts = pathlib.Path(sys.argv.pop(1))
starts.write_text(starts.read_text() + ".")
run = Watchdog.run
async def run_once(self):
    return await run(self) if starts.read_text() == "..." else "The audio thread is stuck."
Watchdog.run = run_once
run_with_fake_voice.replace_parts()
sys.exit(run_with_fake_voice.main())
"""


@pytest.fixture
def starts(tmp_path: Path) -> Path:
    """Return a file with a dot for each start."""
    path = tmp_path / "starts"
    path.write_text("")
    return path


async def test_run_in_terminal_starts_again(
    environment: Environment, sandbox: Sandbox, tmp_path: Path, starts: Path
) -> None:
    """Nobody restarts a bot in a terminal, so it replaces itself by a new process."""
    environment |= {
        "TELEGRAM_BOT_TOKEN": sandbox.token,
        "TELEGRAM_API_URL": sandbox.url,
        "AUDIO_DEVICE": f"file:{tmp_path / 'spoken'}",
    }
    program = (sys.executable, "-P", "-c", _PROGRAM, str(starts))
    async with terminal("run", environment=environment, cwd=CHECKOUT, program=program) as screen:
        for _ in range(2):
            await screen.see("The audio thread is stuck. Starting again in a new process")
        await screen.see("Connected to Telegram")

        assert screen.process.returncode is None
    assert starts.read_text() == "..."
