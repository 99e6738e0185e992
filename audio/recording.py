"""Sound that needs no voice: recordings on disk, and the chime before an announcement."""

import contextlib
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from audio.types import SAMPLE_RATE_HZ, AudioError, Chunk, Samples, Sound

SEGMENT_S = 5.0
"""A recording is played, and resumed, in segments of this duration."""

_CHIME_HZ = (659.3, 523.3)  # E5, C5
_CHIME_TONE_S, _CHIME_LEVEL = 0.45, 0.25


class RecordingError(AudioError):
    """A recording can't be read."""


class Recording:
    """Hands out the segments of a recording, as `audio.planner.Planner` hands out chunks."""

    prepared = True
    """As `audio.planner.Planner.prepared`: there is nothing to read before `next`."""

    def __init__(self, path: Path, first_segment: int = 0) -> None:
        """Read the length of *path*. Blocks for the disk.

        Args:
            path: a mono 16-bit WAV file at `SAMPLE_RATE_HZ`.
            first_segment: where to start, counted from 0.

        Raises:
            RecordingError: the file can't be read.
        """
        self._path = path
        with _opened(path) as file:
            frames = file.getnframes()
        self._segments: int = -(-frames // _SEGMENT_FRAMES)
        self._next: int = first_segment

    @property
    def done(self) -> bool:
        """Whether every segment has been handed out."""
        return self._next >= self._segments

    @property
    def left_s(self) -> float:
        """How much sound has not been handed out."""
        return (self._segments - self._next) * SEGMENT_S

    def next(self) -> Chunk:
        """Return the next segment; its number is in `Chunk.sentence`."""
        number, self._next = self._next, self._next + 1
        return Chunk((), "", "", number, ends_sentence=True, pause_s=0.0)

    def read(self, chunk: Chunk) -> Sound:
        """Return a segment as sound. Runs on: synthesis thread. Blocks for the disk.

        Raises:
            RecordingError: the file can't be read.
        """
        with _opened(self._path) as file:
            file.setpos(chunk.sentence * _SEGMENT_FRAMES)
            raw = file.readframes(_SEGMENT_FRAMES)
        return Sound(np.frombuffer(raw, "<i2").astype(np.float32) / np.float32(32768))


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[wave.Wave_read]:
    """Open a WAV file; translate errors into a `RecordingError`."""
    try:
        with wave.open(str(path)) as file:
            yield file
    except (OSError, EOFError, wave.Error) as exc:
        raise RecordingError(f"The recording can't be read ({exc}). Send it again.") from exc


def chime() -> Samples:
    """Return two soft notes that announce an utterance."""
    frames = int(_CHIME_TONE_S * SAMPLE_RATE_HZ)
    times = np.arange(frames) / SAMPLE_RATE_HZ
    notes = [np.sin(2 * np.pi * hz * times) * np.exp(-5 * times) for hz in _CHIME_HZ]
    notes[0][-240:] *= np.linspace(1, 0, 240)
    notes[1][-2400:] *= np.linspace(1, 0, 2400)
    return (_CHIME_LEVEL * np.concatenate(notes)).astype(np.float32)


_SEGMENT_FRAMES = int(SEGMENT_S * SAMPLE_RATE_HZ)
