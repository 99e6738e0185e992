"""Reactions, replies and edits, sent within Telegram's limits.

A call returns at once; the task of its channel sends the request. A channel is one kind of request
(reaction, message, edit, answer to a button) in one chat, since Telegram limits each of these: when
it asks to wait, only this channel is closed. A channel sends one request at a time. When it opens
again, the first request is a probe, and the others follow, faster with each success. Answers that a
person waits for go first; a newer reaction or edit replaces an unsent one of the same message.

Without a network all channels wait together. A request with an *on_answer* waits indefinitely: it
is owed to its sender. Runs on the event loop.
"""

import asyncio
import contextlib
import itertools
import logging
import sqlite3
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum, auto
from typing import Any

from telegram import (
    Bot,
    InlineKeyboardMarkup,
    Message,
    ReplyParameters,
    Update,
)
from telegram.constants import CallbackQueryLimit, ChatType, MessageLimit, ReactionEmoji
from telegram.error import (
    BadRequest,
    ChatMigrated,
    Forbidden,
    InvalidToken,
    RetryAfter,
    TelegramError,
)

from bot.chat.fitting import cut, split, within_limits
from bot.chat.reactions import NO_REACTIONS
from bot.core.inbox import Inbox
from bot.core.store import Store

log = logging.getLogger(__name__)

_BACK_OFF_S = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)  # then every 30 s
_OUTDATED_S = 1800.0  # an older unsent reply is useless
_EDIT_EVERY_S = 1.0  # in a chat. Source: Bot API FAQ, about one message a second
_AT_ONCE = 8  # requests of one kind; python-telegram-bot's pool has 256 connections
# The pause between two requests after Telegram has asked to wait. Its limits are not documented,
# except the slowest, that of a group: 20 messages a minute.
_GAP_S, _GAP_MAX_S = 0.25, 3.0
_GAP_GROWS, _GAP_SHRINKS, _GAP_OVER_S = 2.0, 0.9, 0.02
# A request that fails while others get through is given up after about 25 minutes.
_MAX_FAILURES = 50

_OnAnswer = Callable[[Any], Awaitable[None]]
"""Called with Telegram's answer; None if it refused."""
_Send = Callable[[int], Awaitable[object]]


class _Kind(Enum):
    REACTION = auto()
    MESSAGE = auto()
    EDIT = auto()
    ANSWER = auto()


# The order of requests within a channel.
_ASKED_FOR, _OWED, _NOTICE = 0, 1, 2


@dataclass(slots=True)
class _Call:
    send: _Send
    """Called with the chat to send to, since a group may migrate."""
    created_s: float
    """In the loop's time."""
    callbacks: tuple[_OnAnswer, ...]
    rank: int
    ready_s: float = 0.0
    """When it may be sent, in the loop's time."""
    failures: int = 0
    """How often it failed while other requests succeeded."""
    answers: int = -1
    """How many requests had been answered when it failed last; -1: it has not failed."""


@dataclass(slots=True)
class _Channel:
    kind: _Kind
    chat_id: int
    calls: dict[Hashable, _Call] = field(default_factory=dict)
    not_before_s: float = 0.0
    """Closed until on_answer, in the loop's time."""
    rested_s: float = 0.0
    """Until then only requests that a person waits for are sent, in the loop's time."""
    gap_s: float = 0.0
    """The pause after each request."""
    added: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None


class Outbox:
    """Sends everything that Crier writes in chats."""

    def __init__(self, bot: Bot, inbox: Inbox, store: Store, bot_id: int) -> None:
        """Send through *bot*; *inbox* has owed receipts, *store* what a chat has been told."""
        self._bot = bot
        self._inbox = inbox
        self._store = store
        self._bot_id = bot_id
        self._channels: dict[tuple[_Kind, int], _Channel] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._numbers = itertools.count()
        self._gates = defaultdict[_Kind, asyncio.Semaphore](lambda: asyncio.Semaphore(_AT_ONCE))
        self._offline_until_s = 0.0
        self._failures = 0
        self._answers = 0
        self._moved: dict[int, int] = {}  # group -> the supergroup that it became
        self._refused: set[tuple[int, str]] = set()  # (chat, reason), to log each once

    async def migrated(self, update: Update, _: Any) -> None:
        """Follow a group that has become a supergroup; Telegram reports it in both chats."""
        message = update.effective_message
        if message is None or message.chat.type == ChatType.PRIVATE:
            return  # a private chat never moves
        if message.migrate_to_chat_id:
            await self.migrate(message.chat_id, message.migrate_to_chat_id)
        elif message.migrate_from_chat_id:
            await self.migrate(message.migrate_from_chat_id, message.chat_id)

    def react(
        self,
        chat_id: int,
        message_id: int,
        emoji: ReactionEmoji,
        on_answer: _OnAnswer | None = None,
    ) -> None:
        """Put a reaction on a message, in place of the last one.

        Args:
            chat_id: the chat.
            message_id: the message; 0 if it can't be reached any more.
            emoji: the reaction.
            on_answer: called with Telegram's answer, or None if it refused; until then it is owed.
        """
        rank = _OWED if on_answer is not None else _NOTICE
        if not message_id:
            self._end_unsent(_as_tuple(on_answer))
            return
        self._post(
            _Kind.REACTION,
            chat_id,
            message_id,
            lambda chat: self._bot.set_message_reaction(chat, message_id, emoji),
            on_answer,
            rank,
        )

    def reply(
        self,
        chat_id: int,
        text: str,
        *,
        to: int | None = None,
        thread_id: int | None = None,
        keyboard: InlineKeyboardMarkup | None = None,
        on_answer: _OnAnswer | None = None,
        asked_for: bool = False,
    ) -> None:
        """Send *text*, as a reply to message *to* if that still exists.

        Args:
            chat_id: the chat.
            text: sent in several messages if it is too long for one.
            to: the message to reply to.
            thread_id: the forum topic.
            keyboard: buttons under it.
            on_answer: called with Telegram's answer, or None if it refused; until then it is owed.
            asked_for: whether a person waits for it, so that it goes first.
        """
        parts = deque(split(text, MessageLimit.MAX_TEXT_LENGTH))
        total = len(parts)
        shown = within_limits(keyboard)

        async def send(chat: int) -> object:
            # Parts that were sent are not sent again if a later one fails and is retried.
            answer: object = None
            while parts:
                answered = to if len(parts) == total and chat == chat_id else None
                last = len(parts) == 1
                answer = await self._send_text(
                    chat, parts[0], answered, thread_id, shown if last else None
                )
                parts.popleft()
            return answer

        rank = _ASKED_FOR if asked_for else _OWED
        self._post(_Kind.MESSAGE, chat_id, next(self._numbers), send, on_answer, rank)

    def respond(
        self, update: Update, text: str, keyboard: InlineKeyboardMarkup | None = None
    ) -> None:
        """Answer an update, in its chat and topic, before anything else is sent there."""
        if update.effective_chat:
            thread_id = thread_of(update.effective_message)
            chat_id = update.effective_chat.id
            self.reply(chat_id, text, thread_id=thread_id, keyboard=keyboard, asked_for=True)

    def voice(
        self,
        chat_id: int,
        note: bytes,
        on_answer: _OnAnswer | None = None,
        *,
        thread_id: int | None = None,
        wanted: Callable[[], bool] = lambda: True,
    ) -> None:
        """Send a voice note: OGG/Opus.

        Args:
            chat_id: the chat.
            note: the sound.
            on_answer: called with Telegram's answer, or None if it refused (a person may accept no
                voice notes) or if the note was not wanted; until then it is owed.
            thread_id: the forum topic.
            wanted: called when its turn comes; returns whether to send it.
        """

        async def send(chat: int) -> object:
            if not wanted():
                return None
            return await self._in_topic(
                thread_id, lambda topic: self._bot.send_voice(chat, note, message_thread_id=topic)
            )

        self._post(_Kind.MESSAGE, chat_id, next(self._numbers), send, on_answer, _OWED)

    def edit(
        self,
        chat_id: int,
        message_id: int,
        text: str,
        keyboard: InlineKeyboardMarkup | None,
        on_answer: _OnAnswer | None = None,
        *,
        asked_for: bool = True,
    ) -> None:
        """Edit a message of the bot; unless a person waits for it, at most once a second in a chat.

        Args:
            chat_id: the chat.
            message_id: the message.
            text: its new text, cut if it is too long.
            keyboard: its new buttons.
            on_answer: called with Telegram's answer, or None if it refused, for example because the
                message was deleted; until then it is owed.
            asked_for: whether a person waits for it.
        """
        shown = cut(text, MessageLimit.MAX_TEXT_LENGTH)
        buttons = within_limits(keyboard)

        async def send(chat: int) -> object:
            try:
                return await self._bot.edit_message_text(
                    shown, chat, message_id, reply_markup=buttons
                )
            except BadRequest as exc:
                if "not modified" in str(exc):
                    return True  # it has that text already
                raise

        rank = _ASKED_FOR if asked_for else _OWED if on_answer is not None else _NOTICE
        self._post(_Kind.EDIT, chat_id, message_id, send, on_answer, rank)

    def answer(self, chat_id: int, query_id: str, text: str = "") -> None:
        """Answer a pressed button, so that it stops spinning."""
        shown = cut(text, CallbackQueryLimit.ANSWER_CALLBACK_QUERY_TEXT_LENGTH)
        self._post(
            _Kind.ANSWER,
            chat_id,
            query_id,
            lambda _: self._bot.answer_callback_query(query_id, shown),
            None,
            _ASKED_FOR,
        )

    async def migrate(self, old_chat_id: int, new_chat_id: int) -> None:
        """Continue in the supergroup that a group has become.

        Messages have other numbers there, so pending reactions and edits are dropped.
        """
        if self._moved.get(old_chat_id) == new_chat_id:
            return
        self._moved[old_chat_id] = new_chat_id
        log.info("Group %d is now the supergroup %d", old_chat_id, new_chat_id)
        try:
            await self._inbox.migrate_chat(self._bot_id, old_chat_id, new_chat_id)
        except sqlite3.Error as exc:
            log.error("A group's new number can't be stored: %s", exc)  # noqa: TRY400
        for channel in self._of_chat(old_chat_id):
            for key, call in channel.calls.items():
                if channel.kind is _Kind.MESSAGE:
                    self._enqueue(channel.kind, new_chat_id, key, call)
                else:
                    self._end_unsent(call.callbacks)
            channel.calls.clear()

    async def close(self, timeout_s: float) -> None:
        """Send the remaining requests, for at most *timeout_s*."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while self._tasks:  # an answer may lead to another request
                    await asyncio.wait(self._tasks)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # ---- requests ----

    async def _send_text(
        self,
        chat_id: int,
        text: str,
        to: int | None,
        thread_id: int | None,
        keyboard: InlineKeyboardMarkup | None,
    ) -> object:
        answered = ReplyParameters(to, allow_sending_without_reply=True) if to else None
        return await self._in_topic(
            thread_id,
            lambda topic: self._bot.send_message(
                chat_id,
                text,
                reply_parameters=answered,
                reply_markup=keyboard,
                message_thread_id=topic,
            ),
        )

    async def _in_topic(
        self, thread_id: int | None, send: Callable[[int | None], Awaitable[object]]
    ) -> object:
        """Send to a topic, or outside it if it was deleted or closed."""
        try:
            return await send(thread_id)
        except BadRequest as exc:
            if thread_id is None or not any(part in str(exc) for part in ("thread", "TOPIC")):
                raise
            return await send(None)

    # ---- channels ----

    def _post(
        self,
        kind: _Kind,
        chat_id: int,
        key: Hashable,
        send: _Send,
        on_answer: _OnAnswer | None,
        rank: int,
    ) -> None:
        call = _Call(send, asyncio.get_running_loop().time(), _as_tuple(on_answer), rank)
        if chat_id in self._moved and kind in (_Kind.REACTION, _Kind.EDIT):
            self._end_unsent(call.callbacks)  # another message may have that number there
            return
        self._enqueue(kind, self._moved.get(chat_id, chat_id), key, call)

    def _enqueue(self, kind: _Kind, chat_id: int, key: Hashable, call: _Call) -> None:
        channel = self._channels.setdefault((kind, chat_id), _Channel(kind, chat_id))
        if earlier := channel.calls.get(key):
            call.callbacks = (
                *earlier.callbacks,
                *call.callbacks,
            )  # it stands in for the earlier one
            call.rank = min(call.rank, earlier.rank)
        channel.calls[key] = call  # in place of an earlier one, or last
        channel.added.set()
        if channel.task is None:
            channel.task = self._start(self._run(channel))

    def _start(self, work: Any) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _of_chat(self, chat_id: int) -> list[_Channel]:
        return [channel for (_, chat), channel in self._channels.items() if chat == chat_id]

    async def _run(self, channel: _Channel) -> None:
        """Send the requests of a channel, one at a time."""
        loop = asyncio.get_running_loop()
        try:
            while channel.calls:
                now_s = loop.time()
                key, call = min(
                    channel.calls.items(),
                    key=lambda item: (max(now_s, item[1].ready_s), item[1].rank),
                )
                rested_s = channel.rested_s if call.rank != _ASKED_FOR else 0.0
                closed_s = max(channel.not_before_s, self._offline_until_s)
                opens_s = max(closed_s, rested_s, call.ready_s)
                if opens_s > now_s:
                    channel.added.clear()
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout_at(opens_s):
                            await channel.added.wait()
                    continue  # another channel or a newer call may have changed the order
                outdated = not call.callbacks and now_s - call.created_s > _OUTDATED_S
                over = outdated or await self._try(channel, key, call)
                if over and channel.calls.get(key) is call:
                    del channel.calls[key]
        finally:
            channel.task = None

    async def _try(self, channel: _Channel, key: Hashable, call: _Call) -> bool:
        """Send a request once; return whether it is finished."""
        loop = asyncio.get_running_loop()
        answer = None
        async with self._gates[channel.kind]:
            if loop.time() < self._offline_until_s:
                return False  # another channel went offline while this one waited
            try:
                answer = await call.send(channel.chat_id)
                self._answers += 1
            except RetryAfter as exc:
                gap_s = max(_GAP_S, channel.gap_s * _GAP_GROWS)
                channel.gap_s = min(_GAP_MAX_S, gap_s)
                channel.not_before_s = loop.time() + retry_after_s(exc)
                self._answers += 1
                return False
            except ChatMigrated as exc:
                self._answers += 1
                await self.migrate(channel.chat_id, exc.new_chat_id)
                return False
            except (BadRequest, Forbidden) as exc:
                self._answers += 1
                await self._log_refusal(channel, key, exc)
            except TelegramError as exc:  # no network, or an answer that is not Telegram's
                if not self._gives_up(call, exc):
                    return False
            except Exception:  # a channel must survive any error, or its chat falls silent
                log.exception("Unexpected error in sending a receipt or reply")
        self._failures = 0
        channel.gap_s = channel.gap_s * _GAP_SHRINKS if channel.gap_s > _GAP_OVER_S else 0.0
        channel.not_before_s = loop.time() + channel.gap_s
        if channel.kind is _Kind.EDIT:
            channel.rested_s = loop.time() + _EDIT_EVERY_S
        await _run_callbacks(call.callbacks, answer)
        return True

    async def _log_refusal(self, channel: _Channel, key: Hashable, error: TelegramError) -> None:
        """Log why Telegram refused, once for each chat, and act on it."""
        reason = str(error)
        level = logging.DEBUG if (channel.chat_id, reason) in self._refused else logging.WARNING
        self._refused.add((channel.chat_id, reason))
        kind = channel.kind.name.lower()
        log.log(level, "Telegram refused a %s in chat %d: %s", kind, channel.chat_id, reason)
        is_gone = "not found" in reason or "MESSAGE_ID" in reason
        if isinstance(error, Forbidden) or reason.casefold() == "chat not found":
            await self._give_up_chat(channel.chat_id)
        elif channel.kind is _Kind.REACTION and not is_gone:
            await self._report_no_reactions(channel.chat_id, key)

    async def _give_up_chat(self, chat_id: int) -> None:
        """Drop the receipts owed to a chat that the bot can't write to any more."""
        try:
            await self._inbox.forget_owed(self._bot_id, chat_id)
        except sqlite3.Error as exc:
            log.error("The receipts owed to a chat can't be dropped: %s", exc)  # noqa: TRY400
        for channel in self._of_chat(chat_id):
            calls, channel.calls = channel.calls, {}
            for call in calls.values():
                self._end_unsent(call.callbacks)

    async def _report_no_reactions(self, chat_id: int, message_id: Hashable) -> None:
        """Report, once per chat, that it does not allow reactions."""
        name = f"no_reactions:{chat_id}"
        try:
            if await self._store.choice(name, ""):
                return
            await self._store.choose(name, "told", "")
        except sqlite3.Error as exc:
            log.error("A report to a chat can't be stored: %s", exc)  # noqa: TRY400
        # A reply appears in the message's topic.
        self.reply(chat_id, NO_REACTIONS, to=message_id if isinstance(message_id, int) else None)

    def _gives_up(self, call: _Call, error: TelegramError) -> bool:
        """Schedule a retry after a failure that is not a refusal; return whether to give up."""
        if isinstance(error, InvalidToken) and "method" in str(error):
            log.warning("The Bot API server does not know this method: %s", error)
            return True
        log.debug("Not sent; retrying: %s", error)
        now_s = asyncio.get_running_loop().time()
        if call.answers not in (-1, self._answers):  # others succeeded meanwhile
            pause_s = _BACK_OFF_S[min(call.failures, len(_BACK_OFF_S) - 1)]
            call.failures += 1
            call.ready_s = now_s + pause_s
            if call.failures > _MAX_FAILURES:
                log.warning("A receipt or reply keeps failing; given up: %s", error)
                return True
        elif now_s >= self._offline_until_s:  # the first to fail
            pause_s = _BACK_OFF_S[min(self._failures, len(_BACK_OFF_S) - 1)]
            self._offline_until_s = now_s + pause_s
            self._failures += 1
        call.answers = self._answers
        return False

    def _end_unsent(self, callbacks: tuple[_OnAnswer, ...]) -> None:
        """Treat a request that can't be sent as refused."""
        if callbacks:
            self._start(_run_callbacks(callbacks, None))


async def _run_callbacks(callbacks: tuple[_OnAnswer, ...], answer: object) -> None:
    for on_answer in callbacks:
        try:
            await on_answer(answer)
        except Exception:
            log.exception("Unexpected error after sending a receipt or reply")


def _as_tuple(on_answer: _OnAnswer | None) -> tuple[_OnAnswer, ...]:
    return () if on_answer is None else (on_answer,)


def retry_after_s(error: RetryAfter) -> float:
    """Return how long Telegram asks to wait, in seconds."""
    after = error.retry_after
    return after.total_seconds() if isinstance(after, timedelta) else float(after)


def thread_of(message: object) -> int | None:
    """Return the topic that a message is in, if any.

    Outside topics Telegram also numbers threads of replies, to which nothing can be sent.
    """
    if isinstance(message, Message) and message.is_topic_message:
        return message.message_thread_id
    return None
