"""What the crash lab and the soak share: the bot as a process, in the sandbox, at loudspeakers."""

import asyncio
import os
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bot.chat.sandbox import Person, Sandbox
from bot.paths import CHECKOUT
from bot.settings import load
from tests.support.loudspeaker import Daemon, Loudspeakers

TOKEN = "4217:chaos-chaos-chaos-chaos-chaos"  # of the sandbox
YOU = Person(1)
GRACE_S = 0.25
"""What sounded this shortly before a kill may not be known to have."""

FINAL = "👍🙊💔"


class Bot:
    """The bot as a process that is started again and again."""

    def __init__(self, module: str, env: dict[str, str]) -> None:
        """Run ``python -m`` *module*."""
        self.data_dir = Path(env["DATA_DIR"])
        self._command = [sys.executable, "-m", *module.split()]
        self._env = env
        self.process: asyncio.subprocess.Process | None = None

    def set(self, name: str, value: str) -> None:
        """Change a variable for the next start."""
        self._env[name] = value

    async def start(self) -> None:
        """Start it."""
        self.process = await asyncio.create_subprocess_exec(
            *self._command,
            cwd=CHECKOUT,
            env=self._env,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )

    async def kill(self) -> float:
        """Kill it; return when."""
        assert self.process is not None
        self.process.kill()
        killed_s = time.monotonic()
        await self.process.wait()
        return killed_s

    async def supervise(self) -> AsyncIterator[int]:
        """Start it anew whenever it ends; yields the exit codes."""
        while True:
            await self.start()
            assert self.process is not None
            yield await self.process.wait()


@asynccontextmanager
async def lab(
    module: str, *, apart: bool, sandbox: Sandbox | None = None, **variables: str
) -> AsyncIterator[tuple[Sandbox, Bot, Loudspeakers]]:
    """Serve the sandbox and the loudspeakers, with a bot that has not been started.

    Args:
        module: what runs the bot.
        apart: give each loudspeaker a daemon of its own.
        sandbox: the server, where it is not a plain one.
        variables: the bot's settings that differ.
    """
    sandbox = sandbox or Sandbox(TOKEN)
    with tempfile.TemporaryDirectory(prefix="crier") as temporary:
        folder = Path(temporary)
        speakers = Loudspeakers(folder, apart=apart)
        async with sandbox.serve():
            bot = Bot(
                module,
                {
                    **os.environ,
                    "ALSA_CONFIG_PATH": str(speakers.alsa_config),
                    "TELEGRAM_BOT_TOKEN": TOKEN,
                    "TELEGRAM_ALLOWED_USERS": str(YOU.id),
                    "TELEGRAM_API_URL": sandbox.url,
                    "AUDIO_DEVICE": "speaker_a",
                    "STREAM_IDLE_S": "0.5",
                    "DATA_DIR": str(folder / "data"),
                    "API_PORT": "0",
                    "MODEL_DIR": str(load()[0].model_dir),
                    "LIMIT_PER_MINUTE": "0",
                    "LIMIT_WAITING": "0",
                    **variables,
                },
            )
            try:
                yield sandbox, bot, speakers
            finally:
                if bot.process is not None and bot.process.returncode is None:
                    bot.process.kill()
                    await bot.process.wait()
        speakers.close()


def receipts(sandbox: Sandbox, message: int) -> list[str]:
    """Return the last receipts that a message has."""
    return [
        e.text
        for e in sandbox.events
        if e.kind == "reaction" and e.message_id == message and e.text in FINAL
    ]


async def all_ended(sandbox: Sandbox, messages: list[int], timeout_s: float) -> None:
    """Return when each message has a last receipt."""
    deadline_s = time.monotonic() + timeout_s
    while not all(receipts(sandbox, message) for message in messages):
        if time.monotonic() > deadline_s:
            missing = [m for m in messages if not receipts(sandbox, m)]
            raise TimeoutError(f"{len(missing)} messages have no last receipt: {missing[:5]}")
        await asyncio.sleep(0.1)


def break_(daemon: Daemon, kind: str) -> None:
    """Let the loudspeaker of *daemon* fail in this way."""
    match kind:
        case "stalled":
            daemon.ask("suspend-sink", "speaker_a", "1")
        case "killed":
            daemon.signal(signal.SIGKILL)
        case "frozen":
            daemon.signal(signal.SIGSTOP)


def mend(daemon: Daemon, kind: str) -> None:
    """Undo `break_`."""
    match kind:
        case "stalled":
            daemon.ask("suspend-sink", "speaker_a", "0")
        case "killed":
            daemon.start()
        case "frozen":
            daemon.signal(signal.SIGCONT)
