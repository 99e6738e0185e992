"""When each word of a chunk is heard, from when each of its phonemes is. Pure.

espeak-ng joins words ("of the" is ``ʌvðə``) and says numbers in several, so there is no counting
from one to the other. But each word's own phonemes, in a row, are nearly those of the whole text.
"""

from collections.abc import Callable, Sequence
from difflib import SequenceMatcher
from itertools import accumulate, pairwise
from typing import Protocol

import numpy as np

from audio.types import Word

_SILENT = frozenset(' ˈˌ-;:,.!?¡¿—…"()[]{}«»“”')
"""What a text's phonemes have besides sounds: stress, and the marks that phonemizer keeps."""

_LATE_S = 0.05
"""So long after it begins to sound a phoneme begins in Kokoro's timings. Measured: the median over
186 words after a pause, in four voices at three speeds."""


class Timing(Protocol):
    """When a phoneme is spoken. Source: kokoro_onnx/sliding.py, Timing."""

    @property
    def phoneme(self) -> str: ...
    @property
    def start(self) -> float: ...
    @property
    def end(self) -> float: ...


def words(
    text: str,
    timings: Sequence[Timing],
    phonemize: Callable[[str], str],
    begin_s: float,
    length_s: float,
) -> tuple[Word, ...]:
    """Return the words of *text* in order; joined by spaces they are the text.

    Args:
        text: what is heard.
        timings: its phonemes.
        phonemize: tells the phonemes of one word.
        begin_s: where what is heard begins, in the timings' count; the words count from there.
        length_s: how long it is heard. No word begins or ends later.
    """
    texts, counts, alone = _spoken_words(text, phonemize)
    sounds = [timing for timing in timings if timing.phoneme not in _SILENT]
    if not sounds:
        return tuple(Word(word, 0.0, length_s) for word in texts)
    firsts = _firsts(alone, [sound.phoneme for sound in sounds], counts)

    def within(at_s: float) -> float:
        return min(max(0.0, at_s - _LATE_S - begin_s), length_s)

    found = []
    for word, (first, following) in zip(texts, pairwise([*firsts, len(sounds)]), strict=True):
        start_s = within(sounds[first].start)
        end_s = within(sounds[following - 1].end) if following > first else start_s
        found.append(Word(word, start_s, end_s))
    return tuple(found)


def _spoken_words(text: str, phonemize: Callable[[str], str]) -> tuple[list[str], list[int], str]:
    """Return the words, how many sounds each has, and all of these.

    What has no sound, such as a dash, belongs to the word before it.
    """
    texts: list[str] = []
    counts: list[int] = []
    alone = ""
    for word in text.split():
        sounds = "".join(char for char in phonemize(word) if char not in _SILENT)
        if texts and not (sounds and counts[-1]):
            texts[-1] += f" {word}"
            counts[-1] += len(sounds)
        else:
            texts.append(word)
            counts.append(len(sounds))
        alone += sounds
    return texts, counts, alone


def _firsts(alone: str, spoken: list[str], counts: list[int]) -> list[int]:
    """Return with which of the sounds that were spoken each word begins.

    Where both say the same, that is known; between, it is shared out by length.
    """
    blocks = SequenceMatcher(None, list(alone), spoken, autojunk=False).get_matching_blocks()
    pairs = [(0, 0)]
    pairs += [(block.a + i, block.b + i) for block in blocks for i in range(block.size)]
    pairs.append((len(alone), len(spoken)))
    begins = [0, *accumulate(counts)][: len(counts)]
    mine, theirs = zip(*pairs, strict=True)
    places = np.interp(begins, mine, theirs)
    return [min(round(place), len(spoken) - 1) for place in places]
