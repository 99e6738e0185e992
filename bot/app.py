"""The running bot: starts its parts in order, and stops them in reverse order."""

import asyncio
import contextlib
import functools
import gc
import json
import logging
import math
import os
import signal
import socket
import ssl
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn, Protocol
from urllib.parse import urlsplit

from telegram.error import InvalidToken, TelegramError
from telegram.ext import Application, ApplicationBuilder, ExtBot
from telegram.request import HTTPXRequest

from audio.certificates import tls_context
from audio.cost import SynthesisCost
from audio.kokoro.prepared import resolve_kind, stored_config
from audio.kokoro.voice import KokoroVoice
from audio.output.portaudio import PortAudioSpeaker
from audio.output.wavfile import PREFIX, WavSpeaker
from audio.pipeline import SpeechPipeline
from audio.ports import Speaker, Voice
from audio.system_sleep import time_asleep_s
from audio.types import Devices, Fact
from bot.chat import menu
from bot.chat.attachments import Attachments
from bot.chat.commands import UpdateRouter
from bot.chat.device_commands import DeviceCommands
from bot.chat.guard import ChatGuard
from bot.chat.handlers import Handlers
from bot.chat.outbox import Outbox
from bot.chat.people_commands import PeopleCommands
from bot.chat.playback_commands import PlaybackCommands
from bot.chat.polling import Polling, UpdatesRequest
from bot.chat.question_message import QuestionAnswers, QuestionMessages
from bot.chat.receipts import ChatReceipts
from bot.chat.reminder_commands import ReminderCommands
from bot.chat.room_commands import RoomCommands
from bot.chat.status_message import StatusMessage
from bot.chat.updates import Updates
from bot.chat.voice_commands import VoiceCommands
from bot.chat.voice_notes import VoiceNotes
from bot.core.access import Access
from bot.core.attempts import Attempts, crash_trace
from bot.core.delivery import Delivery
from bot.core.events import Events
from bot.core.health import SourceHealth
from bot.core.inbox import Inbox
from bot.core.intake import Intake
from bot.core.limits import Limits
from bot.core.lock import only_one
from bot.core.message import attempt_key
from bot.core.output import SoundOutput, wanted_device
from bot.core.preferences import Preferences
from bot.core.question_store import QuestionStore
from bot.core.questions import NoDisplay, Questions
from bot.core.receipts import NoReceipts, Receipts
from bot.core.reminders import Reminders
from bot.core.store import Store
from bot.http.audio_stream import SpeechStreams
from bot.http.guard import AccessGuard
from bot.http.live import LiveTexts
from bot.http.metrics import Metrics
from bot.http.routes import SPEAK, Api
from bot.http.server import listening, serving, token_of
from bot.paths import PACE_FILE
from bot.settings import Settings
from bot.watchdog import Watchdog

log = logging.getLogger(__name__)

# Telegram may be slow to accept a receipt; python-telegram-bot's default of 5 s is too short.
_REPLY_TIMEOUT_S = 20.0
# Parts of the 3 s that a SIGTERM may take: for the device, and for the last receipts.
_RELEASE_TIMEOUT_S = 1.5
_FLUSH_TIMEOUT_S = 0.7
# What an earlier run left is said after Telegram was asked whether a /stop waits there, which
# takes a second at most where there is a network.
_FIRST_LOOK_S = 4.0

WEDGED = 70
"""The exit code if only a new process can help. Source: EX_SOFTWARE of sysexits.h."""


@dataclass(frozen=True, slots=True)
class Running:
    """A running bot."""

    pipeline: SpeechPipeline
    delivery: Delivery
    polling: asyncio.Task[None] | None
    """Ends only with an error that no retry can fix; None in a room."""
    watch: Watchdog
    attempts: Attempts


@asynccontextmanager
async def running(
    settings: Settings,
    *,
    show_code: Callable[[str], None],
    show_link: Callable[[str], None] = lambda _: None,
    voice: Voice | None = None,
    speaker: Speaker | None = None,
    http: bool = False,
    trace_crashes: bool = False,
) -> AsyncIterator[Running]:
    """Run the bot while the context is open.

    Start order: as below. Stop order: the sound, HTTP, Home Assistant, background tasks, polling,
    status messages, files, voice notes, facts with the last receipts, the outbox, Telegram,
    attempts, the database, the lock.

    Args:
        settings: must have a bot token.
        show_code: shows a pairing code on this computer; an empty one removes it.
        show_link: shows the link that pairs with the code.
        voice: used instead of Kokoro.
        speaker: used instead of the settings' device.
        http: whether other programs can reach the bot.
        trace_crashes: whether the next start reports a native crash of the process.

    Raises:
        InboxError: the database can't be used.
        SettingsError: the address of the HTTP API can't be used.
    """
    async with AsyncExitStack() as stack:
        stack.enter_context(only_one(settings.data_dir))
        sockets = stack.enter_context(listening(settings)) if http else []
        disk = await _open_disk(stack, settings, trace_crashes=trace_crashes)
        telegram = _open_telegram(stack, settings, disk)
        access = Access(settings.telegram_allowed_users, disk.store, show_code, show_link)
        await access.start()
        speech = await _start_speech(stack, settings, disk, telegram, voice, speaker)
        intake = _make_intake(settings, disk, telegram, speech, access)
        questions = _make_questions(disk, telegram, access, intake)
        reminders = Reminders(intake)
        rooms = await _make_rooms(settings, disk, telegram, speech) if http else None
        chat = _make_chat(
            stack, settings, disk, telegram, speech, access, intake, questions, reminders
        )
        await _restore(stack, telegram, speech, chat)
        if rooms is not None:
            await stack.enter_async_context(rooms)
        await _start_questions(stack, questions)
        await _start_heard(stack, settings, disk, speech, telegram.bot_id)
        polling = asyncio.create_task(chat.polling.run(), name="polling")
        stack.push_async_callback(_cancel, polling)
        looked = await _start_manners(stack, settings, disk, speech)
        _start_tasks(stack, disk, telegram, speech, chat, looked)
        _start_reminders(stack, reminders, chat.polling)
        # Before anything above stops; the later call then has no effect.
        stack.push_async_callback(_release, speech.pipeline)
        if http:
            await _start_home(stack, settings, disk, telegram, speech, intake)
            api = _make_api(
                settings, disk, telegram, speech, intake, reminders, chat.polling, questions
            )
            # Entered last, so that it stops first and accepts no more requests.
            await stack.enter_async_context(_http(settings, api, sockets))
        yield Running(
            pipeline=speech.pipeline,
            delivery=speech.delivery,
            polling=polling,
            watch=Watchdog(speech.pipeline, chat.polling, speech.delivery, telegram.bot),
            attempts=disk.attempts,
        )


@asynccontextmanager
async def running_room(
    settings: Settings,
    *,
    voice: Voice | None = None,
    speaker: Speaker | None = None,
    trace_crashes: bool = False,
) -> AsyncIterator[Running]:
    """Run a room, which says what bots ask it to say, while the context is open.

    Args:
        settings: must have a broker.
        voice: used instead of Kokoro.
        speaker: used instead of the settings' device.
        trace_crashes: whether the next start reports a native crash of the process.

    Raises:
        InboxError: the database can't be used.
        SettingsError: the address of the HTTP API can't be used.
    """
    from bot.home.room import as_room  # noqa: PLC0415  # costs nothing where it is not used

    front = _NoChat()
    async with AsyncExitStack() as stack:
        stack.enter_context(only_one(settings.data_dir))
        sockets = stack.enter_context(listening(settings))
        disk = await _open_disk(stack, settings, trace_crashes=trace_crashes)
        speech = await _start_speech(stack, settings, disk, front, voice, speaker)
        access = Access(frozenset(), disk.store, lambda _: None)
        intake = _make_intake(settings, disk, front, speech, access)
        place = await stack.enter_async_context(
            as_room(
                settings,
                pipeline=speech.pipeline,
                delivery=speech.delivery,
                events=speech.events,
                inbox=disk.inbox,
                bot_id=front.bot_id,
            )
        )

        looked = await _start_manners(stack, settings, disk, speech)
        await _start_heard(stack, settings, disk, speech, front.bot_id)
        reminders = Reminders(intake)
        questions = Questions(
            QuestionStore(disk.inbox.database, front.bot_id), intake, access, NoDisplay()
        )

        async def start_speaking() -> None:
            await _wait(place.synced)  # no bot is there: it speaks all the same
            await _wait(looked)
            speech.delivery.start_speaking()
            await reminders.run()

        for name, work in {
            "start speaking": start_speaking(),
            "quiet": speech.delivery.quiet_hold.watch(),
            "expiry": speech.delivery.expiry.watch(),
            "prune": disk.inbox.prune_hourly(),
            "languages": speech.preferences.load_detector(),
        }.items():
            stack.push_async_callback(_cancel, asyncio.create_task(work, name=name))
        # Before anything above stops; the later call then has no effect.
        stack.push_async_callback(_release, speech.pipeline)
        await _start_wyoming(stack, settings, speech, intake)
        api = _make_api(settings, disk, front, speech, intake, reminders, place, questions)
        await stack.enter_async_context(_http(settings, api, sockets))
        yield Running(
            pipeline=speech.pipeline,
            delivery=speech.delivery,
            polling=None,
            watch=Watchdog(speech.pipeline, None, speech.delivery, None),
            attempts=disk.attempts,
        )


# ---- the phases of a start ----


class _Front(Protocol):
    """What messages come from, as the core needs to know it."""

    @property
    def bot_id(self) -> int: ...

    @property
    def receipts(self) -> Receipts: ...

    def now(self) -> float: ...

    def clock_warning(self) -> str: ...


@dataclass(frozen=True, slots=True)
class _NoChat:
    """What a room has instead of a chat."""

    bot_id: int = 0
    receipts: NoReceipts = field(default_factory=NoReceipts)

    def now(self) -> float:
        """Return the time of this computer."""
        return time.time()

    def clock_warning(self) -> str:
        """Return no warning: bots send ages."""
        return ""


@dataclass(frozen=True, slots=True)
class _Disk:
    """The state that survives the process."""

    inbox: Inbox
    store: Store
    attempts: Attempts


async def _open_disk(stack: AsyncExitStack, settings: Settings, *, trace_crashes: bool) -> _Disk:
    """Open the database, and count what the last run of the process died of."""
    inbox = await Inbox.open(settings.data_dir / "crier.db")
    stack.push_async_callback(inbox.close)
    crashed = trace_crashes and stack.enter_context(crash_trace(settings.data_dir))
    attempts = Attempts(settings.data_dir / "attempts.json", crashed=crashed)
    stack.callback(attempts.close)
    return _Disk(inbox, Store(inbox.database), attempts)


@dataclass(slots=True)
class _Telegram:
    """The connection to Telegram, and the outbox to its chats."""

    bot: ExtBot[None]
    bot_id: int
    request: UpdatesRequest
    """The connection of getUpdates."""
    outbox: Outbox
    receipts: ChatReceipts
    polling: Polling | None = None
    """Set once there are handlers for updates."""

    def now(self) -> float:
        """Return the true time, in seconds since 1970."""
        return self.polling.now() if self.polling else time.time()

    def clock_warning(self) -> str:
        """Return what is wrong with this computer's clock; empty if nothing is."""
        return self.polling.clock_warning if self.polling else ""


def _open_telegram(stack: AsyncExitStack, settings: Settings, disk: _Disk) -> _Telegram:
    """Make the bot and the outbox; no network is needed yet."""
    if settings.telegram_bot_token is None:
        raise ValueError("a bot needs a token")
    request = UpdatesRequest(**_http_options(settings))
    bot = make_bot(settings, request)
    # Known without a network, unlike bot.id: a token starts with it.
    bot_id = int(settings.telegram_bot_token.get_secret_value().partition(":")[0])
    stack.push_async_callback(_quietly, bot.shutdown)
    outbox = Outbox(bot, disk.inbox, disk.store, bot_id)
    stack.push_async_callback(outbox.close, _FLUSH_TIMEOUT_S)
    return _Telegram(bot, bot_id, request, outbox, ChatReceipts(outbox, disk.inbox))


@dataclass(frozen=True, slots=True)
class _Speech:
    """The audio thread, and the objects that feed it."""

    pipeline: SpeechPipeline
    delivery: Delivery
    events: Events
    output: SoundOutput
    preferences: Preferences
    on_taken_up: list[Callable[[], None]]
    """Called on the event loop when work on a text or recording to be spoken starts."""


async def _start_speech(
    stack: AsyncExitStack,
    settings: Settings,
    disk: _Disk,
    front: _Front,
    voice: Voice | None,
    speaker: Speaker | None,
) -> _Speech:
    """Start the audio thread, and the task that turns its facts into receipts."""
    loop = asyncio.get_running_loop()
    attempts = disk.attempts
    on_taken_up: list[Callable[[], None]] = []

    def on_work(id_: int, starts: bool) -> None:  # on the synthesis thread
        (attempts.start if starts else attempts.mark_playing)(attempt_key(id_))
        for call in on_taken_up if starts else ():
            loop.call_soon_threadsafe(call)

    def on_fact(fact: Fact) -> None:  # on the audio thread
        loop.call_soon_threadsafe(delivery.receive, fact)

    pipeline = SpeechPipeline(
        voice
        or KokoroVoice(settings.model_dir, resolve_kind(settings.kokoro_model, settings.model_dir)),
        speaker or make_speaker(settings, await wanted_device(disk.store, settings)),
        on_fact,
        stream_idle_s=settings.stream_idle_s,
        bluetooth_idle_s=settings.stream_idle_bluetooth_s,
        cost=_load_cost(settings),
        on_cost=lambda cost: _store_cost(settings, cost),
        hold_after_sleep_s=settings.late_after_s or math.inf,
        asleep_s=time_asleep_s,
        on_work=on_work,
    )
    events = Events()
    delivery = Delivery(
        pipeline=pipeline,
        inbox=disk.inbox,
        store=disk.store,
        receipts=front.receipts,
        events=events,
        attempts=attempts,
        settings=settings,
        bot_id=front.bot_id,
        now=front.now,
    )
    pipeline.start()
    pipeline.devices()  # starts PortAudio now, not when the first sound is due
    facts = asyncio.create_task(delivery.run(), name="delivery")
    stack.push_async_callback(_cancel, facts)
    stack.push_async_callback(_within, _FLUSH_TIMEOUT_S, delivery.drain)
    stack.push_async_callback(_release, pipeline)
    output = SoundOutput(pipeline, disk.store, settings)
    await output.restore()
    preferences = Preferences(disk.store, settings)
    return _Speech(pipeline, delivery, events, output, preferences, on_taken_up)


def _make_intake(
    settings: Settings, disk: _Disk, front: _Front, speech: _Speech, access: Access
) -> Intake:
    return Intake(
        settings=settings,
        inbox=disk.inbox,
        receipts=front.receipts,
        delivery=speech.delivery,
        access=access,
        limits=Limits(settings.limit_per_minute, settings.limit_waiting),
        preferences=speech.preferences,
        bot_id=front.bot_id,
        now=front.now,
        clock_warning=front.clock_warning,
    )


async def _make_rooms(
    settings: Settings, disk: _Disk, telegram: _Telegram, speech: _Speech
) -> AbstractAsyncContextManager[None] | None:
    """Make what delivers messages to other rooms, if there is a broker; entered, it starts."""
    if settings.mqtt_url is None:
        return None
    from bot.home.rooms import RoomDelivery, with_rooms  # noqa: PLC0415  # likewise

    rooms = RoomDelivery(
        settings=settings,
        inbox=disk.inbox,
        store=disk.store,
        receipts=telegram.receipts,
        delivery=speech.delivery,
        events=speech.events,
        pipeline=speech.pipeline,
        bot_id=telegram.bot_id,
        now=telegram.now,
    )
    await rooms.restore()
    return with_rooms(rooms)


def _make_questions(disk: _Disk, telegram: _Telegram, access: Access, intake: Intake) -> Questions:
    store = QuestionStore(disk.inbox.database, telegram.bot_id)
    return Questions(store, intake, access, QuestionMessages(telegram.outbox))


async def _start_questions(stack: AsyncExitStack, questions: Questions) -> None:
    """Show what an earlier run could not, and end questions whose time is over."""
    await questions.restore()
    task = asyncio.create_task(questions.run(), name="questions")
    stack.push_async_callback(_cancel, task)


async def _start_heard(
    stack: AsyncExitStack, settings: Settings, disk: _Disk, speech: _Speech, bot_id: int
) -> None:
    """Start to report what is heard; what is not set is not even imported."""
    if settings.heard_url or settings.heard_command:
        from bot import heard  # noqa: PLC0415  # costs nothing where it is not used

        await stack.enter_async_context(
            heard.reporting(settings, speech.events, disk.inbox, bot_id)
        )


@dataclass(frozen=True, slots=True)
class _ChatSide:
    """The parts that fetch and handle updates."""

    polling: Polling
    attachments: Attachments
    notes: VoiceNotes
    status_message: StatusMessage


def _make_chat(
    stack: AsyncExitStack,
    settings: Settings,
    disk: _Disk,
    telegram: _Telegram,
    speech: _Speech,
    access: Access,
    intake: Intake,
    questions: Questions,
    reminders: Reminders,
) -> _ChatSide:
    """Make the handlers, and the loop that fetches updates for them; nothing is fetched yet."""
    application: Application[Any, Any, Any, Any, Any, Any] = (
        ApplicationBuilder().bot(telegram.bot).updater(None).build()
    )
    polling = telegram.polling = _make_polling(application, disk, telegram, speech, access)
    notes = VoiceNotes(
        pipeline=speech.pipeline,
        inbox=disk.inbox,
        outbox=telegram.outbox,
        delivery=speech.delivery,
        intake=intake,
        attempts=disk.attempts,
        bot_id=telegram.bot_id,
    )
    stack.push_async_callback(notes.close)
    attachments = Attachments(
        bot=telegram.bot,
        inbox=disk.inbox,
        outbox=telegram.outbox,
        receipts=telegram.receipts,
        delivery=speech.delivery,
        preferences=speech.preferences,
        notes=notes,
        attempts=disk.attempts,
        folder=settings.data_dir / "sounds",
        now=telegram.now,
    )
    stack.push_async_callback(attachments.close)
    status_message = StatusMessage(
        pipeline=speech.pipeline,
        delivery=speech.delivery,
        outbox=telegram.outbox,
        inbox=disk.inbox,
        bot_id=telegram.bot_id,
    )
    chat = _ChatSide(polling, attachments, notes, status_message)
    answers = QuestionAnswers(questions, telegram.outbox, telegram.bot_id)
    router = _make_router(
        settings, disk, telegram, speech, access, intake, reminders, chat, answers
    )
    router.register(application)
    return chat


def _make_polling(
    application: Application[Any, Any, Any, Any, Any, Any],
    disk: _Disk,
    telegram: _Telegram,
    speech: _Speech,
    access: Access,
) -> Polling:
    updates = Updates(
        process=application.process_update,
        inbox=disk.inbox,
        receipts=telegram.receipts,
        delivery=speech.delivery,
        access=access,
        attempts=disk.attempts,
        bot_id=telegram.bot_id,
        bot_name=lambda: telegram.bot.username,
    )

    async def on_connected() -> None:
        access.set_bot_name(telegram.bot.username)
        await menu.register(telegram.bot, with_rooms=speech.delivery.rooms is not None)

    return Polling(
        bot=telegram.bot,
        request=telegram.request,
        connect=application.initialize,
        batch=updates.batch,
        handle=updates.handle,
        on_connected=on_connected,
    )


def _make_router(
    settings: Settings,
    disk: _Disk,
    telegram: _Telegram,
    speech: _Speech,
    access: Access,
    intake: Intake,
    reminders: Reminders,
    chat: _ChatSide,
    answers: QuestionAnswers,
) -> UpdateRouter:
    outbox = telegram.outbox
    handlers = Handlers(
        settings=settings,
        outbox=outbox,
        receipts=telegram.receipts,
        delivery=speech.delivery,
        intake=intake,
        attachments=chat.attachments,
    )
    playback = PlaybackCommands(
        pipeline=speech.pipeline,
        store=disk.store,
        outbox=outbox,
        delivery=speech.delivery,
        output=speech.output,
        preferences=speech.preferences,
        intake=intake,
        source=chat.polling,
        notice=disk.inbox.database.notice,
    )
    return UpdateRouter(
        guard=ChatGuard(access, outbox, telegram.bot_id),
        handlers=handlers,
        playback=playback,
        devices=DeviceCommands(speech.output, outbox, settings),
        voices=VoiceCommands(outbox, speech.preferences, chat.notes),
        people=PeopleCommands(disk.store, outbox, access),
        rooms=RoomCommands(handlers, playback, speech.delivery.rooms)
        if speech.delivery.rooms is not None
        else None,
        notes=chat.notes,
        questions=answers,
        reminders=ReminderCommands(reminders, outbox, handlers.usual_room),
        status_message=chat.status_message,
        outbox=outbox,
    )


async def _restore(
    stack: AsyncExitStack, telegram: _Telegram, speech: _Speech, chat: _ChatSide
) -> None:
    """Restore what an earlier run left, before anything new comes in; nothing is said yet."""
    await speech.delivery.restore()
    await chat.attachments.restore(telegram.bot_id)
    await chat.notes.restore()
    await chat.status_message.restore()
    stack.callback(chat.status_message.close)


async def _start_manners(
    stack: AsyncExitStack, settings: Settings, disk: _Disk, speech: _Speech
) -> asyncio.Event:
    """Start what keeps Crier out of calls, and what lowers music; what is off is not imported.

    Returns:
        Set as soon as it is known whether there is a call.
    """
    looked = asyncio.Event()
    works: dict[str, Coroutine[Any, Any, None]] = {}
    is_heard = not settings.audio_device.startswith(PREFIX)
    if settings.hold_in_calls and is_heard:
        from bot.manners.calls import CallWatch  # noqa: PLC0415  # costs nothing where it is off

        calls = CallWatch(speech.delivery.quiet_hold.hold_while, settings.not_calls)
        looked = calls.looked
        works["calls"] = calls.run()
    else:
        looked.set()
    duck = settings.duck if is_heard else "off"
    if duck != "off" or await disk.store.choice("ducked"):  # what an earlier run changed of it
        from bot.manners import start_music  # noqa: PLC0415  # likewise

        music = start_music.stepping_back(
            duck, disk.store, speech.pipeline, speech.events, speech.delivery.warnings
        )
        speech.on_taken_up.append(await stack.enter_async_context(music))
    if settings.volume_at_night:
        works["nights"] = speech.output.watch_nights()
    for name, work in works.items():
        stack.push_async_callback(_cancel, asyncio.create_task(work, name=name))
    return looked


def _start_tasks(
    stack: AsyncExitStack,
    disk: _Disk,
    telegram: _Telegram,
    speech: _Speech,
    chat: _ChatSide,
    looked: asyncio.Event,
) -> None:
    """Start the background tasks, one of which starts speech."""

    async def start_speaking() -> None:
        await _wait(chat.polling.caught_up)
        await _wait(looked)
        speech.delivery.start_speaking()
        await chat.attachments.resume(telegram.bot_id)
        await chat.notes.resume()

    for name, work in {
        "start speaking": start_speaking(),
        "quiet": speech.delivery.quiet_hold.watch(),
        "expiry": speech.delivery.expiry.watch(),
        "status message": chat.status_message.run(),
        "prune": disk.inbox.prune_hourly(),
        "languages": speech.preferences.load_detector(),
    }.items():
        task = asyncio.create_task(work, name=name)
        stack.push_async_callback(_cancel, task)


async def _wait(event: asyncio.Event) -> None:
    """Wait for what should be known before anything is said; not long, as there may be no network.

    Until Python 3.12, a cancellation may be lost in `asyncio.wait_for`, but not in a timeout.
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_FIRST_LOOK_S):
            await event.wait()


def _start_reminders(stack: AsyncExitStack, reminders: Reminders, polling: Polling) -> None:
    """Start to speak reminders, after what was decided about them in the chat meanwhile."""

    async def run() -> None:
        await _wait(polling.caught_up)
        await reminders.run()

    task = asyncio.create_task(run(), name="reminders")
    stack.push_async_callback(_cancel, task)


async def _start_home(
    stack: AsyncExitStack,
    settings: Settings,
    disk: _Disk,
    telegram: _Telegram,
    speech: _Speech,
    intake: Intake,
) -> None:
    """Start what Home Assistant talks to; what is not set is not even imported."""
    await _start_wyoming(stack, settings, speech, intake)
    if settings.mqtt_url:
        from bot.home import mqtt  # noqa: PLC0415  # likewise

        device = mqtt.at_broker(
            settings,
            pipeline=speech.pipeline,
            delivery=speech.delivery,
            events=speech.events,
            intake=intake,
            output=speech.output,
            store=disk.store,
            bot_id=telegram.bot_id,
        )
        await stack.enter_async_context(device)


async def _start_wyoming(
    stack: AsyncExitStack, settings: Settings, speech: _Speech, intake: Intake
) -> None:
    if settings.wyoming_port:
        from bot.home import wyoming  # noqa: PLC0415  # costs nothing where it is not used

        service = wyoming.serving(settings, speech.pipeline, intake)
        await stack.enter_async_context(service)


def _make_api(
    settings: Settings,
    disk: _Disk,
    front: _Front,
    speech: _Speech,
    intake: Intake,
    reminders: Reminders,
    source: SourceHealth,
    questions: Questions,
) -> Api:
    return Api(
        settings=settings,
        pipeline=speech.pipeline,
        inbox=disk.inbox,
        delivery=speech.delivery,
        intake=intake,
        reminders=reminders,
        output=speech.output,
        polling=source,
        events=speech.events,
        streams=SpeechStreams(speech.pipeline),
        metrics=Metrics(speech.pipeline, speech.delivery, speech.events),
        bot_id=front.bot_id,
        token=token_of(settings),
        live=LiveTexts(intake, speech.events),
        questions=questions,
    )


@asynccontextmanager
async def _http(settings: Settings, api: Api, sockets: list[socket.socket]) -> AsyncIterator[None]:
    """Serve other programs while the context is open."""
    guard = AccessGuard(
        api.application(),
        api.token,
        settings.api_host,
        api.open_paths(),
        api.open_posts(),
        api.public_paths(),
        frozenset({SPEAK}),
    )
    async with serving(guard, sockets):
        reporting = asyncio.create_task(api.report(), name="report")
        try:
            yield
        finally:
            api.pipeline.close()  # silent at once; everything else stops later
            api.events.close()  # ends every waiting request
            api.questions.close()  # likewise
            await _cancel(reporting)


# ---- the process ----


async def run(
    settings: Settings,
    show_code: Callable[[str], None],
    *,
    show_link: Callable[[str], None] = lambda _: None,
    voice: Voice | None = None,
    restart: Callable[[], NoReturn] | None = None,
) -> int:
    """Run the bot until a signal or an error that no retry can fix; return the exit code.

    If only a new process can help, calls *restart* or, without one, exits at once with `WEDGED`.
    """
    stop = _stop_signal()
    async with running(
        settings,
        show_code=show_code,
        show_link=show_link,
        voice=voice,
        http=True,
        trace_crashes=True,
    ) as bot:
        return await _until_over(bot, stop, restart)


async def run_room(
    settings: Settings,
    *,
    voice: Voice | None = None,
    restart: Callable[[], NoReturn] | None = None,
) -> int:
    """Run a room until a signal; return the exit code. See `run`."""
    stop = _stop_signal()
    async with running_room(settings, voice=voice, trace_crashes=True) as room:
        return await _until_over(room, stop, restart)


def _stop_signal() -> asyncio.Event:
    """Return an event that is set by a signal to stop."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


async def _until_over(
    bot: Running, stop: asyncio.Event, restart: Callable[[], NoReturn] | None
) -> int:
    """Wait for a signal or an error that no retry can fix; return the exit code."""
    # Objects made so far are permanent: scanning them for garbage would repeatedly stop all
    # threads for some 40 ms.
    gc.collect()
    gc.freeze()
    stopped = asyncio.create_task(stop.wait())
    watching = asyncio.create_task(bot.watch.run())
    polling = {bot.polling} if bot.polling is not None else set()
    await asyncio.wait({stopped, watching, *polling}, return_when=asyncio.FIRST_COMPLETED)
    if watching.done():
        bot.attempts.close()  # no message is to blame for a device or a network
        if restart is not None:
            log.critical("%s Starting again in a new process.", watching.result())
            logging.shutdown()
            restart()
        log.critical("%s Exiting with 70 so that the supervisor restarts us.", watching.result())
        exit_process(WEDGED)
    stopped.cancel()
    watching.cancel()
    if bot.polling is None or not bot.polling.done():
        log.info("Stopping")
        return 0
    try:
        bot.polling.result()
    except InvalidToken:
        log.error(  # noqa: TRY400  # the traceback adds nothing, and may contain the token
            "TELEGRAM_BOT_TOKEN: Telegram does not know this token (revoked, or mistyped). "
            "Copy it from @BotFather and start again."
        )
        return 2
    return 1


def exit_process(code: int) -> NoReturn:
    """Exit, by force if another thread is still running.

    It may hang in a wedged device, a model that is being loaded, or a name lookup. Call it within
    the event loop, whose end would wait for such a lookup.
    """
    logging.shutdown()
    if any(t is not threading.main_thread() and t.is_alive() for t in threading.enumerate()):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


# ---- parts ----


def make_speaker(settings: Settings, wanted: str) -> Speaker:
    """Return the loudspeaker for a device, or for the folder of a ``file:``."""
    if wanted.startswith(PREFIX):
        return WavSpeaker(Path(wanted.removeprefix(PREFIX)).expanduser().absolute())
    return PortAudioSpeaker(
        wanted, settings.audio_latency, on_headphones_lost=settings.on_headphones_lost
    )


def _load_cost(settings: Settings) -> SynthesisCost:
    """Return the cost that earlier runs learned on this machine, or what set-up measured."""
    with contextlib.suppress(OSError, ValueError):
        return SynthesisCost.from_dict(json.loads((settings.data_dir / PACE_FILE).read_text()))
    measured = stored_config(settings.model_dir)
    return SynthesisCost.for_measured(measured.rtf) if measured else SynthesisCost()


def _store_cost(settings: Settings, cost: SynthesisCost) -> None:  # on the audio thread
    with contextlib.suppress(OSError):  # it is learned again
        (settings.data_dir / PACE_FILE).write_text(json.dumps(cost.to_dict()))


def list_devices(settings: Settings) -> Devices:
    """Return the output devices, without a running bot. Blocks.

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
    # A proxy from the environment is meant for Telegram, not for a server on this computer.
    local = urlsplit(settings.telegram_api_url).hostname in ("127.0.0.1", "localhost", "::1")
    return {"httpx_kwargs": {"trust_env": not local, "verify": _tls_context()}}


@functools.cache
def _tls_context() -> ssl.SSLContext:
    # Once for all clients.
    return tls_context()


async def _release(pipeline: SpeechPipeline) -> None:
    """Fall silent and release the device, unless it does not answer in time."""
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
