"""A speaker on a thread of its own, as the pipeline uses it."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np

from audio.ports import Speaker
from audio.types import SAMPLE_RATE_HZ, Samples

T = TypeVar("T")


class AudioThread:
    """Calls one speaker on one thread, named as in the pipeline."""

    def __init__(self, speaker: Speaker) -> None:
        self.speaker = speaker
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="audio")

    def do(self, call: Callable[[Speaker], T]) -> T:
        """Return the result of *call*."""
        return self._thread.submit(call, self.speaker).result(30)

    def play(self, samples: Samples) -> None:
        """Write *samples* as an utterance; return when its last frame was heard."""

        def play(speaker: Speaker) -> None:
            if not speaker.is_open:
                speaker.open()
            speaker.start_utterance()
            done = 0
            while done < len(samples):
                done += speaker.write(samples[done:])
                time.sleep(speaker.poll_s)
            speaker.finish_utterance()
            end_frame = speaker.written_frames
            while speaker.played_frames < end_frame:
                speaker.pad()
                time.sleep(speaker.poll_s)

        self.do(play)

    def close(self) -> None:
        """Release the device."""
        self.do(lambda speaker: speaker.shutdown())
        self._thread.shutdown()


def tone(seconds: float, hz: float = 440.0) -> Samples:
    """Return a loud sine."""
    times = np.arange(int(seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    return (0.5 * np.sin(2 * np.pi * hz * times)).astype(np.float32)
