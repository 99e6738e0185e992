"""The life of a question: a program asks, it is spoken and shown, one answer counts.

A question is on the disk before any chat shows it, so that its buttons work after a restart, and
its program can ask for the answer again. Runs on the event loop.
"""

import asyncio
import contextlib
import logging
import secrets
import sqlite3
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Protocol
from weakref import WeakValueDictionary

from audio.text import inline
from bot.core.access import Access
from bot.core.draft import Draft
from bot.core.intake import Intake, RefusedError
from bot.core.message import QueuedMessage
from bot.core.plain_text import Composed
from bot.core.question_store import Question, QuestionStatus, QuestionStore

log = logging.getLogger(__name__)

MAX_OPTIONS, MAX_OPTION_CHARS = 8, 40
MAX_TIMEOUT_S = 24 * 3600.0
MAX_OPEN = 50
"""How many questions may be open at once."""

_MAX_OFFERS = 5
"""How many rests may be offered at once; a newer one takes the place of the oldest."""
_OFFER_S = 24 * 3600.0
_READ_ON = "Read on"

_CHECK_EVERY_S = 30.0
"""Clocks that count seconds stop while the computer sleeps, so the time is looked at again."""
_OVER = "Its question has ended."
_NOT_DELIVERED = (
    "Telegram delivers it to nobody. People have to write to the bot before it can ask them."
)


class NobodyToAskError(Exception):
    """There is nobody who could answer; the message says why."""


class QuestionDisplay(Protocol):
    """Shows questions to people. Runs on the event loop; each call returns at once."""

    def ask(
        self,
        question: Question,
        chat_id: int,
        on_sent: Callable[[int | None], Awaitable[None]],
    ) -> None:
        """Show a question in a chat.

        Args:
            question: an open question.
            chat_id: the chat.
            on_sent: called with the number of the message; None if the chat can't be asked.
        """
        ...

    def show_end(
        self, question: Question, chat_id: int, on_shown: Callable[[], Awaitable[None]]
    ) -> None:
        """Show in a chat that was asked how a question ended, and that it can't be answered now.

        Args:
            question: a question that has ended.
            chat_id: a chat with a copy of it.
            on_shown: called once the chat shows it, or can't any more.
        """
        ...


class NoDisplay:
    """Shows nothing: in a room there is no chat, so nobody is asked."""

    def ask(
        self,
        question: Question,
        chat_id: int,
        on_sent: Callable[[int | None], Awaitable[None]],
    ) -> None:
        """Do nothing."""

    def show_end(
        self, question: Question, chat_id: int, on_shown: Callable[[], Awaitable[None]]
    ) -> None:
        """Do nothing."""


class Questions:
    """Asks people, and gives the first answer to the program that asked."""

    def __init__(
        self, store: QuestionStore, intake: Intake, access: Access, display: QuestionDisplay
    ) -> None:
        """Ask nothing yet.

        Args:
            store: the questions on the disk.
            intake: speaks them.
            access: the people who may answer: those who may speak.
            display: shows them.
        """
        self._store = store
        self._intake = intake
        self._access = access
        self._display = display
        self._asking = asyncio.Lock()
        self._asked = asyncio.Event()
        self._ended: WeakValueDictionary[int, asyncio.Event] = WeakValueDictionary()
        self.is_closed = False
        """Whether Crier is stopping, so that nobody waits any more."""

    # ---- for programs ----

    async def ask(
        self, draft: Draft, options: Sequence[str], *, timeout_s: float, chat_id: int | None = None
    ) -> Question:
        """Speak a question and show it; the same draft again is the same question.

        Args:
            draft: the question; `Draft.update_id` identifies it.
            options: the answers to choose from; none: the answer is in words.
            timeout_s: how long it can be answered.
            chat_id: where to ask; None: everybody who may speak, in their own chat.

        Raises:
            NobodyToAskError: there is nobody who could answer.
            RefusedError: the question is not spoken, or too many are open.
            InboxError: it can't be stored.
            sqlite3.Error: likewise.
        """
        async with self._asking:  # two requests with the same key are one question
            if earlier := await self._store.find_by_update(draft.update_id):
                return earlier
            chats = self._chats(chat_id)
            still_open = await self._store.list_open()
            if sum(not question.rest for question in still_open) >= MAX_OPEN:
                raise RefusedError(
                    f"{MAX_OPEN} questions are open already. Ask again when one is answered.",
                    too_many=True,
                )
            expires_at = draft.expires_at or self._intake.now() + timeout_s
            await self._intake.accept(replace(draft, expires_at=expires_at))
            question = await self._store.add(
                draft.update_id,
                draft.client,
                inline.shown(draft.text),
                options,
                chats,
                timeout_s=timeout_s,
            )
        self._show(question)
        return question

    async def offer(self, draft: Draft, rest: str) -> None:
        """Show the rest of a spoken text to the owners, with a button that speaks it.

        Args:
            draft: what is spoken of it.
            rest: the rest, composed.

        Raises:
            sqlite3.Error: it can't be stored.
        """
        owners = await self._access.owners()
        if not owners:
            return  # such as in a room, which has no chat
        async with self._asking:
            offers = [question for question in await self._store.list_open() if question.rest]
            for oldest in offers[: max(0, len(offers) + 1 - _MAX_OFFERS)]:
                await self._end(oldest, QuestionStatus.STOPPED)
            question = await self._store.add(
                draft.update_id,
                draft.client,
                inline.shown(rest),
                [_READ_ON],
                owners,
                timeout_s=_OFFER_S,
                rest=rest,
            )
        self._show(question)

    async def find(self, id_: int) -> Question | None:
        """Return a question, if it is stored."""
        return await self._store.find(id_)

    async def wait(self, id_: int, timeout_s: float) -> Question | None:
        """Wait until a question has ended, but not longer than *timeout_s*; return it."""
        # Before the database is read, so that no end is missed.
        ended = self._ended.setdefault(id_, asyncio.Event())
        question = await self._store.find(id_)
        if question is None or not question.is_open or self.is_closed:
            return question
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await ended.wait()
        return await self._store.find(id_)

    async def withdraw(self, id_: int) -> Question | None:
        """Stop a question that is open; return it as it is then."""
        question = await self._store.find(id_)
        if question is not None and question.is_open:
            await self._end(question, QuestionStatus.STOPPED, reason="It was withdrawn.")
        return await self._store.find(id_)

    def close(self) -> None:
        """End all waiting, since Crier is stopping; the questions stay open."""
        self.is_closed = True
        for ended in self._ended.values():
            ended.set()

    # ---- for people ----

    async def find_by_copy(self, chat_id: int, message_id: int) -> Question | None:
        """Return the question that a message of the bot asks, if it does."""
        return await self._store.find_by_copy(chat_id, message_id)

    async def list_open(self) -> list[Question]:
        """Return the questions that can still be answered, or whose time is just over."""
        return await self._store.list_open()

    async def answer(self, question: Question, answer: str, *, user_id: int, name: str) -> Question:
        """Answer a question, unless it has ended; return it as it is then.

        Args:
            question: as it was when the person answered.
            answer: one of its options or, if it has none, words.
            user_id: who answers.
            name: their name.

        Raises:
            sqlite3.Error: it can't be stored.
        """
        if question.expires_at <= time.time():
            await self._end(question, QuestionStatus.TIMEOUT)
        elif (
            await self._end(
                question, QuestionStatus.ANSWERED, answer=answer, user_id=user_id, answered_by=name
            )
            and question.rest
        ):
            await self._speak_rest(question)
        return await self._store.find(question.id) or question

    # ---- the time ----

    async def restore(self) -> None:
        """Show what an earlier run could not show any more.

        Raises:
            sqlite3.Error: the database can't be read.
        """
        for question in await self._store.list_open():
            self._show(question)
        for question in await self._store.list_unshown():
            await self._show_end(question)

    async def run(self) -> None:
        """End questions whose time is over, until cancelled."""
        while True:
            self._asked.clear()
            wait_s: float | None = None  # without questions until one is asked
            try:
                for question in await self._store.list_open():
                    left_s = question.expires_at - time.time()
                    if left_s <= 0:
                        await self._end(question, QuestionStatus.TIMEOUT)
                    else:
                        wait_s = min(wait_s or _CHECK_EVERY_S, left_s)
            except sqlite3.Error as exc:
                wait_s = _CHECK_EVERY_S
                log.error("The end of a question can't be stored: %s", exc)  # noqa: TRY400
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._asked.wait()

    # ---- steps ----

    def _chats(self, chat_id: int | None) -> list[int]:
        """Return the chats to ask in.

        Raises:
            NobodyToAskError: there are none, or it is a person who may not speak.
        """
        if self._intake.settings.is_room:
            raise NobodyToAskError(
                "This computer is a room and has no chat, so nobody can answer here. Ask on the "
                "computer of its bot, with room if it is to be said here."
            )
        if chat_id is None:
            chats = sorted(self._access.user_ids)  # a private chat has the number of its person
            if not chats:
                raise NobodyToAskError(
                    "Nobody may speak yet, so nobody can answer. Pair a phone first: `crier pair`."
                )
            return chats
        is_person = chat_id > 0
        if is_person and not self._access.allows(chat_id):
            raise NobodyToAskError(
                f"chat: {chat_id} is nobody who may speak. /people in the chat lists who may."
            )
        return [chat_id]

    def _show(self, question: Question) -> None:
        """Show an open question in the chats that have not accepted it yet."""
        self._asked.set()
        for chat_id, message_id in question.copies.items():
            if not message_id:
                self._show_in(question, chat_id)

    def _show_in(self, question: Question, chat_id: int) -> None:
        async def sent(message_id: int | None) -> None:
            if message_id is None:
                await self._store.remove_copy(question.id, chat_id)
            else:
                await self._store.store_copy(question.id, chat_id, message_id)
            now = await self._store.find(question.id)
            if now is None:
                return
            if not now.is_open:  # it has ended while this was on its way
                await self._show_end(now)
            elif not now.copies:
                await self._end(now, QuestionStatus.STOPPED, reason=_NOT_DELIVERED)

        self._display.ask(question, chat_id, sent)

    async def _end(
        self,
        question: Question,
        status: QuestionStatus,
        *,
        answer: str = "",
        user_id: int = 0,
        answered_by: str = "",
        reason: str = "",
    ) -> bool:
        """End a question and show that, if it is open; return whether it was."""
        if not await self._store.end(
            question.id,
            status,
            answer=answer,
            user_id=user_id,
            answered_by=answered_by,
            reason=reason,
        ):
            return False
        log.info("Question %d of %s: %s", question.id, question.client, status)
        if ended := self._ended.pop(question.id, None):
            ended.set()
        if now := await self._store.find(question.id):
            await self._show_end(now)
        if not question.rest:
            await self._withdraw_speech(question)
        return True

    async def _withdraw_speech(self, question: Question) -> None:
        """End the message of a question that has ended, if it still waits to be spoken."""
        try:
            if message := await self._find_spoken(question):
                await self._intake.delivery.withdraw(message.id, _OVER)
        except sqlite3.Error as exc:  # the answer counts all the same
            log.error("The end of a question's message can't be stored: %s", exc)  # noqa: TRY400

    async def _find_spoken(self, question: Question) -> QueuedMessage | None:
        """Return what was spoken of a question, if it is still stored."""
        return await self._intake.inbox.find_by_update(self._intake.bot_id, question.update_id)

    async def _show_end(self, question: Question) -> None:
        """Show the end of a question in every chat that has a copy of it."""
        left = {chat_id for chat_id, message_id in question.copies.items() if message_id}
        if not left:
            await self._store.mark_shown(question.id)
        for chat_id in sorted(left):
            self._display.show_end(question, chat_id, self._on_shown(question, chat_id, left))

    def _on_shown(
        self, question: Question, chat_id: int, left: set[int]
    ) -> Callable[[], Awaitable[None]]:
        async def shown() -> None:
            left.discard(chat_id)
            if not left:
                await self._store.mark_shown(question.id)

        return shown

    async def _speak_rest(self, question: Question) -> None:
        rest = Composed(question.rest)
        update_id = -1 - secrets.randbits(62)  # no chat's update has a negative number
        draft = Draft(update_id, question.rest, lambda _: rest, client=question.client)
        if spoken := await self._find_spoken(question):  # it goes on as it began
            draft = replace(
                draft,
                voice=spoken.voice,
                speed=spoken.speed,
                lang=spoken.lang,
                volume=spoken.volume,
                room=spoken.room,
            )
        try:
            await self._intake.accept(draft)
        except RefusedError as exc:
            log.warning("The rest of a text is not spoken: %s", exc)


def match_option(question: Question, words: str) -> str | None:
    """Return the answer that a person means by words; None if they are none of the options."""
    given = words.strip()
    if not question.options:
        return given
    key = given.rstrip(".!").strip().casefold()
    return next((option for option in question.options if option.casefold() == key), None)
