"""Check that a folder holds one WAV file with about a second of speech in it."""

import sys
import wave
from pathlib import Path

import numpy as np

(path,) = Path(sys.argv[1]).glob("*.wav")
with wave.open(str(path)) as file:
    samples = np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32768
    length_s = len(samples) / file.getframerate()
loudness = float(np.sqrt(np.mean(samples**2)))
print(f"{path}: {length_s:.2f} s, {20 * np.log10(max(loudness, 1e-9)):.1f} dBFS")
if not (0.7 < length_s < 2.5 and loudness > 0.01):  # noqa: PLR2004  # measured: 1.0 s, -22 dBFS
    sys.exit("That is no spoken sentence.")
