"""A voice for tests: each number in a text sounds as a tone of its own, which can be told again.

``python -m tests.support.fake_voice`` runs the bot with it, in a process of its own.
"""

import asyncio
import re
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from audio.kokoro.voice import fade_edges
from audio.types import SAMPLE_RATE_HZ, CancelToken, Chunk, Samples, Sound, SynthesisError, Word

TONE_S = 0.3
CODES = 250
_LOWEST_HZ, _STEP_HZ = 400.0, 25.0
_SHORTEST_S = 0.1  # a shorter stretch is too short to be told
_QUIET = 0.02
_GAP_S = 0.5  # shorter than a start of the bot
_PARTS = (0.75, 1.1)  # of a tone, in its parts; two tones are more


class ToneVoice:
    """Speaks a chunk as one tone for each number in it; almost nothing where there is none."""

    def __init__(self, factor: float = 0.1) -> None:
        """Take *factor* seconds for a second of sound."""
        self.factor = factor

    def load(self) -> None:
        """Be ready at once."""

    def synthesize(
        self,
        chunk: Chunk,
        voice: str,  # noqa: ARG002  # as the real one's
        speed: float,  # noqa: ARG002
        lang: str,  # noqa: ARG002
        cancel_token: CancelToken,
    ) -> Sound:
        """Return the tones of the numbers in a chunk."""
        ended = [False]
        cancel_token.bind(lambda: ended.__setitem__(0, True))
        numbers = re.findall(r"\d+", chunk.text)
        # Part of a sentence without its number: too soft to be taken for a tone.
        hush = np.full(int(0.1 * SAMPLE_RATE_HZ), _QUIET / 10, np.float32)
        tones = [tone(int(number)) for number in numbers] or [hush]
        samples = np.concatenate(tones)
        took_s = len(samples) / SAMPLE_RATE_HZ * self.factor
        time.sleep(took_s)
        if ended[0]:
            raise SynthesisError("interrupted")
        return Sound(samples, took_s, _words(chunk.text))


def _words(text: str) -> tuple[Word, ...]:
    """Return the words of a chunk: a number lasts as long as its tone, the rest no time."""
    words, at_s = [], 0.0
    for word in text.split():
        begun_s = at_s
        at_s += TONE_S * len(re.findall(r"\d+", word))
        words.append(Word(word, begun_s, at_s))
    return tuple(words)


def tone(code: int) -> Samples:
    """Return the tone of a number."""
    times = np.arange(int(TONE_S * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    hz = _LOWEST_HZ + _STEP_HZ * (code % CODES)
    return fade_edges((0.5 * np.sin(2 * np.pi * hz * times)).astype(np.float32))


@dataclass(frozen=True, slots=True)
class HeardTone:
    """One tone, as it was heard."""

    code: int
    start_s: float
    end_s: float

    @property
    def whole(self) -> bool:
        """Whether all of it was heard."""
        return self.end_s - self.start_s > 0.9 * TONE_S


def find_tones(
    samples: Samples, rate_hz: int, heard_s: Callable[[int], float] | None = None
) -> list[HeardTone]:
    """Return the tones in a recording.

    Args:
        samples: the recording.
        rate_hz: its sample rate.
        heard_s: tells when a frame was heard; without it, times count from the first frame.
    """
    clock = heard_s or (lambda frame: frame / rate_hz)
    block = rate_hz // 100
    whole = len(samples) // block * block
    loud = np.abs(samples[:whole]).reshape(-1, block).max(axis=1, initial=0.0) > _QUIET
    edges = np.flatnonzero(np.diff(np.concatenate([[False], loud, [False]]).astype(np.int8)))
    found = []
    for start, end in edges.reshape(-1, 2) * block:
        if end - start < _SHORTEST_S * rate_hz:
            continue
        part = samples[start:end]
        spectrum = np.abs(np.fft.rfft(part * np.hanning(len(part)), 1 << 16))
        hz = float(np.argmax(spectrum)) * rate_hz / (1 << 16)
        code = round((hz - _LOWEST_HZ) / _STEP_HZ)
        found.append(HeardTone(code, clock(int(start)), clock(int(end))))
    return _without_gaps(found)


def _without_gaps(found: list[HeardTone]) -> list[HeardTone]:
    """Return the tones, the two parts of one as one where the device ran dry in it.

    That happens on a busy machine, and all of the tone is heard; underruns are counted elsewhere.
    """
    joined: list[HeardTone] = []
    for one in found:
        last = joined[-1] if joined else one
        parts_s = last.end_s - last.start_s + one.end_s - one.start_s
        gap_s = one.start_s - last.end_s
        if (
            one.code == last.code
            and 0 < gap_s < _GAP_S
            and _PARTS[0] < parts_s / TONE_S < _PARTS[1]
        ):
            joined[-1] = HeardTone(one.code, last.start_s, one.end_s)
        else:
            joined.append(one)
    return joined


def main(voice: ToneVoice | None = None) -> None:
    """Run the bot with this voice, or a voice like it."""
    from bot import logs
    from bot.app import exit_process, run
    from bot.settings import load

    settings, _ = load()
    assert settings.telegram_bot_token is not None
    token = settings.telegram_bot_token.get_secret_value()
    logs.start(settings.log_level, settings.data_dir, token, terminal=False, form="text")

    def count_tasks() -> None:  # for tests/stress/soak.py
        (settings.data_dir / "tasks").write_text(str(len(asyncio.all_tasks())))

    async def work() -> None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR2, count_tasks)
        exit_process(await run(settings, lambda _: None, voice=voice or ToneVoice()))

    asyncio.run(work())


if __name__ == "__main__":
    main()
