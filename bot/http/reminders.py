"""Texts that are spoken later: the routes of `bot.core.reminders`.

/docs shows the docstrings of routes. Runs on the event loop.
"""

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from bot.core.reminders import Reminder, Reminders
from bot.http import schemas
from bot.http.guard import Refused
from bot.http.responses import NOT_FOUND


@dataclass(frozen=True, slots=True)
class ReminderRoutes:
    """The routes, and the object that they use."""

    reminders: Reminders

    def routes(self) -> Iterator[tuple[str, str, Callable[..., Any], dict[str, Any]]]:
        """Yield method, path, endpoint and options of each route."""
        yield from (
            ("GET", "/v1/reminders", self.list_reminders, {}),
            ("POST", "/v1/reminders/{id}/pause", self.pause_reminder, {"responses": NOT_FOUND}),
            ("POST", "/v1/reminders/{id}/resume", self.resume_reminder, {"responses": NOT_FOUND}),
            ("DELETE", "/v1/reminders/{id}", self.delete_reminder, {"responses": NOT_FOUND}),
        )

    async def list_reminders(self) -> schemas.ReminderList:
        """List the texts that are spoken later, the next one first."""
        items = [item_of(reminder, self.reminders) for reminder in await self.reminders.list_all()]
        return schemas.ReminderList(items=items)

    async def pause_reminder(self, id: int) -> schemas.ReminderItem:  # noqa: A002  # the path's name
        """Keep a reminder without speaking it."""
        await self.reminders.pause(await self._reminder(id), paused=True)
        return item_of(await self._reminder(id), self.reminders)

    async def resume_reminder(self, id: int) -> schemas.ReminderItem:  # noqa: A002  # the path's name
        """Speak a paused reminder again, from its next time on."""
        await self.reminders.pause(await self._reminder(id), paused=False)
        return item_of(await self._reminder(id), self.reminders)

    async def delete_reminder(self, id: int) -> schemas.Deleted:  # noqa: A002  # the path's name
        """Delete a reminder."""
        await self.reminders.delete(await self._reminder(id))
        return schemas.Deleted(deleted=True)

    async def _reminder(self, id_: int) -> Reminder:
        reminder = await self.reminders.find(id_)
        if reminder is None:
            raise Refused(404, "no_such_reminder", f"There is no reminder {id_} (any more).")
        return reminder


def item_of(reminder: Reminder, reminders: Reminders) -> schemas.ReminderItem:
    """Return a reminder as clients get it."""
    now = reminders.now()
    due = dt.datetime.fromtimestamp(reminder.when.due_at(now.tzinfo or dt.UTC), now.tzinfo)
    return schemas.ReminderItem(
        id=reminder.id,
        text=reminder.draft.text,
        source=reminder.draft.client or "telegram",
        due=due.isoformat(timespec="seconds"),
        when=reminder.when.words(now),
        repeats=bool(reminder.when.rule),
        paused=reminder.paused,
        room=reminder.draft.room,
    )
