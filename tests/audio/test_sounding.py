"""What is told of the sound that is on its way out: which words, and when they are heard."""

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from audio.clock import StreamClock
from audio.output.portaudio import PortAudioSpeaker
from audio.output.wavfile import WavSpeaker
from audio.pipeline import SpeechPipeline
from audio.playback import Job, Piece, Playback
from audio.types import SAMPLE_RATE_HZ, Chunk, PlaybackStarted, Word
from tests.audio.test_pipeline import Facts, order
from tests.support.fake_voice import CODES, ToneVoice, tell
from tests.support.loudspeaker import RATE_HZ, Ear, Loudspeakers

OFF_S = 0.06
"""How far what is told may be from what is heard."""


@pytest.fixture
def facts() -> Facts:
    """Return a collector of facts."""
    return Facts()


@pytest.fixture
def pipeline(loudspeakers: Loudspeakers, facts: Facts) -> Iterator[SpeechPipeline]:
    """Return a running pipeline with the voice of tones on the first loudspeaker."""
    assert loudspeakers.alsa_config.exists()
    pipeline = SpeechPipeline(ToneVoice(), PortAudioSpeaker("speaker_a"), facts)
    pipeline.start()
    yield pipeline
    pipeline.close().result(5)


def told(facts: Facts) -> list[tuple[int, float]]:
    """Return the numbers that were told to sound, and when."""
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
    return [(tone.code, tone.start_s) for tone in tell(samples, RATE_HZ, heard_s)]


def text(first: int, last: int) -> str:
    """Return sentences of a number each."""
    return " ".join(f"{number * 37 % CODES}." for number in range(first, last))


@pytest.mark.realtime
def test_each_word_is_told_to_be_heard_when_it_is(
    pipeline: SpeechPipeline, facts: Facts, ear_a: Ear
) -> None:
    """Over several utterances, every word's time is that of the recording."""
    for id_ in range(3):
        pipeline.say(order(id_, text(id_ * 9, id_ * 9 + 9)))
    facts.end_of(2)
    stalls = pipeline.status().underruns
    said, sounded = dict(told(facts)), dict(heard(ear_a))  # what is told again counts

    assert list(said) == list(sounded)
    off = [abs(said[code] - sounded[code]) for code in said]
    # Where the device ran dry just before a word, nobody could tell.
    assert sorted(off)[-1 - stalls] < OFF_S, (stalls, off)


@pytest.mark.realtime
def test_after_a_pause_the_rest_is_told_again(
    pipeline: SpeechPipeline, facts: Facts, ear_a: Ear
) -> None:
    """What goes on after a pause is told anew: the words from where it goes on, and when."""
    pipeline.say(order(1, text(0, 9)))
    first = facts.until(lambda fact: isinstance(fact, PlaybackStarted))
    assert isinstance(first, PlaybackStarted)
    time.sleep(max(0.0, first.at_s + 0.8 - time.monotonic()))  # into the third
    pipeline.pause()
    ear_a.wait_for_silence()
    resumed_s = time.monotonic()
    pipeline.resume()
    facts.end_of(1)
    said = [*dict(told(facts)).items()]
    said = [(code, at_s) for code, at_s in said if at_s > resumed_s]
    sounded = [(code, at_s) for code, at_s in heard(ear_a) if at_s > resumed_s]
    whole = dict(sounded[1:])  # the first is the rest of one that was cut

    assert [code for code, _ in said][-len(whole) :] == list(whole)
    assert len(whole) >= 5
    for code, at_s in said[-len(whole) :]:
        assert abs(whole[code] - at_s) < OFF_S


def piece(*words: Word, frames: int = SAMPLE_RATE_HZ) -> Piece:
    """Return a second of sound with *words*."""
    chunk = Chunk("some words", "", "", 0, ends_sentence=True, pause_s=0, letters=9)
    job = Job(order(1, "some words"), time.monotonic(), idle_before=True)
    return Piece(job, chunk, True, np.full(frames, 0.1, np.float32), np.zeros(0, np.float32), words)


def next_sounding(playback: Playback) -> PlaybackStarted:
    """Return what is told to sound; plays until then."""
    deadline_s = time.monotonic() + 5
    while time.monotonic() < deadline_s:
        playback.play()
        for sounding in playback.take_started():
            return sounding
        time.sleep(0.01)
    raise TimeoutError("nothing was told")


def test_on_another_device_it_is_told_again(tmp_path: Path) -> None:
    """What begins anew after its device was lost is told anew, with every word."""
    playback = Playback(WavSpeaker(tmp_path), 3.0)
    words = (Word("some", 0.0, 0.4), Word("words", 0.5, 1.0))
    playback.add(piece(*words))
    playback.open()
    first = next_sounding(playback)
    playback.lose_device()
    playback.open()
    again = next_sounding(playback)

    assert first.words == again.words == words
    assert again.at_s > first.at_s


def test_what_is_left_out_of_a_piece_takes_its_words_along() -> None:
    """The words of the rest count from its own beginning; one that was cut begins there."""
    rest = piece(Word("gone", 0.0, 0.3), Word("cut", 0.4, 0.6), Word("whole", 0.7, 1.0))
    rest.leave_out(SAMPLE_RATE_HZ // 2)

    assert len(rest.samples) == SAMPLE_RATE_HZ // 2
    assert [(word.text, word.start_s) for word in rest.words] == [
        ("cut", 0.0),
        ("whole", pytest.approx(0.2)),
    ]


def test_what_is_told_in_steps_is_no_time_of_its_own() -> None:
    """A count that lags by a step moves no time; a device that starts late moves all of them."""
    clock = StreamClock()
    told, late = [], []
    for now_s, played in ((10.0, 0), (10.02, 0), (10.085, 2048), (10.1, 2048), (10.5, 2400)):
        late.append(clock.observe(now_s, played))
        told.append(round(clock.at_s(SAMPLE_RATE_HZ), 2))

    assert told == [11.0, 11.0, 11.0, 11.0, 11.4]
    assert late == [False, False, False, False, True]


def test_nothing_is_heard_before_it_was_written() -> None:
    """A device that takes a buffer at once has not played it."""
    clock = StreamClock()
    clock.begin(10.0, 0)
    clock.observe(10.01, 6144)
    first_s = clock.at_s(0)
    clock.begin(20.0, 12_000)  # it had run dry meanwhile
    clock.observe(20.01, 18_144)

    assert (first_s, clock.at_s(12_000)) == (10.0, 20.0)
