"""The model's work for a second of speech: ``python -m bench.model``.

The original file through kokoro-onnx, and the prepared one (`audio.kokoro.prepared`), each with one
thread and with two, make the same phonemes in turn, so that all of them get the same share of a
machine whose speed changes. Their sounds are compared with the original's: to the bit, in their
log-mel spectra, and by DNSMOS, which guesses how people would rate them (1 to 5).
"""

import argparse
import json
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import onnxruntime
from kokoro_onnx import Kokoro
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table
from scipy.signal import resample_poly

from audio.kokoro.model_files import MODELS, VOICES_FILE
from audio.kokoro.prepared import prepare
from audio.kokoro.reader import reader_of
from audio.kokoro.window import PRIOR, PRIOR_FRAMES, WINDOW
from audio.types import SAMPLE_RATE_HZ, Samples, phonemes_of
from audio.voices import language_of
from bench.run import HERE, environment, processor
from bench.texts import MESSAGES
from bench.understood import WHISPER_HZ
from bot.settings import load

THREADS = (1, 2)
VOICES = "af_heart,am_michael,bf_emma"
_ALL_FRAMES = 1 << 20  # more than any text has
_TOKENS = ("tokens", "input_ids")


@dataclass(frozen=True)
class Cost:
    """One run's seconds of work for a second of speech."""

    wall: float
    cpu: float


@dataclass
class Variant:
    """One way to run the model, and what it cost."""

    name: str
    threads: int
    kokoro: Kokoro
    costs: list[Cost] = field(default_factory=list)

    @property
    def label(self) -> str:
        """Its name in file names."""
        return f"{self.name}-{self.threads}"


class WholeSession:
    """A session that decodes everything, whether or not its graph has a window."""

    def __init__(self, path: Path, threads: int) -> None:
        """Load the model at *path*."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # A thread that spins while it waits costs processor time that is no work.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
        self._model_path = str(path)  # Kokoro.from_session reads it
        self._inputs = {item.name for item in self._session.get_inputs()}
        self._is_windowed = self._inputs.issuperset(WINDOW)

    def __getattr__(self, name: str) -> Any:
        """Return what the real session has."""
        return getattr(self._session, name)

    def run(self, names: Any, inputs: dict[str, NDArray[Any]]) -> list[Any]:
        """Run the model."""
        if self._is_windowed:
            tokens = next(tokens for name, tokens in inputs.items() if name in _TOKENS)
            window = (1, tokens.shape[1] - 1, _ALL_FRAMES, _ALL_FRAMES)
            inputs |= {name: np.array([value]) for name, value in zip(WINDOW, window, strict=True)}
            no_prior = (name for name in self._inputs if name.startswith(PRIOR))
            inputs |= dict.fromkeys(no_prior, np.zeros((1, 1, 1), np.float32))
            inputs[PRIOR_FRAMES] = np.zeros(1, np.float32)
        outputs: list[Any] = self._session.run(names, inputs)
        return outputs


def make(variant: Variant, phonemes: str, voice: str) -> tuple[Samples, Cost]:
    """Return a sound, and what it cost."""
    cpu_s, wall_s = time.process_time(), time.perf_counter()
    made, _ = variant.kokoro.create(
        phonemes, voice, is_phonemes=True, trim=False, sentence_pause=0.0, clause_pause=0.0
    )
    cpu_s, wall_s = time.process_time() - cpu_s, time.perf_counter() - wall_s
    length_s = made.size / SAMPLE_RATE_HZ
    return made.ravel(), Cost(wall_s / length_s, cpu_s / length_s)


def load_variants(model_dir: Path, kind: str) -> list[Variant]:
    """Load each model with each number of threads."""
    voices = str(model_dir / VOICES_FILE.name)
    models = {"original": model_dir / MODELS[kind].name, "prepared": prepare(model_dir, kind)}
    return [
        Variant(name, threads, Kokoro.from_session(WholeSession(path, threads), voices))
        for name, path in models.items()
        for threads in THREADS
    ]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", type=int, default=10, help=f"at most {len(MESSAGES)}")
    parser.add_argument("--voices", default=VOICES)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--kind", choices=tuple(MODELS), default="int8")
    options = parser.parse_args()
    model_dir = load()[0].model_dir
    python = environment(HERE / ".venv")
    reader = reader_of(model_dir)
    variants = load_variants(model_dir, options.kind)
    cases = [
        (voice, phonemes_of(reader.read(text, language_of(voice))))
        for text in MESSAGES[: options.texts]
        for voice in options.voices.split(",")
    ]
    for variant in variants:
        make(variant, cases[0][1], cases[0][0])  # the first run of a session is the slowest
    equal = {variant.label: 0 for variant in variants}
    with tempfile.TemporaryDirectory(prefix="crier") as temporary:
        folder = Path(temporary)
        for round_number in range(options.rounds):
            for case, (voice, phonemes) in enumerate(track(cases, console=Console(stderr=True))):
                sounds = []
                for variant in variants:
                    samples, cost = make(variant, phonemes, voice)
                    variant.costs.append(cost)
                    sounds.append(samples)
                if round_number:
                    continue
                for variant, samples in zip(variants, sounds, strict=True):
                    equal[variant.label] += np.array_equal(samples, sounds[0])
                    heard = resample_poly(samples, WHISPER_HZ, SAMPLE_RATE_HZ).astype(np.float32)
                    np.save(folder / f"{case:03d}.{variant.label}.npy", heard)
        done = subprocess.run(
            [python, HERE / "compare.py", folder, variants[0].label],
            check=True,
            stdout=subprocess.PIPE,
        )
    show(variants, equal, len(cases), json.loads(done.stdout))


def show(
    variants: Sequence[Variant],
    equal: dict[str, int],
    cases: int,
    compared: dict[str, dict[str, float]],
) -> None:
    """Print a table of the variants.

    Args:
        variants: with what they cost, in the same order of runs.
        equal: how many sounds of each are the first variant's to the bit.
        cases: how many sounds each made.
        compared: the output of ``bench/compare.py``.
    """
    print(f"{processor()}; onnxruntime {onnxruntime.__version__}; {cases} sounds")
    table = Table()
    for title in ("", "threads", "s of work for a second", "CPU s", "x original", "CPU, x"):
        table.add_column(title)
    for title in ("equal to the bit", "log-mel dB, median", "most", "DNSMOS"):
        table.add_column(title)
    for variant in variants:
        base = next(v for v in variants if v.name == "original" and v.threads == variant.threads)
        pairs = list(zip(variant.costs, base.costs, strict=True))
        sounds = [one for stem, one in compared.items() if stem.endswith(f".{variant.label}")]
        table.add_row(
            variant.name,
            str(variant.threads),
            f"{median(cost.wall for cost in variant.costs):.3f}",
            f"{median(cost.cpu for cost in variant.costs):.3f}",
            f"{median(ours.wall / its.wall for ours, its in pairs):.2f}",
            f"{median(ours.cpu / its.cpu for ours, its in pairs):.2f}",
            f"{equal[variant.label]} of {cases}",
            f"{median(one['log_mel_db'] for one in sounds):.2f}",
            f"{max(one['log_mel_db'] for one in sounds):.2f}",
            f"{median(one['dnsmos'] for one in sounds):.2f}",
        )
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
