"""Samples -> WAV files, at the speed of a loudspeaker: `AUDIO_DEVICE=file:DIR`.

Runs on: audio thread. Writing files blocks.
"""

import re
import time
import wave
from collections import deque
from pathlib import Path

import numpy as np

from audio.types import SAMPLE_RATE_HZ, Devices, OutputDevice, Samples, SpeakerError, silence

PREFIX = "file:"

_CAPACITY_FRAMES = 6144  # as deep as PortAudio's buffer on ALSA at latency "high"
_SUFFIX = ".part"


class WavSpeaker:
    """Writes one ``NNNN.wav`` per utterance into a folder: 24 kHz, mono, 16 bit."""

    poll_s = 0.02
    warning = ""
    underruns = 0

    def __init__(self, folder: Path) -> None:
        """Create a closed speaker.

        Args:
            folder: the folder for the files; created by `open`.
        """
        self._folder = folder
        self._open = False
        self._played_until_s = 0.0
        self._written_frames = 0
        self._recording = False
        self._samples: list[Samples] = []
        self._start_frame = 0
        self._done: deque[tuple[int, Samples]] = deque()
        self._files: list[str] = []

    @property
    def device(self) -> str:
        """The folder, as AUDIO_DEVICE names it; empty while closed."""
        return f"{PREFIX}{self._folder}" if self._open else ""

    @property
    def is_open(self) -> bool:
        """Whether there is a folder to write to."""
        return self._open

    @property
    def written_frames(self) -> int:
        """Frames accepted since `open`, silence included."""
        return self._written_frames

    @property
    def played_frames(self) -> int:
        """Frames that a loudspeaker would have played since `open`.

        Raises:
            SpeakerError: the folder can't be written to.
        """
        left_s = max(0.0, self._played_until_s - time.monotonic())
        played = self._written_frames - int(left_s * SAMPLE_RATE_HZ)
        while self._done and self._done[0][0] <= played:
            self._save(self._done.popleft()[1])
        return played

    def select_device(self, wanted: str) -> None:
        """Do nothing: the folder is set in the settings."""

    def target_changed(self) -> bool:
        """Return False: the folder never changes."""
        return False

    def mute_reason(self) -> str:
        """Return an empty string: a file is never muted."""
        return ""

    def is_bluetooth(self) -> bool:
        """Return False: a file is no device."""
        return False

    def devices(self) -> Devices:
        """Return the folder as the only device."""
        name = f"{PREFIX}{self._folder}"
        return Devices((OutputDevice(name, is_default=True, in_use=self._open),), wanted=name)

    def open(self) -> None:
        """Create the folder.

        Raises:
            SpeakerError: it can't be created.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            raise SpeakerError(
                f"AUDIO_DEVICE: the folder {self._folder} can't be made ({exc.strerror}). Make it, "
                "or set another one and start again; waiting messages are spoken then."
            ) from exc
        self._open = True
        self._written_frames = 0
        self._played_until_s = time.monotonic()

    def start_utterance(self) -> None:
        """Start recording."""
        self._recording, self._samples = True, []
        self._start_frame = self._written_frames

    def finish_utterance(self) -> None:
        """Stop recording; the file is written when its last frame would have been heard."""
        self._recording = False
        self._done.append((self._written_frames, np.concatenate([*self._samples, silence(0)])))
        self._samples = []

    def write(self, samples: Samples) -> int:
        """Accept as many of *samples* as a loudspeaker's buffer would; return how many."""
        now_s = time.monotonic()
        queued_frames = int(max(0.0, self._played_until_s - now_s) * SAMPLE_RATE_HZ)
        frames = max(0, min(len(samples), _CAPACITY_FRAMES - queued_frames))
        if self._recording and frames:
            self._samples.append(samples[:frames])
        self._written_frames += frames
        self._played_until_s = max(self._played_until_s, now_s) + frames / SAMPLE_RATE_HZ
        return frames

    def pad(self) -> None:
        """Do nothing: a file needs no padding."""

    def pop_files(self) -> tuple[str, ...]:
        """Return the files written since the last call."""
        files, self._files = tuple(self._files), []
        return files

    def abort(self) -> None:
        """Save what would have been heard, drop the rest, and close. Never raises."""
        try:
            played = self.played_frames
            for end_frame, samples in self._done:
                start_frame = end_frame - len(samples)
                self._save(samples[: max(0, played - start_frame)])
            if self._recording:
                samples = np.concatenate([*self._samples, silence(0)])
                self._save(samples[: max(0, played - self._start_frame)])
        except SpeakerError:
            pass  # stopping matters more than the cut-off file
        self.close()

    def close(self) -> None:
        """Drop what would not have been heard. Never raises."""
        self._open = self._recording = False
        self._samples = []
        self._done.clear()

    def shutdown(self) -> None:
        """Close."""
        self.abort()

    def _save(self, samples: Samples) -> None:
        """Write the next ``NNNN.wav``, under another name until it is complete.

        Raises:
            SpeakerError: the folder can't be written to.
        """
        if not len(samples):
            return
        try:
            path = self._folder / f"{self._next_number():04d}.wav"
            part = path.with_name(path.name + _SUFFIX)
            # Opened here: if that fails, wave's own writer raises another error when deleted.
            with part.open("wb") as raw, wave.open(raw, "wb") as file:
                file.setnchannels(1)
                file.setsampwidth(2)
                file.setframerate(SAMPLE_RATE_HZ)
                file.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
            part.replace(path)
        except OSError as exc:
            raise SpeakerError(
                f"AUDIO_DEVICE: {self._folder} can't be written to ({exc.strerror}). Make room "
                "or choose another folder."
            ) from exc
        self._files.append(str(path))

    def _next_number(self) -> int:
        numbers = [
            int(path.stem) for path in self._folder.glob("*.wav") if re.fullmatch(r"\d+", path.stem)
        ]
        return max(numbers, default=0) + 1
