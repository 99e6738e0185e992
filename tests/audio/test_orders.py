"""Skip, pause, gain, urgent, replace, render: on a fake Mac, where every frame is known."""

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from audio.cost import SynthesisCost
from audio.recording import chime
from audio.types import (
    SAMPLE_RATE_HZ,
    AudioError,
    CancelToken,
    Chunk,
    Ended,
    Outcome,
    PlaybackStarted,
    Samples,
    Silenced,
    Sound,
    SpokenWord,
    SynthesisError,
    Utterance,
)
from tests.support.fake_coreaudio import Device
from tests.support.fake_voice import TONE_S, FailingVoice, ToneVoice, find_tones
from tests.support.pipelines import SIX, MacPipeline, heard, tones
from tests.support.virtual_mac import VirtualMac

StartMac = Callable[..., MacPipeline]


# The tones of the chime, as if they were numbers.
CHIME = {tone.code for tone in find_tones(chime(), SAMPLE_RATE_HZ)}


def words(*numbers: int) -> str:
    """Return a text of one sentence for each number."""
    return " ".join(f"This is number {number}." for number in numbers)


def block(mac: MacPipeline, number: int) -> tuple[threading.Event, threading.Event]:
    """Keep the voice from a number; return when it has come to it, and what lets it go on."""
    reached, allowed = threading.Event(), threading.Event()
    synthesize = mac.voice.synthesize

    def blocked(chunk: Chunk, voice: str, speed: float, cancel_token: CancelToken) -> Sound:
        if f"number {number}" in chunk.text and not allowed.is_set():
            reached.set()
            cancel_token.bind(allowed.set)
            assert allowed.wait(20)
        return synthesize(chunk, voice, speed, cancel_token)

    mac.voice.synthesize = blocked  # type: ignore[method-assign]
    return reached, allowed


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


def test_urgent_utterance_follows_the_current_sentence_while_the_next_one_is_made(
    start_mac: StartMac,
) -> None:
    """A sentence that is partly made and not heard yet does not delay an urgent utterance."""
    mac = start_mac("Speakers")
    reached, _ = block(mac, 5)
    long = "And here is number 4 in a sentence that is so long that it is made in several parts,"
    mac.say(f"Number 1, number 2, number 3. {long} and at its end there is number 5.")
    assert reached.wait(20)
    mac.say(words(11), urgent=True)
    ended = [mac.wait_for_end() for _ in range(2)]

    assert heard(mac.devices[0]) == [1, 2, 3, 11, 4, 5]
    assert all(e.outcome is Outcome.HEARD for e in ended)


def test_urgent_utterance_waits_for_the_rest_of_the_current_sentence(start_mac: StartMac) -> None:
    """A sentence that has started is heard to its end, although its end is not made yet."""
    mac = start_mac("Speakers")
    reached, allowed = block(mac, 2)
    mac.say("Here is number 1, and here is number 2. And number 3.")
    assert reached.wait(20)
    mac.wait_for(lambda fact: isinstance(fact, PlaybackStarted))
    mac.say(words(11), urgent=True)
    allowed.set()
    for _ in range(2):
        mac.wait_for_end()

    assert heard(mac.devices[0]) == [1, 2, 11, 3]


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
    *before, first, second = tones(mac.devices[0])

    assert (first.code, second.code) == (31, 32)
    assert {tone.code for tone in before} == CHIME
    assert first.start_s - before[-1].end_s < TONE_S * mac.voice.factor


def slow_cost() -> SynthesisCost:
    """Return the cost on a machine that takes three seconds for one."""
    cost = SynthesisCost()
    for _ in range(200):
        for count in (1, 2):
            length, spoken_s = 10 * count, TONE_S * count
            cost = cost.after(
                length=length, speed=1, lang="en-us", spoken_s=spoken_s, took_s=3 * spoken_s
            )
    return cost


def test_chime_does_not_end_the_wait_of_a_slow_machine(start_mac: StartMac) -> None:
    """After a chime, too, the first word waits until sound will not run out."""
    mac = start_mac("Speakers", cost=slow_cost())
    mac.voice.factor = 3.0
    mac.say("Number 1 and number 2 and number 3 and number 4 and number 5.", chime=True)
    said_s = time.monotonic()
    started = mac.wait_for(lambda fact: isinstance(fact, PlaybackStarted))

    assert isinstance(started, PlaybackStarted)
    # They last for 1.5 s and take 4.5 s; the chime lasts for 0.9 s, and the first for 0.3 s.
    assert started.at_s - said_s > 2.5


def test_short_first_sentence_waits_on_a_slow_machine(
    start_mac: StartMac, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A first sentence that is ready waits for the next, also while that is being read."""
    mac = start_mac("Speakers", cost=slow_cost())
    mac.voice.factor = 3.0
    read = mac.voice.read

    def read_slowly(text: str, lang: str) -> tuple[SpokenWord, ...]:
        if "3" in text:
            time.sleep(0.3)
        return read(text, lang)

    monkeypatch.setattr(mac.voice, "read", read_slowly)
    mac.say("1! Number 2 and number 3 and number 4 and number 5.")
    said_s = time.monotonic()
    started = mac.wait_for(lambda fact: isinstance(fact, PlaybackStarted))

    assert isinstance(started, PlaybackStarted)
    # The first takes 0.9 s, the others 3.6 s.
    assert started.at_s - said_s > 2.5


def test_chime_stays_if_its_utterance_is_replaced(start_mac: StartMac) -> None:
    """A revision before the chime, or during it, changes the words that follow."""
    mac = start_mac("Speakers")
    reached, _ = block(mac, 12)
    mac.pipeline.pause()
    first = mac.say(words(11), chime=True)
    mac.pipeline.replace(replace(first, text=words(12)))
    mac.pipeline.resume()
    assert reached.wait(20)
    deadline_s = time.monotonic() + 10
    while not tones(mac.devices[0]) and time.monotonic() < deadline_s:
        time.sleep(0.02)
    assert tones(mac.devices[0])
    mac.pipeline.replace(replace(first, text=words(13)))

    ended = mac.wait_for_end()
    assert ended.audio_s == pytest.approx(TONE_S, abs=0.05)  # without the chime
    *before, only = tones(mac.devices[0])
    assert only.code == 13
    assert {tone.code for tone in before} == CHIME


def test_failed_utterance_is_heard_as_far_as_it_was_made(
    start_mac: StartMac, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error in a later chunk is reported after what was made before it was heard."""
    mac = start_mac("Speakers")
    synthesize = mac.voice.synthesize

    def fail_at_3(chunk: Chunk, *rest: Any) -> Sound:
        if "number 3" in chunk.text:
            raise SynthesisError("It can't be spoken.")
        return synthesize(chunk, *rest)

    monkeypatch.setattr(mac.voice, "synthesize", fail_at_3)
    mac.say(words(1, 2, 3, 4))
    mac.say(words(11))
    failed, following = mac.wait_for_end(), mac.wait_for_end()

    assert (failed.outcome, failed.reason) == (Outcome.FAILED, "It can't be spoken.")
    assert failed.audio_s == pytest.approx(2 * TONE_S, abs=0.01)
    assert following.outcome is Outcome.HEARD
    assert heard(mac.devices[0]) == [1, 2, 11]


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


# ---- on a virtual clock ----


def test_withdraw_drops_what_has_not_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends with the reason, and is never heard; the others are."""
    device = Device("Speakers")
    mac = VirtualMac(monkeypatch, device)
    _, waiting, _ = (mac.say(f"Number {number}.") for number in (1, 2, 3))
    mac.call(0.1, lambda: mac.pipeline.withdraw(waiting, "Too late."))
    mac.run()

    ends = {fact.id: (fact.outcome, fact.reason) for _, fact in mac.ends}
    assert ends[waiting] == (Outcome.SKIPPED, "Too late.")
    assert heard(device) == [1, 3]


@pytest.mark.parametrize("chime", [False, True])
def test_withdraw_spares_what_has_started(monkeypatch: pytest.MonkeyPatch, chime: bool) -> None:
    """What sounds, if only its chime, is heard to its end."""
    device = Device("Speakers")
    mac = VirtualMac(monkeypatch, device, voice=ToneVoice(2.0 if chime else 0.02))
    id_ = mac.say("Number 1.", chime=chime)
    mac.call(0.55, lambda: mac.pipeline.withdraw(id_, "Too late."))
    mac.run()

    assert [fact.outcome for _, fact in mac.ends] == [Outcome.HEARD]
    assert heard(device)[-1] == 1


def levels(device: Device) -> list[float]:
    """Return the peak of each tone that was heard."""
    loud = find_tones(device.sound * 4, SAMPLE_RATE_HZ)
    spans = [(int(t.start_s * SAMPLE_RATE_HZ), int(t.end_s * SAMPLE_RATE_HZ)) for t in loud]
    return [float(np.abs(device.sound[start:end]).max()) for start, end in spans]


def test_utterance_with_a_gain_of_its_own_is_the_only_one_with_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its neighbours are as loud as it is set, from their first to their last frame; no click."""
    device = Device("Speakers")
    mac = VirtualMac(monkeypatch, device)
    mac.pipeline.set_gain(0.5)
    for number, gain in ((1, None), (2, 0.25), (3, None), (4, 1.0)):
        mac.say(f"Number {number}.", gain=gain)
    mac.run()

    assert levels(device) == pytest.approx([0.25, 0.125, 0.25, 0.5], abs=0.01)
    silent = np.abs(device.sound) < 1e-4
    assert np.count_nonzero(~silent[:-1] & silent[1:]) > 4  # tones begin and end in silence
    assert np.abs(np.diff(device.sound)).max() < 0.15


@pytest.mark.parametrize(("by_clock", "level"), [(False, 0.125), (True, 0.5)])
def test_set_gain_applies_to_an_utterance_with_its_own_that_sounds(
    monkeypatch: pytest.MonkeyPatch, by_clock: bool, level: float
) -> None:
    """A person who turns it down is heeded at once, a clock is not; the next has its own again."""
    device = Device("Speakers")
    mac = VirtualMac(monkeypatch, device)
    sounding, _ = mac.say(SIX, gain=1.0), mac.say("Number 7.", gain=1.0)
    mac.call(1.0, lambda: mac.pipeline.set_gain(0.25, by_clock=by_clock))
    mac.run()

    assert sounding == 1
    *_, sixth, seventh = levels(device)
    assert sixth == pytest.approx(level, abs=0.01)
    assert seventh == pytest.approx(0.5, abs=0.01)


# ---- orders during a chime, on a virtual clock ----


def test_abort_during_a_chime_reports_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    """A chime that is cut off is silenced as words are."""
    mac = VirtualMac(monkeypatch, Device("Speakers"), voice=ToneVoice(20.0))
    id_ = mac.say("Number 1.", chime=True)
    mac.call(0.8, mac.pipeline.abort)
    mac.run()

    assert [fact.id for _, fact in mac.facts if isinstance(fact, Silenced)] == [id_]


def test_reorder_during_a_chime_moves_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The chime belongs to what is spoken after it: skipping the other one does not cut it off."""
    device = Device("Speakers")
    mac = VirtualMac(monkeypatch, device, voice=ToneVoice(2.0))
    first, second = mac.say("Number 1.", chime=True), mac.say("Number 2.", at_s=0.1)
    mac.call(0.15, lambda: mac.pipeline.reorder((second, first)))
    mac.call(0.7, lambda: mac.pipeline.skip(first))
    mac.run()

    [chime_tone, spoken] = tones(device)
    assert chime_tone.end_s - chime_tone.start_s > 0.5
    assert spoken.code == 2


def test_status_of_a_failed_utterance_counts_only_what_is_ready(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The text behind a chunk that failed is never heard."""
    mac = VirtualMac(monkeypatch, Device("Speakers"), voice=FailingVoice(3))
    mac.say("Number 1. Number 2. Number 3. " + "We walked along the river for hours. " * 20)
    left_s: list[float] = []
    mac.call(0.8, lambda: left_s.append(mac.pipeline.status().left_s))
    mac.run()

    assert 0 < left_s[0] < 1


@pytest.mark.parametrize("change", ["replace", "reorder"])
def test_utterance_that_failed_during_its_chime_can_be_made_again(
    monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    """The end of the chime is not the end of what follows it now."""
    device = Device("Speakers")
    mac = VirtualMac(monkeypatch, device, voice=FailingVoice(3, 2.0))
    first, second = mac.say("Number 3.", chime=True), mac.say("Number 2.", at_s=0.1)
    if change == "replace":
        mac.replace(first, "Number 1.", 0.3)
    else:
        mac.call(0.3, lambda: mac.pipeline.reorder((second, first)))
    mac.run()
    outcomes = {end.id: end.outcome for _, end in mac.ends}

    assert outcomes == {
        first: Outcome.HEARD if change == "replace" else Outcome.FAILED,
        second: Outcome.HEARD,
    }
    assert [tone.code for tone in tones(device)[1:]] == ([1, 2] if change == "replace" else [2])
