"""Shared by the stress tests: the bot as a process, the sandbox server, virtual loudspeakers."""

import asyncio
import os
import signal
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bot.chat.sandbox import Person, Sandbox
from bot.settings import load
from tests.support import fork_server
from tests.support.loudspeaker import Daemon, Loudspeakers

TOKEN = "4217:chaos-chaos-chaos-chaos-chaos"  # of the sandbox
YOU = Person(1)
GRACE_S = 0.25
"""A sound that ended this shortly before a kill may not have been recorded as heard."""

FINAL_RECEIPTS = "👍🙊💔"


class BotProcess:
    """The bot as a process that can be killed and restarted."""

    def __init__(self, module: str, env: dict[str, str]) -> None:
        """Run ``python -m`` *module*."""
        self.data_dir = Path(env["DATA_DIR"])
        self._command = module.split()
        self._env = env
        self.process: asyncio.subprocess.Process | None = None

    def set(self, name: str, value: str) -> None:
        """Change a variable for the next start."""
        self._env[name] = value

    async def start(self) -> None:
        """Start the process."""
        self.process = await fork_server.start(
            *self._command,
            environment=self._env,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )

    async def kill(self) -> float:
        """Kill the process; return `time.monotonic` of the kill."""
        assert self.process is not None
        self.process.kill()
        killed_s = time.monotonic()
        await self.process.wait()
        return killed_s

    async def supervise(self) -> AsyncIterator[int]:
        """Restart the process whenever it exits; yields each exit code."""
        while True:
            await self.start()
            assert self.process is not None
            yield await self.process.wait()


@asynccontextmanager
async def lab(
    module: str, *, separate: bool, sandbox: Sandbox | None = None, **variables: str
) -> AsyncIterator[tuple[Sandbox, BotProcess, Loudspeakers]]:
    """Serve the sandbox and the loudspeakers; yield them with a bot that is not started yet.

    Args:
        module: the module that runs the bot, with its arguments.
        separate: whether each loudspeaker has a PulseAudio daemon of its own.
        sandbox: the server; by default a plain `Sandbox`.
        variables: environment variables of the bot that differ from the defaults below.
    """
    sandbox = sandbox or Sandbox(TOKEN)
    with tempfile.TemporaryDirectory(prefix="crier") as temporary:
        folder = Path(temporary)
        speakers = Loudspeakers(folder, separate=separate)
        async with sandbox.serve():
            bot = BotProcess(
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


def final_receipts(sandbox: Sandbox, message: int) -> list[str]:
    """Return the final receipts of a message; more than one if it was spoken again."""
    return [
        e.text
        for e in sandbox.events
        if e.kind == "reaction" and e.message_id == message and e.text in FINAL_RECEIPTS
    ]


async def wait_for_receipts(sandbox: Sandbox, messages: list[int], timeout_s: float) -> None:
    """Wait until each message has a final receipt.

    Raises:
        TimeoutError: some have none after *timeout_s*.
    """
    deadline_s = time.monotonic() + timeout_s
    while not all(final_receipts(sandbox, message) for message in messages):
        if time.monotonic() > deadline_s:
            missing = [m for m in messages if not final_receipts(sandbox, m)]
            raise TimeoutError(f"{len(missing)} messages have no final receipt: {missing[:5]}")
        await asyncio.sleep(0.1)


def break_speaker(daemon: Daemon, kind: str) -> None:
    """Make the loudspeaker of *daemon* fail: ``stalled``, ``killed`` or ``frozen``."""
    match kind:
        case "stalled":
            daemon.ask("suspend-sink", "speaker_a", "1")
        case "killed":
            daemon.signal(signal.SIGKILL)
        case "frozen":
            daemon.signal(signal.SIGSTOP)


def repair_speaker(daemon: Daemon, kind: str) -> None:
    """Undo `break_speaker`."""
    match kind:
        case "stalled":
            daemon.ask("suspend-sink", "speaker_a", "0")
        case "killed":
            daemon.start()
        case "frozen":
            daemon.signal(signal.SIGCONT)
