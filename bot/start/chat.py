"""The phases of a start that make the chat: its connection, its handlers, its loop."""

import contextlib
import functools
import ssl
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from telegram.error import TelegramError
from telegram.ext import Application, ApplicationBuilder, ExtBot
from telegram.request import HTTPXRequest

from audio.certificates import tls_context
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
from bot.chat.question_message import QuestionAnswers
from bot.chat.receipts import ChatReceipts
from bot.chat.reminder_commands import ReminderCommands
from bot.chat.room_commands import RoomCommands
from bot.chat.status_message import StatusMessage
from bot.chat.updates import Updates
from bot.chat.voice_commands import VoiceCommands
from bot.chat.voice_notes import VoiceNotes
from bot.core.access import Access
from bot.core.intake import Intake
from bot.core.questions import Questions
from bot.core.reminders import Reminders
from bot.settings import Settings
from bot.start.phases import FLUSH_TIMEOUT_S, Disk, Speech

# Telegram may be slow to accept a receipt; python-telegram-bot's default of 5 s is too short.
_REPLY_TIMEOUT_S = 20.0


@dataclass(slots=True)
class Telegram:
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


def open_telegram(stack: AsyncExitStack, settings: Settings, disk: Disk) -> Telegram:
    """Make the bot and the outbox; no network is needed yet."""
    if settings.telegram_bot_token is None:
        raise ValueError("a bot needs a token")
    request = UpdatesRequest(**_http_options(settings))
    bot = make_bot(settings, request)
    # Known without a network, unlike bot.id: a token starts with it.
    bot_id = int(settings.telegram_bot_token.get_secret_value().partition(":")[0])
    stack.push_async_callback(_quietly, bot.shutdown)
    outbox = Outbox(bot, disk.inbox, disk.store, bot_id)
    stack.push_async_callback(outbox.close, FLUSH_TIMEOUT_S)
    return Telegram(bot, bot_id, request, outbox, ChatReceipts(outbox, disk.inbox))


@dataclass(frozen=True, slots=True)
class ChatSide:
    """The parts that fetch and handle updates."""

    polling: Polling
    attachments: Attachments
    notes: VoiceNotes
    status_message: StatusMessage


def make_chat(
    stack: AsyncExitStack,
    settings: Settings,
    disk: Disk,
    telegram: Telegram,
    speech: Speech,
    access: Access,
    intake: Intake,
    questions: Questions,
    reminders: Reminders,
) -> ChatSide:
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
    chat = ChatSide(polling, attachments, notes, status_message)
    answers = QuestionAnswers(questions, telegram.outbox, telegram.bot_id)
    router = _make_router(
        settings, disk, telegram, speech, access, intake, reminders, chat, answers
    )
    router.register(application)
    return chat


def _make_polling(
    application: Application[Any, Any, Any, Any, Any, Any],
    disk: Disk,
    telegram: Telegram,
    speech: Speech,
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
    disk: Disk,
    telegram: Telegram,
    speech: Speech,
    access: Access,
    intake: Intake,
    reminders: Reminders,
    chat: ChatSide,
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


async def restore(
    stack: AsyncExitStack, telegram: Telegram, speech: Speech, chat: ChatSide
) -> None:
    """Restore what an earlier run left, before anything new comes in; nothing is said yet."""
    await speech.delivery.restore()
    await chat.attachments.restore(telegram.bot_id)
    await chat.notes.restore()
    await chat.status_message.restore()
    stack.callback(chat.status_message.close)


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


async def _quietly(call: Callable[[], Any]) -> None:
    with contextlib.suppress(TelegramError, RuntimeError):
        await call()
