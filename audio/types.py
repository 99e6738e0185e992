"""The values and errors that cross the border between `audio/` and `bot/`.

Orders go in and facts come out, all of them as frozen values.

The errors::

    AudioError
    ├── NothingToSpeakError      the text has no letter and no digit
    ├── UnknownVoiceError        no voice of that name
    ├── UnknownLanguageError     no language of that code
    ├── ModelFileError           a model file is missing, damaged or can't be fetched
    ├── PreparationError         the model can't be prepared; the original runs (kokoro.prepared)
    ├── SynthesisError           the model failed on this text
    ├── RecordingError           a recording can't be played (recording)
    ├── RenderingCancelledError  a file or stream was cancelled; it can be requested again
    ├── AudioLibraryError        PortAudio itself is missing or will not start
    └── SpeakerError             the output does not work
        ├── NoOutputDeviceError     there is no output device at all
        ├── HeadphonesLostError     the rest would be heard aloud
        └── DeviceLostError         the device stopped taking sound

Each message says what happened and what to do next.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE_HZ = 24_000
"""Kokoro's output rate, and the rate of every stream. Source: kokoro_onnx/config.py."""

Samples: TypeAlias = NDArray[np.float32]
"""Mono sound: shape ``(frames,)``, float32, nominally in [-1, 1], at `SAMPLE_RATE_HZ`."""


def silence(duration_s: float) -> Samples:
    """Return silence of this duration."""
    return np.zeros(int(duration_s * SAMPLE_RATE_HZ), np.float32)


class AudioError(Exception):
    """Base class of the errors that keep a text from being heard."""


class NothingToSpeakError(AudioError):
    """The text has no letter and no digit."""


class UnknownVoiceError(AudioError):
    """No voice has that name."""


class UnknownLanguageError(AudioError):
    """No language that can be spoken has that code."""


class ModelFileError(AudioError):
    """A model file is missing, damaged, or can't be fetched."""


class RenderingCancelledError(AudioError):
    """A file or stream was cancelled, for example by a stop; it can be requested again."""


class SynthesisError(AudioError):
    """The model failed on a text."""


class AudioLibraryError(AudioError):
    """PortAudio is missing or will not start."""


class SpeakerError(AudioError):
    """The output does not work."""


class NoOutputDeviceError(SpeakerError):
    """There is no output device at all."""


class HeadphonesLostError(SpeakerError):
    """Headphones are gone, and the rest would be heard from a loudspeaker."""


class DeviceLostError(SpeakerError):
    """The device stopped taking sound while it was in use."""


class CancelToken:
    """Cancels one synthesis.

    Shared by the audio thread, which cancels, and the synthesis thread, which binds; it carries a
    single bit.
    """

    def __init__(self) -> None:
        self._is_cancelled = False
        self._callback: Callable[[], None] | None = None

    def cancel(self) -> None:
        """Call the bound callback, now or as soon as it is bound. Any thread; never blocks."""
        self._is_cancelled = True
        if self._callback is not None:
            self._callback()

    def bind(self, callback: Callable[[], None]) -> None:
        """Set what `cancel` calls; *callback* must not block. Runs on: synthesis thread."""
        self._callback = callback
        # Checked after the callback is in place, so that a `cancel` in between is not missed.
        if self._is_cancelled:
            callback()


@dataclass(frozen=True, slots=True)
class Utterance:
    """An order: speak this text."""

    id: int
    """Assigned by the caller; the facts about this utterance carry the same number."""
    text: str
    voice: str
    speed: float
    """0.5 to 2.0, Kokoro's own limits."""
    lang: str
    """espeak-ng's name of the language, such as ``en-us``."""
    first_sentence: int = 0
    """Where to start, counted from 0: earlier sentences were heard before a restart."""
    recording: str = ""
    """A WAV file to play in place of the text; each segment of it counts as a sentence."""
    chime: bool = False
    """Play a chime first if the loudspeaker is idle."""
    urgent: bool = False
    """Speak it next, after the current sentence; what it interrupts continues after it."""
    grows: bool = False
    """More of its text follows, by `SpeechPipeline.replace`: whole lines, until this is False."""
    gain: float | None = None
    """Its loudness in place of the pipeline's; 1 is as synthesized. None: as it is set."""


@dataclass(frozen=True, slots=True)
class SpokenWord:
    """A word of a sentence, and how it is pronounced in it."""

    text: str
    """As it is read, with its punctuation and without spaces around it."""
    phonemes: str
    """In the voice's alphabet, with its punctuation; empty if it has no sound."""
    source: str
    """Where the phonemes come from, such as ``dictionary`` or ``espeak``."""
    pause_s: float = 0.0
    """Silence that the sender asked for after it."""
    joined: bool = False
    """Whether the next word follows without a space, as in Japanese; then the phonemes end with a
    space if there is one between the two."""


def phonemes_of(words: Iterable[SpokenWord]) -> str:
    """Return the phonemes of words that follow each other."""
    return "".join(
        word.phonemes if word.joined else f"{word.phonemes} " for word in words if word.phonemes
    ).strip()


@dataclass(frozen=True, slots=True)
class Chunk:
    """The input of one run of the model."""

    words: tuple[SpokenWord, ...]
    """The part that is heard."""
    before: str
    """The phonemes of some words before it, encoded and not spoken; empty after punctuation."""
    after: str
    """The same for the words after it."""
    sentence: int
    """The sentence that it belongs to, counted from 0."""
    ends_sentence: bool
    pause_s: float
    """Silence to leave after it."""
    sentence_phonemes: int = 0
    """The number of phonemes of its whole sentence, whose speaking rate it keeps."""

    @classmethod
    def whole(cls, words: tuple[SpokenWord, ...]) -> Self:
        """Return a sentence as one chunk."""
        return cls(words, "", "", 0, ends_sentence=True, pause_s=0.0)

    @property
    def text(self) -> str:
        """What is heard, as it is read."""
        return "".join(
            word.text if word.joined else f"{word.text} " for word in self.words if word.text
        ).strip()

    @property
    def phonemes(self) -> str:
        """What is heard, in the voice's alphabet."""
        return phonemes_of(self.words)

    @property
    def speech_length(self) -> int:
        """How long it is in speech, in phonemes; see `audio.cost.speech_length`."""
        return len(self.phonemes) + 1


@dataclass(frozen=True, slots=True)
class Word:
    """When a word is heard, counted from the first frame of the sound that contains it."""

    text: str
    """As written, with its punctuation."""
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Sound:
    """A synthesized chunk."""

    samples: Samples
    """What is heard; silence and context around it are cut off."""
    took_s: float = 0.0
    """How long synthesis took; 0 for a cached phrase."""
    words: tuple[Word, ...] = ()
    """In order, within `samples`; empty if no text is spoken."""


class Outcome(StrEnum):
    """How an utterance ended."""

    HEARD = "heard"
    STOPPED = "stopped"
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class PlaybackStarted:
    """A fact: a chunk of an utterance is on its way out of the device."""

    id: int
    sentence: int
    """The one that it belongs to, counted from 0."""
    text: str
    """Empty for a recording."""
    words: tuple[Word, ...]
    at_s: float
    """`time.monotonic` at which its first frame is heard; its words count from there."""


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
    """A fact: an utterance is over; no other fact about it follows."""

    id: int
    outcome: Outcome
    reason: str = ""
    """For `Outcome.FAILED`: what happened and what to do next."""
    device: str = ""
    """The device that played it last."""
    audio_s: float = 0.0
    """How much of it was heard, in seconds of sound."""
    files: tuple[str, ...] = ()
    """The files it was written to, if the output is a folder."""
    chunks: int = 0
    """The number of synthesized chunks."""
    first_sound_ms: int | None = None
    """From the order to its first frame at the device; None if it waited for others, or if
    nothing of it was played."""
    underruns: int = 0
    """How often the device ran dry inside it."""
    warning: str = ""
    """Why it can't have been heard although the device played it: ``muted``, ``at volume 0``."""


@dataclass(frozen=True, slots=True)
class Silenced:
    """A fact: playback was cut off, and the device is silent."""

    id: int
    took_s: float
    """From the order to the silence."""


@dataclass(frozen=True, slots=True)
class Slept:
    """A fact: the computer slept during playback, which is paused now."""

    slept_s: float


Fact: TypeAlias = PlaybackStarted | SentenceHeard | Held | Silenced | Ended | Slept


@dataclass(frozen=True, slots=True)
class OutputDevice:
    """A device that can play sound."""

    name: str
    is_default: bool
    in_use: bool


@dataclass(frozen=True, slots=True)
class Devices:
    """Every output device, and the selected one."""

    outputs: tuple[OutputDevice, ...]
    wanted: str
    """A name or part of one; empty follows the system's default."""
    warning: str = ""
    """Set when `wanted` matches no device or several."""


@dataclass(frozen=True, slots=True)
class Status:
    """The state of playback, as last published by the audio thread."""

    speaking: bool = False
    speaking_id: int | None = None
    """The utterance that is being played."""
    left_s: float = 0.0
    """How long the rest of it will last, roughly."""
    buffer_s: float = 0.0
    """How much sound is ready and not heard yet."""
    paused: bool = False
    gain: float = 1.0
    waiting: int = 0
    """Utterances accepted and not yet started."""
    device: str = ""
    """The device in use or used last; empty before the first sound."""
    first_sound_ms: int | None = None
    """From the order to the first frame at the device, for the last utterance that found the
    loudspeaker idle."""
    underruns: int = 0
    """How often the device ran dry inside an utterance."""
    synthesis_s_per_s: float = 0.0
    """The current real-time factor: seconds of synthesis for each second of sound."""
    last_error: str = ""
    blocked: str = ""
    """Why the loudspeaker did not open the last time; empty if it did."""
    warning: str = ""
    """About the selected device; see `Devices.warning`."""
    inaudible: str = ""
    """Why the last utterance can't have been heard, for example ``muted``; see `Ended.warning`."""
    heartbeat_s: float = 0.0
    """`time.monotonic` of the audio thread's last iteration."""

    @property
    def unheard(self) -> str:
        """Why the last utterance can't have been heard, as a sentence; empty if it can."""
        return f"{self.device} was {self.inaudible} when it last spoke." if self.inaudible else ""
