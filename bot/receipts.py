"""What the sender sees: reactions, replies and edits, kept within Telegram's limits.

Nobody waits for the Bot API here: an order returns at once, and what it asks for is sent by a
task of its lane. A lane keeps its own order; a newer reaction or edit replaces one of the same
message that has not been sent yet. Where there is no network, all of them wait together, and what
has a *then* waits for ever: it is owed to its sender. Runs on the event loop.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from telegram import Bot, InlineKeyboardMarkup, ReplyParameters, Update
from telegram.constants import ReactionEmoji
from telegram.error import BadRequest, Forbidden, NetworkError, RetryAfter, TelegramError

from bot.inbox import NO_CHAT

log = logging.getLogger(__name__)

STORED = ReactionEmoji.EYES
HEARD = ReactionEmoji.THUMBS_UP
CUT = ReactionEmoji.SPEAK_NO_EVIL_MONKEY
HELD = ReactionEmoji.SLEEPING_FACE
FAILED = ReactionEmoji.BROKEN_HEART

_BACK_OFF_S = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)  # then every 30 s
_OUTDATED_S = 1800.0  # a reply that could not be sent for so long is of no use any more
_EDIT_EVERY_S = 1.0  # of one message. Source: Bot API FAQ, about one message a second in a chat
_AT_ONCE = 8  # requests; python-telegram-bot's pool has 256 connections, Telegram less patience

_Then = Callable[[Any], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class _Call:
    send: Callable[[], Awaitable[object]]
    born_s: float
    """In the loop's time."""
    then: _Then | None
    """Called with what Telegram answered, or None where it refused."""


class Outbox:
    """Everything that Crier says in a chat."""

    def __init__(self, bot: Bot) -> None:
        """Send through *bot*."""
        self._bot = bot
        self._lanes: dict[Hashable, deque[_Call]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._not_before_s: dict[int, float] = {}  # by chat, in the loop's time
        self._next_edit_s: dict[Hashable, float] = {}  # by lane, in the loop's time
        self._offline_until_s = 0.0
        self._failures = 0
        self._gate = asyncio.Semaphore(_AT_ONCE)

    def react(
        self, chat_id: int, message_id: int, emoji: ReactionEmoji, then: _Then | None = None
    ) -> None:
        """Put a reaction on a message, in place of the last one."""
        self._post(
            ("reaction", chat_id, message_id),
            chat_id,
            lambda: self._bot.set_message_reaction(chat_id, message_id, emoji),
            then,
            newest_only=True,
        )

    def reply(
        self,
        chat_id: int,
        text: str,
        *,
        to: int | None = None,
        thread_id: int | None = None,
        keyboard: InlineKeyboardMarkup | None = None,
        then: _Then | None = None,
    ) -> None:
        """Send *text*, as an answer to message *to* if that is still there.

        Args:
            chat_id: where to.
            text: what to say.
            to: the message that is answered.
            thread_id: the forum topic to stay in.
            keyboard: buttons under it.
            then: called once Telegram has answered; until then it is owed.
        """
        answered = ReplyParameters(to, allow_sending_without_reply=True) if to else None
        self._post(
            ("chat", chat_id),
            chat_id,
            lambda: self._bot.send_message(
                chat_id,
                text,
                reply_parameters=answered,
                reply_markup=keyboard,
                message_thread_id=thread_id,
            ),
            then,
        )

    def respond(
        self, update: Update, text: str, keyboard: InlineKeyboardMarkup | None = None
    ) -> None:
        """Send *text* to the chat that an update came from."""
        if update.effective_chat:
            self.reply(update.effective_chat.id, text, keyboard=keyboard)

    def voice(
        self,
        chat_id: int,
        note: bytes,
        then: _Then | None = None,
        *,
        thread_id: int | None = None,
        wanted: Callable[[], bool] = lambda: True,
    ) -> None:
        """Send a voice note: OGG/Opus; not where it is no longer *wanted* when its turn comes."""

        async def send() -> object:
            if not wanted():
                return None
            return await self._bot.send_voice(chat_id, note, message_thread_id=thread_id)

        self._post(("chat", chat_id), chat_id, send, then)

    def edit(
        self, chat_id: int, message_id: int, text: str, keyboard: InlineKeyboardMarkup | None
    ) -> None:
        """Change a message of Crier's own, at most once a second."""
        lane = ("edit", chat_id, message_id)
        loop = asyncio.get_running_loop()

        async def send() -> object:
            now_s = loop.time()
            later = {key: at_s for key, at_s in self._next_edit_s.items() if at_s > now_s}
            self._next_edit_s = {**later, lane: now_s + _EDIT_EVERY_S}
            return await self._bot.edit_message_text(
                text, chat_id, message_id, reply_markup=keyboard
            )

        self._post(lane, chat_id, send, newest_only=True)

    def answer(self, chat_id: int, query_id: str, text: str = "") -> None:
        """Answer a pressed button, so that it stops spinning."""
        self._post(
            ("answer", query_id), chat_id, lambda: self._bot.answer_callback_query(query_id, text)
        )

    async def close(self, timeout_s: float) -> None:
        """Send what is left for at most *timeout_s*, then give up."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=timeout_s)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _post(
        self,
        lane: Hashable,
        chat_id: int,
        send: Callable[[], Awaitable[object]],
        then: _Then | None = None,
        *,
        newest_only: bool = False,
    ) -> None:
        if chat_id == NO_CHAT:
            return  # nobody is there; the inbox knows that nothing is owed
        call = _Call(send, asyncio.get_running_loop().time(), then)
        waiting = self._lanes.get(lane)
        if waiting is not None:
            if newest_only:
                waiting.clear()
            waiting.append(call)
            return
        self._lanes[lane] = deque([call])
        task = asyncio.get_running_loop().create_task(self._run_lane(lane, chat_id))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run_lane(self, lane: Hashable, chat_id: int) -> None:
        waiting = self._lanes[lane]
        loop = asyncio.get_running_loop()
        try:
            while waiting:
                await self._wait_for_permission(lane, chat_id)
                async with self._gate:
                    call = waiting[0]
                    outdated = call.then is None and loop.time() - call.born_s > _OUTDATED_S
                    over = outdated or await self._try(call, chat_id)
                if over and waiting and waiting[0] is call:
                    waiting.popleft()
        finally:
            del self._lanes[lane]

    async def _wait_for_permission(self, lane: Hashable, chat_id: int) -> None:
        """Wait for a network, and as long as Telegram asks, or wants it, to be left alone."""
        loop = asyncio.get_running_loop()
        while (  # noqa: ASYNC110  # there is no event to wait for: time itself has to pass
            left_s := max(
                self._not_before_s.get(chat_id, 0.0),
                self._next_edit_s.get(lane, 0.0),
                self._offline_until_s,
            )
            - loop.time()
        ) > 0:  # another lane's try may have moved it meanwhile
            await asyncio.sleep(left_s)

    async def _try(self, call: _Call, chat_id: int) -> bool:
        """Send once; return whether that was the end of it."""
        loop = asyncio.get_running_loop()
        if loop.time() < self._offline_until_s:
            return False  # another lane found out while this one stood at the gate
        answer = None
        try:
            answer = await call.send()
        except RetryAfter as exc:
            self._not_before_s[chat_id] = loop.time() + retry_after_s(exc)
            return False
        except (BadRequest, Forbidden) as exc:
            if "not modified" not in str(exc):
                log.info("Telegram refused a receipt or reply: %s", exc)
        except NetworkError as exc:
            log.debug("Not sent, trying again: %s", exc)
            pause_s = _BACK_OFF_S[min(self._failures, len(_BACK_OFF_S) - 1)]
            self._offline_until_s = loop.time() + pause_s
            self._failures += 1
            return False
        except TelegramError as exc:
            log.warning("Telegram did not take a receipt or reply: %s", exc)
        except Exception:  # a lane must outlive any mistake, or its chat falls silent
            log.exception("Mistake in sending a receipt or reply")
        self._failures = 0
        if call.then is not None:
            try:
                await call.then(answer)
            except Exception:
                log.exception("Mistake after sending a receipt or reply")
        return True


def retry_after_s(error: RetryAfter) -> float:
    """Return how long Telegram asks to be left alone, in seconds."""
    after = error.retry_after
    return after.total_seconds() if isinstance(after, timedelta) else float(after)
