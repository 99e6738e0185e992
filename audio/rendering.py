"""Sound for somebody else than the loudspeaker, made whenever that does not need the voice.

Several are made in turn, a chunk of each. Audio thread only.
"""

import logging
import time
from collections import deque

import numpy as np

from audio.cost import SynthesisCost
from audio.orders import Render, Rendering
from audio.types import SAMPLE_RATE_HZ, AudioError, Chunk, RenderingEndedError, Sound

log = logging.getLogger(__name__)

# With so much in store, as it seems to the planner, it makes whole clauses.
_UNHURRIED_S = 10.0
# Of sound that nobody has taken yet: 2 MB. Half of it while the loudspeaker is busy is plenty.
_AHEAD_S = 20.0


class Renderings:
    """All that are under way, the next one first."""

    def __init__(self) -> None:
        """Begin with none."""
        self._waiting: deque[Rendering] = deque()

    def begin(self, order: Render) -> None:
        """Take one more."""
        self._waiting.append(Rendering(order))

    def next(self, pace: SynthesisCost) -> tuple[Rendering, Chunk | None] | None:
        """Return whose turn it is, and with what: nothing where it has to be planned first.

        None where nobody has room for more.
        """
        for rendering in self._waiting:
            if rendering.order.number is not None and rendering.stored_s >= _AHEAD_S:
                continue
            self._waiting.remove(rendering)
            self._waiting.append(rendering)
            if rendering.planner is None:
                return rendering, None
            try:
                chunk = rendering.again or rendering.planner.next(pace, _buffered_s(rendering))
            except Exception as exc:  # what is made for one must not end what is said to all
                log.exception("Unexpected error in planning a text")
                self.fail(rendering, AudioError(describe_error(exc)))
                return self.next(pace)
            rendering.again = None
            return rendering, chunk
        return None

    def receive(
        self, rendering: Rendering, chunk: Chunk, sound: Sound | AudioError, *, last: bool
    ) -> None:
        """Pass on what has become of a chunk."""
        if isinstance(sound, AudioError):
            self.fail(rendering, sound)
            return
        samples = sound.samples
        if not last:
            pause = np.zeros(int(chunk.pause_s * SAMPLE_RATE_HZ), np.float32)
            samples = np.concatenate([samples, pause])
        rendering.begun_s = rendering.begun_s or time.monotonic()
        rendering.made_s += len(samples) / SAMPLE_RATE_HZ
        rendering.order.on_sound(samples)
        if last:
            self._waiting.remove(rendering)
            rendering.order.on_sound(None)

    def fail(self, rendering: Rendering, error: AudioError) -> None:
        """Give one up, and tell why."""
        self._waiting.remove(rendering)
        rendering.order.on_sound(error)

    def report_taken(self, number: int, taken_s: float) -> None:
        """Count what the one who asked for a stream has taken of it."""
        for rendering in self._waiting:
            if rendering.order.number == number:
                rendering.taken_s += taken_s

    def end(self, number: int) -> Rendering | None:
        """Forget a stream; return it if it was under way."""
        for rendering in self._waiting:
            if rendering.order.number == number:
                self._waiting.remove(rendering)
                return rendering
        return None

    def end_all(self, reason: str, *, streams: bool) -> None:
        """Give up all, or all but the streams, whose takers can end them themselves."""
        ended = [r for r in self._waiting if streams or r.order.number is None]
        for rendering in ended:
            self._waiting.remove(rendering)
            rendering.order.on_sound(RenderingEndedError(reason))

    def __contains__(self, rendering: object) -> bool:
        """Say whether it is still wanted."""
        return rendering in self._waiting


def _buffered_s(rendering: Rendering) -> float:
    """Return how much of it is in store for one who listens to it meanwhile."""
    if rendering.order.number is None:
        return _UNHURRIED_S
    if not rendering.begun_s:
        return 0.0
    return max(0.0, rendering.made_s - (time.monotonic() - rendering.begun_s))


def describe_error(error: BaseException) -> str:
    """Return what to tell about a mistake of ours."""
    return f"Crier made a mistake ({type(error).__name__}); its log says more."
