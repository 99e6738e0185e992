"""The running bot: starts its parts in order, and stops them in reverse order."""

import asyncio
import gc
import logging
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import NoReturn

from telegram.error import InvalidToken

from audio.ports import Speaker, Voice
from bot.chat.polling import Polling
from bot.chat.question_message import QuestionMessages
from bot.core.access import Access
from bot.core.intake import Intake
from bot.core.lock import only_one
from bot.core.question_store import QuestionStore
from bot.core.questions import Questions
from bot.core.reminders import Reminders
from bot.http.server import listening
from bot.settings import Settings
from bot.start.chat import ChatSide, Telegram, make_chat, open_telegram, restore
from bot.start.phases import (
    Disk,
    Running,
    Speech,
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
from bot.start.room import running_room
from bot.watchdog import Watchdog

log = logging.getLogger(__name__)

WEDGED = 70
"""The exit code if only a new process can help. Source: EX_SOFTWARE of sysexits.h."""


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
        disk = await open_disk(stack, settings, trace_crashes=trace_crashes)
        telegram = open_telegram(stack, settings, disk)
        access = Access(settings.telegram_allowed_users, disk.store, show_code, show_link)
        await access.start()
        speech = await start_speech(stack, settings, disk, telegram, voice, speaker)
        intake = make_intake(settings, disk, telegram, speech, access)
        questions = _make_questions(disk, telegram, access, intake)
        reminders = Reminders(intake)
        rooms = await _make_rooms(settings, disk, telegram, speech) if http else None
        chat = make_chat(
            stack, settings, disk, telegram, speech, access, intake, questions, reminders
        )
        await restore(stack, telegram, speech, chat)
        if rooms is not None:
            await stack.enter_async_context(rooms)
        await _start_questions(stack, questions)
        await start_heard(stack, settings, disk, speech, telegram.bot_id)
        polling = asyncio.create_task(chat.polling.run(), name="polling")
        stack.push_async_callback(cancel, polling)
        looked = await start_manners(stack, settings, disk, speech)
        _start_tasks(stack, disk, telegram, speech, chat, looked)
        _start_reminders(stack, reminders, chat.polling)
        # Before anything above stops; the later call then has no effect.
        stack.push_async_callback(release, speech.pipeline)
        if http:
            await _start_home(stack, settings, disk, telegram, speech, intake)
            api = make_api(
                settings, disk, telegram, speech, intake, reminders, chat.polling, questions
            )
            # Entered last, so that it stops first and accepts no more requests.
            await stack.enter_async_context(serving_http(settings, api, sockets))
        yield Running(
            pipeline=speech.pipeline,
            delivery=speech.delivery,
            polling=polling,
            watch=Watchdog(speech.pipeline, chat.polling, speech.delivery, telegram.bot),
            attempts=disk.attempts,
        )


# ---- the phases of a start ----


async def _make_rooms(
    settings: Settings, disk: Disk, telegram: Telegram, speech: Speech
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


def _make_questions(disk: Disk, telegram: Telegram, access: Access, intake: Intake) -> Questions:
    store = QuestionStore(disk.inbox.database, telegram.bot_id)
    return Questions(store, intake, access, QuestionMessages(telegram.outbox))


async def _start_questions(stack: AsyncExitStack, questions: Questions) -> None:
    """Show what an earlier run could not, and end questions whose time is over."""
    await questions.restore()
    task = asyncio.create_task(questions.run(), name="questions")
    stack.push_async_callback(cancel, task)


def _start_tasks(
    stack: AsyncExitStack,
    disk: Disk,
    telegram: Telegram,
    speech: Speech,
    chat: ChatSide,
    looked: asyncio.Event,
) -> None:
    """Start the background tasks, one of which starts speech."""

    async def start_speaking() -> None:
        await wait_briefly(chat.polling.caught_up)
        await wait_briefly(looked)
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
        stack.push_async_callback(cancel, task)


def _start_reminders(stack: AsyncExitStack, reminders: Reminders, polling: Polling) -> None:
    """Start to speak reminders, after what was decided about them in the chat meanwhile."""

    async def run() -> None:
        await wait_briefly(polling.caught_up)
        await reminders.run()

    task = asyncio.create_task(run(), name="reminders")
    stack.push_async_callback(cancel, task)


async def _start_home(
    stack: AsyncExitStack,
    settings: Settings,
    disk: Disk,
    telegram: Telegram,
    speech: Speech,
    intake: Intake,
) -> None:
    """Start what Home Assistant talks to; what is not set is not even imported."""
    await start_wyoming(stack, settings, speech, intake)
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
