"""OpenAI's CreateSpeechRequest, read as leniently as its other servers read it.

Clients send null for fields that were left empty, numbers as texts, voices as objects, and fields
of other servers. What can be meant is done; what has no effect is named in the answer's headers.
"""

import math
import re
import unicodedata
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, model_validator

from audio.voices import SPOKEN, VOICES, language_of
from bot.core.preferences import FASTEST, SLOWEST
from bot.http.schemas import ALIASES, Input, Language, VoiceName

_LOUDEST = 10.0
_KOKORO_SHARE = re.compile(r"(?P<voice>[^()]+)\((?P<share>[0-9.]+)\)")
_LANGUAGE_NAMES = {"en": "en-us", "fr": "fr-fr", "pt": "pt-br", "zh": "cmn"}
_LETTERS = {voice[0] for voice in VOICES}
_IGNORED_CHARS = 200  # in the header


def _voice_name(given: Any) -> Any:
    """Return a voice as Crier writes it: ``AF_Bella(2)+af_sky`` is ``af_bella:67,af_sky:33``."""
    if isinstance(given, dict):  # OpenAI's custom voices
        given = given.get("id") or given.get("name")
    if not isinstance(given, str):
        return given
    name = given.strip().lower()
    parts = [part.strip() for part in re.split(r"[+,]", name)]
    shares: list[tuple[str, str]] = []
    for part in parts:
        match = _KOKORO_SHARE.fullmatch(part)
        voice, _, share = part.partition(":")
        voice, share = (match["voice"], match["share"]) if match else (voice.strip(), share.strip())
        shares.append((ALIASES.get(voice, voice), share))
    if len(shares) == 1:
        return shares[0][0]
    if "+" not in name and not any("." in share for _, share in shares):
        return name
    try:
        numbers = [float(share or 1) for _, share in shares]
    except ValueError:
        return name
    if not (all(0 <= number < math.inf for number in numbers) and any(numbers)):
        return name
    percents = [max(1, round(100 * number / sum(numbers))) for number in numbers]
    return ",".join(
        f"{voice}:{percent}" for (voice, _), percent in zip(shares, percents, strict=True)
    )


_MAX_LANGUAGE_CHARS = 20  # as `Language` has it


def _language_code(given: Any) -> Any:
    """Return espeak-ng's code of a language; None if there is none, so that the voice decides."""
    if not isinstance(given, str) or len(given) > _MAX_LANGUAGE_CHARS:
        return given
    code = given.lower().replace("_", "-")
    if code in _LETTERS:  # Kokoro's own code, which is the first letter of its voices' names
        return language_of(code)
    for known in (code, _LANGUAGE_NAMES.get(code, ""), code.partition("-")[0]):
        if known in SPOKEN:
            return known
    return _LANGUAGE_NAMES.get(code.partition("-")[0])


def _lower(given: Any) -> Any:
    return given.lower() if isinstance(given, str) else given


def _not_bool(given: Any) -> Any:
    if isinstance(given, bool):
        raise ValueError("a number, not true or false")  # noqa: TRY004  # pydantic's way to refuse
    return given


def _describe_empty_fields(schema: dict[str, Any]) -> None:
    """Allow null and an empty text in the description of each field but the text."""
    for name, field in schema["properties"].items():
        if name != "input":
            given = {key: field.pop(key) for key in list(field) if key not in _ABOUT}
            choices = given.pop("anyOf", [given])
            nothing = [{"type": "null"}] if {"type": "null"} not in choices else []
            field["anyOf"] = [*choices, *nothing, {"const": "", "type": "string"}]


_ABOUT = {"title", "description", "default"}


class Speech(BaseModel):
    """OpenAI's CreateSpeechRequest.

    A field that is null or empty, except the text, counts as left out. Other fields are accepted
    and have no effect; the header X-Ignored names them.
    """

    model_config = ConfigDict(extra="allow", json_schema_extra=_describe_empty_fields)

    model: str = Field("kokoro", max_length=200, description="Any name; there is one model.")
    input: Input
    voice: Annotated[VoiceName, BeforeValidator(_voice_name)] | None = Field(
        None,
        description="A voice, a blend such as af_heart:70,af_bella:30 or af_bella(2)+af_sky, or "
        "one of OpenAI's names; left out: KOKORO_VOICE. The header X-Voice has the voice used.",
    )
    response_format: Annotated[
        Literal["mp3", "opus", "ogg", "aac", "m4a", "flac", "wav", "pcm"], BeforeValidator(_lower)
    ] = "mp3"
    stream_format: Annotated[Literal["audio", "sse"], BeforeValidator(_lower)] = Field(
        "audio", description="sse: as OpenAI's events speech.audio.delta and speech.audio.done."
    )
    speed: float = Field(
        1.0,
        ge=0.25,
        le=4.0,
        allow_inf_nan=False,
        description="0.25 to 4, as in OpenAI's API; the voice speaks at 0.5 to 2, and the header "
        "X-Speed has the speed that was used.",
    )
    lang: Language | None = Field(
        None, description="As in /v1/audio/speak; not part of OpenAI's API."
    )
    lang_code: Annotated[Language | None, BeforeValidator(_language_code)] = Field(
        None, description="As Kokoro-FastAPI has it, such as a or en-gb; an unknown one is ignored."
    )
    volume_multiplier: Annotated[float, BeforeValidator(_not_bool)] = Field(
        1.0, ge=0.0, le=_LOUDEST, allow_inf_nan=False, description="As Kokoro-FastAPI has it."
    )

    @model_validator(mode="before")
    @classmethod
    def _without_empty_fields(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        return {
            name: value
            for name, value in data.items()
            if value is not None and (value != "" or name == "input")
        }

    @property
    def spoken_speed(self) -> float:
        """The nearest speed at which the voice can speak."""
        return max(SLOWEST, min(FASTEST, self.speed))

    @property
    def is_marks(self) -> bool:
        """Whether there is nothing but punctuation, such as a client's probe or an LLM's piece."""
        return all(
            unicodedata.category(char)[0] in "PZC" or char in "*_`~+=<>|^$" for char in self.input
        )

    def headers(self, voice: str) -> dict[str, str]:
        """Return the headers that name what was used and what had no effect."""
        headers = {"X-Speed": f"{self.spoken_speed:g}", "X-Voice": voice}
        ignored = [
            name for name in self.model_extra or () if name.isidentifier() and name.isascii()
        ]
        if "lang_code" in self.model_fields_set and self.lang_code is None:
            ignored.append("lang_code")
        if ignored:
            headers["X-Ignored"] = ", ".join(ignored)[:_IGNORED_CHARS]
        return headers


class CaptionedSpeech(Speech):
    """Kokoro-FastAPI's CaptionedSpeechRequest."""

    stream: StrictBool = Field(
        True, description="A line of JSON for each part while it is made, instead of one for all."
    )
    return_timestamps: StrictBool = True
