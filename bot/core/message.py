"""A stored message: its text, where it came from, its state, and what became of it."""

from dataclasses import dataclass
from enum import StrEnum

from audio.types import Outcome


class State(StrEnum):
    """Where an unfinished message is; how it ends is an `audio.types.Outcome`.

    FETCHING -> ASKING -> ASKED -> NOTING        a file; a question is asked about a long one
        |                   |
        +-------> WAITING <-+     HELD           for its turn; for a loudspeaker or the end of quiet
                     ^
             LATE -> OFFERED                     too old to be spoken unasked

    Stored in the database; WAITING and HELD messages also have an entry in `bot.core.queue`.
    """

    FETCHING = "fetching"
    """Its file is being fetched or decoded."""
    ASKING = "asking"
    """The question about a long file is owed to its sender."""
    ASKED = "asked"
    """Telegram has accepted the question about a long file."""
    NOTING = "noting"
    """Its voice note is being made or sent."""
    WAITING = "waiting"
    """It is spoken in its turn."""
    HELD = "held"
    """It waits for a loudspeaker or for the end of quiet."""
    LATE = "late"
    """It is too old to be spoken unasked; the question is owed to its sender."""
    OFFERED = "offered"
    """It is too old to be spoken unasked; Telegram has accepted the question."""


ENDED = tuple(outcome.value for outcome in Outcome)

NO_CHAT = 0
"""The chat of a message over HTTP, which gets no reactions and no replies."""

ATTEMPT_PREFIX = "message:"
"""The prefix of the keys under which attempts at messages are counted; see `attempt_key`."""

NO_REPLAY = "note"
"""The file of a message that becomes a voice note, so that /replay leaves it out."""

Conversation = tuple[int, int | None]
"""A chat and its forum topic."""


@dataclass(frozen=True, slots=True)
class QueuedMessage:
    """A stored text or recording that is to be spoken, or sent as a voice note."""

    id: int
    chat_id: int
    message_id: int
    text: str
    sentence: int = 0
    """The first sentence that has not been heard yet."""
    user_id: int = 0
    voice: str = ""
    """Empty: as the settings say."""
    speed: float = 0.0
    """0: as the settings say."""
    lang: str = ""
    """Empty: the voice's own."""
    urgent: bool = False
    skipped: str = ""
    """What was left out of it, in words."""
    file: str = ""
    """The file to fetch and, once fetched, the recording to play. Empty for a text."""
    client: str = ""
    """Which program sent it over HTTP; empty for Telegram."""
    chime: bool | None = None
    """None: as the settings say."""
    fresh_at: float = 0.0
    """When it was sent, or decided upon, in seconds since 1970; lateness counts from here.
    0 in a new message: the time of acceptance."""
    thread_id: int | None = None
    """The forum topic that it was sent in."""

    @property
    def source(self) -> str:
        """The name of its program, or ``telegram``."""
        return self.client or "telegram"

    @property
    def in_chat(self) -> bool:
        """Whether it came from a chat, and not over HTTP."""
        return self.chat_id != NO_CHAT

    @property
    def conversation(self) -> Conversation:
        """The chat and topic of its status message."""
        return self.chat_id, self.thread_id


@dataclass(frozen=True, slots=True)
class StatusMessageId:
    """Identifies a message of the bot that shows what is being spoken."""

    chat_id: int
    message_id: int
    thread_id: int | None
    """The forum topic that it is in."""


@dataclass(frozen=True, slots=True)
class Record:
    """What became of a message."""

    id: int
    text: str
    source: str
    outcome: str
    """An `Outcome`; before its end, its `State`."""
    reason: str
    device: str
    audio_s: float
    first_sound_ms: int | None
    ended_at: float
    """Seconds since 1970."""


def attempt_key(id_: int) -> str:
    """Return the key under which attempts at a message are counted."""
    return f"{ATTEMPT_PREFIX}{id_}"
