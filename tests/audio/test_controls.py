"""Skip, pause, resume, louder, urgent, revised: on the stand-in, where every frame is known."""

import queue
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from audio.types import (
    SAMPLE_RATE_HZ,
    AudioError,
    Chunk,
    Ended,
    Outcome,
    Samples,
    Sound,
    Utterance,
)
from tests.audio.test_coreaudio import SIX, Mac, heard, start, tones
from tests.support.fake_voice import TONE_S, tell

__all__ = ["start"]

Start = Callable[..., Mac]


def words(*numbers: int) -> str:
    """Return a text of one sentence for each number."""
    return " ".join(f"This is number {number}." for number in numbers)


def test_a_skipped_utterance_is_silent_and_the_next_one_whole(start: Start) -> None:
    """A skip ends what sounds within a ring, and what waits is heard from its beginning."""
    mac = start("Speakers")
    mac.say(SIX)
    mac.say(words(11, 12))
    mac.sentence_heard(0)
    mac.pipeline.skip()

    assert mac.ended().outcome is Outcome.SKIPPED
    assert mac.ended().outcome is Outcome.HEARD
    numbers = heard(mac.devices[0])
    assert numbers[-2:] == [11, 12]
    assert numbers[:-2] == list(range(1, len(numbers) - 1))
    assert len(numbers) < 6


def test_one_that_waits_can_be_skipped(start: Start) -> None:
    """What is skipped before its turn is never heard, and nothing else is touched."""
    mac = start("Speakers")
    mac.say(words(1, 2))
    waiting = mac.say(words(11))
    mac.say(words(21))
    mac.pipeline.skip(waiting.id)
    ended = [mac.ended() for _ in range(3)]

    assert {e.id: e.outcome for e in ended}[waiting.id] is Outcome.SKIPPED
    assert heard(mac.devices[0]) == [1, 2, 21]


def test_a_pause_is_silent_and_loses_nothing(start: Start) -> None:
    """After a pause the word that was cut is heard again, then all the others, once."""
    mac = start("Speakers")
    mac.say(SIX)
    mac.sentence_heard(1)
    mac.pipeline.pause()
    time.sleep(0.4)
    before = len(tones(mac.devices[0]))
    time.sleep(0.8)
    assert len(tones(mac.devices[0])) == before
    assert mac.pipeline.status().paused
    mac.pipeline.resume()

    assert mac.ended().outcome is Outcome.HEARD
    numbers = heard(mac.devices[0])
    assert sorted(set(numbers)) == [1, 2, 3, 4, 5, 6]
    assert len(numbers) <= 7
    assert numbers == sorted(numbers)


def test_a_stop_ends_a_pause(start: Start) -> None:
    """After /stop in a pause nothing is left, and the next message is heard."""
    mac = start("Speakers")
    mac.say(SIX)
    mac.sentence_heard(0)
    mac.pipeline.pause()
    mac.pipeline.abort()
    assert mac.ended().outcome is Outcome.STOPPED
    mac.say(words(11))

    assert mac.ended().outcome is Outcome.HEARD
    assert heard(mac.devices[0])[-1] == 11


def test_the_urgent_comes_after_the_sentence_and_the_rest_goes_on(start: Start) -> None:
    """An urgent utterance waits for the sentence that sounds, and what it cut goes on behind it."""
    mac = start("Speakers")
    mac.say(SIX)
    mac.sentence_heard(1)
    mac.say(words(11, 12), urgent=True)
    ended = [mac.ended() for _ in range(2)]

    numbers = heard(mac.devices[0])
    place = numbers.index(11)
    assert numbers[place : place + 2] == [11, 12]
    assert [n for n in numbers if n < 10] == [1, 2, 3, 4, 5, 6]
    assert place < 6
    assert all(e.outcome is Outcome.HEARD for e in ended)


def test_a_long_urgent_utterance_is_not_cut_by_what_waits(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the sentences of an urgent utterance nothing else is heard, though it is ready."""
    mac = start("Speakers")
    synthesize = mac.voice.synthesize

    def stumble(chunk: Chunk, *rest: Any) -> Sound:
        mac.voice.factor = 8.0 if "number 13" in chunk.text else 0.1
        return synthesize(chunk, *rest)

    monkeypatch.setattr(mac.voice, "synthesize", stumble)
    mac.say(SIX)
    mac.sentence_heard(1)
    mac.say(words(*range(11, 17)), urgent=True)
    for _ in range(2):
        mac.ended()
    numbers = heard(mac.devices[0])
    place = numbers.index(11)

    assert numbers[place : place + 6] == [11, 12, 13, 14, 15, 16]
    assert [n for n in numbers if n < 10] == [1, 2, 3, 4, 5, 6]


def test_loudness_changes_what_sounds_already(start: Start) -> None:
    """A change of loudness is heard within the message, without a step."""
    mac = start("Speakers")
    mac.say(SIX)
    mac.sentence_heard(0)
    mac.pipeline.set_gain(0.25)
    mac.ended()
    sound = mac.devices[0].sound
    last = tell(sound * 4, SAMPLE_RATE_HZ)[-1]
    level = np.abs(sound[int(last.start_s * SAMPLE_RATE_HZ) :]).max()

    assert level == pytest.approx(0.125, abs=0.01)
    assert np.abs(np.diff(sound)).max() < 0.5


def test_too_loud_is_bent_and_never_clipped(start: Start) -> None:
    """Beyond full scale the sound stays within it."""
    mac = start("Speakers")
    mac.pipeline.set_gain(4.0)
    mac.say(words(1))
    mac.ended()

    assert 0.8 < np.abs(mac.devices[0].sound).max() < 1.0


def test_a_chime_sounds_while_the_first_words_are_made(start: Start) -> None:
    """It is there at once, the words follow it, and what waits behind them has none."""
    mac = start("Speakers")
    mac.voice.factor = 2.0
    for number in (31, 32):
        order = Utterance(number, words(number), "af_heart", 1.0, "en-us", chime=True)
        mac.pipeline.say(order)
    for _ in range(2):
        assert mac.ended().outcome is Outcome.HEARD
    *chime, first, second = tones(mac.devices[0])

    assert (first.code, second.code) == (31, 32)
    assert chime
    assert first.start_s - chime[-1].end_s < TONE_S * mac.voice.factor


def test_what_waits_can_be_revised(start: Start) -> None:
    """Another text takes the place of one that has not begun."""
    mac = start("Speakers")
    mac.say(SIX)
    second = mac.say(words(11))
    mac.pipeline.replace(replace(second, text=words(21)))
    for _ in range(2):
        mac.ended()

    assert heard(mac.devices[0])[-1] == 21


def test_rendering_gives_way_to_the_loudspeaker(start: Start) -> None:
    """Sound for somebody else is made between, whole, and nothing spoken waits for it."""
    mac = start("Speakers")
    got: queue.Queue[Samples | AudioError | None] = queue.Queue()
    mac.pipeline.render(Utterance(0, words(*range(31, 61)), "af_heart", 1.0, "en-us"), got.put)
    mac.say(words(1, 2, 3))
    assert mac.ended().outcome is Outcome.HEARD
    parts = []
    while isinstance(part := got.get(timeout=20), np.ndarray):
        parts.append(part)
    sound = np.concatenate(parts)

    assert part is None

    assert [tone.code for tone in tell(sound, SAMPLE_RATE_HZ)] == list(range(31, 61))
    assert heard(mac.devices[0]) == [1, 2, 3]


def test_status_tells_what_sounds_and_how_long_it_will(start: Start) -> None:
    """The status names the utterance that sounds, and its rest grows shorter."""
    mac = start("Speakers")
    order = mac.say(SIX)
    mac.sentence_heard(0)
    early = mac.pipeline.status()
    mac.sentence_heard(3)
    late = mac.pipeline.status()
    ended = mac.ended()

    assert isinstance(ended, Ended)
    assert early.speaking_id == late.speaking_id == order.id
    assert early.left_s > late.left_s > 0
