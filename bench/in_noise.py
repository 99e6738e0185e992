"""Which phonemes are understood best in noise? `python -m bench.in_noise`.

Sixty sentences in which every sound is as frequent as in speech are synthesized from espeak's
signs, from the same in Kokoro's alphabet, and from the dictionary. A recogniser (faster-whisper,
offline) transcribes them with pink noise as loud as the speech, and without noise. The readers are
compared sentence by sentence, since few sentences and one noise show a difference of ten in a
hundred words where there is none. Source of the sentences: IEEE Recommended Practice for Speech
Quality Measurements, 1969, lists 1 to 6.
"""

import argparse
import json
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from kokoro_onnx.tokenizer import Tokenizer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy.signal import resample_poly

from audio.kokoro import espeak
from audio.kokoro.prepared import resolve_kind
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
_NOISE_FRAMES = 8 * WHISPER_HZ
_DRAWS = 10_000

Read = Callable[[str, str], tuple[SpokenWord, ...]]


def pink_noise(length: int, seed: int) -> Samples:
    """Return noise whose power falls by 3 dB per octave, of level 1.

    With the same *seed* it begins alike for every length, so that readers whose sentences differ
    in length get the same noise. Two thirds of its power are below 100 Hz, where nobody hears it.
    """
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(_NOISE_FRAMES))
    spectrum /= np.sqrt(np.maximum(np.arange(len(spectrum)), 1))
    noise = np.fft.irfft(spectrum, _NOISE_FRAMES)[:length]
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


def synthesize(
    folder: Path, voices: Sequence[str], sentences: Sequence[str], noises: int
) -> dict[str, float]:
    """Save each sentence, by each reader and voice, without noise and with several noises.

    Returns:
        How long each reader's sentences are, in seconds for each voice.
    """
    model_dir = load()[0].model_dir
    voice = KokoroVoice(model_dir, resolve_kind("auto", model_dir))
    spoken_s = dict.fromkeys(readers(model_dir), 0.0)
    for kind, (reader, read) in enumerate(readers(model_dir).items()):
        for name in voices:
            lang = language_of(name)
            for number, sentence in enumerate(sentences):
                chunk = Chunk.whole(read(sentence, lang))
                made = voice.synthesize(chunk, name, 1.0, CancelToken()).samples
                spoken_s[reader] += len(made) / SAMPLE_RATE_HZ / len(voices)
                speech = resample_poly(made, WHISPER_HZ, SAMPLE_RATE_HZ).astype(np.float32)
                level = np.sqrt(np.mean(speech**2))
                for noise in range(noises):
                    noisy = speech + level * pink_noise(len(speech), number + 1000 * noise)
                    np.save(folder / f"{kind}.{name}.{number:02d}.noise{noise}.npy", noisy)
                if name in QUIET_VOICES:
                    np.save(folder / f"{kind}.{name}.{number:02d}.quiet.npy", speech)
            print(f"{kind + 1} of 3: {name}", flush=True)
    return spoken_s


def interval(difference: NDArray[np.float64], lengths: NDArray[np.float64]) -> tuple[float, float]:
    """Return where the difference of two readers lies with 95 % probability, as a share of words.

    Args:
        difference: of the wrong words in each sentence. The sentences are drawn again and again
            (bootstrap), since the words of one are lost together.
        lengths: the number of words in each sentence.
    """
    random = np.random.default_rng(0)
    drawn = random.integers(0, len(lengths), (_DRAWS, len(lengths)))
    shares = difference[drawn].sum(axis=1) / lengths[drawn].sum(axis=1)
    low, high = np.percentile(shares, [2.5, 97.5])
    return float(low), float(high)


def main() -> None:
    """Print the word error rates of each reader and voice."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sentences", type=int, default=len(BALANCED))
    parser.add_argument("--voices", default=",".join(VOICES))
    parser.add_argument("--noises", type=int, default=1, help="noises for each sentence")
    options = parser.parse_args()
    sentences, voices = BALANCED[: options.sentences], options.voices.split(",")
    python = environment(HERE / ".venv")
    with tempfile.TemporaryDirectory(prefix="crier") as temporary:
        folder = Path(temporary)
        spoken_s = synthesize(folder, voices, sentences, options.noises)
        done = subprocess.run(
            [python, HERE / "recognise.py", folder, "--steady"], check=True, stdout=subprocess.PIPE
        )
        heard: dict[str, str] = json.loads(done.stdout)
    wrong = np.zeros((len(spoken_s), len(voices), len(sentences)))
    wrong_in_quiet = np.zeros_like(wrong)
    for stem, text in heard.items():
        kind, name, number, noise = stem.split(".")
        table = wrong_in_quiet if noise == "quiet" else wrong
        sentence = sentences[int(number)]
        table[int(kind), voices.index(name), int(number)] += errors(words(sentence), words(text))
    show(voices, sentences, wrong / options.noises, wrong_in_quiet, spoken_s)


def show(
    voices: Sequence[str],
    sentences: Sequence[str],
    wrong: NDArray[np.float64],
    wrong_in_quiet: NDArray[np.float64],
    spoken_s: dict[str, float],
) -> None:
    """Print a table of the readers.

    Args:
        voices: their names.
        sentences: what was spoken.
        wrong: the wrong words of each reader, voice and sentence, in noise.
        wrong_in_quiet: the same without noise.
        spoken_s: how long the sentences of each reader are.
    """
    lengths = np.array([len(words(text)) for text in sentences], np.float64)
    quiet = [name for name in voices if name in QUIET_VOICES]
    print(f"Words wrong in per cent, of {lengths.sum():.0f} by each voice")
    table = Table()
    for column in ("", *voices, "all", "more than the first", "seconds"):
        table.add_column(column)
    for name in quiet:
        table.add_column(f"{name}, quiet")
    for row, (reader, seconds) in enumerate(spoken_s.items()):
        shares = 100 * wrong[row].sum(axis=1) / lengths.sum()
        low, high = interval((wrong[row] - wrong[0]).mean(axis=0), lengths)
        in_quiet = [
            100 * wrong_in_quiet[row, voices.index(name)].sum() / lengths.sum() for name in quiet
        ]
        table.add_row(
            reader,
            *(f"{share:.1f}" for share in shares),
            f"{shares.mean():.1f}",
            f"{100 * low:+.1f} to {100 * high:+.1f}" if row else "",
            f"{seconds:.0f}",
            *(f"{share:.1f}" for share in in_quiet),
        )
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
