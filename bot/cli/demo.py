"""`crier demo`: the bot with the embedded Bot API server, and a chat in the terminal.

Piped input is spoken line by line. Runs on the event loop.
"""

import asyncio
import itertools
import secrets
import shutil
import signal
import sys
import textwrap
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from prompt_toolkit import PromptSession, print_formatted_text
from prompt_toolkit.completion import WordCompleter
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.patch_stdout import patch_stdout
from pydantic import SecretStr

from audio.output.wavfile import PREFIX
from audio.types import AudioError
from bot.app import running
from bot.chat.menu import COMMANDS
from bot.chat.sandbox import Event, Person, Sandbox
from bot.clean import clean
from bot.errors import FAILED, OK
from bot.settings import Settings
from bot.start.phases import list_devices

_YOU = Person(1)
_MAX_TEXT_CHARS = 4096  # Telegram's apps split longer texts too
_MAX_PENDING = 16  # of piped lines; the rest stays in the pipe
_COMMAND_TIMEOUT_S = 10.0
_MEANINGS = {
    "👀": "stored, in the queue",
    "👍": "heard to the end",
    "🙊": "cut off",
    "😴": "waiting",
    "💔": "not spoken",
}
_FINAL_REACTIONS = frozenset("👍🙊💔")

_Print = Callable[[str, str], None]
"""Prints a text in a style: (style, text)."""


def demo_settings(settings: Settings) -> Settings:
    """Return *settings* with the demo's own bot, person and data folder."""
    return settings.replaced(
        telegram_bot_token=SecretStr(f"{secrets.randbelow(10**9) + 1}:{secrets.token_urlsafe(26)}"),
        telegram_allowed_users=frozenset({_YOU.id}),
        data_dir=settings.data_dir / "demo",
        # A whole book may be piped in.
        limit_per_minute=0,
        limit_waiting=0,
        quiet_hours="",
    )


async def demo(settings: Settings) -> int:
    """Chat until the end of the input; return the exit code."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    terminal = sys.stdin.isatty()
    if not terminal:  # prompt_toolkit handles Ctrl-C
        loop.add_signal_handler(signal.SIGINT, stop.set)
    show: _Print = _print_colours if sys.stdout.isatty() else _print_plain

    # Older demos stored every typed line there.
    (settings.data_dir / "history").unlink(missing_ok=True)
    settings = await _with_output(settings, show)
    assert settings.telegram_bot_token is not None  # noqa: S101  # demo_settings made one
    sandbox = Sandbox(settings.telegram_bot_token.get_secret_value())
    async with sandbox.serve():
        settings = settings.replaced(telegram_api_url=sandbox.url)
        before = _wav_files(settings)
        async with running(settings, show_code=lambda _: None) as bot:
            await bot.delivery.mute(0)  # after a /mute in an earlier demo a pipe would never end
            chat = _Chat(sandbox, show)
            watching = asyncio.create_task(chat.watch())
            talking = asyncio.create_task(_talk(chat) if terminal else _pipe(chat))
            stopping = asyncio.create_task(stop.wait())
            await asyncio.wait({talking, stopping}, return_when=asyncio.FIRST_COMPLETED)
            for task in (stopping, watching):
                task.cancel()
            code = OK
            if talking.done():
                code = talking.result()
            else:
                talking.cancel()
        for path in sorted(_wav_files(settings) - before):
            show("", f"Written: {path}")
    return code


async def _with_output(settings: Settings, show: _Print) -> Settings:
    """Return *settings*; without any output device, with a folder for WAV files instead."""
    if settings.audio_device.startswith(PREFIX):
        return settings
    try:
        if list_devices(settings).outputs:
            return settings
        reason = "There is no output device here"
    except AudioError as exc:
        reason = str(exc).rstrip(".")
    folder = settings.data_dir / "spoken"
    show("warning", f"{reason}, so what I say is written to WAV files in {folder}")
    return settings.replaced(audio_device=f"{PREFIX}{folder}")


def _wav_files(settings: Settings) -> set[Path]:
    if not settings.audio_device.startswith(PREFIX):
        return set()
    return set(Path(settings.audio_device.removeprefix(PREFIX)).expanduser().glob("*.wav"))


class _Chat:
    """One person's side of the chat."""

    def __init__(self, sandbox: Sandbox, show: _Print) -> None:
        self._sandbox = sandbox
        self.print = show
        self._texts: dict[int, str] = {}
        self._buttons: list[tuple[int, str]] = []  # of the latest keyboard: (message id, data)
        self._shown_events = 0
        self.failed = 0
        self.pending: set[int] = set()
        """Messages that were sent and have not ended."""
        self.changed = asyncio.Condition()

    def send(self, text: str) -> None:
        """Send a text, a command, or press a button (``/1``)."""
        number = text.removeprefix("/")
        if text.startswith("/") and number.isdigit() and 0 < int(number) <= len(self._buttons):
            message_id, data = self._buttons[int(number) - 1]
            self._sandbox.press(_YOU, message_id, data)
            return
        for part in textwrap.wrap(
            text, _MAX_TEXT_CHARS, replace_whitespace=False, drop_whitespace=False
        ):
            message_id = self._sandbox.send(_YOU, part)
            if not part.startswith("/"):
                self._texts[message_id] = part
                self.pending.add(message_id)

    async def ask(self, command: str) -> bool:
        """Send a command; return whether its answer came and was shown."""
        since = len(self._sandbox.events)
        self.send(command)
        try:
            answer = await self._sandbox.wait_for(
                lambda event: event.kind in ("message", "answer"),
                _COMMAND_TIMEOUT_S,
                since=since,
            )
            async with asyncio.timeout(_COMMAND_TIMEOUT_S), self.changed:
                await self.changed.wait_for(
                    lambda: answer in self._sandbox.events[: self._shown_events]
                )
        except TimeoutError:
            return False
        return True

    async def watch(self) -> None:
        """Show what the bot does, until cancelled."""
        for number in itertools.count():
            event = await self._sandbox.wait_for(lambda _: True, float("inf"), since=number)
            self._show(event)
            async with self.changed:
                self._shown_events = number + 1
                if event.kind == "reaction" and event.text in _FINAL_REACTIONS:
                    self.pending.discard(event.message_id)
                    self.failed += event.text == "💔"
                self.changed.notify_all()

    def _show(self, event: Event) -> None:
        match event.kind:
            case "reaction":
                text = textwrap.shorten(self._texts.get(event.message_id, ""), 60)
                meaning = _MEANINGS.get(event.text, "")
                self.print("reaction", f"  {event.text} {meaning}: {text}")
            case "edit" if event.text.startswith("Speaking "):
                pass  # a phone edits it in place; here each edit would be a line
            case "message" | "edit":
                self.print("bot", _wrapped(event.text))
                if event.buttons:
                    self._buttons = [(event.message_id, data) for _, data in event.buttons]
                    for number, (label, _) in enumerate(event.buttons, 1):
                        self.print("button", f"  /{number} [{label}]")
            case "answer" if event.text:
                self.print("bot", _wrapped(event.text))


def _wrapped(text: str) -> str:
    """Indent *text* and break its lines between words."""
    width = shutil.get_terminal_size().columns - 1
    lines = [
        textwrap.fill(line, width, initial_indent="  ", subsequent_indent="  ")
        for line in text.splitlines()
    ]
    return "\n".join(lines)


async def _talk(chat: _Chat) -> int:
    """Chat in a terminal until Ctrl-D."""
    chat.print(
        "bot",
        "This is the demo: the bot itself, without Telegram. Write something and hear it.\n"
        "/help lists the commands, Tab completes them, Ctrl-D ends.\n"
        "To use it from your phone, get a token from @BotFather and write it into .env.",
    )
    words = [f"/{command.command}" for command in COMMANDS]
    session: PromptSession[str] = PromptSession(
        completer=WordCompleter(words, sentence=True),
        complete_while_typing=False,
    )
    with patch_stdout(raw=True):
        while True:
            try:
                text = await session.prompt_async(FormattedText([("bold ansicyan", "you  ")]))
            except (EOFError, KeyboardInterrupt):
                return OK
            if text.strip():
                chat.send(text)


async def _pipe(chat: _Chat) -> int:
    """Speak piped lines, and wait until all have ended."""
    async for line in _stdin_lines():
        text = line.strip()
        if not text:
            continue
        if text.startswith("/"):
            if not await chat.ask(text):
                return FAILED
            continue
        chat.send(text)
        async with chat.changed:
            await chat.changed.wait_for(lambda: len(chat.pending) < _MAX_PENDING)
    async with chat.changed:
        await chat.changed.wait_for(lambda: not chat.pending)
    return FAILED if chat.failed else OK


async def _stdin_lines() -> AsyncIterator[str]:
    """Yield the lines of stdin, whether it is a pipe or a file."""
    lines: asyncio.Queue[str | None] = asyncio.Queue()
    slots = threading.Semaphore(_MAX_PENDING)
    loop = asyncio.get_running_loop()

    def read() -> None:
        for raw in sys.stdin.buffer:
            slots.acquire()
            loop.call_soon_threadsafe(lines.put_nowait, raw.decode(errors="replace"))
        loop.call_soon_threadsafe(lines.put_nowait, None)

    # A daemon, because a blocked read can't be cancelled.
    threading.Thread(target=read, name="stdin", daemon=True).start()
    while (line := await lines.get()) is not None:
        slots.release()
        yield line


_STYLES = {"bot": "ansigreen", "reaction": "ansibrightblack", "button": "ansiblue"}


def _print_colours(style: str, text: str) -> None:
    colour = {"warning": "ansiyellow"}.get(style) or _STYLES.get(style, "")
    print_formatted_text(FormattedText([(colour, clean(text))]))


def _print_plain(_: str, text: str) -> None:
    print(text, flush=True)  # noqa: T201  # a terminal program
