"""Which pieces have been heard, whatever the device reports."""

import queue
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from audio import playback
from audio.output.wavfile import WavSpeaker
from audio.pipeline import SpeechPipeline
from audio.playback import Piece, Playback, SpeechJob
from audio.ports import Speaker
from audio.types import (
    SAMPLE_RATE_HZ,
    CancelToken,
    Chunk,
    Ended,
    Fact,
    Outcome,
    PlaybackStarted,
    Sound,
    SpokenWord,
    Utterance,
    Word,
)
from tests.support.fake_voice import ToneVoice
from tests.support.pipelines import order


class ScriptedSpeaker:
    """A device that accepts everything, and reports the position that a test sets."""

    device, warning, is_open, underruns, poll_s = "scripted", "", True, 0, 0.02

    def __init__(self) -> None:
        self.written_frames = self.played_frames = 0
        self.calls: list[str] = []

    def open(self) -> None: ...
    def close(self) -> None: ...
    def abort(self) -> None: ...
    def pad(self) -> None: ...
    def start_utterance(self) -> None:
        self.calls.append("begin")

    def finish_utterance(self) -> None:
        self.calls.append("end")

    def target_changed(self) -> bool:
        return False

    def write(self, samples: np.ndarray) -> int:
        self.written_frames += len(samples)
        return len(samples)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Return a clock that stands still until its `now_s` is set."""
    clock = SimpleNamespace(now_s=100.0)
    monkeypatch.setattr(playback, "time", SimpleNamespace(monotonic=lambda: clock.now_s))
    return clock


def three_seconds(speaker: ScriptedSpeaker) -> Playback:
    """Write an utterance of three sentences of a second each."""
    playing = Playback(cast("Speaker", speaker), 3.0)
    playing.open()
    job = SpeechJob(Utterance(1, "", "af_heart", 1.0, "en-us"), 0.0, was_idle=True)
    second = np.ones(SAMPLE_RATE_HZ, np.float32)
    for sentence in range(3):
        chunk = Chunk((), "", "", sentence, ends_sentence=True, pause_s=0.0)
        playing.add(Piece(job, chunk, sentence == 2, second, second[:0]))
    assert playing.play() == []
    return playing


def test_play_does_not_trust_an_early_position(clock: SimpleNamespace) -> None:
    """A device that reports at once that it has played everything is not believed."""
    speaker = ScriptedSpeaker()
    playing = three_seconds(speaker)
    speaker.played_frames = 3 * SAMPLE_RATE_HZ

    clock.now_s += 1.9

    assert [piece.chunk.sentence for piece in playing.play()] == [0]


@pytest.mark.parametrize(("after_s", "repeated"), [(0.1, True), (0.3, False)])
def test_lose_device_requeues_a_sentence_that_ended_just_before(
    clock: SimpleNamespace, after_s: float, repeated: bool
) -> None:
    """A device that stalls may have counted some frames that it never played."""
    speaker = ScriptedSpeaker()
    playing = three_seconds(speaker)
    clock.now_s += 1 + after_s
    speaker.played_frames = int((1 + after_s) * SAMPLE_RATE_HZ)
    assert [piece.chunk.sentence for piece in playing.play()] == ([] if repeated else [0])

    playing.lose_device()

    assert playing.stored_s() == pytest.approx(3.0 if repeated else 2.0)


def test_heard_by_now_includes_a_sentence_that_seems_over(clock: SimpleNamespace) -> None:
    """A message that was stopped just after its end counts as heard."""
    speaker = ScriptedSpeaker()
    playing = three_seconds(speaker)
    clock.now_s += 1.05
    speaker.played_frames = int(1.05 * SAMPLE_RATE_HZ)
    assert playing.play() == []
    assert 0 < playing.confirm_delay_s() < 0.25

    assert [piece.chunk.sentence for piece in playing.heard_by_now()] == [0]


class OneSecondVoice(ToneVoice):
    """A voice that returns a second of sound for every chunk."""

    def synthesize(self, _c: Chunk, _v: str, _s: float, _i: CancelToken) -> Sound:
        return Sound(np.ones(SAMPLE_RATE_HZ, np.float32))


@pytest.mark.parametrize("end", [SpeechPipeline.abort, SpeechPipeline.skip])
def test_abort_and_skip_report_heard_sentences(
    clock: SimpleNamespace, end: Callable[[SpeechPipeline], None]
) -> None:
    """A /stop or /skip just after the last word comes too late for that message."""
    written, ended = threading.Event(), queue.SimpleQueue[Ended]()

    class PaddingSpeaker(ScriptedSpeaker):
        poll_s = 0.001

        def pad(self) -> None:
            self.written_frames = 2 * SAMPLE_RATE_HZ
            written.set()

        def shutdown(self) -> None: ...
        def pop_files(self) -> tuple[str, ...]:
            return ()

        def mute_reason(self) -> str:
            return ""

        def is_bluetooth(self) -> bool:
            return False

    def on_fact(fact: Fact) -> None:
        if isinstance(fact, Ended):
            ended.put(fact)

    speaker = PaddingSpeaker()
    pipeline = SpeechPipeline(OneSecondVoice(), cast("Speaker", speaker), on_fact)
    pipeline.start()
    pipeline.say(Utterance(1, "Hello.", "af_heart", 1.0, "en-us"))
    assert written.wait(5)
    clock.now_s += 10
    speaker.played_frames = int(1.05 * SAMPLE_RATE_HZ)

    end(pipeline)

    assert ended.get(timeout=5).outcome is Outcome.HEARD
    pipeline.close().result(5)


def test_pause_repeats_the_uncertain_end_of_a_sentence(clock: SimpleNamespace) -> None:
    """The end of a sentence that may not have been heard is repeated after a pause."""
    speaker = ScriptedSpeaker()
    playing = three_seconds(speaker)
    clock.now_s += 1.05
    speaker.played_frames = int(1.05 * SAMPLE_RATE_HZ)

    playing.pause()

    assert playing.stored_s() == pytest.approx(2.3)


def test_play_marks_each_part_of_an_interrupted_utterance() -> None:
    """Each part has its start and its end, so that a folder of files misses none."""
    speaker = ScriptedSpeaker()
    playing = Playback(cast("Speaker", speaker), 3.0)
    playing.open()
    long = SpeechJob(Utterance(1, "", "af_heart", 1.0, "en-us"), 0.0, was_idle=True)
    urgent = SpeechJob(Utterance(2, "", "af_heart", 1.0, "en-us", urgent=True), 0.0, was_idle=False)
    second = np.ones(SAMPLE_RATE_HZ, np.float32)
    for job, sentence, last in ((long, 0, False), (urgent, 0, True), (long, 1, True)):
        chunk = Chunk((), "", "", sentence, ends_sentence=True, pause_s=0.0)
        playing.add(Piece(job, chunk, last, second, second[:0]))
        playing.play()

    assert speaker.calls == ["begin", "end", "begin", "end", "begin", "end"]


def piece(*words: Word, frames: int = SAMPLE_RATE_HZ) -> Piece:
    """Return a second of sound with *words*."""
    chunk = Chunk.whole((SpokenWord("some", "", ""), SpokenWord("words", "", "")))
    job = SpeechJob(order(1, "some words"), time.monotonic(), was_idle=True)
    return Piece(job, chunk, True, np.full(frames, 0.1, np.float32), np.zeros(0, np.float32), words)


def next_started(playback: Playback) -> PlaybackStarted:
    """Play until something is reported to have started, and return that fact."""
    deadline_s = time.monotonic() + 5
    while time.monotonic() < deadline_s:
        playback.play()
        for started in playback.pop_started():
            return started
        time.sleep(0.01)
    raise TimeoutError("nothing was reported")


def test_playback_started_is_reported_again_on_another_device(tmp_path: Path) -> None:
    """A piece that starts again after the loss of its device is reported again, with every word."""
    playback = Playback(WavSpeaker(tmp_path), 3.0)
    words = (Word("some", 0.0, 0.4), Word("words", 0.5, 1.0))
    playback.add(piece(*words))
    playback.open()
    first = next_started(playback)
    playback.lose_device()
    playback.open()
    again = next_started(playback)

    assert first.words == again.words == words
    assert again.at_s > first.at_s


def test_trim_shifts_the_words() -> None:
    """The times of the remaining words count from the new start; a cut word starts there."""
    rest = piece(Word("gone", 0.0, 0.3), Word("cut", 0.4, 0.6), Word("whole", 0.7, 1.0))
    rest.trim(SAMPLE_RATE_HZ // 2)

    assert len(rest.samples) == SAMPLE_RATE_HZ // 2
    assert [(word.text, word.start_s) for word in rest.words] == [
        ("cut", 0.0),
        ("whole", pytest.approx(0.2)),
    ]


class RecordingSpeaker(ScriptedSpeaker):
    """A device that keeps what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[np.ndarray] = []
        self.pads = 0

    def write(self, samples: np.ndarray) -> int:
        self.written.append(samples)
        return super().write(samples)

    def pad(self) -> None:
        self.pads += 1


def play_samples(samples: np.ndarray, gain: float = 1.0) -> np.ndarray:
    """Return what the device gets of some sound."""
    speaker = RecordingSpeaker()
    playing = Playback(cast("Speaker", speaker), 3.0)
    playing.set_gain(gain)
    playing.open()
    sound = piece()
    sound.samples = samples
    playing.add(sound)
    playing.play()
    return np.concatenate(speaker.written)


def test_play_leaves_sound_within_full_scale_alone() -> None:
    """The limiter is transparent: what does not clip comes out to the bit, and scaled if softer."""
    samples = np.linspace(-1, 1, SAMPLE_RATE_HZ, dtype=np.float32)

    assert np.array_equal(play_samples(samples), samples)
    # The loudness changes over the first 10 ms.
    assert np.array_equal(play_samples(samples, 0.5)[240:], samples[240:] * np.float32(0.5))


@pytest.mark.parametrize(("peak", "gain"), [(1.31, 1.0), (0.9, 2.0)])
def test_play_compresses_what_would_clip(peak: float, gain: float) -> None:
    """A loud voice is limited in a curve: nothing exceeds full scale, and no top is flat."""
    samples = np.linspace(-peak, peak, SAMPLE_RATE_HZ, dtype=np.float32)
    heard = play_samples(samples, gain)[240:]

    assert np.abs(heard).max() < 1
    assert np.all(np.diff(heard[::500]) > 0)
    soft = np.abs(samples[240:]) * gain < 0.79
    assert np.allclose(heard[soft], samples[240:][soft] * gain)


def test_play_writes_no_sample_that_is_not_a_number() -> None:
    """A model that overflows makes a gap, not noise at full level."""
    samples = np.full(SAMPLE_RATE_HZ, 0.1, np.float32)
    samples[100], samples[200], samples[300] = np.nan, np.inf, -np.inf
    heard = play_samples(samples)

    assert np.isfinite(heard).all()
    assert np.count_nonzero(heard) == SAMPLE_RATE_HZ - 3


def test_play_pads_only_after_an_utterance() -> None:
    """A chunk that is late is not delayed further by silence; only the last end is pushed out."""
    speaker = RecordingSpeaker()
    playing = Playback(cast("Speaker", speaker), 3.0)
    playing.open()
    first, last = piece(), piece()
    last.job, first.last = first.job, False
    playing.add(first)
    playing.play()
    pads_inside = speaker.pads
    playing.add(last)
    playing.play()

    assert (pads_inside, speaker.pads) == (0, 1)


def test_finish_ends_an_utterance_behind_its_own_last_piece(clock: SimpleNamespace) -> None:
    """What is ready of others does not delay the end, whether it is written or not."""
    for written in (False, True):
        playing = Playback(cast("Speaker", ScriptedSpeaker()), 3.0)
        playing.open()
        first, second = piece(), piece()
        first.last = False
        playing.add(first)
        if written:
            playing.play()
        playing.add(second)
        playing.finish(first.job)
        clock.now_s += 100
        playing.play()
        order_of_jobs = [each.job for each in playing._sent]

        assert order_of_jobs == [first.job] * (1 + written) + [second.job]
        assert [each.last for each in playing._sent] == [False] * written + [True, True]
