"""Sound that needs no voice: a recording on the disk, and the chime before an announcement."""

import wave
from pathlib import Path

import numpy as np

from audio.types import SAMPLE_RATE_HZ, AudioError, Chunk, Samples, Sound

STRETCH_S = 5.0
"""A recording is played, and remembered, in stretches of this length."""

_CHIME_HZ = (659.3, 523.3)  # E5, C5
_CHIME_TONE_S, _CHIME_LEVEL = 0.45, 0.25


class RecordingError(AudioError):
    """A recording can't be read."""


class Recording:
    """Hands out the stretches of a recording as a planner hands out chunks."""

    def __init__(self, path: Path, first_stretch: int = 0) -> None:
        """Play *path*, mono 16-bit WAV at `SAMPLE_RATE_HZ`, from a stretch on.

        Raises:
            RecordingError: it can't be read.
        """
        self._path = path
        try:
            with wave.open(str(path)) as file:
                frames = file.getnframes()
        except (OSError, EOFError, wave.Error) as exc:
            raise RecordingError(f"The recording can't be read ({exc}). Send it again.") from exc
        self._stretches: int = -(-frames // _STRETCH_FRAMES)
        self._next: int = first_stretch

    @property
    def done(self) -> bool:
        """Whether every stretch has been handed out."""
        return self._next >= self._stretches

    @property
    def left_s(self) -> float:
        """How long what has not been handed out lasts."""
        return (self._stretches - self._next) * STRETCH_S

    def next(self) -> Chunk:
        """Return the next stretch; its number is the chunk's sentence."""
        number, self._next = self._next, self._next + 1
        return Chunk("", "", "", number, ends_sentence=True, pause_s=0.0, letters=0.0)

    def read(self, chunk: Chunk) -> Sound:
        """Return a stretch as sound. Runs on: synthesis worker. Blocks for the disk.

        Raises:
            RecordingError: it can't be read.
        """
        try:
            with wave.open(str(self._path)) as file:
                file.setpos(chunk.sentence * _STRETCH_FRAMES)
                raw = file.readframes(_STRETCH_FRAMES)
        except (OSError, EOFError, wave.Error) as exc:
            raise RecordingError(f"The recording can't be read ({exc}). Send it again.") from exc
        return Sound(np.frombuffer(raw, "<i2").astype(np.float32) / np.float32(32768))


def chime() -> Samples:
    """Return two soft notes: something will be said."""
    frames = int(_CHIME_TONE_S * SAMPLE_RATE_HZ)
    times = np.arange(frames) / SAMPLE_RATE_HZ
    notes = [np.sin(2 * np.pi * hz * times) * np.exp(-5 * times) for hz in _CHIME_HZ]
    notes[0][-240:] *= np.linspace(1, 0, 240)
    notes[1][-2400:] *= np.linspace(1, 0, 2400)
    return (_CHIME_LEVEL * np.concatenate(notes)).astype(np.float32)


_STRETCH_FRAMES = int(STRETCH_S * SAMPLE_RATE_HZ)
