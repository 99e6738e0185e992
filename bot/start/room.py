"""A running room, which has no chat: starts its parts in order, and stops them in reverse order."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from audio.ports import Speaker, Voice
from bot.core.access import Access
from bot.core.lock import only_one
from bot.core.question_store import QuestionStore
from bot.core.questions import NoDisplay, Questions
from bot.core.receipts import NoReceipts
from bot.core.reminders import Reminders
from bot.http.server import listening
from bot.settings import Settings
from bot.start.phases import (
    Running,
    cancel,
    make_api,
    make_intake,
    open_disk,
    release,
    serving_http,
    start_heard,
    start_manners,
    start_speech,
    start_wyoming,
    wait_briefly,
)
from bot.watchdog import Watchdog


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
        disk = await open_disk(stack, settings, trace_crashes=trace_crashes)
        speech = await start_speech(stack, settings, disk, front, voice, speaker)
        access = Access(frozenset(), disk.store, lambda _: None)
        intake = make_intake(settings, disk, front, speech, access)
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

        looked = await start_manners(stack, settings, disk, speech)
        await start_heard(stack, settings, disk, speech, front.bot_id)
        reminders = Reminders(intake)
        questions = Questions(
            QuestionStore(disk.inbox.database, front.bot_id), intake, access, NoDisplay()
        )

        async def start_speaking() -> None:
            await wait_briefly(place.synced)  # no bot is there: it speaks all the same
            await wait_briefly(looked)
            speech.delivery.start_speaking()
            await reminders.run()

        for name, work in {
            "start speaking": start_speaking(),
            "quiet": speech.delivery.quiet_hold.watch(),
            "expiry": speech.delivery.expiry.watch(),
            "prune": disk.inbox.prune_hourly(),
            "languages": speech.preferences.load_detector(),
        }.items():
            stack.push_async_callback(cancel, asyncio.create_task(work, name=name))
        # Before anything above stops; the later call then has no effect.
        stack.push_async_callback(release, speech.pipeline)
        await start_wyoming(stack, settings, speech, intake)
        api = make_api(settings, disk, front, speech, intake, reminders, place, questions)
        await stack.enter_async_context(serving_http(settings, api, sockets))
        yield Running(
            pipeline=speech.pipeline,
            delivery=speech.delivery,
            polling=None,
            watch=Watchdog(speech.pipeline, None, speech.delivery, None),
            attempts=disk.attempts,
        )
