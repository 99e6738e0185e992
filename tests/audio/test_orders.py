"""Skip, pause, gain, urgent, replace, render: on a fake Mac, where every frame is known."""

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
from tests.support.fake_voice import TONE_S, find_tones
from tests.support.pipelines import SIX, MacPipeline, heard, tones

StartMac = Callable[..., MacPipeline]


def words(*numbers: int) -> str:
    """Return a text of one sentence for each number."""
    return " ".join(f"This is number {number}." for number in numbers)


def test_skip_stops_the_current_utterance(start_mac: StartMac) -> None:
    """A skip stops playback within a ring's length; the next utterance is heard from its start."""
    mac = start_mac("Speakers")
    mac.say(SIX)
    mac.say(words(11, 12))
    mac.wait_for_sentence(0)
    mac.pipeline.skip()

    assert mac.wait_for_end().outcome is Outcome.SKIPPED
    assert mac.wait_for_end().outcome is Outcome.HEARD
    numbers = heard(mac.devices[0])
    assert numbers[-2:] == [11, 12]
    assert numbers[:-2] == list(range(1, len(numbers) - 1))
    assert len(numbers) < 6


def test_skip_drops_a_queued_utterance(start_mac: StartMac) -> None:
    """An utterance skipped before its turn is never heard, and the others are not affected."""
    mac = start_mac("Speakers")
    mac.say(words(1, 2))
    waiting = mac.say(words(11))
    mac.say(words(21))
    mac.pipeline.skip(waiting.id)
    ended = [mac.wait_for_end() for _ in range(3)]

    assert {e.id: e.outcome for e in ended}[waiting.id] is Outcome.SKIPPED
    assert heard(mac.devices[0]) == [1, 2, 21]


def test_pause_is_silent_and_loses_nothing(start_mac: StartMac) -> None:
    """After a pause the word that was cut is heard again, then all the others, once."""
    mac = start_mac("Speakers")
    mac.say(SIX)
    mac.wait_for_sentence(1)
    mac.pipeline.pause()
    time.sleep(0.4)
    before = len(tones(mac.devices[0]))
    time.sleep(0.8)
    assert len(tones(mac.devices[0])) == before
    assert mac.pipeline.status().paused
    mac.pipeline.resume()

    assert mac.wait_for_end().outcome is Outcome.HEARD
    numbers = heard(mac.devices[0])
    assert sorted(set(numbers)) == [1, 2, 3, 4, 5, 6]
    assert len(numbers) <= 7
    assert numbers == sorted(numbers)


def test_abort_ends_a_pause(start_mac: StartMac) -> None:
    """After /stop in a pause the queue is empty, and the next message is heard."""
    mac = start_mac("Speakers")
    mac.say(SIX)
    mac.wait_for_sentence(0)
    mac.pipeline.pause()
    mac.pipeline.abort()
    assert mac.wait_for_end().outcome is Outcome.STOPPED
    mac.say(words(11))

    assert mac.wait_for_end().outcome is Outcome.HEARD
    assert heard(mac.devices[0])[-1] == 11


def test_urgent_utterance_follows_the_current_sentence(start_mac: StartMac) -> None:
    """An urgent utterance waits for the current sentence; what it interrupts continues after it."""
    mac = start_mac("Speakers")
    mac.say(SIX)
    mac.wait_for_sentence(1)
    mac.say(words(11, 12), urgent=True)
    ended = [mac.wait_for_end() for _ in range(2)]

    numbers = heard(mac.devices[0])
    index = numbers.index(11)
    assert numbers[index : index + 2] == [11, 12]
    assert [n for n in numbers if n < 10] == [1, 2, 3, 4, 5, 6]
    assert index < 6
    assert all(e.outcome is Outcome.HEARD for e in ended)


def test_urgent_utterance_is_not_interrupted(
    start_mac: StartMac, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the sentences of an urgent utterance nothing else is heard, though it is ready."""
    mac = start_mac("Speakers")
    synthesize = mac.voice.synthesize

    def slow_down_at_13(chunk: Chunk, *rest: Any) -> Sound:
        mac.voice.factor = 8.0 if "number 13" in chunk.text else 0.1
        return synthesize(chunk, *rest)

    monkeypatch.setattr(mac.voice, "synthesize", slow_down_at_13)
    mac.say(SIX)
    mac.wait_for_sentence(1)
    mac.say(words(*range(11, 17)), urgent=True)
    for _ in range(2):
        mac.wait_for_end()
    numbers = heard(mac.devices[0])
    index = numbers.index(11)

    assert numbers[index : index + 6] == [11, 12, 13, 14, 15, 16]
    assert [n for n in numbers if n < 10] == [1, 2, 3, 4, 5, 6]


def test_set_gain_applies_to_the_current_utterance(start_mac: StartMac) -> None:
    """A change of loudness is heard within the message, without a step."""
    mac = start_mac("Speakers")
    mac.say(SIX)
    mac.wait_for_sentence(0)
    mac.pipeline.set_gain(0.25)
    mac.wait_for_end()
    sound = mac.devices[0].sound
    last = find_tones(sound * 4, SAMPLE_RATE_HZ)[-1]
    level = np.abs(sound[int(last.start_s * SAMPLE_RATE_HZ) :]).max()

    assert level == pytest.approx(0.125, abs=0.01)
    assert np.abs(np.diff(sound)).max() < 0.5


def test_set_gain_never_clips(start_mac: StartMac) -> None:
    """Sound beyond full scale is compressed and stays within it."""
    mac = start_mac("Speakers")
    mac.pipeline.set_gain(4.0)
    mac.say(words(1))
    mac.wait_for_end()

    assert 0.8 < np.abs(mac.devices[0].sound).max() < 1.0


def test_chime_plays_during_synthesis(start_mac: StartMac) -> None:
    """The chime is heard at once, the words follow it, and queued utterances have none."""
    mac = start_mac("Speakers")
    mac.voice.factor = 2.0
    for number in (31, 32):
        order = Utterance(number, words(number), "af_heart", 1.0, "en-us", chime=True)
        mac.pipeline.say(order)
    for _ in range(2):
        assert mac.wait_for_end().outcome is Outcome.HEARD
    *chime, first, second = tones(mac.devices[0])

    assert (first.code, second.code) == (31, 32)
    assert chime
    assert first.start_s - chime[-1].end_s < TONE_S * mac.voice.factor


def test_replace_changes_a_queued_utterance(start_mac: StartMac) -> None:
    """Another text replaces that of an utterance that has not started."""
    mac = start_mac("Speakers")
    mac.say(SIX)
    second = mac.say(words(11))
    mac.pipeline.replace(replace(second, text=words(21)))
    for _ in range(2):
        mac.wait_for_end()

    assert heard(mac.devices[0])[-1] == 21


def test_render_yields_to_the_loudspeaker(start_mac: StartMac) -> None:
    """A file is synthesized completely, between utterances, and no utterance waits for it."""
    mac = start_mac("Speakers")
    sounds: queue.Queue[Samples | AudioError | None] = queue.Queue()
    mac.pipeline.render(Utterance(0, words(*range(31, 61)), "af_heart", 1.0, "en-us"), sounds.put)
    mac.say(words(1, 2, 3))
    assert mac.wait_for_end().outcome is Outcome.HEARD
    parts = []
    while isinstance(part := sounds.get(timeout=20), np.ndarray):
        parts.append(part)
    sound = np.concatenate(parts)

    assert part is None

    assert [tone.code for tone in find_tones(sound, SAMPLE_RATE_HZ)] == list(range(31, 61))
    assert heard(mac.devices[0]) == [1, 2, 3]


def test_status_has_the_current_utterance_and_its_time_left(start_mac: StartMac) -> None:
    """The status has the id of the current utterance, and the time that is left decreases."""
    mac = start_mac("Speakers")
    order = mac.say(SIX)
    mac.wait_for_sentence(0)
    early = mac.pipeline.status()
    mac.wait_for_sentence(3)
    late = mac.pipeline.status()
    ended = mac.wait_for_end()

    assert isinstance(ended, Ended)
    assert early.speaking_id == late.speaking_id == order.id
    assert early.left_s > late.left_s > 0
