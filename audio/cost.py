"""How fast this machine speaks: the running estimate that the planner plans with. Pure.

Synthesis takes ``a + b x seconds of speech``, where *a* is what is read and made around it. A text
has a length in letters, and a letter lasts a while. All three are learned from every chunk and kept
between runs.
"""

import functools
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

# How much an older chunk counts against the next one, once there are some: about the last fifty
# matter. A machine that becomes busy is noticed by `late`, within a message.
_MEMORY = 0.98
# With few, an older one counts less, so that what is assumed below is soon forgotten.
_FEW = 4.0
# By what share `late` follows each chunk. Up soon, down slowly: a stall is worse than a chunk that
# is ready too soon. Of the pairs tried these, with the memory above, left the fewest stalls for the
# time that is waited (bench/README.md).
_LATE_UP, _LATE_DOWN = 0.5, 0.2
# Before anything was learned: two x86 cores, int8. A faster machine learns better in one message.
_A_S, _B, _S_PER_LETTER = 0.2, 0.35, 0.05
# What these beginnings weigh against real chunks.
_WEIGHT = 3.0
_LETTERS = 60.0


@dataclass(frozen=True, slots=True)
class SynthesisCost:
    """Sums of a linear regression that forgets, as one value.

    Use `after` to learn; the estimates are `cost_s` and `audio_s`.
    """

    n: float = _WEIGHT
    x: float = 3 * 3.0
    y: float = 3 * (_A_S + _B * 3.0)
    xx: float = 1.0**2 + 3.0**2 + 5.0**2
    xy: float = sum(x * (_A_S + _B * x) for x in (1.0, 3.0, 5.0))
    letters: float = _LETTERS
    letters_s: float = _LETTERS * _S_PER_LETTER
    late: float = 1.0
    """How many times longer than estimated the latest chunks took: above 1 on a busy machine."""
    spread: float = 0.05
    """By what share of it the latest chunks missed their estimate."""
    cold: float = 1.2
    """How many times longer the first chunk after a rest takes: caches are cold, cores are slow."""

    @property
    def b(self) -> float:
        """Seconds of synthesis for each second of speech."""
        spread = self.n * self.xx - self.x * self.x
        slope = (self.n * self.xy - self.x * self.y) / spread if spread > 1e-9 else 0.0  # noqa: PLR2004
        # Chunks of one length say nothing about the slope; then all of it is put down to b.
        return slope if 0 < slope * self.x < self.y else self.y / self.x

    @property
    def a_s(self) -> float:
        """Seconds of synthesis for each chunk, whatever its length."""
        return max(0.0, (self.y - self.b * self.x) / self.n)

    def cost_s(self, spoken_s: float) -> float:
        """Return how long the synthesis of *spoken_s* seconds of speech will take."""
        return (self.a_s + self.b * spoken_s) * max(1.0, self.late)

    def audio_s(self, letters: float, speed: float) -> float:
        """Return how long a text of that length lasts, silence around it excluded."""
        return letters * self.letters_s / self.letters / speed

    def after(
        self,
        *,
        letters: float,
        speed: float,
        spoken_s: float,
        took_s: float,
        rested: bool = False,
    ) -> Self:
        """Return what is known after one more chunk.

        Args:
            letters: the length of its text, as `letters` counts.
            speed: at which it was spoken.
            spoken_s: how long its words last.
            took_s: how long that took.
            rested: nothing was made for a while before it, so that the next will be faster.
        """
        expected_s = self.a_s + self.b * spoken_s
        cold = self.cold
        if rested and expected_s > 0:
            cold = min(2.0, max(1.0, 0.8 * cold + 0.2 * took_s / expected_s))
            took_s /= self.cold
        late, spread = self.late, self.spread
        if expected_s > 0:
            spread = 0.8 * spread + 0.2 * abs(took_s / expected_s / late - 1)
            ratio = took_s / expected_s
            late += (_LATE_UP if ratio > late else _LATE_DOWN) * (ratio - late)
        keep = min(_MEMORY, 1 - 1 / (self.n + _FEW))
        return replace(
            self,
            n=keep * self.n + 1,
            x=keep * self.x + spoken_s,
            y=keep * self.y + took_s,
            xx=keep * self.xx + spoken_s * spoken_s,
            xy=keep * self.xy + spoken_s * took_s,
            letters=keep * self.letters + letters,
            letters_s=keep * self.letters_s + spoken_s * speed,
            late=min(4.0, max(1.0, late)),
            spread=min(0.5, spread),
            cold=cold,
        )

    def to_dict(self) -> dict[str, float]:
        """Return what `from_dict` takes."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Any) -> Self:
        """Return a pace that was kept; the beginnings where it can't be one."""
        try:
            pace = cls(**{str(name): float(value) for name, value in values.items()})
            plausible = 0 < pace.b < 100 and 0 <= pace.a_s < 100 and pace.letters > 0  # noqa: PLR2004
            plausible = plausible and 1 <= pace.cold <= 2  # noqa: PLR2004
        except (AttributeError, TypeError, ValueError, ZeroDivisionError):
            return cls()
        return replace(pace, late=1.0) if plausible else cls()


def speech_length(text: str) -> float:
    """Return the length of *text* in letters' time: a digit is a word, a Han sign a syllable."""
    if text.isascii():
        return len(text) + (_DIGIT - 1) * sum(map(text.count, "0123456789"))
    return sum(map(_weight, text))


_DIGIT = 5.0


@functools.lru_cache(maxsize=4096)
def _weight(char: str) -> float:
    if char.isdigit():
        return _DIGIT
    if "\u3040" <= char <= "\u9fff" or "\uac00" <= char <= "\ud7af":
        return 3.0
    return 1.0
