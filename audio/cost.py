"""What synthesis costs on this machine: the running estimate that the planner uses. Pure.

Synthesis takes ``overhead + rtf x seconds of speech``, where rtf is the real-time factor and the
overhead covers the context and the silence around the speech. The duration of the speech follows
from its number of phonemes and its language. All parameters are learned from every chunk; `bot.app`
stores them between runs, in pace.json.
"""

import functools
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Self

from audio.text import inline

# Weight of the older chunks against each new one: about the last fifty matter. `slowdown` notices
# within one message that a machine has become busy.
_MEMORY = 0.98
# With few chunks the older ones weigh less, so that the initial values below soon lose influence.
_WARM_UP_CHUNKS = 4.0
# Smoothing of `slowdown`. It rises fast and falls slowly: a stall is worse than a chunk that is
# ready too early. Of the pairs tried this one, with the memory above, caused the fewest stalls for
# the time spent waiting (bench/README.md).
_SLOWDOWN_UP, _SLOWDOWN_DOWN = 0.5, 0.2
# A chunk that took longer than this many times the estimate counts as if it had taken that long:
# the process or the machine was stopped meanwhile. A machine that is really that slow is still
# learned, in a few chunks.
_LONGEST = 4.0
# Initial values: two x86 cores, int8; see also `for_measured`.
_OVERHEAD_S, _RTF, _S_PER_PHONEME = 0.2, 0.35, 0.05
# How long the sentence lasts that set-up measures; see `audio.kokoro.fastest`.
_MEASURED_S = 2.5
# The weight of these initial values, in chunks and in phonemes.
_INITIAL_CHUNKS = 3.0
_INITIAL_PHONEMES = 60.0
_INITIAL_RATE = (_INITIAL_PHONEMES, _INITIAL_PHONEMES * _S_PER_PHONEME)


@dataclass(frozen=True)
class SynthesisCost:
    """An exponentially weighted linear regression, as one value.

    Learn with `after`; estimate with `cost_s` and `audio_s`.
    """

    n: float = _INITIAL_CHUNKS
    x: float = 3 * 3.0
    y: float = 3 * (_OVERHEAD_S + _RTF * 3.0)
    xx: float = 1.0**2 + 3.0**2 + 5.0**2
    xy: float = sum(x * (_OVERHEAD_S + _RTF * x) for x in (1.0, 3.0, 5.0))
    rates: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """By language: the sums of speech lengths, and of their durations at speed 1. Never changed,
    only replaced."""
    slowdown: float = 1.0
    """How many times longer than estimated the latest chunks took: above 1 on a busy machine."""
    error: float = 0.05
    """The relative error of the latest estimates."""
    cold_factor: float = 1.2
    """How many times longer the first chunk after a rest takes: caches are cold, cores are slow."""

    @functools.cached_property
    def rtf(self) -> float:
        """The real-time factor: seconds of synthesis for each second of speech."""
        variance = self.n * self.xx - self.x * self.x
        slope = (self.n * self.xy - self.x * self.y) / variance if variance > 1e-9 else 0.0  # noqa: PLR2004
        # Chunks of equal length don't determine the slope; then it accounts for all of the time.
        return slope if 0 < slope * self.x < self.y else self.y / self.x

    @functools.cached_property
    def overhead_s(self) -> float:
        """Seconds of synthesis for each chunk, whatever its length."""
        return max(0.0, (self.y - self.rtf * self.x) / self.n)

    def cost_s(self, spoken_s: float) -> float:
        """Return how long the synthesis of *spoken_s* seconds of speech will take."""
        return (self.overhead_s + self.rtf * spoken_s) * max(1.0, self.slowdown)

    def audio_s(self, length: float, speed: float, lang: str) -> float:
        """Return how long speech of that many phonemes lasts, without silence around it."""
        phonemes, spoken_s = self.rates.get(lang, _INITIAL_RATE)
        return length * spoken_s / phonemes / speed

    def after(
        self,
        *,
        length: float,
        speed: float,
        lang: str,
        spoken_s: float,
        took_s: float,
        rested: bool = False,
    ) -> Self:
        """Return the estimate updated with one more chunk.

        Args:
            length: its number of phonemes, spaces and marks included.
            speed: its speaking rate; 1 is normal.
            lang: its language.
            spoken_s: the duration of its speech, more than 0.
            took_s: how long synthesis took.
            rested: whether the worker had been idle before it, so that the next will be faster.
        """
        expected_s = self.overhead_s + self.rtf * spoken_s
        took_s = min(took_s, _LONGEST * expected_s)
        cold_factor = self.cold_factor
        if rested:
            cold_factor = min(2.0, max(1.0, 0.8 * cold_factor + 0.2 * took_s / expected_s))
            took_s /= self.cold_factor
        ratio, slowdown = took_s / expected_s, self.slowdown
        error = 0.8 * self.error + 0.2 * abs(ratio / slowdown - 1)
        slowdown += (_SLOWDOWN_UP if ratio > slowdown else _SLOWDOWN_DOWN) * (ratio - slowdown)
        memory = min(_MEMORY, 1 - 1 / (self.n + _WARM_UP_CHUNKS))
        phonemes, phonemes_s = self.rates.get(lang, _INITIAL_RATE)
        rate = (memory * phonemes + length, memory * phonemes_s + spoken_s * speed)
        return replace(
            self,
            n=memory * self.n + 1,
            x=memory * self.x + spoken_s,
            y=memory * self.y + took_s,
            xx=memory * self.xx + spoken_s * spoken_s,
            xy=memory * self.xy + spoken_s * took_s,
            rates={**self.rates, lang: rate},
            slowdown=min(4.0, max(1.0, slowdown)),
            error=min(0.5, error),
            cold_factor=cold_factor,
        )

    @classmethod
    def for_measured(cls, rtf: float) -> Self:
        """Return the initial estimate where a sentence took *rtf* seconds for each of its own."""
        initial = cls()
        factor = rtf * _MEASURED_S / initial.cost_s(_MEASURED_S)
        return replace(initial, y=factor * initial.y, xy=factor * initial.xy)

    def to_dict(self) -> dict[str, Any]:
        """Return a form that `from_dict` accepts."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Any) -> Self:
        """Return a stored estimate, or the initial one if *values* is damaged or has another form.

        The slowdown starts at 1: whether the machine is busy now is not known.
        """
        try:
            numbers = {**values}
            pairs = numbers.pop("rates").items()
            rates = {str(lang): (float(n), float(spoken_s)) for lang, (n, spoken_s) in pairs}
            numbers = {str(name): float(value) for name, value in numbers.items()}
            cost = cls(rates=rates, **numbers)
            plausible = (
                0 < cost.rtf < 100  # noqa: PLR2004
                and 0 <= cost.overhead_s < 100  # noqa: PLR2004
                and all(n > 0 and spoken_s > 0 for n, spoken_s in rates.values())
                and 1 <= cost.cold_factor <= 2  # noqa: PLR2004
            )
        except (AttributeError, KeyError, TypeError, ValueError, ZeroDivisionError):
            return cls()
        return replace(cost, slowdown=1.0) if plausible else cls()


def speech_length(text: str) -> float:
    """Return about how many phonemes *text* has, spaces and marks included, without reading it.

    A letter is about one phoneme, a digit is a word, a Han sign a syllable.
    """
    text = inline.shown(text)
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
