"""A stored message: its text, source and state, and the record of its end."""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Self

from audio.text import inline
from audio.types import Outcome


class State(StrEnum):
    """Where an unfinished message is, as the disk knows it; an `audio.types.Outcome` is its end.

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
    """The question about a long file has been asked."""
    NOTING = "noting"
    """Its voice note is being made or sent."""
    WAITING = "waiting"
    """It is spoken in its turn."""
    HELD = "held"
    """It is kept until there is a loudspeaker, or until quiet ends."""
    LATE = "late"
    """It is too old to be spoken unasked; its sender has to be asked."""
    OFFERED = "offered"
    """It is too old to be spoken unasked; its sender has been asked (offered to hear it)."""


ENDED = tuple(outcome.value for outcome in Outcome)

NO_CHAT = 0
"""The chat of a message over HTTP, which gets no reactions and no replies."""

ATTEMPT_PREFIX = "message:"
"""The prefix of the keys under which attempts at messages are counted; see `attempt_key`."""

_NOTE = "note"
_RECORDING_SUFFIX = ".wav"

Conversation = tuple[int, int | None]
"""A chat and its forum topic."""


@dataclass(frozen=True, slots=True)
class QueuedMessage:
    """A stored text or recording, to be spoken or sent as a voice note."""

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
    """As stored. Empty for a text; otherwise read it as `attachment`, `recording` or `is_note`."""
    client: str = ""
    """Which program sent it over HTTP; empty for a chat's."""
    chime: bool | None = None
    """None: as the settings say."""
    fresh_at: float = 0.0
    """When it was sent, or decided upon, in seconds since 1970; lateness counts from here.
    0 in a new message: the time of acceptance."""
    thread_id: int | None = None
    """The forum topic that it was sent in."""
    expires_at: float = 0.0
    """It is not spoken after that time, in seconds since 1970; 0: always."""
    replace_key: str = ""
    """A newer message of the same sender with the same key takes its place while it waits."""
    volume: int | None = None
    """In percent, of this message alone; None: as it is set."""
    room: str = ""
    """Where it is spoken: a room's slug, or ``everywhere``; empty: on this computer."""
    origin: str = ""
    """In a room: which bot's message it is, and what that calls it; empty: one of its own."""

    @property
    def shown_text(self) -> str:
        """Its text as people see it, without the sounds and pauses that its sender gave."""
        return inline.shown(self.text)

    @property
    def is_note(self) -> bool:
        """Whether it is sent as a voice note instead of being spoken."""
        return self.file == _NOTE

    @property
    def recording(self) -> str:
        """The path of the recording to play; empty for a text."""
        return self.file if self.file.endswith(_RECORDING_SUFFIX) else ""

    @property
    def attachment(self) -> str:
        """What identifies the file that has to be fetched for it; empty if there is none."""
        return "" if self.is_note or self.recording else self.file

    def as_note(self) -> Self:
        """Return it as one that is sent as a voice note; a replay leaves it out."""
        return replace(self, file=_NOTE)

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
