"""When each word of a chunk is heard, from the times of its phonemes. Pure.

espeak-ng joins words ("of the" is ``ʌvðə``) and expands a number to several, so words can't be
counted in the phonemes. But the phonemes of the words, each on its own, joined are nearly those of
the text.
"""

from collections.abc import Callable, Sequence
from difflib import SequenceMatcher
from itertools import accumulate, pairwise
from typing import Protocol

import numpy as np

from audio.types import Word

_SILENT = frozenset(' ˈˌ-;:,.!?¡¿—…"()[]{}«»“”')
"""Phoneme characters without a sound: stress, and the punctuation that phonemizer preserves."""

_LATE_S = 0.05
"""How late Kokoro's timings are: a phoneme is heard this much before its start. Measured: the
median over 186 words after a pause, in four voices at three speeds."""


class Timing(Protocol):
    """When a phoneme is spoken. Source: kokoro_onnx/sliding.py, Timing."""

    @property
    def phoneme(self) -> str:
        """One character."""
        ...

    @property
    def start(self) -> float:
        """In seconds, from the first sample of the model's output."""
        ...

    @property
    def end(self) -> float:
        """In seconds, as `start`."""
        ...


def words(
    text: str,
    timings: Sequence[Timing],
    phonemize: Callable[[str], str],
    *,
    start_s: float,
    length_s: float,
) -> tuple[Word, ...]:
    """Return the words of *text* in order; joined by spaces they are the text.

    Args:
        text: what is heard.
        timings: its phonemes.
        phonemize: returns the phonemes of one word.
        start_s: where the heard part starts, on the clock of the timings; words count from it.
        length_s: its duration. No word starts or ends later.
    """
    texts, counts, joined = _spoken_words(text, phonemize)
    sounds = [timing for timing in timings if timing.phoneme not in _SILENT]
    if not sounds:
        return tuple(Word(word, 0.0, length_s) for word in texts)
    firsts = _first_sounds(joined, [sound.phoneme for sound in sounds], counts)

    def within(at_s: float) -> float:
        return min(max(0.0, at_s - _LATE_S - start_s), length_s)

    timed = []
    for word, (first, following) in zip(texts, pairwise([*firsts, len(sounds)]), strict=True):
        word_start_s = within(sounds[first].start)
        word_end_s = within(sounds[following - 1].end) if following > first else word_start_s
        timed.append(Word(word, word_start_s, word_end_s))
    return tuple(timed)


def _spoken_words(text: str, phonemize: Callable[[str], str]) -> tuple[list[str], list[int], str]:
    """Return the words, the number of sounds of each, and all sounds joined.

    A part without a sound, such as a dash, belongs to the word before it.
    """
    texts: list[str] = []
    counts: list[int] = []
    joined = ""
    for word in text.split():
        sounds = "".join(char for char in phonemize(word) if char not in _SILENT)
        if texts and not (sounds and counts[-1]):
            texts[-1] += f" {word}"
            counts[-1] += len(sounds)
        else:
            texts.append(word)
            counts.append(len(sounds))
        joined += sounds
    return texts, counts, joined


def _first_sounds(joined: str, spoken: list[str], counts: list[int]) -> list[int]:
    """Return the index in *spoken* of the first sound of each word.

    Exact where *joined* and *spoken* agree; interpolated between.
    """
    blocks = SequenceMatcher(None, list(joined), spoken, autojunk=False).get_matching_blocks()
    pairs = [(0, 0)]
    pairs += [(block.a + i, block.b + i) for block in blocks for i in range(block.size)]
    pairs.append((len(joined), len(spoken)))
    starts = [0, *accumulate(counts)][: len(counts)]
    in_joined, in_spoken = zip(*pairs, strict=True)
    indices = np.interp(starts, in_joined, in_spoken)
    return [min(round(index), len(spoken) - 1) for index in indices]
