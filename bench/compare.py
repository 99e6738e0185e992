"""Compares recordings; runs in the bench's own environment.

Usage: ``python bench/compare.py FOLDER REFERENCE``. FOLDER has arrays of 16 kHz, ``STEM.NAME.npy``;
those named REFERENCE are what the others of the same stem are compared with.
"""

import json
import sys
from pathlib import Path

import librosa
import numpy as np
from speechmos import dnsmos

RATE_HZ = 16_000
FLOOR_DB = 60  # below the loudest; what is softer is not heard


def log_mel_db(samples: np.ndarray) -> np.ndarray:
    """Return a spectrogram in 80 bands, every 10 ms."""
    power = librosa.feature.melspectrogram(
        y=samples, sr=RATE_HZ, n_fft=1024, hop_length=160, n_mels=80
    )
    return librosa.power_to_db(power, ref=1.0, top_db=FLOOR_DB)


def main() -> None:
    """Print a JSON object: file name -> log-mel distance from the reference in dB, and DNSMOS."""
    folder, reference = Path(sys.argv[1]), sys.argv[2]
    compared = {}
    for path in sorted(folder.glob("*.npy")):
        stem = path.name.partition(".")[0]
        samples, right = np.load(path), np.load(folder / f"{stem}.{reference}.npy")
        length = min(len(samples), len(right))
        difference = log_mel_db(samples[:length]) - log_mel_db(right[:length])
        compared[path.stem] = {
            "log_mel_db": float(np.sqrt(np.mean(difference**2))),
            "dnsmos": float(dnsmos.run(np.clip(samples, -1, 1), RATE_HZ)["ovrl_mos"]),
        }
    print(json.dumps(compared))


if __name__ == "__main__":
    main()
