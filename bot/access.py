"""Who may speak: the allow-list and pairing. Runs on the event loop."""

import logging
import secrets
import time
from collections.abc import Callable
from enum import Enum, auto

from bot.inbox import Inbox

log = logging.getLogger(__name__)

_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"  # no 0 or O, no 1 or I: they look alike
_CODE_LENGTH = 8
_CODE_LIFE_S = 3600.0
_TRIES = 5
_LOG_EVERY_S = 60.0


class Pairing(Enum):
    """What came of a `/pair`."""

    PAIRED = auto()
    WRONG_CODE = auto()
    LOCKED = auto()
    CLOSED = auto()


class Access:
    """Knows whose messages are spoken."""

    def __init__(
        self, allowed: frozenset[int], inbox: Inbox, show_code: Callable[[str], None]
    ) -> None:
        """Allow *allowed*; `start` adds the people who were paired.

        Args:
            allowed: numeric user ids from the settings.
            inbox: where paired people are remembered.
            show_code: shows a new pairing code on the computer itself.
        """
        self._allowed = set(allowed)
        self._inbox = inbox
        self._show_code = show_code
        self._code = ""
        self._code_until_s = 0.0
        self._tries: dict[int, int] = {}
        self._strangers = 0
        self._logged_s = float("-inf")

    async def start(self) -> None:
        """Let in who was paired before; where nobody may speak yet, open pairing."""
        self._allowed |= await self._inbox.people()
        if not self._allowed:
            self._new_code()

    def allows(self, user_id: int) -> bool:
        """Say whether this person's messages are spoken."""
        return user_id in self._allowed

    @property
    def pairing(self) -> bool:
        """Whether `/pair` is open: only as long as nobody may speak."""
        return not self._allowed

    async def pair(self, user_id: int, name: str, code: str) -> Pairing:
        """Let a person in who knows the code that the computer shows."""
        if not self.pairing:
            return Pairing.CLOSED
        if self._tries.get(user_id, 0) >= _TRIES:
            return Pairing.LOCKED
        if time.monotonic() > self._code_until_s:
            self._new_code()
            return Pairing.WRONG_CODE
        if not secrets.compare_digest(code.strip().upper().encode(), self._code.encode()):
            self._tries[user_id] = self._tries.get(user_id, 0) + 1
            log.warning("Wrong pairing code from user %d", user_id)
            return Pairing.WRONG_CODE
        await self._inbox.add_person(user_id, name)
        self._allowed.add(user_id)
        self._code = ""
        log.info("Paired with user %d", user_id)
        return Pairing.PAIRED

    def note_stranger(self, user_id: int | None) -> None:
        """Log that a stranger wrote, at most once a minute; a stranger gets no other answer."""
        self._strangers += 1
        now_s = time.monotonic()
        if now_s - self._logged_s >= _LOG_EVERY_S:
            log.warning(
                "Ignored %d update(s) of people who may not speak, the last of user %s. To let "
                "them in, add the number to TELEGRAM_ALLOWED_USERS.",
                self._strangers,
                user_id,
            )
            self._strangers, self._logged_s = 0, now_s

    def _new_code(self) -> None:
        self._code = "".join(secrets.choice(_LETTERS) for _ in range(_CODE_LENGTH))
        self._code_until_s = time.monotonic() + _CODE_LIFE_S
        self._show_code(self._code)
