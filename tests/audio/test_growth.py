"""Utterances whose text arrives while they are spoken."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from audio.output.wavfile import WavSpeaker
from audio.pipeline import SpeechPipeline
from audio.types import Outcome, PlaybackStarted, SentenceHeard
from tests.http.test_audio_stream import decoded
from tests.support.fake_voice import ToneVoice, find_tones
from tests.support.pipelines import Facts, order


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
