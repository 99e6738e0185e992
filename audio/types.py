"""The values and errors that cross the border between `audio/` and `bot/`.

Orders go in as values, facts come out as values, and every one of them is frozen.

The errors::

    AudioError
    ├── NothingToSpeakError    the text has no letter and no digit
    ├── UnknownVoiceError      no voice of that name
    ├── ModelFileError         a model file is missing, damaged or can't be fetched
    ├── SynthesisError         the model failed on this text
    ├── RenderingEndedError    a sound for somebody else was given up; it can be asked for again
    ├── AudioLibraryError      PortAudio itself is missing or will not start
    └── SpeakerError           sound can't go out
        ├── NoOutputDeviceError   there is no output device at all
        └── DeviceLostError       the device stopped taking sound

Each message says what happened, to what, and what to do next.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE_HZ = 24_000
"""What Kokoro makes and what every stream is opened with. Source: kokoro_onnx/config.py."""

Samples: TypeAlias = NDArray[np.float32]
"""Mono sound: shape ``(frames,)``, float32, nominally in [-1, 1], at `SAMPLE_RATE_HZ`."""


class AudioError(Exception):
    """Anything that keeps a text from being heard."""


class NothingToSpeakError(AudioError):
    """The text has no letter and no digit."""


class UnknownVoiceError(AudioError):
    """No voice has that name."""


class ModelFileError(AudioError):
    """A model file is missing, damaged, or can't be fetched."""


class RenderingEndedError(AudioError):
    """A sound for somebody else was given up, by a stop; it can be asked for again."""


class SynthesisError(AudioError):
    """The model failed on a text."""


class AudioLibraryError(AudioError):
    """PortAudio is missing or will not start."""


class SpeakerError(AudioError):
    """Sound can't go out."""


class NoOutputDeviceError(SpeakerError):
    """There is no output device at all."""


class DeviceLostError(SpeakerError):
    """The device stopped taking sound while it was in use."""


class CancelToken:
    """Ends one synthesis early.

    The one object here that two threads share; all it does is pass a single bit on.
    """

    def __init__(self) -> None:
        self._is_set = False
        self._end: Callable[[], None] | None = None

    def set(self) -> None:
        """End what is bound, now or when it is. Runs on: any thread. Never blocks."""
        self._is_set = True
        if self._end is not None:
            self._end()

    def bind(self, end: Callable[[], None]) -> None:
        """Let `set` call *end*, which must not block. Runs on: synthesis thread."""
        self._end = end
        # Looked at after *end* is in place, so that a `set` in between is not missed.
        if self._is_set:
            end()


@dataclass(frozen=True, slots=True)
class Utterance:
    """An order: say this text."""

    id: int
    """Chosen by whoever gives the order; the facts about it carry the same number."""
    text: str
    voice: str
    speed: float
    """0.5 to 2.0, Kokoro's own limits."""
    lang: str
    """espeak-ng's name of the language, such as ``en-us``."""
    first_sentence: int = 0
    """Where to begin, counted from 0: sentences before it were heard in an earlier life."""
    recording: str = ""
    """A WAV file to play in place of the text; its stretches count as sentences."""
    chime: bool = False
    """Sound a chime first, where it comes to an idle loudspeaker."""
    urgent: bool = False
    """It comes next, after the sentence that sounds; what it interrupts goes on behind it."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """What the model is given at once."""

    text: str
    """What shall be heard of it."""
    before: str
    """Some words that come before, to be read along and not spoken; empty after punctuation."""
    after: str
    """The same for what follows."""
    sentence: int
    """The sentence that it belongs to, counted from 0."""
    ends_sentence: bool
    pause_s: float
    """Silence to leave after it."""
    letters: float
    """Its length, as `audio.cost.letters` counts."""
    sentence_letters: float = 0.0
    """The length of its whole sentence, whose pace it keeps."""


@dataclass(frozen=True, slots=True)
class Word:
    """When a word is heard, counted from the first frame of the sound that it is part of."""

    text: str
    """As it was written, with its marks."""
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Sound:
    """A chunk as sound."""

    samples: Samples
    """What shall be heard: silence and context around it cut off."""
    took_s: float = 0.0
    """How long the model took; 0 where it was kept from an earlier time."""
    words: tuple[Word, ...] = ()
    """In order, within `samples`; none where no text is spoken."""


class Outcome(StrEnum):
    """How an utterance ended."""

    HEARD = "heard"
    STOPPED = "stopped"
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class PlaybackStarted:
    """A fact: a stretch of an utterance is on its way out of the device."""

    id: int
    sentence: int
    """The one that it belongs to, counted from 0."""
    text: str
    """What is said; empty for a recording."""
    words: tuple[Word, ...]
    at_s: float
    """`time.monotonic` at which its first frame is heard, which is what its words count from."""


@dataclass(frozen=True, slots=True)
class SentenceHeard:
    """A fact: one sentence of an utterance has been heard to its end."""

    id: int
    sentence: int
    """Counted from 0."""


@dataclass(frozen=True, slots=True)
class Held:
    """A fact: an utterance waits for something other than its turn."""

    id: int
    reason: str


@dataclass(frozen=True, slots=True)
class Ended:
    """A fact: an utterance is over, and how."""

    id: int
    outcome: Outcome
    reason: str = ""
    """For `Outcome.FAILED`: what happened and what to do next."""
    device: str = ""
    """Where it sounded last."""
    audio_s: float = 0.0
    """How much of it was heard, in seconds of sound."""
    files: tuple[str, ...] = ()
    """The files it was written to, where the loudspeaker is a folder."""
    chunks: int = 0
    """In how many runs of the voice it was made."""
    first_sound_ms: int | None = None
    """From the order to its first frame at the device; None where it waited for others, or where
    nothing of it sounded."""
    underruns: int = 0
    """How often the device ran dry inside it."""
    warning: str = ""
    """Why it can't have been heard although the device played it: ``muted``, ``at volume 0``."""


@dataclass(frozen=True, slots=True)
class Silenced:
    """A fact: what sounded was cut, and the device is silent."""

    id: int
    took_s: float
    """From the order to the silence."""


@dataclass(frozen=True, slots=True)
class Slept:
    """A fact: the computer slept while something was under way; it is paused now."""

    slept_s: float
    """For how long."""


Fact: TypeAlias = PlaybackStarted | SentenceHeard | Held | Silenced | Ended | Slept


@dataclass(frozen=True, slots=True)
class OutputDevice:
    """One place where sound can go."""

    name: str
    is_default: bool
    in_use: bool


@dataclass(frozen=True, slots=True)
class Devices:
    """Every output device, and the one that was asked for."""

    outputs: tuple[OutputDevice, ...]
    wanted: str
    """A name or part of one; empty follows the system's default."""
    warning: str = ""
    """Set when `wanted` matches no device or several."""


@dataclass(frozen=True, slots=True)
class Status:
    """What the audio world is doing, as last published by the audio thread."""

    speaking: bool = False
    speaking_id: int | None = None
    """The utterance that sounds."""
    left_s: float = 0.0
    """How long the rest of it will last, roughly."""
    buffer_s: float = 0.0
    """How long the sound lasts that is ready and not heard yet."""
    paused: bool = False
    gain: float = 1.0
    waiting: int = 0
    """Utterances accepted and not yet begun."""
    device: str = ""
    """The device in use or used last; empty before the first sound."""
    first_sound_ms: int | None = None
    """From the order to the first frame at the device, for the last utterance that came to an
    idle loudspeaker."""
    underruns: int = 0
    """How often the device ran dry inside an utterance."""
    synthesis_s_per_s: float = 0.0
    """How long the voice takes for one second of sound, lately."""
    last_error: str = ""
    blocked: str = ""
    """Why the loudspeaker would not open the last time; empty where it did."""
    warning: str = ""
    """About the wanted device; see `Devices.warning`."""
    inaudible: str = ""
    """Why the last utterance can't have been heard, such as ``muted``; see `Ended.warning`."""
    heartbeat_s: float = 0.0
    """`time.monotonic` when the audio thread last came round."""

    @property
    def unheard(self) -> str:
        """Why the last utterance can't have been heard, in a sentence; empty where it can."""
        return f"{self.device} was {self.inaudible} when it last spoke." if self.inaudible else ""
