"""The pipeline: real voice, real PortAudio, facts in a queue."""

import itertools
import queue
import shutil
import threading
import time
import wave
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from audio.cost import SynthesisCost
from audio.kokoro.voice import KokoroVoice
from audio.output.portaudio import PortAudioSpeaker
from audio.output.wavfile import WavSpeaker
from audio.pipeline import SpeechPipeline
from audio.planner import Planner
from audio.types import (
    SAMPLE_RATE_HZ,
    AudioError,
    CancelToken,
    Chunk,
    Ended,
    Fact,
    Held,
    NoOutputDeviceError,
    Outcome,
    SentenceHeard,
    Sound,
    SynthesisError,
    Utterance,
)
from tests.support.loudspeaker import Ear, Loudspeakers


class Facts:
    """Collects what a pipeline tells."""

    def __init__(self) -> None:
        self.all: list[Fact] = []
        self._new: queue.SimpleQueue[Fact] = queue.SimpleQueue()

    def __call__(self, fact: Fact) -> None:
        self.all.append(fact)
        self._new.put(fact)

    def until(self, wanted: Callable[[Fact], bool], timeout_s: float = 40) -> Fact:
        """Return the next fact that is *wanted*; waits for it."""
        deadline_s = time.monotonic() + timeout_s
        while True:
            fact = self._new.get(timeout=max(0.01, deadline_s - time.monotonic()))
            if wanted(fact):
                return fact

    def end_of(self, id_: int) -> Ended:
        """Return how an utterance ended; waits for it."""
        fact = self.until(lambda fact: isinstance(fact, Ended) and fact.id == id_)
        assert isinstance(fact, Ended)
        return fact


@pytest.fixture
def facts() -> Facts:
    """Return a collector of facts."""
    return Facts()


@pytest.fixture
def pipeline(
    voice: KokoroVoice, loudspeakers: Loudspeakers, facts: Facts
) -> Iterator[SpeechPipeline]:
    """Return a running pipeline on the first loudspeaker."""
    assert loudspeakers.alsa_config.exists()
    pipeline = SpeechPipeline(voice, PortAudioSpeaker("speaker_a"), facts)
    pipeline.start()
    yield pipeline
    pipeline.close().result(5)


def order(id_: int, text: str, **fields: object) -> Utterance:
    """Return an utterance in the default voice."""
    values: dict[str, object] = {"voice": "af_heart", "speed": 1.0, "lang": "en-us", **fields}
    return Utterance(id_, text, **values)  # type: ignore[arg-type]


@pytest.mark.realtime
def test_facts_tell_each_sentence_and_the_end(
    pipeline: SpeechPipeline, facts: Facts, ear_a: Ear
) -> None:
    """Every sentence is told when it was heard, then the end, with device and length."""
    pipeline.say(order(1, "One is here. Two is here."))
    end = facts.end_of(1)

    assert [f.sentence for f in facts.all if isinstance(f, SentenceHeard)] == [0, 1]
    assert (end.outcome, end.device) == (Outcome.HEARD, "speaker_a")
    assert end.audio_s == pytest.approx(ear_a.spans()[-1][1] - ear_a.spans()[0][0], abs=0.6)


def test_a_resumed_utterance_begins_at_its_sentence(pipeline: SpeechPipeline, facts: Facts) -> None:
    """Sentences that were heard in an earlier life are not said again."""
    pipeline.say(order(1, "One is here. Two is here.", first_sentence=1))
    facts.end_of(1)
    pipeline.say(order(2, "One is here. Two is here.", first_sentence=2))
    facts.end_of(2)

    heard = [(f.id, f.sentence) for f in facts.all if isinstance(f, SentenceHeard)]
    assert heard == [(1, 1)]


@pytest.mark.realtime
def test_the_next_utterance_follows_without_a_long_gap(
    pipeline: SpeechPipeline, facts: Facts, ear_a: Ear
) -> None:
    """While one utterance sounds the next is made, and a short pause is between them."""
    pipeline.say(order(1, "The first of the two has a few words more."))
    pipeline.say(order(2, "The second."))
    facts.end_of(2)
    ear_a.wait_for_silence()
    spans = ear_a.spans()
    # A busy machine's device may run dry within one of them, for less.
    pause_s = max(begin_s - end_s for (_, end_s), (begin_s, _) in itertools.pairwise(spans))

    assert 0.3 < pause_s < 0.8


@pytest.mark.realtime
def test_an_abort_ends_everything_that_was_queued(
    pipeline: SpeechPipeline, facts: Facts, ear_a: Ear
) -> None:
    """After an abort there is silence, and each utterance is told to be stopped, in order."""
    for id_ in (1, 2, 3):
        pipeline.say(order(id_, "This one is long enough to be cut off in the middle of it."))
    ear_a.wait_for_sound(0.0)
    aborted_s = time.monotonic()
    pipeline.abort()
    ends = [facts.end_of(id_) for id_ in (1, 2, 3)]
    ear_a.wait_for_silence()

    assert [end.outcome for end in ends] == [Outcome.STOPPED] * 3
    begun_s, cut_s = ear_a.spans()[0][0], ear_a.spans()[-1][1]
    assert ends[0].audio_s == pytest.approx(cut_s - begun_s, abs=0.3)
    assert [end.audio_s for end in ends[1:]] == [0, 0]
    assert ear_a.spans()[-1][1] - aborted_s < 0.15
    assert not pipeline.status().speaking


@pytest.mark.realtime
def test_a_new_device_is_used_from_the_next_sentence_on(
    pipeline: SpeechPipeline, facts: Facts, ear_a: Ear, ear_b: Ear
) -> None:
    """A choice in the middle of an utterance moves its rest, with no sentence lost or twice."""
    pipeline.say(order(1, "This sentence is on the first. And this sentence is on the second."))
    ear_a.wait_for_sound(0.0)
    pipeline.select_device("speaker_b")
    end = facts.end_of(1)
    ear_b.wait_for_silence()

    assert end.device == "speaker_b"
    assert [f.sentence for f in facts.all if isinstance(f, SentenceHeard)] == [0, 1]
    # A slow machine may leave a gap within a sentence, but none comes back to the first device.
    assert ear_a.spans()
    assert ear_a.spans()[-1][1] < ear_b.spans()[0][0]
    # Nothing was said twice: both together sounded for no longer than the text lasts.
    sounded_s = sum(end_s - begin_s for begin_s, end_s in (*ear_a.spans(), *ear_b.spans()))
    assert sounded_s < end.audio_s + 0.2


@pytest.mark.realtime
def test_the_stream_closes_when_a_burst_is_over(
    voice: KokoroVoice, loudspeakers: Loudspeakers, facts: Facts
) -> None:
    """Soon after the last utterance the device is free, so that a change can be followed."""
    assert loudspeakers.alsa_config.exists()
    closed = threading.Event()

    class Watched(PortAudioSpeaker):
        def close(self) -> None:
            if self.is_open:
                closed.set()
            super().close()

    pipeline = SpeechPipeline(voice, Watched("speaker_a"), facts, stream_idle_s=0.5)
    pipeline.start()
    pipeline.say(order(1, "Hello."))
    facts.end_of(1)

    assert not closed.is_set()
    assert closed.wait(2)
    pipeline.close().result(5)


def test_with_no_idle_time_each_utterance_has_its_own_stream(
    voice: KokoroVoice, loudspeakers: Loudspeakers, facts: Facts
) -> None:
    """STREAM_IDLE_S=0 is a stream per request, even for utterances that follow at once."""
    assert loudspeakers.alsa_config.exists()
    opened: list[float] = []

    class Watched(PortAudioSpeaker):
        def open(self) -> None:
            opened.append(time.monotonic())
            super().open()

    pipeline = SpeechPipeline(voice, Watched("speaker_a"), facts, stream_idle_s=0)
    pipeline.start()
    for id_ in (1, 2, 3):
        pipeline.say(order(id_, "Hello."))
    facts.end_of(3)
    pipeline.close().result(5)

    assert len(opened) == 3


def test_without_a_device_an_utterance_is_held_until_one_appears(
    voice: KokoroVoice, facts: Facts, tmp_path: object
) -> None:
    """No device is no failure: the utterance waits, says why, and is spoken later."""

    class Absent(WavSpeaker):
        there = False

        def open(self) -> None:
            if not self.there:
                raise NoOutputDeviceError("There is no output device.")
            super().open()

    speaker = Absent(tmp_path)  # type: ignore[arg-type]
    pipeline = SpeechPipeline(voice, speaker, facts)
    pipeline.start()
    pipeline.say(order(1, "Hello."))
    held = facts.until(lambda fact: isinstance(fact, Held))
    speaker.there = True
    end = facts.end_of(1)
    pipeline.close().result(5)

    assert held == Held(1, "There is no output device.")
    assert end.outcome is Outcome.HEARD


class Made:
    """A voice whose sound is made by a function of the text."""

    def __init__(self, make: Callable[[str], Sound]) -> None:
        self._make = make

    def load(self) -> None:
        pass

    def synthesize(self, chunk: Chunk, _v: str, _s: float, _l: str, _i: CancelToken) -> Sound:
        return self._make(chunk.text)


def test_a_failing_chunk_fails_its_utterance_only(loudspeakers: Loudspeakers, facts: Facts) -> None:
    """An error of the voice reaches the fact, and the next utterance is spoken."""
    assert loudspeakers.alsa_config.exists()

    def fragile(text: str) -> Sound:
        if "bad" in text:
            raise SynthesisError("It will not be said.")
        if "worse" in text:
            raise ZeroDivisionError
        return Sound(np.full(4800, 0.1, np.float32))

    pipeline = SpeechPipeline(Made(fragile), PortAudioSpeaker("speaker_a"), facts)
    pipeline.start()
    for id_, text in enumerate(("bad", "worse", "good")):
        pipeline.say(order(id_, text))
    end = facts.end_of(2)
    pipeline.close().result(5)
    bad, worse = (f for f in facts.all if isinstance(f, Ended) and f.outcome is Outcome.FAILED)

    assert bad.reason == "It will not be said."
    assert worse.id == 1
    assert end.outcome is Outcome.HEARD


def test_only_what_follows_a_rest_counts_as_cold(tmp_path: Path, facts: Facts) -> None:
    """Of two that come at once, the second is no cold start; nor is it one right after a stop."""

    def steady(text: str) -> Sound:
        if "never" in text:
            making.set()
            stopped.wait(5)
        return Sound(np.full(SAMPLE_RATE_HZ, 0.1, np.float32), took_s=1.2)

    making, stopped, kept = threading.Event(), threading.Event(), list[SynthesisCost]()
    pipeline = SpeechPipeline(Made(steady), WavSpeaker(tmp_path), facts, keep_pace=kept.append)
    pipeline.start()
    pipeline.say(order(1, "One."))
    pipeline.say(order(2, "Two."))
    facts.end_of(2)
    pipeline.say(order(3, "This is never heard."))
    assert making.wait(5)
    pipeline.abort()
    pipeline.say(order(4, "Four."))
    stopped.set()
    facts.end_of(4)
    pipeline.close().result(5)

    once = SynthesisCost().after(letters=5, speed=1, spoken_s=1, took_s=1.2, rested=True)
    assert kept[-1].cold == once.cold


def test_devices_are_told_by_the_audio_thread(pipeline: SpeechPipeline) -> None:
    """A query lists both loudspeakers, the default, and what is wanted."""
    devices = pipeline.devices().result(5)
    names = [device.name for device in devices.outputs]

    assert {"speaker_a", "speaker_b", "default"} <= set(names)
    assert [device.name for device in devices.outputs if device.is_default] == ["default"]
    assert devices.wanted == "speaker_a"


@pytest.mark.realtime
def test_closing_is_silent_at_once_and_tells_nothing(
    pipeline: SpeechPipeline, facts: Facts, ear_a: Ear
) -> None:
    """An end of the process is no end of an utterance: it can go on in the next life."""
    pipeline.say(order(1, "This one is long enough to be cut off in the middle of it, is it not?"))
    ear_a.wait_for_sound(0.0)
    closed_s = time.monotonic()
    pipeline.close().result(5)
    ear_a.wait_for_silence()

    assert ear_a.spans()[-1][1] - closed_s < 0.15
    assert not any(isinstance(fact, Ended) for fact in facts.all)


def test_threads_have_their_names_and_end(voice: KokoroVoice, facts: Facts) -> None:
    """There is one thread called audio and one called synthesis, and none is left behind."""
    before = set(threading.enumerate())
    pipeline = SpeechPipeline(voice, PortAudioSpeaker(""), facts)
    pipeline.start()
    pipeline.devices().result(5)
    started = set(threading.enumerate()) - before
    pipeline.close().result(5)
    for thread in started:
        thread.join(5)

    assert sorted(thread.name for thread in started) == ["audio", "synthesis_0"]
    assert not any(thread.is_alive() for thread in started)


@pytest.mark.parametrize(
    "text",
    ["word " * 819, "\n".join(f"Paragraph {n}." for n in range(50)), "a" * 3000],
    ids=["4096 characters", "50 paragraphs", "one word of 3000 letters"],
)
def test_long_texts_are_synthesized_whole(voice: KokoroVoice, text: str) -> None:
    """Each chunk of the longest texts that Telegram carries becomes sound.

    Without a loudspeaker, since hearing all of it would take a quarter of an hour; the last ten
    chunks stand for the rest, which has the same shape.
    """
    planner = Planner(text, "en-us", 2.0)
    chunks = []
    while not planner.done:
        chunks.append(planner.next(SynthesisCost(), buffered_s=10))
    for chunk in chunks[-10:]:
        try:
            sound = voice.synthesize(chunk, "af_heart", 2.0, "en-us", CancelToken())
        except AudioError as exc:
            pytest.fail(str(exc))

        assert len(sound.samples)


def test_a_query_that_nobody_waits_for_does_no_harm(pipeline: SpeechPipeline, facts: Facts) -> None:
    """A chat that gave up on /devices does not cost the messages that wait."""
    pipeline.say(order(1, "Hello."))
    pipeline.devices().cancel()

    assert facts.end_of(1).outcome is Outcome.HEARD


def test_a_file_that_could_not_be_written_is_written_later(
    voice: KokoroVoice, facts: Facts, tmp_path: Path
) -> None:
    """With the folder in the way for a moment, the message is said again, whole."""
    folder = tmp_path / "spoken"
    pipeline = SpeechPipeline(voice, WavSpeaker(folder), facts)
    pipeline.start()
    pipeline.say(order(1, "Hello there."))
    while not pipeline.status().speaking:
        time.sleep(0.01)
    shutil.rmtree(folder)
    end = facts.end_of(1)
    pipeline.close().result(5)

    assert end.outcome is Outcome.HEARD
    assert [Path(file).name for file in end.files] == ["0001.wav"]
    with wave.open(end.files[0]) as file:
        assert file.getnframes() / file.getframerate() == pytest.approx(end.audio_s, abs=0.05)
