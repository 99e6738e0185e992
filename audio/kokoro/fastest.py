"""Finds the fastest way to run the model on this computer, by measuring. Blocks for seconds.

Runs on: main thread, at set-up and for the doctor.
"""

import itertools
import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from audio.kokoro.prepared import (
    ModelConfig,
    PreparationError,
    existing_kinds,
    prepare,
    store_config,
    usable_processors,
)
from audio.kokoro.voice import MAX_THREADS, KokoroVoice
from audio.types import SAMPLE_RATE_HZ, CancelToken, Chunk, Samples, SynthesisError

log = logging.getLogger(__name__)

_SAMPLE = "The train to London leaves from platform four."
_VOICE = "af_heart"
_RUNS = 3  # the quickest one counts, since the computer does other things, too
# More threads are usually faster; another variant is used only if it clearly is.
_MIN_GAIN = 1.1
_BANDS_HZ = np.geomspace(80, 10_000, 22)
# The two models differ by up to 2.6 dB in a band. Measured: 4 voices, 3 texts.
_MAX_DIFFERENCE_DB = 6.0


def find_fastest(model_dir: Path, progress: Callable[[str], None]) -> ModelConfig | None:
    """Measure the models that are in *model_dir* with various numbers of threads.

    Args:
        model_dir: where the models are, and where what was found is stored.
        progress: called with what is measured next.

    Returns:
        The fastest one whose sound is right; None if none is.

    Raises:
        ModelFileError: a model is damaged, or the voices are missing.
        SynthesisError: the original does not work.
    """
    kinds = existing_kinds(model_dir)
    progress("the original")
    reference = spectrum_db(measure(KokoroVoice(model_dir, kinds[0], prepared=False))[0])
    found: list[ModelConfig] = []
    for kind in kinds:
        try:
            prepare(model_dir, kind)
        except PreparationError as exc:
            log.warning("%s", exc)
        for threads in _numbers_of_threads():
            progress(f"{kind}, {threads} thread{'s' if threads > 1 else ''}")
            try:
                samples, rtf = measure(KokoroVoice(model_dir, kind, threads=threads))
            except SynthesisError as exc:
                log.warning("%s with %d threads: %s", kind, threads, exc)
                continue
            difference_db = np.abs(spectrum_db(samples) - reference).max()
            if not difference_db < _MAX_DIFFERENCE_DB:  # so also if it is no number
                log.warning("%s with %d threads: the sound is wrong", kind, threads)
                continue
            found.append(ModelConfig(kind, threads, round(rtf, 3)))
    best = min(found, key=lambda one: one.rtf * _MIN_GAIN ** (one != found[0]), default=None)
    if best is not None:
        store_config(model_dir, best)
    return best


def is_busy() -> bool:
    """Whether the computer has so much to do that measuring would mislead."""
    return os.getloadavg()[0] > usable_processors()


def spectrum_db(samples: Samples) -> NDArray[np.float64]:
    """Return the power of a sound in bands of a third of an octave."""
    power = np.abs(np.fft.rfft(samples)) ** 2
    edges = np.searchsorted(np.fft.rfftfreq(len(samples), 1 / SAMPLE_RATE_HZ), _BANDS_HZ)
    bands = [power[first:last].sum() for first, last in itertools.pairwise(edges)]
    return 10 * np.log10(np.array(bands) + 1e-9)


def _numbers_of_threads() -> Sequence[int]:
    cores = min(MAX_THREADS, usable_processors())
    return sorted({1, cores, max(1, cores // 2)}, reverse=True)


def measure(voice: KokoroVoice) -> tuple[Samples, float]:
    """Return a sound, and the seconds of work for a second of it.

    Raises:
        ModelFileError: a model file is missing or damaged.
        SynthesisError: the voice does not work, or its sound is no number.
    """
    voice.load()
    decoding = voice.decoding
    chunk = Chunk.whole(voice.read(_SAMPLE, "en-us"))
    took_s = []
    for _ in range(_RUNS):
        voice.clear_cache()
        sound = voice.synthesize(chunk, _VOICE, 1.0, CancelToken())
        took_s.append(sound.took_s)
    if voice.decoding != decoding:
        raise SynthesisError("The sound is no number.")
    return sound.samples, min(took_s) / (len(sound.samples) / SAMPLE_RATE_HZ)
