"""Wires everything: start order, and reverse stop order, on one page."""

import asyncio
import contextlib
import faulthandler
import fcntl
import gc
import json
import logging
import math
import os
import signal
import socket
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

from telegram.error import InvalidToken, TelegramError
from telegram.ext import Application, ApplicationBuilder, ExtBot
from telegram.request import HTTPXRequest

from audio.cost import SynthesisCost
from audio.kokoro.model_files import resolve_kind
from audio.kokoro.voice import KokoroVoice
from audio.output.portaudio import PortAudioSpeaker
from audio.output.wavfile import PREFIX, WavSpeaker
from audio.pipeline import SpeechPipeline, Voice
from audio.playback import Speaker
from audio.sleep import time_asleep_s
from audio.types import Devices, Fact
from bot.chat import menu
from bot.chat.attachments import Attachments
from bot.chat.handlers import Handlers
from bot.chat.outbox import Outbox
from bot.chat.people_commands import PeopleCommands
from bot.chat.playback_commands import PlaybackCommands
from bot.chat.polling import Polling, UpdatesRequest
from bot.chat.status_message import StatusMessage
from bot.chat.updates import Updates
from bot.chat.voice_commands import VoiceCommands
from bot.chat.voice_notes import VoiceNotes
from bot.core.access import Access, Limits
from bot.core.attempts import Attempts
from bot.core.delivery import Delivery, attempt_key
from bot.core.events import Events
from bot.core.inbox import Inbox, InboxError
from bot.core.intake import Intake
from bot.core.preferences import Preferences
from bot.core.store import Store
from bot.http.audio_stream import Studio
from bot.http.guard import AccessGuard
from bot.http.metrics import Metrics
from bot.http.routes import Api
from bot.http.server import listening, serving, token_of
from bot.paths import make_private
from bot.settings import Settings
from bot.watchdog import Watchdog

log = logging.getLogger(__name__)

# Telegram may take its time over a receipt; python-telegram-bot's own 5 s would give up too soon.
_REPLY_TIMEOUT_S = 20.0
# Of the 3 s that a SIGTERM may take, these are for the device and for the last receipts.
_RELEASE_TIMEOUT_S = 1.5
_FLUSH_TIMEOUT_S = 0.7
# What an earlier life left is said after Telegram was asked whether a /stop waits there, which
# takes a second at most where there is a network.
_FIRST_LOOK_S = 4.0
_MAX_TRACE_CHARS = 4000


WEDGED = 70
"""The exit code where only a new process can help. Source: EX_SOFTWARE of sysexits.h."""


class InUseError(InboxError):
    """Another Crier runs with this data folder."""


@dataclass(frozen=True, slots=True)
class Running:
    """A bot under way."""

    pipeline: SpeechPipeline
    delivery: Delivery
    polling: asyncio.Task[None]
    """Ends only by an error that no retry can mend."""
    watch: Watchdog
    attempts: Attempts


@asynccontextmanager
async def running(  # noqa: PLR0915  # the start order, on one page
    settings: Settings,
    *,
    show_code: Callable[[str], None],
    show_link: Callable[[str], None] = lambda _: None,
    voice: Voice | None = None,
    speaker: Speaker | None = None,
    http: bool = False,
    trace_crashes: bool = False,
) -> AsyncIterator[Running]:
    """Run the bot as long as the context lasts; with *http* other programs can reach it.

    With *trace_crashes* a native crash of the process is told by the next start.

    Raises:
        InboxError: the database can't be used.
        SettingsError: the HTTP face's address can't be had.
    """
    if settings.telegram_bot_token is None:
        raise ValueError("a bot needs a token")
    loop = asyncio.get_running_loop()
    async with AsyncExitStack() as stack:
        stack.enter_context(only_one(settings.data_dir))
        sockets = stack.enter_context(listening(settings)) if http else []
        inbox = await Inbox.open(settings.data_dir / "crier.db")
        stack.push_async_callback(inbox.close)
        store = Store(inbox.database)
        crashed = trace_crashes and stack.enter_context(_crash_trace(settings.data_dir))
        attempts = Attempts(settings.data_dir / "attempts.json", crashed=crashed)
        stack.callback(attempts.close)

        request = UpdatesRequest(**_http_options(settings))
        bot = make_bot(settings, request)
        # Known without a network, unlike bot.id: a token begins with it.
        bot_id = int(settings.telegram_bot_token.get_secret_value().partition(":")[0])
        stack.push_async_callback(_quietly, bot.shutdown)
        outbox = Outbox(bot, inbox, store, bot_id)
        stack.push_async_callback(outbox.close, _FLUSH_TIMEOUT_S)

        access = Access(settings.telegram_allowed_users, store, show_code, show_link)
        await access.start()

        chosen = await store.choice("device", settings.audio_device)
        wanted = settings.audio_device if chosen is None else chosen

        def on_work(id_: int, begins: bool) -> None:  # on the synthesis thread
            (attempts.begin if begins else attempts.rest)(attempt_key(id_))

        def on_fact(fact: Fact) -> None:  # on the audio thread
            loop.call_soon_threadsafe(delivery.note, fact)

        pipeline = SpeechPipeline(
            voice or KokoroVoice(settings.model_dir, resolve_kind(settings.kokoro_model)),
            speaker or make_speaker(settings, wanted),
            on_fact,
            stream_idle_s=settings.stream_idle_s,
            pace=_known_pace(settings),
            keep_pace=lambda pace: _keep_pace(settings, pace),
            hold_after_sleep_s=settings.late_after_s or math.inf,
            asleep_s=time_asleep_s,
            on_work=on_work,
        )
        events = Events()

        def now() -> float:
            return polling.now()

        delivery = Delivery(
            *(pipeline, inbox, store, outbox, events, settings, bot_id), attempts=attempts, now=now
        )
        status_message = StatusMessage(pipeline, delivery, outbox, inbox, bot_id)
        pipeline.start()
        pipeline.devices()  # starts PortAudio now, and not when the first sound is due
        receipts = asyncio.create_task(delivery.run(), name="delivery")
        stack.push_async_callback(_cancel, receipts)
        stack.push_async_callback(_within, _FLUSH_TIMEOUT_S, delivery.drain)
        stack.push_async_callback(_release, pipeline)

        application: Application[Any, Any, Any, Any, Any, Any] = (
            ApplicationBuilder().bot(bot).updater(None).build()
        )
        updates = Updates(
            *(application.process_update, inbox, outbox, delivery, access, attempts, bot_id),
            bot_name=lambda: bot.username,
        )

        async def on_connected() -> None:
            access.know_bot(bot.username)
            await menu.offer(bot)

        polling = Polling(
            bot,
            request,
            application.initialize,
            updates.batch,
            updates.handle,
            on_connected,
        )

        preferences = Preferences(store, settings)
        intake = Intake(
            *(settings, inbox, store, outbox, delivery, access),
            Limits(settings.limit_per_minute, settings.limit_waiting),
            *(preferences, bot_id),
            now=now,
            clock_warning=lambda: polling.clock_warning,
        )
        controls = PlaybackCommands(
            pipeline, inbox, store, outbox, delivery, preferences, intake, bot_id
        )
        await controls.start()
        notes = VoiceNotes(pipeline, inbox, store, outbox, delivery, preferences, attempts, bot_id)
        stack.push_async_callback(notes.close)
        attachments = Attachments(
            *(bot, inbox, store, outbox, delivery, preferences, notes, attempts),
            *(settings.data_dir / "sounds", now),
        )
        stack.push_async_callback(attachments.close)
        Handlers(
            *(settings, pipeline, inbox, store, outbox, delivery, access),
            *(preferences, intake, attachments, polling, bot_id),
            (
                *(controls, notes, VoiceCommands(outbox, preferences, notes)),
                *(PeopleCommands(store, outbox, access), status_message, outbox),
            ),
        ).register(application)
        await delivery.take_stock()
        await attachments.take_stock(bot_id)
        await notes.take_stock()
        await status_message.resume()
        stack.callback(status_message.close)
        polling_task = asyncio.create_task(polling.run(), name="polling")
        stack.push_async_callback(_cancel, polling_task)

        async def resume() -> None:
            with contextlib.suppress(TimeoutError):  # offline: it goes on all the same
                await asyncio.wait_for(polling.looked.wait(), _FIRST_LOOK_S)
            delivery.resume()
            await attachments.resume(bot_id)
            await notes.resume()

        for name, work in {
            "resume": resume(),
            "quiet": delivery.keep_quiet(),
            "status message": status_message.run(),
            "prune": inbox.keep_pruned(),
            "languages": preferences.get_ready(),
        }.items():
            task = asyncio.create_task(work, name=name)
            stack.push_async_callback(_cancel, task)
        # Silence before anything else of the above (and again, for nothing).
        stack.push_async_callback(_release, pipeline)
        if http:
            api = Api(
                *(settings, pipeline, inbox, store, delivery, intake, controls, polling, events),
                *(Studio(pipeline), Metrics(pipeline, delivery, events), bot_id),
                token_of(settings),
            )
            # Pushed last, so it comes first: nobody else is let in.
            await stack.enter_async_context(_http(settings, api, sockets))
        watch = Watchdog(pipeline, polling, delivery, bot)
        yield Running(pipeline, delivery, polling_task, watch, attempts)


@asynccontextmanager
async def _http(settings: Settings, api: Api, sockets: list[socket.socket]) -> AsyncIterator[None]:
    """Answer other programs as long as the context lasts."""
    door = AccessGuard(
        api.application(), api.token, settings.api_host, api.open_paths(), api.open_posts()
    )
    async with serving(door, sockets):
        reporting = asyncio.create_task(api.report(), name="report")
        try:
            yield
        finally:
            api.pipeline.close()  # silent at once, whatever else has to end
            api.events.close()  # whoever waits is let go
            await _cancel(reporting)


async def run(
    settings: Settings,
    show_code: Callable[[str], None],
    *,
    show_link: Callable[[str], None] = lambda _: None,
    voice: Voice | None = None,
) -> int:
    """Run the bot until a signal or an error that no retry can mend; return the exit code.

    Ends the process at once, with `WEDGED`, where only a new one can help.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with running(
        settings,
        show_code=show_code,
        show_link=show_link,
        voice=voice,
        http=True,
        trace_crashes=True,
    ) as bot:
        # What was made so far stays: to go over it for garbage would keep all threads waiting for
        # some 40 ms again and again.
        gc.collect()
        gc.freeze()
        stopped = asyncio.create_task(stop.wait())
        watching = asyncio.create_task(bot.watch.run())
        await asyncio.wait({stopped, watching, bot.polling}, return_when=asyncio.FIRST_COMPLETED)
        if watching.done():
            log.critical(
                "%s Exiting with 70 so that the supervisor restarts us.", watching.result()
            )
            bot.attempts.close()  # no message is to blame for a device or a network
            exit_process(WEDGED)
        stopped.cancel()
        watching.cancel()
        if not bot.polling.done():
            log.info("Stopping")
            return 0
        try:
            bot.polling.result()
        except InvalidToken:
            log.error(  # noqa: TRY400  # the traceback would add nothing, and may hold the token
                "TELEGRAM_BOT_TOKEN: Telegram does not know this token (revoked, or mistyped). "
                "Copy it from @BotFather and start again."
            )
            return 2
        return 1


@contextlib.contextmanager
def _crash_trace(data_dir: Path) -> Iterator[bool]:
    """Record the trace of a native crash; yield whether the last run left one."""
    path = data_dir / "crash.txt"
    try:
        trace = path.read_text(errors="replace") if path.exists() else ""
        file = path.open("w")
    except OSError as exc:
        log.warning("%s can't be written (%s); a crash will leave no trace", path, exc)
        yield False
        return
    if trace:
        log.error("The last run ended in a native crash:\n%s", trace[:_MAX_TRACE_CHARS])
    with file:
        faulthandler.enable(file)
        try:
            yield bool(trace)
        finally:
            faulthandler.disable()


def exit_process(code: int) -> NoReturn:
    """End the process, by force where a thread would keep it.

    That is a wedged device, a model that is being loaded, or a look-up of a name that hangs. Called
    within the event loop, since its end would wait for the last of these.
    """
    logging.shutdown()
    if any(t is not threading.main_thread() and t.is_alive() for t in threading.enumerate()):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


@contextlib.contextmanager
def only_one(data_dir: Path) -> Iterator[None]:
    """Hold the data folder's lock: two bots on one token would steal each other's messages.

    Raises:
        InUseError: another Crier holds it.
        InboxError: there is no room for it.
    """
    path = data_dir / "crier.lock"
    try:
        make_private(data_dir)
        lock = path.open("a")
    except OSError as exc:
        raise InboxError(
            f"{path} can't be opened ({exc}). Make room on its disk, or set DATA_DIR elsewhere."
        ) from exc
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            raise InUseError(
                f"Another Crier uses {data_dir} already. Stop it first, or set DATA_DIR elsewhere."
            ) from exc
        yield


def make_speaker(settings: Settings, wanted: str) -> Speaker:
    """Return the loudspeaker that the settings ask for."""
    if wanted.startswith(PREFIX):
        return WavSpeaker(Path(wanted.removeprefix(PREFIX)).expanduser().absolute())
    return PortAudioSpeaker(wanted, settings.audio_latency)


def _known_pace(settings: Settings) -> SynthesisCost:
    """Return what earlier runs learned of this machine's speed."""
    try:
        return SynthesisCost.from_dict(json.loads((settings.data_dir / "pace.json").read_text()))
    except (OSError, ValueError):
        return SynthesisCost()


def _keep_pace(settings: Settings, pace: SynthesisCost) -> None:  # on the audio thread
    with contextlib.suppress(OSError):  # it is learned again
        (settings.data_dir / "pace.json").write_text(json.dumps(pace.to_dict()))


def list_devices(settings: Settings) -> Devices:
    """Ask PortAudio where sound can go, before or without a running bot. Blocks.

    Raises:
        AudioError: PortAudio is missing or will not start.
    """
    speaker = make_speaker(settings, settings.audio_device)
    with ThreadPoolExecutor(1, thread_name_prefix="audio") as audio:
        try:
            return audio.submit(speaker.devices).result()
        finally:
            audio.submit(speaker.shutdown).result()


def make_bot(settings: Settings, updates: HTTPXRequest | None = None) -> ExtBot[None]:
    assert settings.telegram_bot_token is not None  # noqa: S101  # checked by the caller
    http = _http_options(settings)
    return ExtBot(
        settings.telegram_bot_token.get_secret_value(),
        base_url=f"{settings.telegram_api_url}/bot",
        base_file_url=f"{settings.telegram_api_url}/file/bot",
        request=HTTPXRequest(read_timeout=_REPLY_TIMEOUT_S, pool_timeout=_REPLY_TIMEOUT_S, **http),
        get_updates_request=updates or HTTPXRequest(connection_pool_size=1, **http),
    )


def _http_options(settings: Settings) -> dict[str, Any]:
    # A proxy that the environment names leads to Telegram, not to a server on this computer.
    local = urlsplit(settings.telegram_api_url).hostname in ("127.0.0.1", "localhost", "::1")
    return {"httpx_kwargs": {"trust_env": not local}}


async def _release(pipeline: SpeechPipeline) -> None:
    """Fall silent; leave a device that does not answer to its fate."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(asyncio.wrap_future(pipeline.close()), _RELEASE_TIMEOUT_S)


async def _within(timeout_s: float, call: Callable[[], Awaitable[object]]) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(call(), timeout_s)


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def _quietly(call: Callable[[], Any]) -> None:
    with contextlib.suppress(TelegramError, RuntimeError):
        await call()
