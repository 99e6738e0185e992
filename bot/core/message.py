"""What is kept of a message: its text, where it came from, its state, and what became of it."""

from dataclasses import dataclass
from enum import StrEnum

from audio.types import Outcome


class State(StrEnum):
    """Where a message that has not ended is; its end is an `audio.types.Outcome`.

    FETCHING -> ASKING -> ASKED -> NOTING        a file; a long one is asked about
        |                   |
        +-------> WAITING <-+     HELD           waits for its turn; for the loudspeaker, quiet
                     ^
             LATE -> OFFERED                     too old to be said unasked; it was asked about
    """

    FETCHING = "fetching"
    """Its file is being fetched or decoded."""
    ASKING = "asking"
    """What to do with a long file: the question is owed to its sender."""
    ASKED = "asked"
    """What to do with a long file: Telegram has taken the question."""
    NOTING = "noting"
    """A voice note is being made of it, or sent."""
    WAITING = "waiting"
    """It is said in its turn."""
    HELD = "held"
    """It waits for a loudspeaker, or for the end of the quiet."""
    LATE = "late"
    """It came too late to be said unasked; the question is owed to its sender."""
    OFFERED = "offered"
    """It came too late to be said unasked; Telegram has taken the question."""


ENDED = tuple(outcome.value for outcome in Outcome)

NO_CHAT = 0
"""The chat of a message that came over HTTP: it gets no reactions and no replies."""

Conversation = tuple[int, int | None]
"""A chat, and the forum topic in it."""


@dataclass(frozen=True, slots=True)
class QueuedMessage:
    """A text from Telegram, or over HTTP, that will be spoken."""

    id: int
    chat_id: int
    message_id: int
    text: str
    sentence: int = 0
    """The first sentence that was not heard yet."""
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
    """What has to be fetched first; then the recording to play. Empty for a text."""
    client: str = ""
    """Which program sent it over HTTP; empty for Telegram."""
    chime: bool | None = None
    """None: as the settings say."""
    fresh_at: float = 0.0
    """When it was sent, or decided upon, in seconds since 1970; lateness counts from here.
    0 in a new message: when it is accepted."""
    thread_id: int | None = None
    """The forum topic that it was sent in."""

    @property
    def source(self) -> str:
        """Where it came from, in a word."""
        return self.client or "telegram"

    @property
    def conversation(self) -> Conversation:
        """Where it is talked about."""
        return self.chat_id, self.thread_id


@dataclass(frozen=True, slots=True)
class StatusMessageId:
    """A message of the bot's own that tells what is being said."""

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
    reason: str
    device: str
    audio_s: float
    first_sound_ms: int | None
    ended_at: float
    """Seconds since 1970."""
