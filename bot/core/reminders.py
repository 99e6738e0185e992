"""Reminders: stored until they are due, then accepted as any message. Runs on the event loop.

The database alone knows them, so that a change of it is all there is to a change of a reminder. A
due one becomes a draft whose update id depends on the reminder and the due time: if the process
dies before the reminder is moved on, the inbox recognizes the draft that comes again.
"""

import asyncio
import contextlib
import datetime as dt
import hashlib
import logging
import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bot.core.draft import Draft
from bot.core.inbox import InboxError
from bot.core.intake import Intake, RefusedError
from bot.core.time_zone import local_zone
from bot.core.when import When, understand

log = logging.getLogger(__name__)

MOST = 50
"""How many reminders a person or a program may have."""

_CHECK_EVERY_S = 5.0
"""The computer may sleep and its clock may be set, neither of which a timer notices."""
_RETRY_S = 60.0
_HIGHEST_ID = (1 << 63) - 1  # of SQLite
_MISTAKE = "I made a mistake on that one; my log says more."

# What a reminder keeps of its draft, by the names of both.
_KEPT = (
    "update_id, chat_id, message_id, thread_id, user_id, user_name, client, text, voice, speed,"
    " lang, urgent, chime, replace_key, volume, room"
)
_COLUMNS = f"id, due, rule, paused, expires_s, {_KEPT}"


@dataclass(frozen=True, slots=True)
class Reminder:
    """A text to be spoken when it is due."""

    id: int
    draft: Draft
    """Its update id is that of the command, or of the request, that set it."""
    when: When
    paused: bool
    expires_s: float
    """How long after it was due it may be spoken; 0: always."""

    def occurrence(self, when: When, zone: dt.tzinfo) -> Draft:
        """Return the message that is due then; it is the same each time."""
        name = f"{self.draft.update_id} {when.due.isoformat()}"
        digest = hashlib.sha256(name.encode()).digest()
        due_at = when.due_at(zone)
        return replace(
            self.draft,
            update_id=-1 - (int.from_bytes(digest[:8]) >> 1),  # Telegram's are not negative
            sent_at=due_at,
            expires_at=due_at + self.expires_s if self.expires_s else 0.0,
        )


class Reminders:
    """Keeps reminders, and speaks those that are due."""

    def __init__(self, intake: Intake, zone: Callable[[], dt.tzinfo] = local_zone) -> None:
        """Hand due reminders to *intake*, whose clock counts; *zone* returns this computer's."""
        self._intake = intake
        self._zone = zone
        self._bot_id = intake.bot_id
        self._database = intake.inbox.database.connection
        self._changed = asyncio.Event()

    def now(self) -> dt.datetime:
        """Return the true time, in the zone of this computer."""
        return dt.datetime.fromtimestamp(self._intake.now(), self._zone())

    def understand(self, text: str) -> tuple[When, str]:
        """Return when the words at the beginning of a text say, and its rest.

        Raises:
            WhenError: they say no time, or none that can be.
        """
        return understand(text, self.now())

    # ---- set, changed, deleted ----

    async def set(self, draft: Draft, when: When) -> Reminder | None:
        """Store a reminder.

        Args:
            draft: what is spoken; setting it again with the same update id changes nothing.
            when: when it is due.

        Returns:
            The reminder; None if that of this update was spoken or deleted since.

        Raises:
            RefusedError: there is nothing to say, or there are too many.
            InboxError: it can't be stored.
            sqlite3.Error: likewise.
        """
        if earlier := await self._list("update_id = ?", draft.update_id):
            return earlier[0]
        if await self._intake.inbox.has_seen(self._bot_id, draft.update_id):
            return None
        composer = self._intake.composer
        await composer.compose(draft, await composer.style(draft))
        own = await self._list("user_id = ? AND client = ?", draft.user_id, draft.client)
        if len(own) >= MOST:
            raise RefusedError(
                f"{MOST} reminders of yours wait, which is the most. Delete one first.",
                too_many=True,
            )
        expires_s = max(0.0, draft.expires_at - self._intake.now()) if draft.expires_at else 0.0
        names = _KEPT.split(", ")
        values = (*(getattr(draft, name) for name in names), self._bot_id, time.time(), expires_s)
        marks = ", ".join("?" * (len(values) + 2))
        try:
            await self._database.execute(
                f"INSERT OR IGNORE INTO reminder ({_KEPT}, bot_id, set_at, expires_s, due, rule)"  # noqa: S608  # constants
                f" VALUES ({marks})",
                (*values, when.due.isoformat(), when.rule),
            )
        except sqlite3.Error as exc:
            raise InboxError(
                f"The reminder could not be stored on the computer ({exc}). Make room on its disk "
                "and send it again."
            ) from exc
        self._changed.set()
        return (await self._list("update_id = ?", draft.update_id))[0]

    async def find(self, id_: int) -> Reminder | None:
        """Return a reminder; None if it was spoken or deleted."""
        found = await self._list("id = ?", id_) if abs(id_) <= _HIGHEST_ID else []
        return found[0] if found else None

    async def list_all(self) -> list[Reminder]:
        """Return all reminders, the next one first."""
        return self._sorted(await self._list())

    async def list_of(self, user_id: int, chat_id: int | None = None) -> list[Reminder]:
        """Return a person's reminders, the next one first; with *chat_id* those set there."""
        own = await self._list("user_id = ? AND client = ''", user_id)
        return self._sorted([r for r in own if chat_id in (None, r.draft.chat_id)])

    async def list_set_by(self, chat_id: int, message_id: int) -> list[Reminder]:
        """Return the reminders that a message of a chat has set."""
        return await self._list("chat_id = ? AND message_id = ?", chat_id, message_id)

    async def delete(self, reminder: Reminder) -> None:
        """Delete a reminder, and remember that its update was carried out.

        Raises:
            sqlite3.Error: it can't be stored.
        """
        await self._intake.inbox.mark_handled(self._bot_id, reminder.draft.update_id)
        await self._database.execute("DELETE FROM reminder WHERE id = ?", (reminder.id,))

    async def pause(self, reminder: Reminder, *, paused: bool) -> None:
        """Keep a reminder without speaking it, or speak it again from its next time on.

        Raises:
            sqlite3.Error: it can't be stored.
        """
        now = self.now()
        is_past = reminder.when.due_at(self._zone()) <= now.timestamp()
        following = reminder.when.following(now) if is_past and not paused else None
        due = (following or reminder.when).due.isoformat()
        await self._database.execute(
            "UPDATE reminder SET paused = ?, due = ? WHERE id = ?", (paused, due, reminder.id)
        )
        self._changed.set()

    def _sorted(self, reminders: list[Reminder]) -> list[Reminder]:
        zone = self._zone()
        return sorted(reminders, key=lambda reminder: reminder.when.due_at(zone))

    async def _list(self, where: str = "1", *values: object) -> list[Reminder]:
        rows = await self._database.execute_fetchall(
            f"SELECT {_COLUMNS} FROM reminder WHERE bot_id = ? AND {where} ORDER BY id",  # noqa: S608  # constants
            (self._bot_id, *values),
        )
        return [_reminder(row) for row in rows]

    # ---- due ----

    async def run(self) -> None:
        """Speak reminders as they become due, until cancelled."""
        while True:
            self._changed.clear()
            try:
                await self.speak_due()
                wait_s = await self._wait_s()
            except Exception:  # for example a full disk
                log.exception("Unexpected error in reminders")
                wait_s = _RETRY_S
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._changed.wait()

    async def _wait_s(self) -> float | None:
        """Return how long nothing is due, at most `_CHECK_EVERY_S`; None: for ever."""
        zone, now_s = self._zone(), self._intake.now()
        waits_s = [r.when.due_at(zone) - now_s for r in await self._list("paused = 0")]
        return min(_CHECK_EVERY_S, max(0.0, min(waits_s))) if waits_s else None

    async def speak_due(self) -> None:
        """Accept every reminder that is due, and move it on.

        Raises:
            InboxError: one can't be stored; it stays due.
            sqlite3.Error: likewise.
        """
        for reminder in self._sorted(await self._list("paused = 0")):
            now = self.now()
            if reminder.when.due_at(self._zone()) > now.timestamp():
                return
            await self._speak(reminder, now)

    async def _speak(self, reminder: Reminder, now: dt.datetime) -> None:
        user_id = reminder.draft.user_id
        if user_id and not self._intake.access.allows(user_id):
            log.info("Reminder %d is deleted: user %d may not speak", reminder.id, user_id)
            await self.delete(reminder)
            return
        # Of a repeating one that was missed several times, the last.
        draft = reminder.occurrence(reminder.when.latest(now), self._zone())
        try:
            await self._intake.accept(draft)
        except RefusedError as exc:
            log.warning("Reminder %d was refused: %s", reminder.id, exc)
            await self._intake.refuse(draft, str(exc))
        except (InboxError, sqlite3.Error):
            raise
        except Exception:  # those behind it are spoken
            log.exception("Unexpected error in reminder %d", reminder.id)
            await self._intake.refuse(draft, _MISTAKE)
        following = reminder.when.following(now)
        if following is None:
            await self.delete(reminder)
            return
        await self._database.execute(
            "UPDATE reminder SET due = ? WHERE id = ? AND due = ?",
            (following.due.isoformat(), reminder.id, reminder.when.due.isoformat()),
        )


def _reminder(row: Sequence[Any]) -> Reminder:
    """Convert a row of `_COLUMNS`."""
    id_, due, rule, paused, expires_s, *kept = row
    fields = dict(zip(_KEPT.split(", "), kept, strict=True))
    chime = fields["chime"]
    draft = Draft(
        **{
            **fields,
            "urgent": bool(fields["urgent"]),
            "chime": None if chime is None else bool(chime),
        }
    )
    when = When(dt.datetime.fromisoformat(due), rule)
    return Reminder(id_, draft, when, bool(paused), expires_s)
