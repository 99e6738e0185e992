"""What people chose: who may speak, preferences, pronunciations, overridden settings (SQLite).

Runs on the event loop; aiosqlite runs SQLite on its own thread.
"""

import time

from bot.core.database import Database


class Store:
    """Values that outlive messages and restarts."""

    def __init__(self, database: Database) -> None:
        """Read from and write to *database*."""
        self._database = database.connection

    # ---- people ----

    async def people(self) -> frozenset[int]:
        """Return the user ids of the paired people."""
        rows = await self._database.execute_fetchall("SELECT user_id FROM person")
        return frozenset(row[0] for row in rows)

    async def names(self) -> dict[int, str]:
        """Return the names of the paired people by user id, in the order of pairing."""
        rows = await self._database.execute_fetchall(
            "SELECT user_id, name FROM person ORDER BY paired_at"
        )
        return {row[0]: row[1] for row in rows}

    async def add_person(self, user_id: int, name: str) -> None:
        """Store a paired person."""
        await self._database.execute(
            "INSERT OR REPLACE INTO person VALUES (?, ?, ?)", (user_id, name, time.time())
        )

    async def remove_person(self, user_id: int) -> bool:
        """Remove a paired person; return whether there was one."""
        cursor = await self._database.execute("DELETE FROM person WHERE user_id = ?", (user_id,))
        return cursor.rowcount > 0

    # ---- preferences of a person ----

    async def preferences(self, user_id: int) -> dict[str, str]:
        """Return a person's preferences by name."""
        rows = await self._database.execute_fetchall(
            "SELECT name, value FROM preference WHERE user_id = ?", (user_id,)
        )
        return {row[0]: row[1] for row in rows}

    async def is_preferred(self, name: str) -> bool:
        """Whether anybody has set that preference."""
        rows = await self._database.execute_fetchall(
            "SELECT 1 FROM preference WHERE name = ? LIMIT 1", (name,)
        )
        return bool(list(rows))

    async def prefer(self, user_id: int, name: str, value: str) -> None:
        """Store a person's preference; an empty value removes it."""
        if value:
            await self._database.execute(
                "INSERT OR REPLACE INTO preference VALUES (?, ?, ?)", (user_id, name, value)
            )
        else:
            await self._database.execute(
                "DELETE FROM preference WHERE user_id = ? AND name = ?", (user_id, name)
            )

    # ---- pronunciations ----

    async def pronunciations(self) -> dict[str, str]:
        """Return how words are pronounced, by the word in lower case."""
        rows = await self._database.execute_fetchall("SELECT word, said FROM pronunciation")
        return {row[0]: row[1] for row in rows}

    async def pronounce(self, word: str, pronunciation: str) -> None:
        """Store how a word is pronounced; an empty pronunciation removes it."""
        if pronunciation:
            await self._database.execute(
                "INSERT OR REPLACE INTO pronunciation VALUES (?, ?)",
                (word.casefold(), pronunciation),
            )
        else:
            await self._database.execute(
                "DELETE FROM pronunciation WHERE word = ?", (word.casefold(),)
            )

    # ---- choices that override a setting ----

    async def choice(self, name: str, setting: str = "") -> str | None:
        """Return what was chosen instead of *setting*.

        Returns:
            None if nothing was, or if the setting has changed since.
        """
        rows = list(
            await self._database.execute_fetchall(
                "SELECT value FROM choice WHERE name = ? AND setting = ?", (name, setting)
            )
        )
        return rows[0][0] if rows else None

    async def choose(self, name: str, value: str | None, setting: str = "") -> None:
        """Store a choice that overrides the current *setting*; None removes it."""
        if value is None:
            await self._database.execute("DELETE FROM choice WHERE name = ?", (name,))
        else:
            await self._database.execute(
                "INSERT OR REPLACE INTO choice VALUES (?, ?, ?)", (name, value, setting)
            )
