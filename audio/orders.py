"""What the audio thread finds in its mailbox: orders, and what the synthesis worker answers."""

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass

from audio.planner import Planner
from audio.playback import Job
from audio.recording import Recording
from audio.types import AudioError, CancelToken, Chunk, Devices, Samples, Sound, Utterance


@dataclass(frozen=True, slots=True)
class Abort:
    """End everything that was said before this."""

    at_s: float
    """`time.monotonic` of the order."""


@dataclass(frozen=True, slots=True)
class Skip:
    """End one utterance."""

    id: int | None
    """None for the one that sounds."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Be silent and keep everything, or go on."""

    paused: bool


@dataclass(frozen=True, slots=True)
class SetGain:
    """Be louder or softer."""

    gain: float


@dataclass(frozen=True, slots=True)
class Replace:
    """Say this in place of the one of the same id."""

    utterance: Utterance


@dataclass(frozen=True, slots=True)
class Reorder:
    """Say what has not begun in this order."""

    ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Render:
    """Make sound for somebody else than the loudspeaker."""

    utterance: Utterance
    on_sound: Callable[[Samples | AudioError | None], None]
    number: int | None = None
    """Of a stream, which is taken bit by bit; None where all of it is wanted as soon as can be."""


@dataclass(frozen=True, slots=True)
class ReportTaken:
    """Some of a stream was taken."""

    number: int
    taken_s: float


@dataclass(frozen=True, slots=True)
class EndStream:
    """Nobody takes any more of a stream."""

    number: int


@dataclass(frozen=True, slots=True)
class SelectDevice:
    """Sound elsewhere."""

    wanted: str


@dataclass(frozen=True, slots=True)
class QueryDevices:
    """Say where sound can go."""

    answer: Future[Devices]


@dataclass(frozen=True, slots=True)
class Close:
    """End the threads."""


@dataclass(eq=False, slots=True)
class Rendering:
    """A `Render` under way. Audio thread only."""

    order: Render
    planner: Planner | None = None  # None until it was planned
    again: Chunk | None = None
    begun_s: float = 0.0
    """`time.monotonic` when its first sound was there."""
    made_s: float = 0.0
    """How much sound was made."""
    taken_s: float = 0.0
    """How much of it was taken."""

    @property
    def stored_s(self) -> float:
        """How much sound waits to be taken."""
        return self.made_s - self.taken_s


@dataclass(eq=False, slots=True)
class Work:
    """The one synthesis in flight. Audio thread only, but for its `cancel_token`."""

    job: Job | Rendering
    chunk: Chunk
    last: bool
    cancel_token: CancelToken


@dataclass(eq=False, slots=True)
class Plan:
    """The one planning in flight: a text is cut up, a recording is opened. Audio thread only."""

    job: Job | Rendering
    order: Utterance


@dataclass(frozen=True, slots=True)
class Planned:
    """An utterance can be handed out bit by bit now, or can't be said."""

    plan: Plan
    result: Planner | Recording | BaseException


@dataclass(frozen=True, slots=True)
class Synthesized:
    """A chunk is sound now, or failed."""

    work: Work
    result: Sound | BaseException


Order = (
    Utterance
    | Abort
    | Skip
    | Pause
    | SetGain
    | Replace
    | Reorder
    | Render
    | ReportTaken
    | EndStream
    | SelectDevice
    | QueryDevices
    | Close
    | Planned
    | Synthesized
)
