"""What the audio thread finds in its mailbox: orders, and what the synthesis worker answers."""

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass

from audio.planner import Planner
from audio.playback import Job
from audio.types import AudioError, Chunk, Devices, Interrupt, Samples, Sound, Utterance


@dataclass(frozen=True, slots=True)
class Abort:
    """End everything that was said before this."""


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
class Loudness:
    """Be louder or softer."""

    gain: float


@dataclass(frozen=True, slots=True)
class Revise:
    """Say this in place of the one of the same id."""

    utterance: Utterance


@dataclass(frozen=True, slots=True)
class Render:
    """Make sound for somebody else than the loudspeaker."""

    utterance: Utterance
    on_sound: Callable[[Samples | AudioError | None], None]


@dataclass(frozen=True, slots=True)
class Choose:
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
    planner: Planner
    again: Chunk | None = None


@dataclass(eq=False, slots=True)
class Work:
    """The one synthesis in flight. Audio thread only, but for its `interrupt`."""

    job: Job | Rendering
    chunk: Chunk
    last: bool
    interrupt: Interrupt


@dataclass(frozen=True, slots=True)
class Synthesized:
    """A chunk is sound now, or failed."""

    work: Work
    sound: Sound | None
    error: BaseException | None


Order = (
    Utterance
    | Abort
    | Skip
    | Pause
    | Loudness
    | Revise
    | Render
    | Choose
    | QueryDevices
    | Close
    | Synthesized
)
