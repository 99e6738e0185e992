"""A player that plays a tone, its level in a recording, and a recorder."""

import subprocess
from pathlib import Path
from typing import Self

import numpy as np

from tests.support.loudspeaker import RATE_HZ, Daemon, Ear

PLAYER_HZ = 3000.0
"""The tone of a player; those of the voice in tests are elsewhere."""

_TONE_RATE_HZ = 8000
_TONE_S = 120
_WINDOW_FRAMES = RATE_HZ // 20


class Player:
    """A program, `pacat`, that plays a tone on a loudspeaker."""

    def __init__(self, daemon: Daemon, folder: Path, sink: str = "speaker_a") -> None:
        times = np.arange(_TONE_S * _TONE_RATE_HZ) / _TONE_RATE_HZ
        tone = 3000 * np.sin(2 * np.pi * PLAYER_HZ * times)
        path = folder / "tone.raw"
        path.write_bytes(tone.astype("<i2").tobytes())
        command = ["pacat", "-s", daemon.socket, "-d", sink, "--client-name=player", "--raw"]
        command += [f"--rate={_TONE_RATE_HZ}", "--channels=1", "--format=s16le", str(path)]
        self._process = subprocess.Popen(command, env=daemon.env)

    def close(self) -> None:
        """Stop it."""
        self._process.terminate()
        self._process.wait(10)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Recorder:
    """A program, `parec`, that records from a source."""

    def __init__(self, daemon: Daemon, source: str) -> None:
        command = ["parec", "-s", daemon.socket, "-d", source, "--client-name=meeting"]
        self._process = subprocess.Popen(command, env=daemon.env, stdout=subprocess.DEVNULL)

    def close(self) -> None:
        """Stop it."""
        self._process.terminate()
        self._process.wait(10)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Levels:
    """How loud the player's tone was heard, over time."""

    def __init__(self, ear: Ear) -> None:
        samples, heard_s = ear.recording()
        count = len(samples) // _WINDOW_FRAMES
        windows = samples[: count * _WINDOW_FRAMES].reshape(count, _WINDOW_FRAMES)
        wave = np.exp(-2j * np.pi * PLAYER_HZ * np.arange(_WINDOW_FRAMES) / RATE_HZ)
        self._amplitudes = 2 * np.abs(windows @ wave) / _WINDOW_FRAMES
        self._at_s = np.array([heard_s(n * _WINDOW_FRAMES) for n in range(count)])

    def between_db(self, start_s: float, end_s: float) -> float:
        """Return the median level between two times, in dBFS."""
        chosen = self._amplitudes[(self._at_s >= start_s) & (self._at_s < end_s)]
        return float(20 * np.log10(max(1e-6, np.median(chosen))))

    def below_s(self, threshold_db: float, since_s: float) -> float:
        """Return when the level was first below a threshold, after *since_s*."""
        return self._first((self._amplitudes < 10 ** (threshold_db / 20)), since_s)

    def above_s(self, threshold_db: float, since_s: float) -> float:
        """Return when the level was first above a threshold, after *since_s*."""
        return self._first((self._amplitudes > 10 ** (threshold_db / 20)), since_s)

    def _first(self, matches: np.ndarray, since_s: float) -> float:
        found = np.flatnonzero(matches & (self._at_s >= since_s))
        return float(self._at_s[found[0]]) if len(found) else float("inf")
