"""The pipeline: real PortAudio, facts in a queue, and the real voice where it matters."""

import itertools
import queue
import shutil
import threading
import time
import wave
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

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
    Held,
    NoOutputDeviceError,
    Outcome,
    PlaybackStarted,
    Samples,
    SentenceHeard,
    Sound,
    SpokenWord,
    SynthesisError,
    silence,
)
from tests.support.fake_voice import CODES, ToneVoice, find_tones
from tests.support.loudspeaker import RATE_HZ, Ear, Loudspeakers
from tests.support.pipelines import Facts, order


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


@pytest.mark.realtime
def test_pipeline_reports_each_sentence_and_the_end(
    pipeline: SpeechPipeline, facts: Facts, ear_a: Ear
) -> None:
    """Each sentence is reported when it was heard, then the end, with device and duration."""
    pipeline.say(order(1, "One is here. Two is here."))
    end = facts.end_of(1)

    assert [f.sentence for f in facts.all if isinstance(f, SentenceHeard)] == [0, 1]
    assert (end.outcome, end.device) == (Outcome.HEARD, "speaker_a")
    # Without the pauses, which are longer on a busy machine.
    heard_s = sum(last_s - first_s for first_s, last_s in ear_a.spans())
    assert end.audio_s == pytest.approx(heard_s, abs=0.6)


def test_pipeline_starts_at_first_sentence(tone_pipeline: SpeechPipeline, facts: Facts) -> None:
    """Sentences that were heard before a restart are not spoken again."""
    tone_pipeline.say(order(1, "Number 1 is here. Number 2 is here.", first_sentence=1))
    facts.end_of(1)
    tone_pipeline.say(order(2, "Number 1 is here. Number 2 is here.", first_sentence=2))
    facts.end_of(2)

    heard = [(f.id, f.sentence) for f in facts.all if isinstance(f, SentenceHeard)]
    assert heard == [(1, 1)]


@pytest.mark.realtime
def test_pipeline_leaves_a_short_gap_between_utterances(
    tone_pipeline: SpeechPipeline, facts: Facts, ear_a: Ear
) -> None:
    """The next utterance is synthesized during playback, and follows after a short pause."""
    # Tones are synthesized in time on a busy machine, too.
    tone_pipeline.say(order(1, "This is number 1 2 3 4 5 6."))
    tone_pipeline.say(order(2, "Number 7."))
    facts.end_of(2)
    ear_a.wait_for_silence()
    spans = ear_a.spans()
    pause_s = max(begin_s - end_s for (_, end_s), (begin_s, _) in itertools.pairwise(spans))

    assert 0.3 < pause_s < 0.8


@pytest.mark.realtime
def test_abort_drops_everything_queued(pipeline: SpeechPipeline, facts: Facts, ear_a: Ear) -> None:
    """After an abort there is silence, and each utterance is reported as stopped, in order."""
    for id_ in (1, 2, 3):
        pipeline.say(order(id_, "This one is long enough to be cut off in the middle of it."))
    ear_a.wait_for_sound(0.0)
    aborted_s = time.monotonic()
    pipeline.abort()
    ends = [facts.end_of(id_) for id_ in (1, 2, 3)]
    ear_a.wait_for_silence()

    assert [end.outcome for end in ends] == [Outcome.STOPPED] * 3
    started_s, cut_s = ear_a.spans()[0][0], ear_a.spans()[-1][1]
    assert ends[0].audio_s == pytest.approx(cut_s - started_s, abs=0.3)
    assert [end.audio_s for end in ends[1:]] == [0, 0]
    assert ear_a.spans()[-1][1] - aborted_s < 0.15
    assert not pipeline.status().speaking


@pytest.mark.realtime
def test_select_device_applies_from_the_next_sentence(
    pipeline: SpeechPipeline, facts: Facts, ear_a: Ear, ear_b: Ear
) -> None:
    """A newly selected device gets the rest of the utterance; no sentence is lost or repeated."""
    pipeline.say(order(1, "This sentence is on the first. And this sentence is on the second."))
    ear_a.wait_for_sound(0.0)
    pipeline.select_device("speaker_b")
    end = facts.end_of(1)
    ear_b.wait_for_silence()

    assert end.device == "speaker_b"
    assert [f.sentence for f in facts.all if isinstance(f, SentenceHeard)] == [0, 1]
    # A slow machine may leave a gap within a sentence, but none is on the first device again.
    assert ear_a.spans()
    assert ear_a.spans()[-1][1] < ear_b.spans()[0][0]
    # Nothing was spoken twice: both together lasted no longer than the text.
    sounded_s = sum(end_s - begin_s for begin_s, end_s in (*ear_a.spans(), *ear_b.spans()))
    assert sounded_s < end.audio_s + 0.2


@pytest.mark.realtime
def test_pipeline_closes_its_stream_after_a_burst(loudspeakers: Loudspeakers, facts: Facts) -> None:
    """Soon after the last utterance the device is released, so that a change can be followed."""
    assert loudspeakers.alsa_config.exists()
    closed = threading.Event()

    class ClosingSpeaker(PortAudioSpeaker):
        def close(self) -> None:
            if self.is_open:
                closed.set()
            super().close()

    pipeline = SpeechPipeline(ToneVoice(), ClosingSpeaker("speaker_a"), facts, stream_idle_s=0.5)
    pipeline.start()
    pipeline.say(order(1, "Number 1."))
    facts.end_of(1)

    assert not closed.is_set()
    assert closed.wait(2)
    pipeline.close().result(5)


def test_pipeline_without_idle_time_opens_a_stream_per_utterance(
    loudspeakers: Loudspeakers, facts: Facts
) -> None:
    """STREAM_IDLE_S=0 means a stream per utterance, even for utterances that follow at once."""
    assert loudspeakers.alsa_config.exists()
    opened: list[float] = []

    class OpeningSpeaker(PortAudioSpeaker):
        def open(self) -> None:
            opened.append(time.monotonic())
            super().open()

    pipeline = SpeechPipeline(ToneVoice(), OpeningSpeaker("speaker_a"), facts, stream_idle_s=0)
    pipeline.start()
    for id_ in (1, 2, 3):
        pipeline.say(order(id_, f"Number {id_}."))
    facts.end_of(3)
    pipeline.close().result(5)

    assert len(opened) == 3


def test_pipeline_holds_an_utterance_until_a_device_appears(facts: Facts, tmp_path: object) -> None:
    """A missing device is no failure: the utterance waits, reports why, and is spoken later."""

    class AbsentSpeaker(WavSpeaker):
        connected = False

        def open(self) -> None:
            if not self.connected:
                raise NoOutputDeviceError("There is no output device.")
            super().open()

    speaker = AbsentSpeaker(tmp_path)  # type: ignore[arg-type]
    pipeline = SpeechPipeline(ToneVoice(), speaker, facts)
    pipeline.start()
    pipeline.say(order(1, "Number 1."))
    held = facts.until(lambda fact: isinstance(fact, Held))
    speaker.connected = True
    end = facts.end_of(1)
    pipeline.close().result(5)

    assert held == Held(1, "There is no output device.")
    assert end.outcome is Outcome.HEARD


class FunctionVoice(ToneVoice):
    """A voice whose sound is computed by a function of the text."""

    def __init__(self, make: Callable[[str], Sound]) -> None:
        super().__init__()
        self._make = make

    def synthesize(self, chunk: Chunk, _v: str, _s: float, _i: CancelToken) -> Sound:
        return self._make(chunk.text)


def test_pipeline_fails_only_the_utterance_of_a_failing_chunk(
    loudspeakers: Loudspeakers, facts: Facts
) -> None:
    """An error of the voice is reported as the reason, and the next utterance is spoken."""
    assert loudspeakers.alsa_config.exists()

    def fail_on_bad(text: str) -> Sound:
        if "bad" in text:
            raise SynthesisError("It can't be spoken.")
        if "worse" in text:
            raise ZeroDivisionError
        return Sound(np.full(4800, 0.1, np.float32))

    pipeline = SpeechPipeline(FunctionVoice(fail_on_bad), PortAudioSpeaker("speaker_a"), facts)
    pipeline.start()
    for id_, text in enumerate(("bad", "worse", "good")):
        pipeline.say(order(id_, text))
    end = facts.end_of(2)
    pipeline.close().result(5)
    bad, worse = (f for f in facts.all if isinstance(f, Ended) and f.outcome is Outcome.FAILED)

    assert bad.reason == "It can't be spoken."
    assert worse.id == 1
    assert end.outcome is Outcome.HEARD


def test_pipeline_learns_a_cold_start_only_after_a_rest(tmp_path: Path, facts: Facts) -> None:
    """Neither the second of two utterances nor the first after a stop counts as a cold start."""

    def steady(text: str) -> Sound:
        if "never" in text:
            making.set()
            stopped.wait(5)
        return Sound(np.full(SAMPLE_RATE_HZ, 0.1, np.float32), took_s=1.2)

    making, stopped, stored = threading.Event(), threading.Event(), list[SynthesisCost]()
    pipeline = SpeechPipeline(
        FunctionVoice(steady), WavSpeaker(tmp_path), facts, on_cost=stored.append
    )
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

    cold_once = SynthesisCost().after(
        length=5, speed=1, lang="en-us", spoken_s=1, took_s=1.2, rested=True
    )
    assert stored[-1].cold_factor == cold_once.cold_factor


class StoringVoice(ToneVoice):
    """Claims to have stored the sound of every two words, in one style."""

    def is_stored(self, chunk: Chunk, voice: str, speed: float) -> bool:
        """Return whether a chunk is two words."""
        return (voice, speed) == ("am_adam", 1.5) and len(chunk.words) == 2


@pytest.mark.parametrize(("voice", "is_stored"), [("am_adam", True), ("af_heart", False)])
def test_pipeline_cuts_a_text_as_its_stored_sound(
    tmp_path: Path, facts: Facts, voice: str, is_stored: bool
) -> None:
    """The chunks whose sound is stored are used again: those of the voice and the speed."""
    pipeline = SpeechPipeline(StoringVoice(), WavSpeaker(tmp_path), facts)
    pipeline.start()
    pipeline.say(order(1, "We walked along the river, and then home.", voice=voice, speed=1.5))
    end = facts.end_of(1)
    pipeline.close().result(5)

    assert end.outcome is Outcome.HEARD
    assert (end.chunks == 4) == is_stored


class PausingVoice(ToneVoice):
    """Reads "(pause)" as a pause of a second, which a sender asked for."""

    def read(self, sentence: str, lang: str) -> tuple[SpokenWord, ...]:
        """Return the words of a sentence; a pause is after the word before it."""
        words: list[SpokenWord] = []
        for word in super().read(sentence, lang):
            if word.text != "(pause)":
                words.append(word)
            elif words:
                words[-1] = replace(words[-1], pause_s=1.0)
            else:
                words.append(SpokenWord("", "", "test", pause_s=1.0))
        return tuple(words)

    def synthesize(self, chunk: Chunk, *args: Any) -> Sound:
        """Return no sound if there are no words, as the real voice does."""
        return super().synthesize(chunk, *args) if chunk.text else Sound(silence(0))


def test_pipeline_pauses_where_the_sender_asks_for_it(tmp_path: Path, facts: Facts) -> None:
    """A pause before the first word and one inside a sentence are heard, aloud and in a file."""
    text = "(pause) Number 1 (pause) and number 2."
    from_renderer: queue.Queue[Samples | AudioError | None] = queue.Queue()
    pipeline = SpeechPipeline(PausingVoice(), WavSpeaker(tmp_path), facts)
    pipeline.start()
    pipeline.say(order(1, text))
    end = facts.end_of(1)
    pipeline.render(order(2, text), from_renderer.put)
    rendered: list[Samples] = []
    while isinstance(samples := from_renderer.get(timeout=10), np.ndarray):
        rendered.append(samples)
    pipeline.close().result(5)
    with wave.open(end.files[0]) as file:
        aloud = np.frombuffer(file.readframes(file.getnframes()), np.int16) / 32768

    for samples in (aloud.astype(np.float32), np.concatenate(rendered)):
        first, second = find_tones(samples, SAMPLE_RATE_HZ)

        assert (first.code, second.code) == (1, 2)
        assert first.start_s == pytest.approx(1.0, abs=0.1)
        assert second.start_s - first.end_s == pytest.approx(1.0, abs=0.1)


def test_devices_lists_loudspeakers_default_and_selection(tone_pipeline: SpeechPipeline) -> None:
    """A query returns both loudspeakers, the default, and the selected device."""
    devices = tone_pipeline.devices().result(5)
    names = [device.name for device in devices.outputs]

    assert {"speaker_a", "speaker_b", "default"} <= set(names)
    assert [device.name for device in devices.outputs if device.is_default] == ["default"]
    assert devices.wanted == "speaker_a"


@pytest.mark.realtime
def test_close_stops_at_once_and_reports_no_end(
    pipeline: SpeechPipeline, facts: Facts, ear_a: Ear
) -> None:
    """The end of the process is not the end of an utterance, which may continue after a restart."""
    pipeline.say(order(1, "This one is long enough to be cut off in the middle of it, is it not?"))
    ear_a.wait_for_sound(0.0)
    closed_s = time.monotonic()
    pipeline.close().result(5)
    ear_a.wait_for_silence()

    assert ear_a.spans()[-1][1] - closed_s < 0.15
    assert not any(isinstance(fact, Ended) for fact in facts.all)


def test_pipeline_threads_have_names_and_exit(facts: Facts) -> None:
    """There is one thread named audio and one named synthesis, and close ends both."""
    before = set(threading.enumerate())
    pipeline = SpeechPipeline(ToneVoice(), PortAudioSpeaker(""), facts)
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
def test_voice_synthesizes_every_chunk_of_long_texts(voice: KokoroVoice, text: str) -> None:
    """Each chunk of the longest texts that Telegram carries becomes sound.

    Without a loudspeaker, since hearing all of it would take a quarter of an hour; the last ten
    chunks stand for the rest, which has the same shape, and equal ones for each other.
    """
    planner = Planner(text, "en-us", 2.0)
    chunks = []
    while not planner.done:
        planner.prepare(voice.read)
        chunks.append(planner.next(SynthesisCost(), buffered_s=10))
    for chunk in dict.fromkeys(chunks[-10:]):
        try:
            sound = voice.synthesize(chunk, "af_heart", 2.0, CancelToken())
        except AudioError as exc:
            pytest.fail(str(exc))

        assert len(sound.samples)


def test_devices_may_be_cancelled(tone_pipeline: SpeechPipeline, facts: Facts) -> None:
    """A cancelled query does not affect the utterances in the queue."""
    tone_pipeline.say(order(1, "Number 1."))
    tone_pipeline.devices().cancel()

    assert facts.end_of(1).outcome is Outcome.HEARD


def test_pipeline_writes_a_file_again_after_a_failure(facts: Facts, tmp_path: Path) -> None:
    """If the folder disappears for a moment, the whole message is spoken again."""
    folder = tmp_path / "spoken"
    pipeline = SpeechPipeline(ToneVoice(), WavSpeaker(folder), facts)
    pipeline.start()
    pipeline.say(order(1, "Number 1 2 3 4 5 6."))
    while not pipeline.status().speaking:
        time.sleep(0.01)
    shutil.rmtree(folder)
    end = facts.end_of(1)
    pipeline.close().result(5)

    assert end.outcome is Outcome.HEARD
    assert [Path(file).name for file in end.files] == ["0001.wav"]
    with wave.open(end.files[0]) as file:
        assert file.getnframes() / file.getframerate() == pytest.approx(end.audio_s, abs=0.05)


MAX_TIME_ERROR_S = 0.06
"""How far a reported time may be from the time at which a word is heard."""


@pytest.fixture
def tone_pipeline(loudspeakers: Loudspeakers, facts: Facts) -> Iterator[SpeechPipeline]:
    """Return a running pipeline with the tone voice on the first loudspeaker."""
    assert loudspeakers.alsa_config.exists()
    pipeline = SpeechPipeline(ToneVoice(), PortAudioSpeaker("speaker_a"), facts)
    pipeline.start()
    yield pipeline
    pipeline.close().result(5)


def reported(facts: Facts) -> list[tuple[int, float]]:
    """Return the numbers that were reported, and when each is heard."""
    return [
        (int(word.text.strip(".")), fact.at_s + word.start_s)
        for fact in facts.all
        if isinstance(fact, PlaybackStarted)
        for word in fact.words
    ]


def heard(ear: Ear) -> list[tuple[int, float]]:
    """Return the numbers that were heard, and when."""
    ear.wait_for_silence()
    samples, heard_s = ear.recording()
    return [(tone.code, tone.start_s) for tone in find_tones(samples, RATE_HZ, heard_s)]


def text(first: int, last: int) -> str:
    """Return sentences of a number each."""
    return " ".join(f"{number * 37 % CODES}." for number in range(first, last))


@pytest.mark.realtime
def test_playback_started_has_the_time_of_each_word(
    tone_pipeline: SpeechPipeline, facts: Facts, ear_a: Ear
) -> None:
    """Over several utterances, the time of every word is that in the recording."""
    for id_ in range(3):
        tone_pipeline.say(order(id_, text(id_ * 9, id_ * 9 + 9)))
    facts.end_of(2)
    stalls = tone_pipeline.status().underruns
    reported_s, heard_s = dict(reported(facts)), dict(heard(ear_a))  # the last report counts

    assert list(reported_s) == list(heard_s)
    off = [abs(reported_s[code] - heard_s[code]) for code in reported_s]
    # If the device ran dry just before a word, its time could not be known.
    assert sorted(off)[-1 - stalls] < MAX_TIME_ERROR_S, (stalls, off)


@pytest.mark.realtime
def test_playback_started_is_reported_again_after_a_pause(
    tone_pipeline: SpeechPipeline, facts: Facts, ear_a: Ear
) -> None:
    """After a pause the rest is reported again: the words from there on, and when."""
    tone_pipeline.say(order(1, text(0, 9)))
    first = facts.until(lambda fact: isinstance(fact, PlaybackStarted))
    assert isinstance(first, PlaybackStarted)
    time.sleep(max(0.0, first.at_s + 0.8 - time.monotonic()))  # into the third number
    tone_pipeline.pause()
    ear_a.wait_for_silence()
    resumed_s = time.monotonic()
    tone_pipeline.resume()
    facts.end_of(1)
    reported_s = [*dict(reported(facts)).items()]
    reported_s = [(code, at_s) for code, at_s in reported_s if at_s > resumed_s]
    heard_s = [(code, at_s) for code, at_s in heard(ear_a) if at_s > resumed_s]
    complete = dict(heard_s[1:])  # the first is the rest of a cut tone

    assert [code for code, _ in reported_s][-len(complete) :] == list(complete)
    assert len(complete) >= 5
    for code, at_s in reported_s[-len(complete) :]:
        assert abs(complete[code] - at_s) < MAX_TIME_ERROR_S
