"""The shapes of requests and responses, and the messages about invalid ones.

Values of the core are copied into separate models, so that a new field there is not published
automatically.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from audio.types import UnknownLanguageError, UnknownVoiceError
from audio.voices import check_language, check_voice
from bot.core.output import LOUDEST_PERCENT
from bot.core.preferences import FASTEST, SLOWEST
from bot.core.question_store import QuestionStatus
from bot.core.questions import MAX_OPTION_CHARS, MAX_OPTIONS, MAX_TIMEOUT_S
from bot.room_names import MAX_NAME_CHARS

MAX_EXPIRES_S = 7 * 24 * 3600.0

MAX_INPUT_CHARS = 60_000
"""About an hour of speech; planning it takes the audio thread 0.1 s."""

MAX_QUESTION_CHARS = 1000
_MAX_CHAT = 2**52  # Source: "Chat" of the Bot API

ALIASES = {
    "alloy": "af_alloy",
    "ash": "am_michael",
    "ballad": "bm_george",
    "cedar": "am_fenrir",
    "coral": "af_bella",
    "echo": "am_echo",
    "fable": "bm_fable",
    "marin": "af_heart",
    "onyx": "am_onyx",
    "nova": "af_nova",
    "sage": "af_sarah",
    "shimmer": "af_sky",
    "verse": "am_puck",
}
"""OpenAI's voices, and the voices of the same name or kind that replace them here."""


def _voice(name: str) -> str:
    try:
        return check_voice(ALIASES.get(name, name))
    except UnknownVoiceError as exc:
        raise ValueError(str(exc)) from exc


def _language(code: str) -> str:
    try:
        return check_language(code)
    except UnknownLanguageError as exc:
        raise ValueError(str(exc)) from exc


Input = Annotated[
    str,
    Field(
        min_length=1,
        max_length=MAX_INPUT_CHARS,
        description="The text. [Nguyen](/wˈɪn/) gives a word's sounds, [pause:1.5s] is silence.",
    ),
]
VoiceName = Annotated[
    str,
    Field(
        max_length=200,
        description="A voice, a blend such as af_heart:70,af_bella:30, or one of OpenAI's names.",
        examples=["af_heart"],
    ),
    AfterValidator(_voice),
]


def _option(text: str) -> str:
    if not (text := text.strip()).isprintable() or not text:
        raise ValueError("an option has printable characters")
    return text


def _distinct(options: list[str]) -> list[str]:
    if len({option.casefold() for option in options}) < len(options):
        raise ValueError("two options are the same")
    return options


Language = Annotated[str, Field(max_length=20), AfterValidator(_language)]


class SpeakOptions(BaseModel):
    """How a text is spoken; in the address, if the text itself arrives bit by bit."""

    model_config = ConfigDict(extra="forbid")

    voice: VoiceName | None = None
    speed: float | None = Field(None, ge=SLOWEST, le=FASTEST)
    lang: Language | None = Field(
        None, description="espeak-ng's code, such as en-gb; else the voice's own."
    )
    priority: Literal["normal", "urgent"] = Field(
        "normal", description="urgent: next, after the sentence that is playing."
    )
    chime: bool | None = Field(None, description="Play a chime first, if nothing was playing.")
    wait: bool = Field(False, description="Answer only when the message has ended, or is held.")
    expires_s: float | None = Field(
        None,
        gt=0,
        le=MAX_EXPIRES_S,
        allow_inf_nan=False,
        description="Begin to say it within so many seconds, or not at all: it ends as skipped.",
    )
    replace: str | None = Field(
        None,
        max_length=100,
        description="A name of your own, such as build: a newer message with the same name takes "
        "the place of this one while it waits, which ends as skipped.",
        examples=["build"],
    )
    volume: int | None = Field(
        None,
        ge=0,
        le=LOUDEST_PERCENT,
        description="In percent, for this message alone; left out: as it is set.",
    )
    room: str | None = Field(
        None,
        min_length=1,
        max_length=MAX_NAME_CHARS,
        description="Another room, or everywhere; only of a text that comes as a whole.",
        examples=["study"],
    )


class TextOptions(SpeakOptions):
    """The same of a text, which may be spoken later."""

    at: str | None = Field(
        None,
        max_length=100,
        description="Speak it then: ISO 8601, or words such as 18:30, tomorrow 8:00, in 20m, every "
        "weekday 7:15. The answer is the reminder.",
        examples=["18:30"],
    )


class Speak(TextOptions):
    """A text for the loudspeaker."""

    model_config = ConfigDict(extra="forbid", strict=True)

    input: Input


Option = Annotated[str, Field(min_length=1, max_length=MAX_OPTION_CHARS), AfterValidator(_option)]


class Ask(SpeakOptions):
    """A question for people."""

    model_config = ConfigDict(extra="forbid", strict=True)

    input: Annotated[
        str, Field(min_length=1, max_length=MAX_QUESTION_CHARS, description="The question.")
    ]
    options: Annotated[list[Option], AfterValidator(_distinct)] = Field(
        default=[],
        max_length=MAX_OPTIONS,
        description="The answers to choose from, as buttons; none: people answer in words.",
    )
    timeout_s: float = Field(
        600.0, gt=0, le=MAX_TIMEOUT_S, description="How long it can be answered."
    )
    chat: int | None = Field(
        None,
        ge=-_MAX_CHAT,
        le=_MAX_CHAT,
        description="Where to ask: a person's number, or a group's; null: everybody who may speak.",
    )
    wait: bool = Field(
        True, description="Answer only when the question has ended; else at once, with 202."
    )


class Answer(BaseModel):
    """A question, and its answer if there is one."""

    id: int
    status: QuestionStatus
    answer: str | None
    by: str | None = Field(description="Who answered.")
    after_s: float | None = Field(description="How long after the question it ended.")
    reason: str = Field(description="Why it was stopped; else empty.")


class ExcerptText(SpeakOptions):
    """A long text, such as an agent's, of which the first sentences are spoken."""

    model_config = ConfigDict(extra="forbid", strict=True)

    input: Annotated[str, Field(max_length=MAX_INPUT_CHARS, description="The text; may be empty.")]
    max_s: float = Field(
        20.0, gt=0, le=3600, description="How long it may take, as learned on this computer."
    )
    before: str = Field("", max_length=200, description="Said first, such as a project's name.")
    after: str = Field(
        "", max_length=1000, description="Said last in any case, such as what an agent waits for."
    )


class ReadText(BaseModel):
    """A text whose reading is asked for."""

    model_config = ConfigDict(extra="forbid", strict=True)

    input: Input
    voice: VoiceName | None = None
    lang: Language | None = Field(
        None, description="espeak-ng's code, such as en-gb; else the voice's own."
    )


class WordRead(BaseModel):
    """A word, and how it is pronounced."""

    model_config = ConfigDict(from_attributes=True)

    text: str = Field(description="As it is read, with its punctuation.")
    phonemes: str = Field(description="In Kokoro's alphabet; empty if it has no sound.")
    source: str = Field(
        description="Where they come from, such as dictionary, espeak, or sender: the text itself, "
        "or /pronounce."
    )
    pause_s: float = Field(description="Silence that the sender asked for after it.")


class SentenceRead(BaseModel):
    """A sentence, word by word."""

    model_config = ConfigDict(from_attributes=True)

    text: str
    words: list[WordRead]


class Reading(BaseModel):
    """How a text is read."""

    model_config = ConfigDict(from_attributes=True)

    voice: str
    lang: str
    skipped: str = Field(description="What is left out, such as 1 code block; empty: nothing.")
    sentences: list[SentenceRead]


class Queued(BaseModel):
    """The message is stored, and will be heard."""

    id: int
    position: int = Field(
        description="Its position in the queue, counted from 1; 0: it has ended, or is for a room."
    )


class SpeakResult(BaseModel):
    """How the message ended, or that it is held."""

    id: int
    outcome: str = Field(description="heard, stopped, skipped, held or failed.")
    reason: str


class SkipTarget(BaseModel):
    """The message to skip."""

    model_config = ConfigDict(extra="forbid", strict=True)

    id: int | None = Field(None, description="Left out: the one that is playing.")


class ReminderItem(BaseModel):
    """A text that is spoken later."""

    id: int
    text: str
    source: str
    due: str = Field(description="When it is due next, in ISO 8601.")
    when: str = Field(description="The same in words, such as Tomorrow at 18:30.")
    repeats: bool
    paused: bool
    room: str = Field(description="Where it is said: another room, or everywhere; empty: here.")


class ReminderList(BaseModel):
    """The reminders, the next one first."""

    items: list[ReminderItem]


class Deleted(BaseModel):
    """The reminder is deleted."""

    deleted: bool


class Stopped(BaseModel):
    """Playback has stopped."""

    stopped: int = Field(description="How many messages were cut or dropped.")


class Skipped(BaseModel):
    """The message is skipped; the next one follows."""

    skipped: bool = Field(description="Whether there was something to skip.")


class Paused(BaseModel):
    """Whether playback is paused."""

    paused: bool


class Mute(BaseModel):
    """For how long everything is held."""

    model_config = ConfigDict(extra="forbid", strict=True)

    for_s: float | None = Field(
        None, gt=0, allow_inf_nan=False, description="In seconds; left out: until unmute."
    )


class Quiet(BaseModel):
    """Why nothing is spoken now."""

    quiet: str = Field(description="Such as Muted until 18:30.; empty: messages are spoken.")


class PollingState(BaseModel):
    """State of what messages come from: the loop that polls Telegram or, in a room, the broker."""

    source: str = Field(description="Telegram, or the broker.")
    ok: bool
    age_s: float = Field(description="Seconds since its last answer.")
    warning: str


class StatusNow(BaseModel):
    """What Crier is doing."""

    time: float = Field(description="Seconds since 1970, by the same clock as `at` of events.")
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
    inaudible: str = Field(description="Why the last message was inaudible: the computer is muted.")
    voice: str
    volume: int
    quiet: str = Field(description="Why nothing is spoken now, such as a mute; else empty.")
    muted: bool = Field(description="Whether that is a mute, which unmute ends.")
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
    estimate_s: float | None = Field(description="Seconds until it begins, roughly.")


class Queue(BaseModel):
    """The messages that have not ended, in the order in which they will be heard."""

    items: list[QueueItem]


class Move(BaseModel):
    """Where to put a message."""

    model_config = ConfigDict(extra="forbid", strict=True)

    before: int | None = Field(description="The message that follows it; null: none.")


class HistoryItem(BaseModel):
    """A message that has ended."""

    model_config = ConfigDict(from_attributes=True)

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
    """The messages that have ended, the latest first."""

    items: list[HistoryItem]


class Output(BaseModel):
    """An output device."""

    model_config = ConfigDict(from_attributes=True)

    name: str
    is_default: bool
    in_use: bool


class DeviceList(BaseModel):
    """The output devices, and the selected one."""

    model_config = ConfigDict(from_attributes=True)

    outputs: list[Output]
    wanted: str
    warning: str


class ChooseDevice(BaseModel):
    """The output device to select."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: str | None = Field(
        max_length=200,
        description="A device's name or a part of it; empty: the system's default; null: the "
        "value of AUDIO_DEVICE.",
    )


class NamedVoice(BaseModel):
    """A voice, in the shape of OpenAI-compatible servers."""

    id: str
    name: str = Field(description="For people.")
    language: str


class NamedVoices(BaseModel):
    """The voices, in the shape of OpenAI-compatible servers."""

    voices: list[NamedVoice]


class VoiceItem(BaseModel):
    """A voice."""

    name: str
    speaks: str
    lang: str


class VoiceList(BaseModel):
    """The voices, and the default one."""

    voices: list[VoiceItem]
    default: str


class Volume(BaseModel):
    """The volume, relative to the computer's own."""

    model_config = ConfigDict(extra="forbid", strict=True)

    percent: int = Field(ge=0, le=LOUDEST_PERCENT)


class ChooseSpeed(BaseModel):
    """The speed of what programs send."""

    model_config = ConfigDict(extra="forbid", strict=True)

    speed: float | None = Field(
        ge=SLOWEST, le=FASTEST, description="null: the value of KOKORO_SPEED."
    )


class Speed(BaseModel):
    """The speed of messages of programs that give none."""

    speed: float


class PageCode(BaseModel):
    """A code that opens the page, once."""

    code: str
    life_s: float


class GivenCode(BaseModel):
    """The code that the page was opened with."""

    model_config = ConfigDict(extra="forbid", strict=True)

    code: str = Field(max_length=200)


class PageToken(BaseModel):
    """The token that the page has to send from now on."""

    token: str


class Model(BaseModel):
    """OpenAI's Model."""

    id: str
    object: Literal["model"] = "model"
    created: int = 0
    owned_by: str = "crier"


class Models(BaseModel):
    """OpenAI's list of models."""

    object: Literal["list"] = "list"
    data: list[Model]


class SpeechModels(BaseModel):
    """The names of the one model, in the shape that Open WebUI asks for."""

    models: list[Model]


class Health(BaseModel):
    """Whether messages come in and sound goes out."""

    ok: bool
    polling: bool
    sound: bool
    reasons: list[str]


class _Error(BaseModel):
    message: str
    type: str
    param: str | None = Field(description="The field that is wrong, if it is one.")
    code: str


class ErrorBody(BaseModel):
    """Why a request was refused, and what to do."""

    error: _Error


def error_message(errors: Sequence[Any]) -> str:
    """Return pydantic's errors as sentences that begin with the field."""
    messages = []
    for error in errors:
        if error["type"] == "json_invalid":
            return "The body is not JSON."
        text = error["msg"].removeprefix("Value error, ").rstrip(".")
        messages.append(f"{_field(error)}: {text}.")
    return " ".join(dict.fromkeys(messages))


def wrong_field(errors: Sequence[Any]) -> str | None:
    """Return the first field in pydantic's errors; None if the whole body is wrong."""
    fields = [_field(error) for error in errors if error["type"] != "json_invalid"]
    return fields[0] if fields else None


def _field(error: Any) -> str:
    return ".".join(str(part) for part in error["loc"][1:]) or str(error["loc"][0])
