"""Is text read as a person would read it? `python -m bench.spoken`.

The messages of tests/data/spoken.json that say what must be ``heard`` are spoken by the bot at a
virtual loudspeaker and recorded there. A recogniser (faster-whisper, offline) transcribes them
with numbers in words, and every message that differs is shown, with its transcript in figures.
"""

import argparse
import asyncio
import json
import re
import subprocess
import tempfile
from pathlib import Path

from bench.run import HERE, environment
from bench.understood import errors, record, words

TABLE = HERE.parent / "tests" / "data" / "spoken.json"
# One sound, several spellings.
SAME = {
    r"\bp m\b": "pm",
    r"\ba m\b": "am",
    r"\bpercent\b|\bper cent\b": "percent",
    r"\b(hundred|thousand) and\b": r"\1",
    r"\ba hundred\b": "one hundred",
    r"meter": "metre",
    r"litre": "liter",
    r"\bdr\b": "doctor",
    r"\bmister\b": "mr",
    r"\bok\b": "okay",
    r"\boh\b|\bo\b": "oh",
    r"\bviii\b": "the eighth",  # it writes kings this way
    r"\bxiv\b": "the fourteenth",
    r"\bwar ii\b": "war two",
    r"\bsaint\b": "st",
    r"\bdot\b": "",
    r"\bpie\b": "pi",
    r"\bco two\b": "c oh two",
    r"\byou're\b": "your",
}


def told(text: str) -> list[str]:
    """Return the words of a text in a normalized spelling."""
    plain = " ".join(words(re.sub(r"[-–]", " ", text)))
    for pattern, spelling in SAME.items():
        plain = re.sub(pattern, spelling, plain)
    return plain.split()


def main() -> None:
    """Print the messages that were heard otherwise than a person would have read them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--every", type=int, default=1, help="only every n-th of the messages")
    every = parser.parse_args().every
    cases = [case for case in json.loads(TABLE.read_text()) if "heard" in case][::every]
    python = environment(HERE / ".venv")
    with tempfile.TemporaryDirectory(prefix="crier") as temporary:
        folder = Path(temporary)
        asyncio.run(record(folder, [case["sent"] for case in cases]))
        done = subprocess.run(
            [python, HERE / "recognise.py", folder, "--words"], check=True, stdout=subprocess.PIPE
        )
        heard: dict[str, str] = json.loads(done.stdout)
    total = wrong = differing = 0
    for number, case in enumerate(cases):
        expected, said = told(case["heard"]), told(heard[f"crier-{number:02d}-words"])
        total += len(expected)
        if missed := errors(expected, said):
            differing, wrong = differing + 1, wrong + missed
            print(case["sent"])
            print(f"    expected {' '.join(expected)}")
            print(f"    heard    {' '.join(said)}")
            print(f"    or       {heard[f'crier-{number:02d}']}")
    same = len(cases) - differing
    print(f"{same} of {len(cases)} messages to the word; {wrong} of {total} words otherwise")


if __name__ == "__main__":
    main()
