"""Plays synthesized sound, and tracks what has been heard of it. Runs on: audio thread."""

import contextlib
import logging
import time
from collections import deque
from dataclasses import dataclass

import numpy as np

from audio.clock import StreamClock
from audio.planner import Planner
from audio.ports import Speaker
from audio.recording import Recording
from audio.types import (
    SAMPLE_RATE_HZ,
    Chunk,
    PlaybackStarted,
    Samples,
    SpeakerError,
    Utterance,
    Word,
    silence,
)

log = logging.getLogger(__name__)

# The pause between two utterances that follow each other at once.
_GAP_S = 0.4
# After a pause playback resumes this much before the cut, so that the cut word is heard again.
_REWIND_S = 0.3
_FADE_FRAMES = 240  # 10 ms
_MAX_WRITE_FRAMES = 8192
# How far ahead of the truth a device's position may be: PulseAudio's ALSA plug-in extrapolates
# between the reports of its server, which come every 100 ms. Seen: of sentences reported as
# heard, 2 of 33 were cut by a stall, and 6 of 630 by a kill of the process.
_POSITION_ERROR_FRAMES = int(0.12 * SAMPLE_RATE_HZ)
# A device that holds less may be about to start or restart, which may take a while.
_STEADY_FRAMES = 2048
# In a piece that would be clipped, samples above this are compressed, so that it does not crackle.
_KNEE = 0.8


END = Chunk((), "", "", 0, ends_sentence=False, pause_s=0.0)
"""The end of an utterance that has grown, or whose rest can't be spoken."""


@dataclass(eq=False, slots=True)
class SpeechJob:
    """An utterance in the pipeline, and its progress."""

    utterance: Utterance
    received_s: float
    """`time.monotonic` of the order."""
    was_idle: bool
    """Whether the loudspeaker was idle when it came."""
    planner: Planner | Recording | None = None  # None until its turn comes
    retry_chunk: Chunk | None = None
    """A chunk whose synthesis was preempted by a more urgent one's."""
    synthesized_frames: int = 0
    heard_frames: int = 0
    started: bool = False
    """Whether its first frame was written; its chime does not count."""
    start_at_s: float = 0.0
    """Its first word is delayed until then, since its sound would otherwise run out."""
    complete: bool = False
    """Whether all of it is synthesized, or its rest can't be."""
    error: str = ""
    """Why its rest can't be; it fails after what is ready of it was heard."""
    held: bool = False
    """Whether a `Held` was reported."""
    device: str = ""
    chunks: int = 0
    """Synthesized so far."""
    first_sound_ms: int | None = None
    underruns: int = 0
    gain: float | None = None
    """Its own loudness; None: as it is set. What is set while it plays counts from then on."""


@dataclass(eq=False, slots=True)
class Piece:
    """A synthesized chunk, on its way to and through the device."""

    job: SpeechJob
    chunk: Chunk
    last: bool
    """Whether it is the last of its utterance."""
    samples: Samples
    pause: Samples
    """Silence to play after `samples`."""
    words: tuple[Word, ...] = ()
    """Within `samples`."""
    peak: float = 0.0
    """At least the loudest of its samples."""
    written_frames: int = 0
    """Of samples and pause together."""
    awaits_text: bool = False
    """Whether what follows has not arrived yet, so that the device may run dry after it."""
    start_frame: int = 0
    """In the speaker's count; set just before the first frame is written."""

    @property
    def is_chime(self) -> bool:
        """Whether it is the chime before an utterance, which has no text."""
        return self.chunk.sentence < 0

    @property
    def ends_sentence(self) -> bool:
        """Whether nothing more of its sentence follows, if only because the rest failed."""
        return self.chunk.ends_sentence or self.last

    @property
    def left_s(self) -> float:
        """How much of it is not written, pause included."""
        return (len(self.samples) + len(self.pause) - self.written_frames) / SAMPLE_RATE_HZ

    @property
    def end_frame(self) -> int:
        """Where its samples end, pause excluded."""
        return self.start_frame + len(self.samples)

    def trim(self, frames: int) -> None:
        """Remove the first *frames*; fade the rest in, and shift its words."""
        trimmed_s = frames / SAMPLE_RATE_HZ
        self.samples = _faded_in(self.samples[frames:])
        self.words = tuple(
            Word(word.text, max(0.0, word.start_s - trimmed_s), word.end_s - trimmed_s)
            for word in self.words
            if word.end_s > trimmed_s
        )


class Playback:
    """The pieces from their synthesis until they are heard."""

    def __init__(self, speaker: Speaker, stream_idle_s: float) -> None:
        """Play through *speaker*; with *stream_idle_s* 0 each utterance has its own stream."""
        self._speaker = speaker
        self._stream_idle_s = stream_idle_s
        self._ready: deque[Piece] = deque()  # the first may be partly written
        self._sent: deque[Piece] = deque()  # written, not known to have been heard
        self._heard: deque[Piece] = deque()  # of the sentence that is being heard
        self._gain = self._last_gain = 1.0
        self.paused = False
        self.urgent_in_progress = False
        """Whether an urgent utterance has started and is not completely synthesized; meanwhile no
        other utterance starts a sentence."""
        self.opened_s = 0.0
        self.underruns = 0
        """How often the device ran dry inside an utterance although its text was there."""
        self._may_run_dry = False  # until the next write
        self._speaker_job: SpeechJob | None = None  # passed to the speaker's start_utterance
        self.first_sound_ms: int | None = None
        self._clock = StreamClock()
        self._unreported: deque[Piece] = deque()  # with their first frame written
        self._started: list[PlaybackStarted] = []

    # ---- state ----

    @property
    def current(self) -> SpeechJob | None:
        """The utterance that is being played, or the next one."""
        for piece in (*self._sent, *self._ready):
            return piece.job
        return None

    def is_playing(self, job: SpeechJob) -> bool:
        """Return whether the device has got something of an utterance, or of its chime."""
        return any(p.job is job and p.written_frames for p in (*self._sent, *self._ready))

    def stored_s(self, job: SpeechJob | None = None) -> float:
        """Return how much sound is ready and not written, of *job* or of all."""
        return sum(p.left_s for p in self._ready if job is None or p.job is job)

    def queued_s(self) -> float:
        """Return how much sound the device holds, padding excluded."""
        if self._ready and self._ready[0].written_frames:
            end_frame = self._speaker.written_frames
        elif self._sent:
            end_frame = self._sent[-1].end_frame + len(self._sent[-1].pause)
        else:
            return 0.0
        try:
            frames = end_frame - self._speaker.played_frames
        except SpeakerError:
            return 0.0  # the next write raises
        return max(0, frames) / SAMPLE_RATE_HZ

    def add(self, piece: Piece) -> None:
        """Queue a piece; an urgent one goes first, after the current sentence."""
        if not np.isfinite(piece.samples).all():
            log.error(
                "The sound of message %d has values that are not numbers", piece.job.utterance.id
            )
            piece.samples = np.where(np.isfinite(piece.samples), piece.samples, np.float32(0))
        piece.peak = float(np.abs(piece.samples).max(initial=0.0))
        if not piece.job.utterance.urgent:
            self._ready.append(piece)
            return
        place = 0
        if self._ready and self._is_within_sentence(self._ready[0]):
            while place < len(self._ready):
                place += 1
                if self._ready[place - 1].ends_sentence:
                    break
        while place < len(self._ready) and self._ready[place].job.utterance.urgent:
            place += 1
        self._ready.insert(place, piece)

    def _is_within_sentence(self, piece: Piece) -> bool:
        """Return whether the sentence of the next piece has started to play."""
        before = self._sent[-1] if self._sent else self._heard[-1] if self._heard else None
        follows = before is not None and before.job is piece.job and not before.ends_sentence
        return piece.written_frames > 0 or piece.chunk is END or follows

    def within_sentence(self, job: SpeechJob) -> bool:
        """Return whether a sentence of *job* has started to play and is not completely ready."""
        within = False
        for piece in (*self._heard, *self._sent, *self._ready):
            if piece.job is job and (within or piece.written_frames):
                within = not piece.ends_sentence
        return within

    # ---- playing ----

    def open(self) -> None:
        """Open the loudspeaker.

        Raises:
            AudioError: it does not open.
        """
        self._speaker.open()
        self.opened_s = time.monotonic()
        self._speaker_job = None
        self._clock = StreamClock()

    def play(self) -> list[Piece]:
        """Write what the device has room for; return the pieces heard to their end meanwhile.

        Raises:
            AudioError: the device failed, or the next one does not open.
        """
        self._write()
        played_frames = self._speaker.played_frames
        self._report_started(played_frames)
        return self._pop_heard(played_frames, _POSITION_ERROR_FRAMES)

    def heard_by_now(self) -> list[Piece]:
        """Return the pieces that seem to be heard to their end, before the rest is cut off.

        `play` is more reliable: it allows for the error of the device's position.

        Raises:
            AudioError: the device failed.
        """
        return self._pop_heard(self._speaker.played_frames, 0) if self._speaker.is_open else []

    def confirm_delay_s(self) -> float:
        """Return how long to wait until `play` confirms a sentence that seems to be over.

        Raises:
            AudioError: the device failed.
        """
        if not self._sent or not self._sent[0].chunk.ends_sentence:
            return 0.0
        over = self._is_over(self._sent[0], self._speaker.played_frames, 0)
        return _POSITION_ERROR_FRAMES / SAMPLE_RATE_HZ if over else 0.0

    def _pop_heard(self, played_frames: int, error_frames: int) -> list[Piece]:
        heard = []
        while self._sent and self._is_over(self._sent[0], played_frames, error_frames):
            piece = self._sent.popleft()
            _count_heard(piece, len(piece.samples))
            heard.append(piece)
            self._heard.append(piece)
            if piece.ends_sentence:
                self._heard.clear()
        return heard

    def _is_over(self, piece: Piece, played_frames: int, error_frames: int) -> bool:
        """Return whether a piece was heard, if the device's position is off by *error_frames*."""
        confirmed_frame = piece.end_frame + error_frames
        # The end of a short message is reported as played while it is still on its way.
        if time.monotonic() < self._clock.not_before_s(confirmed_frame):
            return False
        # The last piece is followed by padding, so that its end can be passed.
        return played_frames >= min(confirmed_frame, self._speaker.written_frames)

    def pop_started(self) -> list[PlaybackStarted]:
        """Return the facts about pieces that have started to play since the last call."""
        started, self._started = self._started, []
        return started

    def set_gain(self, gain: float, *, by_clock: bool = False) -> None:
        """Change the loudness from the next write on; 1 is as synthesized.

        It is also that of the current utterance, which a person who hears it may find too loud,
        unless the clock changes it.
        """
        self._gain = gain
        if self.current is not None and self.current.started and not by_clock:
            self.current.gain = None

    def _gain_of(self, job: SpeechJob) -> float:
        return self._gain if job.gain is None else job.gain

    def _write(self) -> None:
        while self._ready:
            piece = self._ready[0]
            if piece.written_frames == 0 and not self._prepare(piece):
                break
            if not (self._write_samples(piece) and self._write_pause(piece)):
                return
            if piece.last:
                self._speaker.finish_utterance()
                self._speaker_job = None
            self._may_run_dry = piece.is_chime or piece.awaits_text
            self._sent.append(self._ready.popleft())
        # Inside an utterance silence would make a late chunk later; what ALSA holds back, less than
        # a block, is heard with it.
        if self._speaker.written_frames and self._speaker_job is None:
            self._speaker.pad()

    def _write_samples(self, piece: Piece) -> bool:
        """Write the samples there is room for; return whether that was all of them."""
        while piece.written_frames < len(piece.samples):
            start = piece.written_frames
            samples = piece.samples[start : start + _MAX_WRITE_FRAMES]
            underruns_before = self._speaker.underruns
            now_s, frame = time.monotonic(), self._speaker.written_frames
            gain = self._gain_of(piece.job)
            accepted = self._speaker.write(self._apply_gain(samples, piece.peak, gain))
            underruns = self._speaker.underruns - underruns_before
            if not self._may_run_dry:
                self.underruns += underruns
                piece.job.underruns += underruns
            if accepted:
                self._may_run_dry = False
                self._last_gain = gain
                if not piece.written_frames:
                    self._unreported.append(piece)
                if underruns or not piece.written_frames:
                    self._clock.record_write(now_s, frame, dry=underruns > 0)
            piece.written_frames += accepted
            if accepted < len(samples):
                return False
        return True

    def _write_pause(self, piece: Piece) -> bool:
        """Write the pause there is room for; return whether that was all of it."""
        pause = piece.pause[piece.written_frames - len(piece.samples) :]
        accepted = self._speaker.write(pause) if len(pause) else 0
        piece.written_frames += accepted
        return accepted == len(pause)

    def _report_started(self, played_frames: int) -> None:
        """Report what has started to play, as soon as the time of its first frame is certain."""
        if self._clock.observe(time.monotonic(), played_frames):  # reported times were too early
            late = [
                piece
                for piece in (*self._sent, *self._ready)
                if piece.written_frames and piece.end_frame > played_frames
            ]
            self._unreported.extendleft(p for p in reversed(late) if p not in self._unreported)
        while (
            self._unreported
            and not 0 <= self._unreported[0].start_frame - played_frames < _STEADY_FRAMES
        ):
            piece = self._unreported.popleft()
            job, chunk = piece.job, piece.chunk
            at_s = self._clock.at_s(piece.start_frame)
            if job.was_idle and job.first_sound_ms is None:
                self.first_sound_ms = job.first_sound_ms = round(1000 * (at_s - job.received_s))
            if not (piece.is_chime or chunk is END):
                self._started.append(
                    PlaybackStarted(
                        id=job.utterance.id,
                        sentence=chunk.sentence,
                        text=chunk.text,
                        words=piece.words,
                        at_s=at_s,
                    )
                )

    def _apply_gain(self, samples: Samples, peak: float, gain: float) -> Samples:
        """Return samples of a piece at their loudness, with a ramp if it has just changed."""
        if gain != 1 or self._last_gain != 1:
            loud = samples * np.float32(gain)
            ramp = min(_FADE_FRAMES, len(loud))
            loud[:ramp] = samples[:ramp] * np.linspace(
                self._last_gain, gain, ramp, dtype=np.float32
            )
            samples = loud
        if peak * max(gain, self._last_gain) <= 1:
            return samples
        room = 1 - _KNEE
        over = np.maximum(np.abs(samples) - _KNEE, 0)
        compressed = np.copysign(_KNEE + room * np.tanh(over / room), samples)
        return np.where(over > 0, compressed, samples)

    def _prepare(self, piece: Piece) -> bool:
        """Prepare for the first frame of a piece; return False if it has to wait."""
        job = piece.job
        if not (job.started or piece.is_chime) and time.monotonic() < job.start_at_s:
            return False
        before = self._sent[-1] if self._sent else None
        new_sentence = not job.started or before is None or before.ends_sentence
        if (
            self.urgent_in_progress
            and not job.utterance.urgent
            and not self._is_within_sentence(piece)
        ):
            return False
        if new_sentence and (
            self._speaker.target_changed()
            or (self._speaker_job is not job and self._needs_own_stream())
        ):
            if self._sent:
                return False  # what was written is heard on the old device first
            self._speaker.close()
            self.open()
        if before is not None and before.job is not job:
            missing = int(_GAP_S * SAMPLE_RATE_HZ)
            missing -= self._speaker.written_frames - before.end_frame
            if missing > 0 and self._speaker.write(np.zeros(missing, np.float32)) < missing:
                return False
        job.started = job.started or not piece.is_chime
        if self._speaker_job is not job:
            if self._speaker_job is not None:  # its rest follows after this urgent one
                self._speaker.finish_utterance()
            self._speaker.start_utterance()
            self._speaker_job = job
            self._last_gain = self._gain_of(job)  # silence precedes it, so there is no ramp
        job.device = self._speaker.device
        piece.start_frame = self._speaker.written_frames
        return True

    def _needs_own_stream(self) -> bool:
        """Return whether the next utterance must not share the stream of the last one."""
        return self._stream_idle_s == 0 and self._speaker.written_frames > 0

    # ---- interruptions ----

    def silence(self) -> None:
        """Stop now and drop every piece."""
        if self._speaker.is_open and (self._sent or self._ready):
            self._count_partly_heard()
            self._speaker.abort()
        for pieces in (self._ready, self._sent, self._heard, self._unreported):
            pieces.clear()

    def discard(self, job: SpeechJob, *, chime: bool = True) -> None:
        """Drop the pieces of one utterance, and with *chime* its chime.

        What the device holds of it is still heard.
        """
        if self._speaker_job is job and chime:
            self._speaker.finish_utterance()
            self._speaker_job = None
        for piece in (*self._sent, *self._ready):
            if piece.job is job and piece.is_chime:
                piece.last = False  # its utterance may have failed, and be made again
        for name in ("_ready", "_sent", "_heard", "_unreported"):
            pieces = getattr(self, name)
            kept = deque(p for p in pieces if p.job is not job or (p.is_chime and not chime))
            setattr(self, name, kept)

    def move_chime(self, to: SpeechJob) -> None:
        """Assign the chime to another utterance, which is the first now."""
        for piece in (*self._sent, *self._ready):
            if piece.is_chime:
                if self._speaker_job is piece.job:
                    self._speaker_job = to
                piece.job = to

    def finish(self, job: SpeechJob) -> bool:
        """End an utterance after what is ready of it; return False if nothing is."""
        job.start_at_s = 0.0
        last = next((p for p in reversed((*self._sent, *self._ready)) if p.job is job), None)
        if last is not None and (last in self._ready or self._speaker_job is not job):
            last.last = True
            last.pause = last.pause[: max(0, last.written_frames - len(last.samples))]
            return True
        if self._speaker_job is not job or not self._speaker.is_open:
            return False
        try:
            if last is None and self._speaker.played_frames >= self._speaker.written_frames:
                self._speaker.finish_utterance()
                self._speaker_job = None
                _ = self._speaker.played_frames  # a file is written now
                return False
        except SpeakerError as exc:
            log.warning("%s", exc)
        # What the device holds is heard first, if only a pause.
        self._ready.appendleft(Piece(job, END, last=True, samples=silence(0), pause=silence(0)))
        return True

    def drop(self, job: SpeechJob) -> None:
        """Drop the pieces of one utterance, and stop it now if it is being played."""
        if self._speaker.is_open and self.is_playing(job):
            self._rewind()  # what the device held of others is written again
        self.discard(job)

    def pause(self) -> None:
        """Stop now; clear `paused` to resume with the word that was cut."""
        self.paused = True
        if self._speaker.is_open:
            self._rewind()

    def _rewind(self) -> None:
        """Stop output and requeue what was not heard, rewinding `_REWIND_S`."""
        with contextlib.suppress(SpeakerError):  # the position of a lost device is unknown
            played_frames = self._speaker.played_frames
            for piece in (*self._sent, *self._ready):
                if piece.written_frames:
                    heard = min(max(0, played_frames - piece.start_frame), len(piece.samples))
                    over = self._is_over(piece, played_frames, _POSITION_ERROR_FRAMES)
                    trimmed = heard if over else max(0, heard - int(_REWIND_S * SAMPLE_RATE_HZ))
                    if trimmed:
                        piece.trim(trimmed)
                    _count_heard(piece, trimmed)
        self._ready, self._sent = self._sent + self._ready, deque()
        self._unreported.clear()
        for piece in self._ready:
            piece.written_frames = 0
        self._speaker.abort()

    def lose_device(self) -> None:
        """Close, and requeue from the start of the current sentence, for another device."""
        self._speaker.close()
        for piece in self._heard:
            _count_heard(piece, -len(piece.samples))
        self._ready = self._heard + self._sent + self._ready
        self._heard, self._sent = deque(), deque()
        self._unreported.clear()
        self._started.clear()
        for piece in self._ready:
            piece.written_frames = 0
            piece.job.started = piece.job.was_idle = False  # it starts again on the next device

    def _count_partly_heard(self) -> None:
        """Count the part that was heard of the pieces that are about to be cut."""
        with contextlib.suppress(SpeakerError):  # the position of a lost device is unknown
            played_frames = self._speaker.played_frames
            for piece in (*self._sent, *self._ready):
                if piece.written_frames:
                    heard = min(played_frames - piece.start_frame, len(piece.samples))
                    _count_heard(piece, max(0, heard))


def _count_heard(piece: Piece, frames: int) -> None:
    """Count frames of an utterance as heard, without those of its chime."""
    if not piece.is_chime:
        piece.job.heard_frames += frames


def _faded_in(samples: Samples) -> Samples:
    faded = samples.copy()
    ramp = min(_FADE_FRAMES, len(faded))
    faded[:ramp] *= np.linspace(0, 1, ramp, dtype=np.float32)
    return faded
