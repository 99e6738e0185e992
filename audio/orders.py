"""The orders to the audio thread, in addition to `audio.types.Utterance`.

The methods of `SpeechPipeline` put them into the mailbox.
"""

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass

from audio.types import AudioError, Devices, Samples, Utterance, Word


@dataclass(frozen=True, slots=True)
class Abort:
    """Stop playback and drop every utterance that was queued before this order."""

    at_s: float
    """`time.monotonic` of the order."""


@dataclass(frozen=True, slots=True)
class Skip:
    """Drop one utterance."""

    id: int | None
    """None for the current one."""


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Drop one utterance, unless it has started."""

    id: int
    reason: str
    """Why, as its `Ended` repeats it."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Pause or resume playback; nothing is dropped."""

    paused: bool


@dataclass(frozen=True, slots=True)
class SetGain:
    """Change the loudness."""

    gain: float
    """A factor; 1 is as synthesized."""
    by_clock: bool = False
    """Whether nobody has asked for it now: what sounds with a loudness of its own keeps that."""


@dataclass(frozen=True, slots=True)
class Replace:
    """Replace the queued utterance of the same id."""

    utterance: Utterance


@dataclass(frozen=True, slots=True)
class Reorder:
    """Speak the utterances that have not started in this order."""

    ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Render:
    """Synthesize sound for a file or a stream instead of the loudspeaker."""

    utterance: Utterance
    on_sound: Callable[[Samples | AudioError | None], None]
    on_words: Callable[[tuple[Word, ...]], None] = lambda _: None
    """Gets the words of a chunk, just before its sound."""
    stream_id: int | None = None
    """Set for a stream, whose consumer reports what it has taken; None for a file."""


@dataclass(frozen=True, slots=True)
class ReportTaken:
    """Record that more of a stream was consumed."""

    stream_id: int
    taken_s: float
    """In seconds of sound, since the last report."""


@dataclass(frozen=True, slots=True)
class CloseStream:
    """Stop synthesizing a stream."""

    stream_id: int


@dataclass(frozen=True, slots=True)
class SelectDevice:
    """Use another output device."""

    wanted: str
    """A name or part of one; empty follows the system's default."""


@dataclass(frozen=True, slots=True)
class QueryDevices:
    """List the output devices."""

    answer: Future[Devices]


@dataclass(frozen=True, slots=True)
class Close:
    """Stop the threads."""


Order = (
    Utterance
    | Abort
    | Skip
    | Withdraw
    | Pause
    | SetGain
    | Replace
    | Reorder
    | Render
    | ReportTaken
    | CloseStream
    | SelectDevice
    | QueryDevices
    | Close
)
