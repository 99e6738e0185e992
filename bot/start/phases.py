"""The phases of a start that a bot and a room share, and the parts that they make.

Each adds to a stack what ends it; `bot.app` and `bot.start.room` have the order.
"""

import asyncio
import contextlib
import json
import math
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from audio.cost import SynthesisCost
from audio.kokoro.prepared import resolve_kind, stored_config
from audio.kokoro.voice import KokoroVoice
from audio.output.portaudio import PortAudioSpeaker
from audio.output.wavfile import PREFIX, WavSpeaker
from audio.pipeline import SpeechPipeline
from audio.ports import Speaker, Voice
from audio.system_sleep import time_asleep_s
from audio.types import Devices, Fact
from bot.core.access import Access
from bot.core.attempts import Attempts, crash_trace
from bot.core.delivery import Delivery
from bot.core.events import Events
from bot.core.health import SourceHealth
from bot.core.inbox import Inbox
from bot.core.intake import Intake
from bot.core.limits import Limits
from bot.core.message import attempt_key
from bot.core.output import SoundOutput, wanted_device
from bot.core.preferences import Preferences
from bot.core.questions import Questions
from bot.core.receipts import Receipts
from bot.core.reminders import Reminders
from bot.core.store import Store
from bot.http.audio_stream import SpeechStreams
from bot.http.guard import AccessGuard
from bot.http.live import LiveTexts
from bot.http.metrics import Metrics
from bot.http.routes import SPEAK, Api
from bot.http.server import serving, token_of
from bot.paths import PACE_FILE
from bot.settings import Settings
from bot.watchdog import Watchdog

# Parts of the 3 s that a SIGTERM may take: for the device, and for the last receipts.
_RELEASE_TIMEOUT_S = 1.5
FLUSH_TIMEOUT_S = 0.7
# What an earlier run left is said after Telegram was asked whether a /stop waits there, which
# takes a second at most where there is a network.
_FIRST_LOOK_S = 4.0


@dataclass(frozen=True, slots=True)
class Running:
    """A running bot."""

    pipeline: SpeechPipeline
    delivery: Delivery
    polling: asyncio.Task[None] | None
    """Ends only with an error that no retry can fix; None in a room."""
    watch: Watchdog
    attempts: Attempts


class Front(Protocol):
    """What messages come from, as the core needs to know it."""

    @property
    def bot_id(self) -> int: ...

    @property
    def receipts(self) -> Receipts: ...

    def now(self) -> float: ...

    def clock_warning(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Disk:
    """The state that survives the process."""

    inbox: Inbox
    store: Store
    attempts: Attempts


async def open_disk(stack: AsyncExitStack, settings: Settings, *, trace_crashes: bool) -> Disk:
    """Open the database, and count what the last run of the process died of."""
    inbox = await Inbox.open(settings.data_dir / "crier.db")
    stack.push_async_callback(inbox.close)
    crashed = trace_crashes and stack.enter_context(crash_trace(settings.data_dir))
    attempts = Attempts(settings.data_dir / "attempts.json", crashed=crashed)
    stack.callback(attempts.close)
    return Disk(inbox, Store(inbox.database), attempts)


@dataclass(frozen=True, slots=True)
class Speech:
    """The audio thread, and the objects that feed it."""

    pipeline: SpeechPipeline
    delivery: Delivery
    events: Events
    output: SoundOutput
    preferences: Preferences
    on_taken_up: list[Callable[[], None]]
    """Called on the event loop when work on a text or recording to be spoken starts."""


async def start_speech(
    stack: AsyncExitStack,
    settings: Settings,
    disk: Disk,
    front: Front,
    voice: Voice | None,
    speaker: Speaker | None,
) -> Speech:
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
    stack.push_async_callback(cancel, facts)
    stack.push_async_callback(_within, FLUSH_TIMEOUT_S, delivery.drain)
    stack.push_async_callback(release, pipeline)
    output = SoundOutput(pipeline, disk.store, settings)
    await output.restore()
    preferences = Preferences(disk.store, settings)
    return Speech(pipeline, delivery, events, output, preferences, on_taken_up)


def make_intake(
    settings: Settings, disk: Disk, front: Front, speech: Speech, access: Access
) -> Intake:
    """Return what accepts messages of chats and programs."""
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


async def start_manners(
    stack: AsyncExitStack, settings: Settings, disk: Disk, speech: Speech
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
        stack.push_async_callback(cancel, asyncio.create_task(work, name=name))
    return looked


async def start_heard(
    stack: AsyncExitStack, settings: Settings, disk: Disk, speech: Speech, bot_id: int
) -> None:
    """Start to report what is heard; what is not set is not even imported."""
    if settings.heard_url or settings.heard_command:
        from bot import heard  # noqa: PLC0415  # costs nothing where it is not used

        await stack.enter_async_context(
            heard.reporting(settings, speech.events, disk.inbox, bot_id)
        )


async def start_wyoming(
    stack: AsyncExitStack, settings: Settings, speech: Speech, intake: Intake
) -> None:
    """Start the voice for Home Assistant; what is not set is not even imported."""
    if settings.wyoming_port:
        from bot.home import wyoming  # noqa: PLC0415  # costs nothing where it is not used

        service = wyoming.serving(settings, speech.pipeline, intake)
        await stack.enter_async_context(service)


def make_api(
    settings: Settings,
    disk: Disk,
    front: Front,
    speech: Speech,
    intake: Intake,
    reminders: Reminders,
    source: SourceHealth,
    questions: Questions,
) -> Api:
    """Return the HTTP API, which is not served yet."""
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
async def serving_http(
    settings: Settings, api: Api, sockets: list[socket.socket]
) -> AsyncIterator[None]:
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
            await cancel(reporting)


def make_speaker(settings: Settings, wanted: str) -> Speaker:
    """Return the loudspeaker for a device, or for the folder of a ``file:``."""
    if wanted.startswith(PREFIX):
        return WavSpeaker(Path(wanted.removeprefix(PREFIX)).expanduser().absolute())
    return PortAudioSpeaker(
        wanted, settings.audio_latency, on_headphones_lost=settings.on_headphones_lost
    )


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


def _load_cost(settings: Settings) -> SynthesisCost:
    """Return the cost that earlier runs learned on this machine, or what set-up measured."""
    with contextlib.suppress(OSError, ValueError):
        return SynthesisCost.from_dict(json.loads((settings.data_dir / PACE_FILE).read_text()))
    measured = stored_config(settings.model_dir)
    return SynthesisCost.for_measured(measured.rtf) if measured else SynthesisCost()


def _store_cost(settings: Settings, cost: SynthesisCost) -> None:  # on the audio thread
    with contextlib.suppress(OSError):  # it is learned again
        (settings.data_dir / PACE_FILE).write_text(json.dumps(cost.to_dict()))


async def wait_briefly(event: asyncio.Event) -> None:
    """Wait for what should be known before anything is said; not long, as there may be no network.

    Until Python 3.12, a cancellation may be lost in `asyncio.wait_for`, but not in a timeout.
    """
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_FIRST_LOOK_S):
            await event.wait()


async def release(pipeline: SpeechPipeline) -> None:
    """Fall silent and release the device, unless it does not answer in time."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(asyncio.wrap_future(pipeline.close()), _RELEASE_TIMEOUT_S)


async def _within(timeout_s: float, call: Callable[[], Awaitable[object]]) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(call(), timeout_s)


async def cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
