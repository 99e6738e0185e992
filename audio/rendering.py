"""Files and streams: synthesized while the loudspeaker does not need the voice.

They take turns, one chunk each. Runs on: audio thread.
"""

import logging
import time
from collections import deque
from dataclasses import dataclass

import numpy as np

from audio.cost import SynthesisCost
from audio.orders import Render
from audio.planner import Planner
from audio.types import (
    SAMPLE_RATE_HZ,
    AudioError,
    Chunk,
    RenderingCancelledError,
    Sound,
    Utterance,
    silence,
)

log = logging.getLogger(__name__)

# With this much sound buffered, the planner makes whole clauses.
_UNHURRIED_S = 10.0
# The limit of sound that is not consumed yet: 2 MB. Half of it bridges the loudspeaker's turn.
_AHEAD_S = 20.0


@dataclass(eq=False, slots=True)
class Rendering:
    """A `Render` order in progress."""

    order: Render
    planner: Planner | None = None  # None until it was planned
    retry_chunk: Chunk | None = None
    """A chunk whose synthesis was preempted by the loudspeaker's."""
    started_s: float = 0.0
    """`time.monotonic` when its first sound was ready; 0 before."""
    synthesized_s: float = 0.0
    """How much sound was passed on."""
    taken_s: float = 0.0
    """How much of it was consumed."""

    @property
    def utterance(self) -> Utterance:
        return self.order.utterance

    @property
    def stored_s(self) -> float:
        """How much sound is passed on and not consumed yet."""
        return self.synthesized_s - self.taken_s


class Renderings:
    """The renderings in progress, the next one first."""

    def __init__(self) -> None:
        self._waiting: deque[Rendering] = deque()

    def add(self, order: Render) -> None:
        """Start another rendering."""
        self._waiting.append(Rendering(order))

    def next(self, cost: SynthesisCost) -> tuple[Rendering, Chunk | None] | None:
        """Return the rendering whose turn it is, and its next chunk.

        The chunk is None if the rendering has to be planned first, or its next sentence to be read.
        None is returned if no rendering has room for more.
        """
        for rendering in self._waiting:
            if rendering.order.stream_id is not None and rendering.stored_s >= _AHEAD_S:
                continue
            self._waiting.remove(rendering)
            self._waiting.append(rendering)
            if rendering.planner is None or not (
                rendering.retry_chunk or rendering.planner.prepared
            ):
                return rendering, None
            try:
                chunk = rendering.retry_chunk or rendering.planner.next(
                    cost, _buffered_s(rendering)
                )
            except Exception as exc:  # a failed rendering must not stop playback
                log.exception("Unexpected error in planning a text")
                self.fail(rendering, AudioError(describe_error(exc)))
                return self.next(cost)
            rendering.retry_chunk = None
            return rendering, chunk
        return None

    def receive(
        self, rendering: Rendering, chunk: Chunk, sound: Sound | AudioError, *, last: bool
    ) -> None:
        """Pass on the sound of a chunk, or the error in its place."""
        if isinstance(sound, AudioError):
            self.fail(rendering, sound)
            return
        samples = sound.samples
        if not last:
            samples = np.concatenate([samples, silence(chunk.pause_s)])
        rendering.started_s = rendering.started_s or time.monotonic()
        rendering.synthesized_s += len(samples) / SAMPLE_RATE_HZ
        rendering.order.on_words(sound.words)
        rendering.order.on_sound(samples)
        if last:
            self._waiting.remove(rendering)
            rendering.order.on_sound(None)

    def fail(self, rendering: Rendering, error: AudioError) -> None:
        """Drop a rendering and report the error."""
        self._waiting.remove(rendering)
        rendering.order.on_sound(error)

    def record_consumed(self, stream_id: int, taken_s: float) -> None:
        """Record that more of a stream was consumed."""
        for rendering in self._waiting:
            if rendering.order.stream_id == stream_id:
                rendering.taken_s += taken_s

    def close_stream(self, stream_id: int) -> None:
        """Drop a stream without a report, if it is in progress."""
        for rendering in self._waiting:
            if rendering.order.stream_id == stream_id:
                self._waiting.remove(rendering)
                return

    def cancel_all(self, reason: str, *, streams: bool) -> None:
        """Cancel every file and, with *streams*, every stream; consumers can close those."""
        cancelled = [r for r in self._waiting if streams or r.order.stream_id is None]
        for rendering in cancelled:
            self._waiting.remove(rendering)
            rendering.order.on_sound(RenderingCancelledError(reason))

    def __contains__(self, rendering: object) -> bool:
        """Return whether a rendering is still in progress."""
        return rendering in self._waiting


def _buffered_s(rendering: Rendering) -> float:
    """Return how much sound is buffered for a listener who plays it as it comes."""
    if rendering.order.stream_id is None:
        return _UNHURRIED_S
    if not rendering.started_s:
        return 0.0
    return max(0.0, rendering.synthesized_s - (time.monotonic() - rendering.started_s))


def describe_error(error: BaseException) -> str:
    """Return the message to a sender about an unexpected error."""
    return f"Crier made a mistake ({type(error).__name__}); its log says more."
