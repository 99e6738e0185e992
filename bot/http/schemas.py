"""The shapes of what goes over HTTP, and the words for what is wrong with them."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from audio.types import UnknownVoiceError
from audio.voices import LANGUAGES, check_voice
from bot.core.preferences import FASTEST, SLOWEST

MAX_INPUT_CHARS = 60_000
"""An hour; planning it takes the audio thread 0.1 s."""

ALIASES = {
    "alloy": "af_alloy",
    "ash": "am_michael",
    "ballad": "bm_george",
    "coral": "af_bella",
    "echo": "am_echo",
    "fable": "bm_fable",
    "onyx": "am_onyx",
    "nova": "af_nova",
    "sage": "af_sarah",
    "shimmer": "af_sky",
    "verse": "am_puck",
}
"""OpenAI's voices, and those that speak for them here: of the same name or of the same kind."""


def _voice(name: str) -> str:
    try:
        return check_voice(ALIASES.get(name, name))
    except UnknownVoiceError as exc:
        raise ValueError(str(exc)) from exc


def _language(code: str) -> str:
    if code not in LANGUAGES:
        raise ValueError(f"there is no language {code!r}; choose {', '.join(LANGUAGES)}")
    return code


Input = Annotated[str, Field(min_length=1, max_length=MAX_INPUT_CHARS, description="The text.")]
VoiceName = Annotated[
    str,
    Field(
        max_length=200,
        description="A voice, a blend such as af_heart:70,af_bella:30, or one of OpenAI's names.",
        examples=["af_heart"],
    ),
    AfterValidator(_voice),
]

Language = Annotated[str, Field(max_length=20), AfterValidator(_language)]


class Speak(BaseModel):
    """A text for the loudspeaker."""

    model_config = ConfigDict(extra="forbid", strict=True)

    input: Input
    voice: VoiceName | None = None
    speed: float | None = Field(None, ge=SLOWEST, le=FASTEST)
    lang: Language | None = Field(
        None, description="espeak-ng's code, such as en-gb; else the voice's own."
    )
    priority: Literal["normal", "urgent"] = Field(
        "normal", description="urgent: next, after the sentence that sounds."
    )
    chime: bool | None = Field(None, description="Sound a chime first, where the room is silent.")
    wait: bool = Field(False, description="Answer only when it has ended, or is held.")


class Queued(BaseModel):
    """It is stored, and will be heard."""

    id: int
    position: int = Field(description="Its place in the queue, counted from 1; 0: it has ended.")


class Result(BaseModel):
    """What became of it."""

    id: int
    outcome: str = Field(description="heard, stopped, skipped, held or failed.")
    reason: str


class Skip(BaseModel):
    """What to skip."""

    model_config = ConfigDict(extra="forbid", strict=True)

    id: int | None = Field(None, description="Left out: what sounds.")


class Stopped(BaseModel):
    """It is silent."""

    stopped: int = Field(description="How many messages were cut or dropped.")


class Skipped(BaseModel):
    """The next one follows."""

    skipped: bool = Field(description="Whether there was something to skip.")


class Paused(BaseModel):
    """Whether it is paused now."""

    paused: bool


class PollingState(BaseModel):
    """How fetching messages from Telegram fares."""

    ok: bool
    age_s: float = Field(description="Since Telegram answered last.")
    warning: str


class StatusNow(BaseModel):
    """What Crier does now."""

    time: float = Field(description="Seconds since 1970, by the clock that `at` of events is by.")
    speaking: bool
    speaking_id: int | None
    left_s: float
    buffer_s: float
    paused: bool
    gain: float
    waiting: int
    device: str
    first_sound_ms: int | None
    underruns: int
    synthesis_s_per_s: float
    last_error: str
    blocked: str
    warning: str
    inaudible: str = Field(description="Why the last message can't have been heard: muted.")
    voice: str
    volume: int
    quiet: str = Field(description="Why nothing is said now; empty where it is.")
    version: str
    polling: PollingState
    warnings: list[str]


class QueueItem(BaseModel):
    """A message that has not ended."""

    id: int
    text: str
    source: str
    state: Literal["sounding", "waiting", "held"]
    position: int
    estimate_s: float | None = Field(description="Until it begins, roughly.")


class Queue(BaseModel):
    """What has not ended, in the order in which it will be heard."""

    items: list[QueueItem]


class Move(BaseModel):
    """Where to put a message."""

    model_config = ConfigDict(extra="forbid", strict=True)

    before: int | None = Field(description="Which one shall follow it; null: none.")


class HistoryItem(BaseModel):
    """A message that has ended."""

    id: int
    text: str
    source: str
    outcome: str
    reason: str
    device: str
    audio_s: float
    first_sound_ms: int | None
    ended_at: float = Field(description="Seconds since 1970.")


class History(BaseModel):
    """What has ended, the latest first."""

    items: list[HistoryItem]


class Output(BaseModel):
    """Where sound can go."""

    name: str
    is_default: bool
    in_use: bool


class DeviceList(BaseModel):
    """Where sound can go, and where it shall."""

    outputs: list[Output]
    wanted: str
    warning: str


class ChooseDevice(BaseModel):
    """Where sound shall go."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: str | None = Field(
        max_length=200,
        description="A device's name or a part of it; empty: the system's default; null: what "
        "AUDIO_DEVICE says.",
    )


class VoiceItem(BaseModel):
    """Who can speak."""

    name: str
    speaks: str
    lang: str


class Voices(BaseModel):
    """Who can speak, and who does where nothing is said about it."""

    voices: list[VoiceItem]
    default: str


class Volume(BaseModel):
    """How loud, beside the computer's own volume."""

    model_config = ConfigDict(extra="forbid", strict=True)

    percent: int = Field(ge=0, le=150)


class PageCode(BaseModel):
    """What opens the page, once."""

    code: str
    life_s: float


class GivenCode(BaseModel):
    """A code that was made for the page."""

    model_config = ConfigDict(extra="forbid", strict=True)

    code: str = Field(max_length=200)


class PageToken(BaseModel):
    """What the page has to show from now on."""

    token: str


class Model(BaseModel):
    """OpenAI's Model."""

    id: str
    object: Literal["model"] = "model"
    created: int = 0
    owned_by: str = "crier"


class Models(BaseModel):
    """OpenAI's list of them."""

    object: Literal["list"] = "list"
    data: list[Model]


class Health(BaseModel):
    """Whether messages come in and sound goes out."""

    ok: bool
    polling: bool
    sound: bool
    reasons: list[str]


class _Error(BaseModel):
    message: str
    type: str
    code: str


class ErrorBody(BaseModel):
    """Why it was not done, and what to do."""

    error: _Error


def in_words(errors: Sequence[Any]) -> str:
    """Return what pydantic found wrong, by field."""
    found = []
    for error in errors:
        field = ".".join(str(part) for part in error["loc"][1:]) or str(error["loc"][0])
        if error["type"] == "json_invalid":
            return "The body is no JSON."
        found.append(f"{field}: {error['msg'].removeprefix('Value error, ')}.")
    return " ".join(dict.fromkeys(found))
