"""Who may speak: the allow-list and pairing. Runs on the event loop."""

import logging
import secrets
import time
from collections.abc import Callable
from enum import Enum, auto

from bot.core.pairing_file import CODE_LIFE_S
from bot.core.store import Store

log = logging.getLogger(__name__)

_ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"  # no 0 or O, no 1 or I: they look alike
_CODE_LENGTH = 8
_MAX_TRIES = 5
_LOG_EVERY_S = 60.0


class PairResult(Enum):
    """The result of a `/pair`."""

    PAIRED = auto()
    WRONG_CODE = auto()
    LOCKED = auto()
    CLOSED = auto()


class Access:
    """The people whose messages are spoken."""

    def __init__(
        self,
        allowed: frozenset[int],
        store: Store,
        show_code: Callable[[str], None],
        show_link: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Allow *allowed*; `start` adds the people who were paired.

        Args:
            allowed: numeric user ids from the settings.
            store: where paired people are stored.
            show_code: shows a pairing code on the computer itself; an empty one removes it.
            show_link: shows the link that pairs with the code, once the bot's name is known.
        """
        self._fixed = allowed
        self._allowed = set(allowed)
        self._invited = False
        self._store = store
        self._show_code = show_code
        self._show_link = show_link
        self._bot_name = ""
        self._code = ""
        self._code_until_s = 0.0
        self._tries: dict[int, int] = {}
        self._ignored = 0
        self._logged_s = self._logged_nobody_s = float("-inf")

    async def start(self) -> None:
        """Allow the people who were paired before; open pairing if nobody may speak yet."""
        self._allowed |= await self._store.people()
        if self._allowed:
            self._show_code("")
        else:
            self._show_new_code()

    def allows(self, user_id: int) -> bool:
        """Whether a person's messages are spoken."""
        return user_id in self._allowed

    @property
    def is_pairing_open(self) -> bool:
        """Whether `/pair` is open: while nobody may speak, or after an invitation."""
        return not self._allowed or (self._invited and time.monotonic() < self._code_until_s)

    @property
    def is_first(self) -> bool:
        """Whether nobody may speak yet, so that the first person who pairs is the owner."""
        return not self._allowed

    def set_bot_name(self, name: str) -> None:
        """Set the bot's user name, which a pairing link needs."""
        self._bot_name = name
        if self._code and self.is_first:
            self._show_link(self.link(self._code))

    def link(self, code: str) -> str:
        """Return the link that sends *code* to the bot; empty while the bot's name is unknown."""
        return f"https://t.me/{self._bot_name}?start={code}" if self._bot_name else ""

    @property
    def people(self) -> int:
        """How many people may speak."""
        return len(self._allowed)

    @property
    def user_ids(self) -> frozenset[int]:
        """The user ids of the people who may speak."""
        return frozenset(self._allowed)

    @property
    def fixed(self) -> int:
        """How many people the settings allow."""
        return len(self._fixed)

    def invite(self) -> str:
        """Open `/pair` to one more person for an hour; return the code."""
        self._invited = True
        self._tries.clear()
        self._code = _new_code()
        self._code_until_s = time.monotonic() + CODE_LIFE_S
        return self._code

    async def is_owner(self, user_id: int) -> bool:
        """Whether a person may invite and remove others.

        Owners are the people in the settings or, if there are none, the first who was paired.
        """
        return user_id in await self.owners()

    async def owners(self) -> list[int]:
        """Return the user ids of the owners."""
        return sorted(self._fixed) or list(await self._store.names())[:1]

    async def remove(self, user_id: int) -> bool:
        """Remove a paired person; return whether there was one."""
        if not await self._store.remove_person(user_id):
            return False
        if user_id not in self._fixed:
            self._allowed.discard(user_id)
        return True

    async def pair(self, user_id: int, name: str, code: str) -> PairResult:
        """Pair a person who sends the code that the computer shows."""
        if not self.is_pairing_open:
            return PairResult.CLOSED
        if self._tries.get(user_id, 0) >= _MAX_TRIES:
            return PairResult.LOCKED
        if time.monotonic() > self._code_until_s:
            self._show_new_code()
            return PairResult.WRONG_CODE
        if not self._code or not secrets.compare_digest(
            code.strip().upper().encode(), self._code.encode()
        ):
            self._tries[user_id] = self._tries.get(user_id, 0) + 1
            log.warning("Wrong pairing code from user %d", user_id)
            return PairResult.WRONG_CODE
        await self._store.add_person(user_id, name)
        self._allowed.add(user_id)
        self._code, self._invited, self._code_until_s = "", False, 0.0
        self._show_code("")
        log.info("Paired with user %d", user_id)
        return PairResult.PAIRED

    def log_stranger(self, user_id: int | None) -> None:
        """Log an update from a stranger, at most once a minute; strangers get no answer."""
        self._ignored += 1
        now_s = time.monotonic()
        if now_s - self._logged_s >= _LOG_EVERY_S:
            log.warning(
                "Ignored %d update(s) from people who may not speak, the last from user %s. To "
                "allow them, add the number to TELEGRAM_ALLOWED_USERS.",
                self._ignored,
                user_id,
            )
            self._ignored, self._logged_s = 0, now_s

    def log_nobody(self, chat_id: int) -> None:
        """Log an update without a person behind it, at most once a minute."""
        now_s = time.monotonic()
        if now_s - self._logged_nobody_s >= _LOG_EVERY_S:
            log.warning(
                "Ignored a message from an anonymous admin or a channel in chat %d. These can't be "
                "allowed, since nobody knows who writes: switch “Remain anonymous” off there, and "
                "write as yourself.",
                chat_id,
            )
            self._logged_nobody_s = now_s

    def _show_new_code(self) -> None:
        self._code = _new_code()
        self._code_until_s = time.monotonic() + CODE_LIFE_S
        self._show_code(self._code)
        if self._bot_name:
            self._show_link(self.link(self._code))


def code_in(text: str) -> str | None:
    """Return the code of a `/pair CODE`, or of the `/start CODE` that a link sends.

    Returns:
        Empty for the command alone; None for any other text.
    """
    command, _, code = text.partition(" ")
    return code.strip() if command in ("/pair", "/start") else None


def _new_code() -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(_CODE_LENGTH))
