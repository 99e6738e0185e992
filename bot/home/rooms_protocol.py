"""What a bot and its rooms say to each other at the broker: topics and payloads.

A bot sends requests until a room has answered, and a room answers each with the present state of
the message, from its disk; so the broker has to keep nothing but the presence of rooms. A message
is named by a ref, which the bot has made up.
"""

from dataclasses import dataclass
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

PROTOCOL = 1
"""Increased when an older room or bot would misunderstand a newer one."""

UNKNOWN = "unknown"
"""The state of a message that a room does not have."""
LATE = "late"
"""The state of one that became too old in the room to be said unasked."""

_MAX_TEXT_CHARS = 1_000_000  # a text as it is read may be longer than it was written

Ref = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
Model = TypeVar("Model", bound=BaseModel)


class _Payload(BaseModel):
    """A payload; fields of newer versions are ignored."""

    model_config = ConfigDict(frozen=True, strict=True, extra="ignore")


class Spoken(_Payload):
    """A text, and how it is spoken. Times are ages, since the clocks of two computers differ."""

    text: str = Field(min_length=1, max_length=_MAX_TEXT_CHARS)
    sender: str = Field(max_length=200)
    voice: str = Field("", max_length=200)
    speed: float = Field(0.0, ge=0, le=10)
    lang: str = Field("", max_length=20)
    urgent: bool = False
    chime: bool | None = None
    volume: int | None = Field(None, ge=0, le=1000)
    age_s: float = 0.0
    """How long ago it was sent, or somebody decided to hear it."""
    expires_in_s: float | None = None
    replaces: str = Field("", max_length=100)
    """The same in messages of which only the newest is said; empty: it replaces none."""


class Request(_Payload):
    """What a bot asks of a room."""

    bot: int = Field(ge=0)
    do: Literal["say", "ask", "stop", "silence", "synced"]
    """``ask`` is for the state of a message. ``silence`` concerns everything in the room, also what
    others have asked for. ``synced``: the room knows everything that the bot wants by now."""
    ref: Ref | None = None
    """Of the message; for the first three."""
    spoken: Spoken | None = None
    """For ``say``."""


class Answer(_Payload):
    """What a room says of a message."""

    ref: Ref
    state: Literal[
        "waiting", "sounding", "held", "late", "unknown", "heard", "stopped", "skipped", "failed"
    ]
    reason: str = Field("", max_length=2000)
    """Why it is held, or ended like that."""


class Presence(_Payload):
    """A room, as it shows itself to all; retained, and its last will."""

    name: str = Field(min_length=1, max_length=40)
    present: bool
    session: str = Field(max_length=40)
    """Another one for each connection: after a new one, a bot asks again."""
    doing: str = Field("", max_length=40)
    waiting: int = Field(0, ge=0)
    protocol: int = PROTOCOL


@dataclass(frozen=True, slots=True)
class RoomTopics:
    """The topics of one room; ``+`` stands for all rooms, or all bots."""

    slug: str

    @property
    def presence(self) -> str:
        """Where a room shows itself."""
        return f"crier/rooms/{self.slug}/presence"

    @property
    def requests(self) -> str:
        """Where bots ask it for something."""
        return f"crier/rooms/{self.slug}/requests"

    def answers(self, bot_id: int) -> str:
        """Where it answers a bot."""
        return f"crier/{bot_id}/rooms/{self.slug}"

    @staticmethod
    def slug_in(topic: str) -> str:
        """Return the room of a topic."""
        parts = topic.split("/")
        return parts[2] if parts[1] == "rooms" else parts[3]


def parsed(model: type[Model], payload: object) -> Model | None:
    """Return a payload, or None if it is invalid."""
    if not isinstance(payload, (bytes, bytearray, str)):
        return None
    try:
        return model.model_validate_json(payload)
    except ValidationError:
        return None
