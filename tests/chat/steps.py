"""Steps that several tests of the chat share: send, ask, wait, listen."""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np
import psutil

from audio.types import Samples
from bot.chat.sandbox import Event, Json, Person, Sandbox
from tests.chat.samples import LONG_FILE_TEXT
from tests.conftest import ALICE, reaction_to, reply_with
from tests.support import fork_server
from tests.support.commandline import Environment
from tests.support.fake_voice import find_tones
from tests.support.likeness import correlation
from tests.support.loudspeaker import RATE_HZ, Ear

BOB = Person(8, "Bob")

PEOPLE = frozenset({ALICE.id, BOB.id})

QUESTION = "What shall I do?"


def heard_codes(ear: Ear) -> list[int]:
    """Wait for silence; return the codes of the tones that were heard completely."""
    ear.wait_for_silence()
    return [tone.code for tone in find_tones(ear.recording()[0], RATE_HZ) if tone.complete]


async def answer_to(sandbox: Sandbox, command: str, person: Person = ALICE) -> str:
    """Send a command and return the bot's reply."""
    seen = len(sandbox.events)
    sandbox.send(person, command)
    event = await sandbox.wait_for(lambda e: e.kind == "message", since=seen)
    return event.text


async def mute(sandbox: Sandbox) -> None:
    """Mute the bot, so that messages stay in the queue for inspection."""
    sandbox.send(ALICE, "/mute 1h")
    await sandbox.wait_for(reply_with("Muted until"))


def edit(sandbox: Sandbox, message_id: int, fields: Json, chat: Json | None = None) -> None:
    """Replace the content of one of Alice's messages."""
    message = {"message_id": message_id, "date": int(time.time()), "from": ALICE.as_user()}
    chat = chat or ALICE.as_chat()
    sandbox.push({"edited_message": {**message, "chat": chat, "edit_date": 1, **fields}})


def likeness(ear: Ear, recorded: Samples) -> float:
    """Return how similar the last sound is to a recording: peak correlation, 0 to 1."""
    ear.wait_for_silence()
    sound = ear.samples()[-len(recorded) - RATE_HZ // 2 :]
    sound = np.pad(sound, RATE_HZ // 10)  # soft edges may be cut
    if len(sound) < len(recorded):
        return 0.0
    peaks = np.abs(correlation(sound, recorded)[len(recorded) - 1 : len(sound)])
    best = int(peaks.argmax())
    energy = (recorded**2).sum() * (sound[best : best + len(recorded)] ** 2).sum()
    return float(peaks[best] / np.sqrt(energy))


def send_voice(sandbox: Sandbox, content: bytes, seconds: int = 2) -> int:
    """Send a voice note from Alice and return its message id."""
    voice = {"file_id": sandbox.add_file(content), "file_unique_id": "v", "duration": seconds}
    return sandbox.send_fields(ALICE, {"voice": {**voice, "file_size": len(content)}})


def send_file(sandbox: Sandbox, name: str, content: bytes) -> int:
    """Send a document from Alice and return its message id."""
    document = {"file_id": sandbox.add_file(content), "file_unique_id": "d", "file_name": name}
    return sandbox.send_fields(ALICE, {"document": {**document, "file_size": len(content)}})


async def ask_about_long_file(sandbox: Sandbox, **fields: object) -> tuple[int, Event]:
    """Send a long file; return its message id and the bot's question about it."""
    document = {"file_id": sandbox.add_file(LONG_FILE_TEXT.encode()), "file_unique_id": "d"}
    about: Json = {"document": {**document, "file_name": "book.txt"}, **fields}
    message = sandbox.send_fields(ALICE, about)
    return message, await sandbox.wait_for(reply_with(QUESTION, to=message))


def reader_processes(parent: int | None = None) -> list[psutil.Process]:
    """Return the processes that read files for *parent*, by default for this process."""
    readers = []
    for child in psutil.Process(parent).children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):  # exited meanwhile
            if "bot.chat.decode" in child.cmdline():
                readers.append(child)
    return readers


async def reader_process(parent: int | None = None) -> psutil.Process:
    """Wait for a process that reads a file, and return it."""
    async with asyncio.timeout(60):
        while not (processes := reader_processes(parent)):  # noqa: ASYNC110  # there is no event
            await asyncio.sleep(0.02)
        return processes[0]


async def wait_for_exit(process: psutil.Process) -> None:
    """Wait until a process has exited, whether or not its parent has reaped it."""
    with contextlib.suppress(psutil.NoSuchProcess):
        async with asyncio.timeout(60):
            while process.status() != psutil.STATUS_ZOMBIE:  # noqa: ASYNC110  # no event
                await asyncio.sleep(0.02)


@asynccontextmanager
async def bot_process(environment: Environment) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a bot with the tone voice in a separate process; it is killed afterwards."""
    process = await fork_server.start(
        "tests.support.fake_voice",
        environment=environment,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def last_reaction(sandbox: Sandbox, message: int) -> str:
    """Return the reaction that a message has now."""
    return [e.text for e in sandbox.events if reaction_to(message)(e)][-1]


def count_replies(sandbox: Sandbox, part: str) -> int:
    """Return how many messages of the bot contain *part*."""
    return sum(map(reply_with(part), sandbox.events))


class Confirmations:
    """Loses confirmations: handled updates come again after the next start, as from Telegram."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._sent: list[Json] = []

    def record(self) -> None:
        """Record what waits at the server now."""
        self._sent = list(self._sandbox._updates)

    def lose(self) -> None:
        """Send it again."""
        self._sandbox._updates = deque(self._sent)
