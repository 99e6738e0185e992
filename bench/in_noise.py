"""Which phonemes are understood best in noise? `python -m bench.in_noise`.

Sixty sentences in which every sound is as frequent as in speech are synthesized from espeak's
signs, from the same in Kokoro's alphabet, and from the dictionary. A recogniser (faster-whisper,
offline) transcribes them with pink noise as loud as the speech, and without noise. Source of the
sentences: IEEE Recommended Practice for Speech Quality Measurements, 1969, lists 1 to 6.
"""

import argparse
import json
import subprocess
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
from kokoro_onnx.tokenizer import Tokenizer
from rich.console import Console
from rich.table import Table
from scipy.signal import resample_poly

from audio.kokoro import espeak
from audio.kokoro.model_files import resolve_kind
from audio.kokoro.reader import Reader
from audio.kokoro.voice import KokoroVoice
from audio.types import SAMPLE_RATE_HZ, CancelToken, Chunk, Samples, SpokenWord
from audio.voices import language_of
from bench.run import HERE, environment
from bench.texts import BALANCED
from bench.understood import WHISPER_HZ, errors, words
from bot.settings import load

VOICES = ("af_heart", "am_michael", "af_bella", "bf_emma", "bm_george")
QUIET_VOICES = ("af_heart", "bf_emma")

Read = Callable[[str, str], tuple[SpokenWord, ...]]


def pink_noise(length: int, seed: int) -> Samples:
    """Return noise whose power falls by 3 dB per octave, of level 1."""
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(length))
    spectrum /= np.sqrt(np.maximum(np.arange(len(spectrum)), 1))
    noise = np.fft.irfft(spectrum, length)
    level = float(np.sqrt(np.mean(noise**2)))
    return np.asarray(noise / level, np.float32)


def readers(model_dir: Path) -> dict[str, Read]:
    """Return what makes phonemes: name -> (sentence, lang) -> words."""
    tokenizer = Tokenizer()

    def signs(sentence: str, lang: str) -> tuple[SpokenWord, ...]:
        return (SpokenWord(sentence, tokenizer.phonemize(sentence, lang), "espeak"),)

    return {
        "espeak's signs": signs,
        "Kokoro's alphabet": espeak.read,
        "dictionary": Reader(model_dir).read,
    }


def synthesize(folder: Path, sentences: tuple[str, ...]) -> None:
    """Save each sentence, by each reader and voice, with and without noise."""
    model_dir = load()[0].model_dir
    voice = KokoroVoice(model_dir, resolve_kind("auto"))
    for kind, read in enumerate(readers(model_dir).values()):
        for name in VOICES:
            lang = language_of(name)
            for number, sentence in enumerate(sentences):
                chunk = Chunk.whole(read(sentence, lang))
                made = voice.synthesize(chunk, name, 1.0, CancelToken()).samples
                speech = resample_poly(made, WHISPER_HZ, SAMPLE_RATE_HZ).astype(np.float32)
                level = np.sqrt(np.mean(speech**2))
                noisy = speech + level * pink_noise(len(speech), number)
                np.save(folder / f"{kind}.{name}.{number:02d}.noise.npy", noisy)
                if name in QUIET_VOICES:
                    np.save(folder / f"{kind}.{name}.{number:02d}.quiet.npy", speech)
            print(f"{kind + 1} of 3: {name}", flush=True)


def main() -> None:
    """Print the word error rates of each reader and voice."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sentences", type=int, default=len(BALANCED))
    sentences = BALANCED[: parser.parse_args().sentences]
    python = environment(HERE / ".venv")
    with tempfile.TemporaryDirectory(prefix="crier") as temporary:
        folder = Path(temporary)
        synthesize(folder, sentences)
        done = subprocess.run(
            [python, HERE / "recognise.py", folder], check=True, stdout=subprocess.PIPE
        )
        heard: dict[str, str] = json.loads(done.stdout)
    total = sum(len(words(text)) for text in sentences)
    wrong = Counter[tuple[str, str, str]]()
    for stem, text in heard.items():
        kind, name, number, noise = stem.split(".")
        wrong[kind, name, noise] += errors(words(sentences[int(number)]), words(text))
    table = Table(title=f"Words wrong of {total}, in per cent")
    for column in ("", *VOICES, "all", *(f"{name}, quiet" for name in QUIET_VOICES)):
        table.add_column(column)
    for index, name in enumerate(readers(load()[0].model_dir)):
        noisy = [wrong[str(index), voice, "noise"] for voice in VOICES]
        quiet = [wrong[str(index), voice, "quiet"] for voice in QUIET_VOICES]
        shares = [*noisy, sum(noisy) / len(noisy), *quiet]
        table.add_row(name, *(f"{100 * share / total:.1f}" for share in shares))
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
