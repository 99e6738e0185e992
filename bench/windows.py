"""Do the parts of a sentence sound as they do in the whole? `python -m bench.windows`.

Sentences are synthesized whole, and in windows of four words with the rest as context, one after
another as the bot does. Compared are level and spectrum (80 mel bands, dB) of each window with the
same frames of the whole.
"""

import argparse
import contextlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.signal import stft

from audio.kokoro.voice import KokoroVoice
from audio.kokoro.window import FRAME_SAMPLES
from audio.text.sentences import sentences
from audio.types import SAMPLE_RATE_HZ, CancelToken, Chunk, phonemes_of
from bench.texts import MESSAGES
from bot.settings import load

VOICES = ("af_heart", "am_adam", "bf_emma", "am_michael", "af_bella", "bm_george")
WINDOW_WORDS = 4
LEAST_WORDS = 11
LEAST_S = 0.25
BANDS, BLOCK = 80, 600
RANGE_DB = 60.0  # below the loudest


@dataclass(frozen=True)
class Difference:
    """How one window differs from the whole, in dB."""

    level: float
    spectrum: float
    is_first: bool
    """It begins the sentence."""
    is_new: bool
    """Its voice has not spoken before."""


class Recorder:
    """A voice whose model's sound is kept as it was decoded, with the frames of each token."""

    def __init__(self, *, carries: bool) -> None:
        self.voice = KokoroVoice(load()[0].model_dir, "int8", even=False)
        self._carries = carries
        self.voice.load()
        session = self.voice._session
        assert session is not None
        self._run = session.run
        session.run = self._record  # type: ignore[method-assign]

    def _record(
        self, names: list[str] | None, inputs: dict[str, NDArray[Any]]
    ) -> list[NDArray[Any]]:
        self._last = self._run(names, inputs)
        return self._last

    @contextlib.contextmanager
    def forgetting(self) -> Iterator[None]:
        """Keep what is carried as it is, since no bot speaks a sentence twice."""
        carried = dict(self.voice._statistics)
        yield
        self.voice._statistics = carried

    def sound(self, chunk: Chunk, name: str) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the samples of a chunk with its context, and the first sample of each token."""
        if not self._carries:
            self.voice._statistics.clear()
        self.voice.clear_cache()
        self.voice.synthesize(chunk, name, 1.0, CancelToken())
        audio, frames = self._last
        return audio.ravel(), np.cumsum([0, *frames]).astype(int) * FRAME_SAMPLES


def differences(recorder: Recorder, text: str, name: str, *, is_new: bool) -> Iterator[Difference]:
    """Synthesize a text in windows, then whole, and compare them."""
    words = recorder.voice.read(text, "en-us")
    windows = []
    for first in range(0, len(words), WINDOW_WORDS):
        before, after = words[:first], words[first + WINDOW_WORDS :]
        part = words[first : first + WINDOW_WORDS]
        chunk = Chunk(
            part,
            phonemes_of(before),
            phonemes_of(after),
            0,
            ends_sentence=not after,
            pause_s=0.0,
            sentence_phonemes=len(phonemes_of(words)),
        )
        token = 1 + len(phonemes_of(before)) + (first > 0)
        end = token + len(phonemes_of(part))
        windows.append((token, end, *recorder.sound(chunk, name)))
    with recorder.forgetting():
        whole, starts = recorder.sound(Chunk.whole(words), name)
    for token, end, audio, part_starts in windows:
        window = audio[part_starts[token] : part_starts[end]]
        same = whole[starts[token] : starts[end]]
        if len(window) != len(same):
            raise ValueError(f"{len(window)} samples, not {len(same)}")
        if len(window) < LEAST_S * SAMPLE_RATE_HZ:
            continue
        spectrum, expected = spectrum_db(window), spectrum_db(same)
        audible = expected > expected.max() - RANGE_DB
        yield Difference(
            level=10 * np.log10((window**2).sum() / (same**2).sum()),
            spectrum=np.sqrt(((spectrum - expected)[audible] ** 2).mean()),
            is_first=token == 1,
            is_new=is_new,
        )


def spectrum_db(samples: NDArray[Any]) -> NDArray[Any]:
    """Return the power in mel bands, for each block."""
    hz, _, values = stft(samples, SAMPLE_RATE_HZ, nperseg=BLOCK, noverlap=BLOCK // 2)
    edges_mel = np.linspace(0, 2595 * np.log10(1 + SAMPLE_RATE_HZ / 2 / 700), BANDS + 2)
    edges = 700 * (10 ** (edges_mel[:, None] / 2595) - 1)
    rising = (hz - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - hz) / (edges[2:] - edges[1:-1])
    bands = np.maximum(0, np.minimum(rising, falling)) @ np.abs(values) ** 2
    power_db: NDArray[Any] = 10 * np.log10(bands + 1e-8)
    return power_db


def show(title: str, found: list[Difference]) -> None:
    """Print one row."""
    if not found:
        return
    level = np.array([item.level for item in found])
    spectrum = np.array([item.spectrum for item in found])
    print(
        f"{title:24} {len(found):4} {level.mean():+6.2f} {level.std():6.2f} "
        f"{np.abs(level).max():6.2f} {spectrum.mean():6.2f} {spectrum.max():6.2f}",
        flush=True,
    )


def main() -> None:
    """Print how much windows differ, in each voice and in all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", type=int, default=20)
    parser.add_argument("--voices", type=int, default=len(VOICES))
    parser.add_argument("--alone", action="store_true", help="nothing carried between windows")
    args = parser.parse_args()
    recorder = Recorder(carries=not args.alone)
    texts = [text for message in MESSAGES for text in sentences(message, "en-us")]
    texts = [text for text in texts if len(text.split()) >= LEAST_WORDS][: args.texts]
    found: dict[str, list[Difference]] = defaultdict(list)
    print(f"{'dB':24} {'n':>4} {'level':>6} {'sd':>6} {'worst':>6} {'mel':>6} {'worst':>6}")
    for name in VOICES[: args.voices]:
        for number, text in enumerate(texts):
            found[name] += differences(recorder, text, name, is_new=number == 0)
        show(name, found[name])
    everything = [item for items in found.values() for item in items]
    show("all", everything)
    show("sentences' beginnings", [item for item in everything if item.is_first])
    show("voices' first sentences", [item for item in everything if item.is_new])
    show("all others", [item for item in everything if not item.is_new])


if __name__ == "__main__":
    main()
