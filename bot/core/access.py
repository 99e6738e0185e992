"""Who may speak: the allow-list and pairing. Runs on the event loop."""

import logging
import secrets
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from enum import Enum, auto

from bot.core.pairing import CODE_LIFE_S
from bot.core.store import Store

log = logging.getLogger(__name__)

_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"  # no 0 or O, no 1 or I: they look alike
_CODE_LENGTH = 8
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
        self,
        allowed: frozenset[int],
        store: Store,
        show_code: Callable[[str], None],
        show_link: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Allow *allowed*; `start` adds the people who were paired.

        Args:
            allowed: numeric user ids from the settings.
            store: where paired people are remembered.
            show_code: shows a new pairing code on the computer itself; gets an empty one where
                there is none any more.
            show_link: shows the link that pairs with this code, once the bot's name is known.
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
        self._strangers = 0
        self._logged_s = self._logged_nobody_s = float("-inf")

    async def start(self) -> None:
        """Let in who was paired before; where nobody may speak yet, open pairing."""
        self._allowed |= await self._store.people()
        if self._allowed:
            self._show_code("")
        else:
            self._show_new_code()

    def allows(self, user_id: int) -> bool:
        """Say whether this person's messages are spoken."""
        return user_id in self._allowed

    @property
    def pairing(self) -> bool:
        """Whether `/pair` is open: as long as nobody may speak, or someone was invited."""
        return not self._allowed or (self._invited and time.monotonic() < self._code_until_s)

    @property
    def is_first(self) -> bool:
        """Whether nobody may speak yet, so that whoever has the computer's code is the owner."""
        return not self._allowed

    def know_bot(self, name: str) -> None:
        """Learn the bot's user name, with which a code becomes a link."""
        self._bot_name = name
        if self._code and self.is_first:
            self._show_link(self.link(self._code))

    def link(self, code: str) -> str:
        """Return the link that pairs whoever opens it; empty while the bot's name is unknown."""
        return f"https://t.me/{self._bot_name}?start={code}" if self._bot_name else ""

    @property
    def people(self) -> int:
        """How many people may speak."""
        return len(self._allowed)

    @property
    def fixed(self) -> int:
        """How many people may speak by the settings."""
        return len(self._fixed)

    def invite(self) -> str:
        """Open `/pair` for one more person, for an hour; return the code."""
        self._invited = True
        self._tries.clear()
        self._code = _new_code()
        self._code_until_s = time.monotonic() + CODE_LIFE_S
        return self._code

    async def is_owner(self, user_id: int) -> bool:
        """Say whether a person may invite and remove others.

        That is who is in the settings or, where nobody is, who was paired first.
        """
        if self._fixed:
            return user_id in self._fixed
        return next(iter(await self._store.names()), None) == user_id

    async def remove(self, user_id: int) -> bool:
        """Let a paired person speak no more; return whether there was such a one."""
        if not await self._store.remove_person(user_id):
            return False
        if user_id not in self._fixed:
            self._allowed.discard(user_id)
        return True

    async def pair(self, user_id: int, name: str, code: str) -> Pairing:
        """Let a person in who knows the code that the computer shows."""
        if not self.pairing:
            return Pairing.CLOSED
        if self._tries.get(user_id, 0) >= _TRIES:
            return Pairing.LOCKED
        if time.monotonic() > self._code_until_s:
            self._show_new_code()
            return Pairing.WRONG_CODE
        if not self._code or not secrets.compare_digest(
            code.strip().upper().encode(), self._code.encode()
        ):
            self._tries[user_id] = self._tries.get(user_id, 0) + 1
            log.warning("Wrong pairing code from user %d", user_id)
            return Pairing.WRONG_CODE
        await self._store.add_person(user_id, name)
        self._allowed.add(user_id)
        self._code, self._invited, self._code_until_s = "", False, 0.0
        self._show_code("")
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

    def note_nobody(self, chat_id: int) -> None:
        """Log that something came without a person behind it, at most once a minute."""
        now_s = time.monotonic()
        if now_s - self._logged_nobody_s >= _LOG_EVERY_S:
            log.warning(
                "Ignored what an anonymous admin or a channel wrote in chat %d. They can't be "
                "allowed, since nobody knows who wrote it: switch “Remain anonymous” off there, "
                "and write as yourself.",
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
        Empty for the command alone, None for anything else.
    """
    command, _, code = text.partition(" ")
    return code.strip() if command in ("/pair", "/start") else None


def _new_code() -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(_CODE_LENGTH))


# What one person may have waiting, whatever the number of messages.
_WAITING_S = 3600.0
_SAY_EVERY_S = 60.0
_MAX_KNOWN = 1000  # programs choose their names themselves


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a message is not taken."""

    reason: str
    say: bool
    """Whether to say so; not for each message of a flood."""


@dataclass(slots=True)
class _Allowance:
    left: float
    since_s: float
    said_s: float = float("-inf")


class Limits:
    """Keeps one person from filling the queue; commands are not counted."""

    def __init__(
        self, per_minute: int, waiting: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Allow *per_minute* messages and *waiting* ones in the queue; 0 is no limit."""
        self._per_minute = per_minute
        self._waiting = waiting
        self._clock = clock
        self._allowances: dict[Hashable, _Allowance] = {}

    def check(self, who: Hashable, waiting: int, waiting_s: float) -> Refusal | None:
        """Count one more message of a person or program; return why it can't be taken, or None.

        Args:
            who: whose message it is.
            waiting: how many of theirs wait.
            waiting_s: how long these last.
        """
        now_s = self._clock()
        if len(self._allowances) >= _MAX_KNOWN:
            self._allowances.clear()
        mine = self._allowances.setdefault(who, _Allowance(self._per_minute, now_s))
        gained = (now_s - mine.since_s) * self._per_minute / 60
        mine.left, mine.since_s = min(self._per_minute, mine.left + gained), now_s
        if self._waiting and (waiting >= self._waiting or waiting_s >= _WAITING_S):
            what = f"{waiting} messages of yours" if waiting_s < _WAITING_S else "An hour of speech"
            reason = f"{what} wait already. Send it again when some were heard, or /stop them."
        elif self._per_minute and mine.left < 1:
            reason = (
                f"These are more than {self._per_minute} messages in a minute. I did not take this "
                "one; send it again in a while."
            )
        else:
            mine.left -= 1
            return None
        say = now_s - mine.said_s >= _SAY_EVERY_S
        if say:
            mine.said_s = now_s
        return Refusal(reason, say)
