"""Questions on the disk: who was asked what, and the one answer (SQLite).

Runs on the event loop; aiosqlite runs SQLite on its own thread.
"""

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from bot.core.database import Database

_COLUMNS = (
    "id, client, text, options, rest, copies, asked_at, expires_at, status, answer, user_id,"
    " answered_by, reason, ended_at, update_id"
)


class QuestionStatus(StrEnum):
    """Whether a question is open, or how it ended; stored in the database, and in HTTP's answers.

    OPEN -> ANSWERED | TIMEOUT | STOPPED
    """

    OPEN = "open"
    ANSWERED = "answered"
    TIMEOUT = "timeout"
    """Nobody answered in time."""
    STOPPED = "stopped"
    """It was withdrawn, or no chat could be asked."""


@dataclass(frozen=True, slots=True)
class Question:
    """A stored question of a program."""

    id: int
    client: str
    """Which program asked."""
    text: str
    """What the chats show."""
    options: tuple[str, ...]
    """The answers to choose from; none: the answer is in words."""
    rest: str
    """What is spoken once it is answered; empty: nothing."""
    copies: Mapping[int, int]
    """The chats that were asked, and the number of its message there; 0: not accepted yet."""
    asked_at: float
    """In seconds since 1970."""
    expires_at: float
    """Likewise."""
    status: QuestionStatus = QuestionStatus.OPEN
    answer: str = ""
    user_id: int = 0
    """Who answered."""
    answered_by: str = ""
    """Their name."""
    reason: str = ""
    """Why it was stopped."""
    ended_at: float = 0.0
    """In seconds since 1970."""
    update_id: int = 0
    """That of the message that is spoken."""

    @property
    def is_open(self) -> bool:
        """Whether it can still be answered."""
        return self.status is QuestionStatus.OPEN


class QuestionStore:
    """Questions that survive a crash. Every write is on the disk when its call returns."""

    def __init__(self, database: Database, bot_id: int) -> None:
        """Read from and write to *database*; the questions are those of *bot_id*."""
        self._database = database.connection
        self._bot_id = bot_id

    # ---- questions ----

    async def add(
        self,
        update_id: int,
        client: str,
        text: str,
        options: Sequence[str],
        chats: Iterable[int],
        *,
        timeout_s: float,
        rest: str = "",
    ) -> Question:
        """Store a new question, which has been sent nowhere yet.

        Args:
            update_id: identifies it, as in `bot.core.draft.Draft`.
            client: which program asks.
            text: what the chats show.
            options: the answers to choose from; none: the answer is in words.
            chats: where to ask it.
            timeout_s: how long it can be answered.
            rest: what is spoken once it is answered.

        Raises:
            sqlite3.Error: it can't be stored.
        """
        now = time.time()
        copies = dict.fromkeys(chats, 0)
        cursor = await self._database.execute(
            "INSERT INTO question (bot_id, update_id, client, text, options, rest, copies,"
            " asked_at, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                self._bot_id,
                update_id,
                client,
                text,
                json.dumps(list(options)),
                rest,
                json.dumps(copies),
                now,
                now + timeout_s,
            ),
        )
        id_ = cursor.lastrowid or 0
        expires_at = now + timeout_s
        return Question(
            id_, client, text, tuple(options), rest, copies, now, expires_at, update_id=update_id
        )

    async def find(self, id_: int) -> Question | None:
        """Return a question, if it is stored."""
        return await self._first("id = ?", id_)

    async def find_by_update(self, update_id: int) -> Question | None:
        """Return the question with that update id, if it is stored."""
        return await self._first("update_id = ?", update_id)

    async def find_by_copy(self, chat_id: int, message_id: int) -> Question | None:
        """Return the question that a message of the bot asks, if it does."""
        return await self._first(
            "EXISTS (SELECT 1 FROM json_each(copies)"
            " WHERE json_each.key = ? AND json_each.value = ?)",
            str(chat_id),
            message_id,
        )

    async def list_open(self) -> list[Question]:
        """Return the questions that can still be answered, or whose time is just over."""
        return await self._questions("status = 'open'")

    async def list_unshown(self) -> list[Question]:
        """Return the ended questions whose copies do not all show the end."""
        return await self._questions("status != 'open' AND NOT shown")

    async def _first(self, where: str, *values: object) -> Question | None:
        questions = await self._questions(where, *values)
        return questions[0] if questions else None

    async def _questions(self, where: str, *values: object) -> list[Question]:
        rows = await self._database.execute_fetchall(
            f"SELECT {_COLUMNS} FROM question WHERE bot_id = ? AND {where} ORDER BY id",  # noqa: S608  # constants
            (self._bot_id, *values),
        )
        return [_question(row) for row in rows]

    # ---- what becomes of them ----

    async def end(
        self,
        id_: int,
        status: QuestionStatus,
        *,
        answer: str = "",
        user_id: int = 0,
        answered_by: str = "",
        reason: str = "",
    ) -> bool:
        """Store how a question ended, if it is open; return whether it was.

        Of two answers at once, only the first finds it open.
        """
        cursor = await self._database.execute(
            "UPDATE question SET status = ?, answer = ?, user_id = ?, answered_by = ?, reason = ?,"
            " ended_at = ? WHERE id = ? AND status = 'open'",
            (status, answer, user_id, answered_by, reason, time.time(), id_),
        )
        return cursor.rowcount > 0

    async def store_copy(self, id_: int, chat_id: int, message_id: int) -> None:
        """Store the number of a question's message in a chat."""
        await self._database.execute(
            "UPDATE question SET copies = json_set(copies, ?, ?) WHERE id = ?",
            (_path(chat_id), message_id, id_),
        )

    async def remove_copy(self, id_: int, chat_id: int) -> None:
        """Store that a chat can't be asked."""
        await self._database.execute(
            "UPDATE question SET copies = json_remove(copies, ?) WHERE id = ?",
            (_path(chat_id), id_),
        )

    async def mark_shown(self, id_: int) -> None:
        """Store that all copies of a question show its end."""
        await self._database.execute("UPDATE question SET shown = 1 WHERE id = ?", (id_,))


def _path(chat_id: int) -> str:
    """Return the JSON path of a chat's copy."""
    return f'$."{chat_id}"'


def _question(row: Sequence[Any]) -> Question:
    """Convert a row of `_COLUMNS`."""
    id_, client, text, options, rest, copies, asked_at, expires_at, status, *end = row
    return Question(
        id_,
        client,
        text,
        tuple(json.loads(options)),
        rest,
        {int(chat): message for chat, message in json.loads(copies).items()},
        asked_at,
        expires_at,
        QuestionStatus(status),
        *end,
    )
