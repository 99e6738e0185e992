"""Check that a folder holds a spoken sentence: `python -m bench.audible FOLDER`."""

import sys
import wave
from pathlib import Path

import numpy as np


def main() -> None:
    """Measure the file; exit with 1 if it is silent, or too short or long for a sentence."""
    (path,) = Path(sys.argv[1]).glob("*.wav")
    with wave.open(str(path)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32768
        length_s = len(samples) / file.getframerate()
    level_db = 10 * np.log10(max(float(np.mean(samples**2)), 1e-12))
    print(f"{path}: {length_s:.2f} s, {level_db:.1f} dBFS")
    if not (0.7 < length_s < 2.5 and level_db > -40):  # noqa: PLR2004  # "Dinner is ready."
        sys.exit("That is no spoken sentence.")


if __name__ == "__main__":
    main()
