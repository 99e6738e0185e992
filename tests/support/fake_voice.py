"""A voice for tests: each number in a text becomes a tone, from which it can be decoded.

``python -m tests.support.fake_voice`` runs the bot, or a room, with it, in a process of its own.
"""

import asyncio
import re
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from audio.kokoro.voice import fade_edges
from audio.text import inline
from audio.types import (
    SAMPLE_RATE_HZ,
    CancelToken,
    Chunk,
    Samples,
    Sound,
    SpokenWord,
    SynthesisError,
    Word,
)

TONE_S = 0.3
CODES = 250
_LOWEST_HZ, _STEP_HZ = 400.0, 25.0
_SHORTEST_S = 0.1  # shorter tones can't be decoded
_QUIET = 0.02
_GAP_S = 0.5  # shorter than the start of the bot
_PARTS = (0.75, 1.1)  # of a tone: the sum of its parts; two tones last longer


def read_letters(sentence: str, lang: str) -> tuple[SpokenWord, ...]:  # noqa: ARG001
    """Return the words of a sentence; their phonemes are their letters."""
    return inline.read(
        sentence, lambda plain: [SpokenWord(word, word, "letters") for word in plain.split()]
    )


class ToneVoice:
    """Speaks a chunk as one tone for each number in it; near silence if it has none."""

    def __init__(self, factor: float = 0.1) -> None:
        """Take *factor* seconds for a second of sound."""
        self.factor = factor

    def load(self) -> None:
        """Do nothing."""

    def read(self, sentence: str, lang: str) -> tuple[SpokenWord, ...]:
        """Return the words of a sentence."""
        return read_letters(sentence, lang)

    def is_stored(self, chunk: Chunk, voice: str, speed: float) -> bool:  # noqa: ARG002
        """Return False: no sound is stored."""
        return False

    def synthesize(
        self,
        chunk: Chunk,
        voice: str,  # noqa: ARG002  # part of the protocol
        speed: float,  # noqa: ARG002
        cancel_token: CancelToken,
    ) -> Sound:
        """Return the tones of the numbers in a chunk."""
        cancelled = threading.Event()
        cancel_token.bind(cancelled.set)
        numbers = re.findall(r"\d+", chunk.text)
        # Part of a sentence without its number: too soft to be mistaken for a tone.
        near_silence = np.full(int(0.1 * SAMPLE_RATE_HZ), _QUIET / 10, np.float32)
        tones = [tone(int(number)) for number in numbers] or [near_silence]
        samples = np.concatenate(tones)
        took_s = len(samples) / SAMPLE_RATE_HZ * self.factor
        time.sleep(took_s)
        if cancelled.is_set():
            raise SynthesisError("cancelled")
        return Sound(samples, took_s, _words(chunk.text))


class FailingVoice(ToneVoice):
    """Fails on every chunk with a certain number."""

    def __init__(self, number: int, factor: float = 0.02) -> None:
        """Fail on *number*."""
        super().__init__(factor)
        self._number = str(number)

    def synthesize(
        self, chunk: Chunk, voice: str, speed: float, cancel_token: CancelToken
    ) -> Sound:
        """Return the tones of the numbers in a chunk, or raise."""
        if self._number in re.findall(r"\d+", chunk.text):
            raise SynthesisError("It can't be spoken.")
        return super().synthesize(chunk, voice, speed, cancel_token)


def _words(text: str) -> tuple[Word, ...]:
    """Return the words of a chunk: a number lasts as long as its tone, other words no time."""
    words, at_s = [], 0.0
    for word in text.split():
        start_s = at_s
        at_s += TONE_S * len(re.findall(r"\d+", word))
        words.append(Word(word, start_s, at_s))
    return tuple(words)


def tone(code: int) -> Samples:
    """Return the tone of a number."""
    times = np.arange(int(TONE_S * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    hz = _LOWEST_HZ + _STEP_HZ * (code % CODES)
    return fade_edges((0.5 * np.sin(2 * np.pi * hz * times)).astype(np.float32))


@dataclass(frozen=True, slots=True)
class HeardTone:
    """A tone in a recording."""

    code: int
    start_s: float
    end_s: float

    @property
    def complete(self) -> bool:
        """Whether it was heard from start to end."""
        return self.end_s - self.start_s > 0.9 * TONE_S


def find_tones(
    samples: Samples, rate_hz: int, heard_s: Callable[[int], float] | None = None
) -> list[HeardTone]:
    """Return the tones in a recording.

    Args:
        samples: the recording.
        rate_hz: its sample rate.
        heard_s: returns when a frame was heard; without it, times count from the first frame.
    """
    clock = heard_s or (lambda frame: frame / rate_hz)
    block = rate_hz // 100
    length = len(samples) // block * block
    loud = np.abs(samples[:length]).reshape(-1, block).max(axis=1, initial=0.0) > _QUIET
    edges = np.flatnonzero(np.diff(np.concatenate([[False], loud, [False]]).astype(np.int8)))
    tones = []
    for start, end in edges.reshape(-1, 2) * block:
        if end - start < _SHORTEST_S * rate_hz:
            continue
        part = samples[start:end]
        spectrum = np.abs(np.fft.rfft(part * np.hanning(len(part)), 1 << 16))
        hz = float(np.argmax(spectrum)) * rate_hz / (1 << 16)
        code = round((hz - _LOWEST_HZ) / _STEP_HZ)
        tones.append(HeardTone(code, clock(int(start)), clock(int(end))))
    return _without_gaps(tones)


def _without_gaps(tones: list[HeardTone]) -> list[HeardTone]:
    """Return the tones, with the two parts of a tone joined if the device ran dry in it.

    That happens on a busy machine, and all of the tone is heard; underruns are counted elsewhere.
    """
    joined: list[HeardTone] = []
    for tone_ in tones:
        last = joined[-1] if joined else tone_
        parts_s = last.end_s - last.start_s + tone_.end_s - tone_.start_s
        gap_s = tone_.start_s - last.end_s
        if (
            tone_.code == last.code
            and 0 < gap_s < _GAP_S
            and _PARTS[0] < parts_s / TONE_S < _PARTS[1]
        ):
            joined[-1] = HeardTone(tone_.code, last.start_s, tone_.end_s)
        else:
            joined.append(tone_)
    return joined


def main(voice: ToneVoice | None = None) -> None:
    """Run the bot with *voice*, by default a `ToneVoice`."""
    from bot import logs
    from bot.app import exit_process, run, run_room
    from bot.settings import load

    settings, _ = load()
    secret = settings.telegram_bot_token
    assert secret is not None or settings.is_room
    token = secret.get_secret_value() if secret is not None else ""
    logs.start(settings.log_level, settings.data_dir, token, terminal=False, form="text")

    def count_tasks() -> None:  # for tests/stress/soak.py
        (settings.data_dir / "tasks").write_text(str(len(asyncio.all_tasks())))

    async def work() -> None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR2, count_tasks)
        spoken = voice or ToneVoice()
        if settings.is_room:
            exit_process(await run_room(settings, voice=spoken))
        exit_process(await run(settings, lambda _: None, voice=spoken))

    asyncio.run(work())


if __name__ == "__main__":
    main()
