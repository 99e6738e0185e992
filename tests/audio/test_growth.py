"""Utterances whose text arrives while they are spoken."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from audio.output.wavfile import WavSpeaker
from audio.pipeline import SpeechPipeline
from audio.types import (
    AudioError,
    CancelToken,
    Chunk,
    Outcome,
    PlaybackStarted,
    Samples,
    SentenceHeard,
    Sound,
    silence,
)
from tests.http.test_audio_stream import decoded
from tests.support.fake_coreaudio import Device
from tests.support.fake_voice import FailingVoice, ToneVoice, find_tones
from tests.support.pipelines import Facts, heard, order
from tests.support.virtual_mac import VirtualMac, tones_of


@pytest.fixture
def facts() -> Facts:
    """Return a collector of facts."""
    return Facts()


@pytest.fixture
def pipeline(tmp_path: Path, facts: Facts) -> Iterator[SpeechPipeline]:
    """Return a running pipeline that speaks tones into files."""
    pipeline = SpeechPipeline(ToneVoice(), WavSpeaker(tmp_path), facts)
    pipeline.start()
    yield pipeline
    pipeline.close().result(5)


def codes(path: Path) -> list[int]:
    """Return the numbers in a file."""
    return [tone.code for tone in find_tones(*decoded(path.read_bytes(), "wav"))]


def heard_sentence(facts: Facts, number: int) -> None:
    """Wait until a sentence, counted from 0, has been heard."""
    facts.until(lambda fact: isinstance(fact, SentenceHeard) and fact.sentence == number)


def test_utterance_grows_while_it_is_spoken(
    pipeline: SpeechPipeline, facts: Facts, tmp_path: Path
) -> None:
    """Its sentences are heard as they come, in one file, and it ends when its text is complete."""
    pipeline.say(order(1, "Number 1.", grows=True))
    heard_sentence(facts, 0)
    pipeline.replace(order(1, "Number 1.\nNumber 2. Number 3.", grows=True))
    heard_sentence(facts, 2)
    pipeline.replace(order(1, "Number 1.\nNumber 2. Number 3.\nNumber 4."))
    ended = facts.end_of(1)
    (file,) = tmp_path.glob("*.wav")

    assert ended.outcome is Outcome.HEARD
    assert ended.audio_s > 0
    assert codes(file) == [1, 2, 3, 4]


@pytest.mark.parametrize("after", ["the order", "its sound began", "it was heard"])
def test_utterance_ends_when_nothing_follows(
    pipeline: SpeechPipeline, facts: Facts, tmp_path: Path, after: str
) -> None:
    """An end without more text may come at any time: everything is heard, once."""
    pipeline.say(order(1, "Number 1.", grows=True))
    if after == "its sound began":
        facts.until(lambda fact: isinstance(fact, PlaybackStarted))
    elif after == "it was heard":
        heard_sentence(facts, 0)
    pipeline.replace(order(1, "Number 1."))
    pipeline.say(order(2, "Number 2."))
    ends = [facts.end_of(id_) for id_ in (1, 2)]

    assert [end.outcome for end in ends] == [Outcome.HEARD] * 2
    assert [len(end.files) for end in ends] == [1, 1]
    assert [codes(file) for file in sorted(tmp_path.glob("*.wav"))] == [[1], [2]]


def test_utterance_that_grows_is_followed_by_others_at_its_end(
    pipeline: SpeechPipeline, facts: Facts, tmp_path: Path
) -> None:
    """What comes later waits for all of it, unless it is urgent."""
    pipeline.say(order(1, "Number 1.", grows=True))
    pipeline.say(order(2, "Number 2."))
    heard_sentence(facts, 0)
    pipeline.say(order(3, "Number 3.", urgent=True))
    facts.end_of(3)
    pipeline.replace(order(1, "Number 1.\nNumber 4."))
    facts.end_of(1)
    facts.end_of(2)

    assert [code for file in sorted(tmp_path.glob("*.wav")) for code in codes(file)] == [1, 3, 4, 2]


def test_utterance_that_grows_can_be_skipped(pipeline: SpeechPipeline, facts: Facts) -> None:
    """Text that arrives after its end is ignored."""
    pipeline.say(order(1, "Number 1.", grows=True))
    heard_sentence(facts, 0)
    pipeline.skip(1)
    skipped = facts.end_of(1)
    pipeline.replace(order(1, "Number 1.\nNumber 2."))
    pipeline.say(order(2, "Number 3."))

    assert skipped.outcome is Outcome.SKIPPED
    assert facts.end_of(2).outcome is Outcome.HEARD
    assert not any(isinstance(fact, SentenceHeard) and fact.sentence for fact in facts.all)


# ---- growth, and what else may happen ----


@pytest.mark.parametrize("next_at_s", [0.05, 0.5])
def test_utterance_that_failed_ends_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, next_at_s: float
) -> None:
    """What is ready before a chunk that fails is heard; the end of its text changes nothing."""
    device = Device("Speakers")
    mac = VirtualMac(monkeypatch, device, voice=FailingVoice(3))
    id_ = mac.say("Number 1. Number 2. Number 3.", grows=True)
    mac.replace(id_, "Number 1. Number 2. Number 3.\nNumber 4.", 0.3)
    mac.say("Number 5. Number 6.", at_s=next_at_s)
    mac.run()

    assert [(end.id, end.outcome) for _, end in mac.ends] == [
        (id_, Outcome.FAILED),
        (2, Outcome.HEARD),
    ]
    assert heard(device) == [1, 2, 5, 6]
    assert caplog.messages == []


def test_utterance_that_has_ended_stays_so_on_another_device(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A device that is lost during the next one brings nothing of it back."""
    lost, other = Device("AirPods"), Device("MacBook Speakers")
    mac = VirtualMac(monkeypatch, lost, other)
    id_ = mac.say("Number 1.", grows=True)
    mac.replace(id_, "Number 1.", 0.6)
    mac.say("Number 2 and number 3 and number 4 and number 5.", at_s=0.7)
    mac.call(1.5, lambda: mac.library.disconnect(lost))
    mac.run()

    sentences = [fact.id for _, fact in mac.facts if isinstance(fact, SentenceHeard)]

    assert [end.outcome for _, end in mac.ends] == [Outcome.HEARD] * 2
    assert sentences == [1, 2]
    assert (heard(lost), 1 in heard(other)) == ([1], False)


def test_utterance_grows_on_another_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """A device that is lost while an utterance waits for text costs nothing of it."""
    lost, other = Device("AirPods"), Device("MacBook Speakers")
    mac = VirtualMac(monkeypatch, lost, other)
    id_ = mac.say("Number 1. Number 2.", grows=True)
    mac.call(4, lambda: mac.library.disconnect(lost))
    mac.replace(id_, "Number 1. Number 2.\nNumber 3.", 6)
    mac.run()

    assert [end.outcome for _, end in mac.ends] == [Outcome.HEARD]
    assert (heard(lost), heard(other)) == ([1, 2], [3])


def test_utterance_that_grows_does_not_keep_the_voice_from_files(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """While it waits for text, and another one for it, the voice is free."""
    made: list[Samples | AudioError | None] = []
    mac = VirtualMac(monkeypatch, Device("Speakers"), voice=ToneVoice(1.0))
    mac.say("Number 1.", grows=True)
    mac.say("Number 2.", at_s=1)
    mac.call(3, lambda: mac.pipeline.render(order(9, "Number 4."), made.append))
    mac.run(5)

    assert len(made) == 2
    assert made[-1] is None


@pytest.mark.parametrize("grown_at_s", [0.0, 2.0])
def test_utterance_grows_after_a_restart(
    monkeypatch: pytest.MonkeyPatch, grown_at_s: float
) -> None:
    """One of which everything was heard before a restart waits for more text."""
    device = Device("Speakers")
    mac = VirtualMac(monkeypatch, device)
    id_ = mac.say("Number 1.", grows=True, first_sentence=1)
    mac.replace(id_, "Number 1.\nNumber 2.", grown_at_s, first_sentence=1)
    mac.run()

    assert [end.outcome for _, end in mac.ends] == [Outcome.HEARD]
    assert heard(device) == [2]


@pytest.mark.parametrize("change", ["lost", "paused"])
def test_utterance_that_was_heard_ends_without_a_loudspeaker(
    monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    """The end of its text is its end, if nothing of it is left to be heard."""
    device = Device("Speakers")
    mac = VirtualMac(monkeypatch, device)
    id_ = mac.say("Number 1.", grows=True)
    mac.call(
        3, mac.pipeline.pause if change == "paused" else lambda: mac.library.disconnect(device)
    )
    mac.replace(id_, "Number 1.", 4)
    mac.run(30)

    [(ended_s, end)] = mac.ends
    assert end.outcome is Outcome.HEARD
    assert ended_s - mac.start_s < 4.1


class MuteVoice(ToneVoice):
    """Can pronounce nothing."""

    def synthesize(
        self,
        chunk: Chunk,
        voice: str,
        speed: float,
        cancel_token: CancelToken,
    ) -> Sound:
        """Return no sound."""
        del chunk, voice, speed, cancel_token
        return Sound(silence(0), 0.1)


def test_utterance_without_sound_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that has grown fails with the same words as any other."""
    mac = VirtualMac(monkeypatch, Device("Speakers"), voice=MuteVoice())
    mac.replace(mac.say("One.", grows=True), "One.", 1)
    mac.say("Two.", at_s=3)
    mac.run()

    (_, grown), (_, other) = mac.ends
    assert grown.outcome is other.outcome is Outcome.FAILED
    assert grown.reason == other.reason
    assert "can pronounce nothing" in grown.reason


def test_utterance_that_has_grown_ends_as_soon_as_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither its 👍 nor the next one comes later because its last sentence was not known as such.

    Its end comes before the loudspeaker has got all of it.
    """

    def times(*, grows: bool) -> tuple[list[float], list[float]]:
        device = Device("Speakers")
        with monkeypatch.context() as patch:
            mac = VirtualMac(patch, device)
            id_ = mac.say("Number 1.", grows=grows)
            if grows:
                mac.replace(id_, "Number 1.", 0.2)
            mac.say("Number 2.", at_s=0.3)
            mac.run()
        ends_s = [at_s - mac.start_s for at_s, _ in mac.ends]
        return ends_s, [tone.start_s - mac.start_s for tone in tones_of(device)]

    assert times(grows=True) == times(grows=False)


@pytest.mark.parametrize("waits_for", ["text", "the voice"])
def test_wait_for_text_is_no_underrun(monkeypatch: pytest.MonkeyPatch, waits_for: str) -> None:
    """A device that runs dry because more text comes later, or after a chime, is not at fault."""
    is_slow = waits_for == "the voice"
    mac = VirtualMac(monkeypatch, Device("Speakers"), voice=ToneVoice(6.0 if is_slow else 0.02))
    if is_slow:
        mac.say("Number 1.", chime=True)
    else:
        mac.replace(mac.say("Number 1.", grows=True), "Number 1.\nNumber 2.", 4)
    mac.run()
    starts = [fact for _, fact in mac.facts if isinstance(fact, PlaybackStarted)]

    assert [end.underruns for _, end in mac.ends] == [0]
    assert mac.pipeline.status().underruns == 0
    assert len(starts) == (1 if is_slow else 2)
