"""What the sender sees: reactions, replies and edits, kept within Telegram's limits.

Nobody waits for the Bot API here: an order returns at once, and what it asks for is sent by a
task of its lane. A lane keeps its own order; a newer reaction or edit replaces one of the same
message that has not been sent yet. Runs on the event loop.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Hashable
from datetime import timedelta

from telegram import Bot, InlineKeyboardMarkup, ReplyParameters
from telegram.constants import ReactionEmoji
from telegram.error import BadRequest, Forbidden, NetworkError, RetryAfter, TelegramError

log = logging.getLogger(__name__)

STORED = ReactionEmoji.EYES
HEARD = ReactionEmoji.THUMBS_UP
CUT = ReactionEmoji.SPEAK_NO_EVIL_MONKEY
HELD = ReactionEmoji.SLEEPING_FACE
FAILED = ReactionEmoji.BROKEN_HEART

_BACK_OFF_S = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)  # then every 30 s
_TRIES = 60  # about half an hour without a network

_Call = Callable[[], Awaitable[object]]


class Outbox:
    """Everything that Crier says in a chat."""

    def __init__(self, bot: Bot) -> None:
        """Send through *bot*."""
        self._bot = bot
        self._lanes: dict[Hashable, deque[_Call]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._not_before_s: dict[int, float] = {}  # by chat, in the loop's time

    def react(self, chat_id: int, message_id: int, emoji: ReactionEmoji) -> None:
        """Put a reaction on a message, in place of the last one."""
        self._post(
            ("reaction", chat_id, message_id),
            chat_id,
            lambda: self._bot.set_message_reaction(chat_id, message_id, emoji),
            newest_only=True,
        )

    def reply(
        self,
        chat_id: int,
        text: str,
        *,
        to: int | None = None,
        keyboard: InlineKeyboardMarkup | None = None,
    ) -> None:
        """Send *text*, as an answer to message *to* if that is still there."""
        answered = ReplyParameters(to, allow_sending_without_reply=True) if to else None
        self._post(
            ("chat", chat_id),
            chat_id,
            lambda: self._bot.send_message(
                chat_id, text, reply_parameters=answered, reply_markup=keyboard
            ),
        )

    def edit(
        self, chat_id: int, message_id: int, text: str, keyboard: InlineKeyboardMarkup | None
    ) -> None:
        """Change a message of Crier's own."""
        self._post(
            ("edit", chat_id, message_id),
            chat_id,
            lambda: self._bot.edit_message_text(text, chat_id, message_id, reply_markup=keyboard),
            newest_only=True,
        )

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
        self, lane: Hashable, chat_id: int, call: _Call, *, newest_only: bool = False
    ) -> None:
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
        tries = 0
        try:
            while waiting:
                await self._wait_for_permission(chat_id)
                call = waiting[0]
                pause_s = await self._try(call, chat_id, tries)
                if pause_s is None or tries >= _TRIES:
                    tries = 0
                    if waiting and waiting[0] is call:
                        waiting.popleft()
                else:
                    tries += 1
                    await asyncio.sleep(pause_s)
        finally:
            del self._lanes[lane]

    async def _wait_for_permission(self, chat_id: int) -> None:
        """Wait as long as Telegram asked this chat to be left alone."""
        loop = asyncio.get_running_loop()
        while (left_s := self._not_before_s.get(chat_id, 0.0) - loop.time()) > 0:  # noqa: ASYNC110
            await asyncio.sleep(left_s)

    async def _try(self, call: _Call, chat_id: int, tries: int) -> float | None:
        """Send once; return how long to wait before another try, or None when there is none."""
        try:
            await call()
        except RetryAfter as exc:
            now_s = asyncio.get_running_loop().time()
            self._not_before_s[chat_id] = now_s + retry_after_s(exc)
            return 0.0
        except (BadRequest, Forbidden) as exc:
            if "not modified" not in str(exc):
                log.info("Telegram refused a receipt or reply: %s", exc)
        except NetworkError as exc:
            log.debug("Not sent, trying again: %s", exc)
            return _BACK_OFF_S[min(tries, len(_BACK_OFF_S) - 1)]
        except TelegramError as exc:
            log.warning("Telegram did not take a receipt or reply: %s", exc)
        except Exception:  # a lane must outlive any mistake, or its chat falls silent
            log.exception("Mistake in sending a receipt or reply")
        return None


def retry_after_s(error: RetryAfter) -> float:
    """Return how long Telegram asks to be left alone, in seconds."""
    after = error.retry_after
    return after.total_seconds() if isinstance(after, timedelta) else float(after)
