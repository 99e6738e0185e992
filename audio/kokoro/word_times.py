"""When each word of a chunk is heard, from the times of its phonemes. Pure."""

from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Protocol

from audio.types import SpokenWord, Word

SILENT = frozenset(' ˈˌ-;:,.!?¡¿—…"()[]{}«»“”')
"""Signs without a sound: stress, and punctuation."""

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
    spoken: Sequence[SpokenWord], timings: Sequence[Timing], *, start_s: float, length_s: float
) -> tuple[Word, ...]:
    """Return the words of a chunk in order; joined by spaces they are its text.

    Args:
        spoken: what is heard.
        timings: its phonemes.
        start_s: where the heard part starts, on the clock of the timings; words count from it.
        length_s: its duration. No word starts or ends later.
    """
    texts, counts = _written(spoken)
    # Counted without the marks and spaces, since kokoro-onnx drops some where it splits a text.
    sounds = [timing for timing in timings if timing.phoneme not in SILENT]
    if not sounds:
        return tuple(Word(text, 0.0, length_s) for text in texts)

    def within(at_s: float) -> float:
        return min(max(0.0, at_s - _LATE_S - start_s), length_s)

    timed = []
    for text, (first, following) in zip(
        texts, pairwise(accumulate(counts, initial=0)), strict=True
    ):
        word_start_s = within(sounds[min(first, len(sounds) - 1)].start)
        word_end_s = within(sounds[following - 1].end) if following > first else word_start_s
        timed.append(Word(text, word_start_s, word_end_s))
    return tuple(timed)


def _written(spoken: Sequence[SpokenWord]) -> tuple[list[str], list[int]]:
    """Return the words as they are written, between spaces, and the number of sounds of each.

    A part without a sound, such as a dash, belongs to the word before it.
    """
    texts: list[str] = []
    counts: list[int] = []
    space = " "
    for word in spoken:
        sounds = sum(sign not in SILENT for sign in word.phonemes)
        if not (word.text or sounds):
            continue  # only a pause
        if texts and not (space and sounds and counts[-1]):
            texts[-1] += space + word.text
            counts[-1] += sounds
        else:
            texts.append(word.text)
            counts.append(sounds)
        space = "" if word.joined else " "
    return texts, counts
