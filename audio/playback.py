"""Sound that is ready -> the loudspeaker, and what of it has been heard. Audio thread only."""

import contextlib
import time
from collections import deque
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from audio.clock import StreamClock
from audio.planner import Planner
from audio.recording import Recording
from audio.types import (
    SAMPLE_RATE_HZ,
    Chunk,
    Devices,
    PlaybackStarted,
    Samples,
    SpeakerError,
    Utterance,
    Word,
)

NO_PAUSE = np.zeros(0, np.float32)
# Between two utterances that follow each other without a pause of their own.
_GAP_S = 0.4
# After a pause a word that was cut is heard again from here.
_BACK_S = 0.3
_FADE_FRAMES = 240  # 10 ms
_AT_ONCE_FRAMES = 8192
# By how much a device may tell too much: PulseAudio's ALSA plug-in guesses on between what its
# server tells it every 100 ms. Seen: 2 of 33 sentences before a stall were cut, and 6 of 630 by
# kills of the process, that had been told as heard.
_POSITION_ERROR_FRAMES = int(0.12 * SAMPLE_RATE_HZ)
# A device that holds less may be about to start, or to start again, and may take its time for that.
_STEADY_FRAMES = 2048
# Above this a sample is bent instead of cut off, so that a loud voice does not crackle.
_KNEE = 0.8


class Speaker(Protocol):
    """The one owner of the output. Runs on: audio thread. No method waits for the device."""

    @property
    def poll_s(self) -> float: ...
    @property
    def device(self) -> str: ...
    @property
    def warning(self) -> str: ...
    @property
    def is_open(self) -> bool: ...
    @property
    def written_frames(self) -> int: ...
    @property
    def played_frames(self) -> int: ...
    @property
    def underruns(self) -> int: ...
    def open(self) -> None: ...
    def write(self, samples: Samples) -> int: ...
    def pad(self) -> None: ...
    def abort(self) -> None: ...
    def close(self) -> None: ...
    def shutdown(self) -> None: ...
    def devices(self) -> Devices: ...
    def select_device(self, wanted: str) -> None: ...
    def target_changed(self) -> bool: ...
    def mute_reason(self) -> str: ...
    def begin_utterance(self) -> None: ...
    def end_utterance(self) -> None: ...
    def take_files(self) -> tuple[str, ...]: ...


@dataclass(eq=False, slots=True)
class Job:
    """An utterance on its way."""

    order: Utterance
    asked_s: float
    idle_before: bool
    planner: Planner | Recording | None = None  # None until its turn comes
    again: Chunk | None = None
    """A chunk whose synthesis gave way to a more urgent one's."""
    frames: int = 0
    """Synthesized so far."""
    heard_frames: int = 0
    begun: bool = False
    begin_at_s: float = 0.0
    """Its first word is held back until then, since its sound would run out before its end."""
    complete: bool = False
    """All of its sound is there."""
    held: bool = False
    device: str = ""
    chunks: int = 0
    """Synthesized so far."""
    first_sound_ms: int | None = None
    underruns: int = 0


@dataclass(eq=False, slots=True)
class Piece:
    """A chunk as sound, on its way to and through the device."""

    job: Job
    chunk: Chunk
    last: bool
    samples: Samples
    pause: Samples
    words: tuple[Word, ...] = ()
    """Within `samples`."""
    written: int = 0
    """Of samples and pause together."""
    begin_frame: int = 0
    """In the speaker's count; set when the first frame is about to be written."""

    @property
    def left_s(self) -> float:
        """How long what is not written of it lasts, pause included."""
        return (len(self.samples) + len(self.pause) - self.written) / SAMPLE_RATE_HZ

    @property
    def end_frame(self) -> int:
        """Where its samples end, pause excluded."""
        return self.begin_frame + len(self.samples)

    def leave_out(self, frames: int) -> None:
        """Begin *frames* later, softly."""
        left_out_s = frames / SAMPLE_RATE_HZ
        self.samples = _faded_in(self.samples[frames:])
        self.words = tuple(
            Word(word.text, max(0.0, word.start_s - left_out_s), word.end_s - left_out_s)
            for word in self.words
            if word.end_s > left_out_s
        )


class Playback:
    """The pieces between the voice and the ear."""

    def __init__(self, speaker: Speaker, stream_idle_s: float) -> None:
        """Play through *speaker*; with *stream_idle_s* 0 each utterance has its own stream."""
        self._speaker = speaker
        self._stream_idle_s = stream_idle_s
        self._ready: deque[Piece] = deque()  # the first may be partly written
        self._sent: deque[Piece] = deque()  # written, not known to have been heard
        self._heard: deque[Piece] = deque()  # of the sentence that is being heard
        self._gain = self._last_gain = 1.0
        self.paused = False
        self.urgent_goes_on = False
        """An urgent utterance has begun and is not all there: nothing else begins a sentence."""
        self.opened_s = 0.0
        self._within: Job | None = None  # the utterance that the speaker was told of
        self.first_sound_ms: int | None = None
        self._clock = StreamClock()
        self._untold: deque[Piece] = deque()  # begun to be written
        self._sounding: list[PlaybackStarted] = []

    # ---- what is there ----

    @property
    def current(self) -> Job | None:
        """The utterance that sounds, or whose turn is next."""
        for piece in (*self._sent, *self._ready):
            return piece.job
        return None

    def stored_s(self, job: Job | None = None) -> float:
        """Return how long the sound lasts that is ready and not written, of *job* or of all."""
        return sum(p.left_s for p in self._ready if job is None or p.job is job)

    def queued_s(self) -> float:
        """Return how long the sound lasts that the device holds, padding excluded."""
        if self._ready and self._ready[0].written:
            end_frame = self._speaker.written_frames
        elif self._sent:
            end_frame = self._sent[-1].end_frame + len(self._sent[-1].pause)
        else:
            return 0.0
        try:
            frames = end_frame - self._speaker.played_frames
        except SpeakerError:
            return 0.0  # the next write will find it out
        return max(0, frames) / SAMPLE_RATE_HZ

    def add(self, piece: Piece) -> None:
        """Take a piece; an urgent one goes before what can wait, after the sentence under way."""
        if not piece.job.order.urgent:
            self._ready.append(piece)
            return
        place = 0
        if self._ready and self._is_within_sentence(self._ready[0]):
            while place < len(self._ready):
                place += 1
                if self._ready[place - 1].chunk.ends_sentence:
                    break
        while place < len(self._ready) and self._ready[place].job.order.urgent:
            place += 1
        self._ready.insert(place, piece)

    def _is_within_sentence(self, piece: Piece) -> bool:
        """Say whether the sentence of the piece that is next has begun to sound."""
        before = self._sent[-1] if self._sent else self._heard[-1] if self._heard else None
        follows = before is not None and before.job is piece.job and not before.chunk.ends_sentence
        return piece.written > 0 or follows

    def within_sentence(self, job: Job) -> bool:
        """Say whether *job* has begun a sentence of which not all is ready."""
        mine = [p for p in (*self._heard, *self._sent, *self._ready) if p.job is job]
        return job.begun and bool(mine) and not mine[-1].chunk.ends_sentence

    # ---- playing ----

    def open(self) -> None:
        """Open the loudspeaker.

        Raises:
            AudioError: it won't.
        """
        self._speaker.open()
        self.opened_s = time.monotonic()
        self._within = None
        self._clock = StreamClock()

    def play(self) -> list[Piece]:
        """Hand over what the device has room for; return what was heard to its end since.

        Raises:
            AudioError: the device failed, or the next one will not open.
        """
        self._write()
        played = self._speaker.played_frames
        self._tell_started(played)
        return self._take_heard(played, _POSITION_ERROR_FRAMES)

    def heard_by_now(self) -> list[Piece]:
        """Return what seems to have been heard to its end, before what follows is cut off.

        `play` is surer: it waits until the device has gone on for a bit.

        Raises:
            AudioError: the device failed.
        """
        return self._take_heard(self._speaker.played_frames, 0) if self._speaker.is_open else []

    def confirm_delay_s(self) -> float:
        """Return how long to wait until `play` knows of a sentence that seems to be over.

        Raises:
            AudioError: the device failed.
        """
        if not self._sent or not self._sent[0].chunk.ends_sentence:
            return 0.0
        over = self._is_over(self._sent[0], self._speaker.played_frames, 0)
        return _POSITION_ERROR_FRAMES / SAMPLE_RATE_HZ if over else 0.0

    def _take_heard(self, played: int, unsure_frames: int) -> list[Piece]:
        heard = []
        while self._sent and self._is_over(self._sent[0], played, unsure_frames):
            piece = self._sent.popleft()
            piece.job.heard_frames += len(piece.samples)
            heard.append(piece)
            self._heard.append(piece)
            if piece.chunk.ends_sentence:
                self._heard.clear()
        return heard

    def _is_over(self, piece: Piece, played: int, unsure_frames: int) -> bool:
        """Say whether *played* frames are so many more than a piece's last, or all there are."""
        sure_frame = piece.end_frame + unsure_frames
        # The end of a short message: told as played while it is only on its way.
        if time.monotonic() < self._clock.not_before_s(sure_frame):
            return False
        # Silence follows the last piece, so that there is something to be played after it.
        return played >= min(sure_frame, self._speaker.written_frames)

    def take_started(self) -> list[PlaybackStarted]:
        """Return what is on its way out and was not told of by an earlier call."""
        sounding, self._sounding = self._sounding, []
        return sounding

    def set_gain(self, gain: float) -> None:
        """Change the loudness from the next write on; 1 is as synthesized."""
        self._gain = gain

    def _write(self) -> None:
        while self._ready:
            piece = self._ready[0]
            if piece.written == 0 and not self._begin(piece):
                break
            if not (self._write_samples(piece) and self._write_pause(piece)):
                return
            if piece.last:
                self._speaker.end_utterance()
                self._within = None
            self._sent.append(self._ready.popleft())
        if self._speaker.written_frames:
            self._speaker.pad()

    def _write_samples(self, piece: Piece) -> bool:
        """Hand over what there is room for; return whether that was the rest."""
        while piece.written < len(piece.samples):
            samples = piece.samples[piece.written : piece.written + _AT_ONCE_FRAMES]
            dry_before = self._speaker.underruns
            now_s = time.monotonic()
            taken = self._speaker.write(self._apply_gain(samples))
            piece.job.underruns += self._speaker.underruns - dry_before
            if taken:
                self._last_gain = self._gain
                if not piece.written:
                    self._clock.begin(now_s, piece.begin_frame)
                    self._untold.append(piece)
            piece.written += taken
            if taken < len(samples):
                return False
        return True

    def _write_pause(self, piece: Piece) -> bool:
        """Do the same with the silence after it."""
        pause = piece.pause[piece.written - len(piece.samples) :]
        taken = self._speaker.write(pause) if len(pause) else 0
        piece.written += taken
        return taken == len(pause)

    def _tell_started(self, played: int) -> None:
        """Tell of what is on its way out, as soon as it is sure when it will be heard."""
        if self._clock.observe(time.monotonic(), played):  # what was told was too early
            late = [p for p in (*self._sent, *self._ready) if p.written and p.end_frame > played]
            self._untold.extendleft(p for p in reversed(late) if p not in self._untold)
        while self._untold and not 0 <= self._untold[0].begin_frame - played < _STEADY_FRAMES:
            piece = self._untold.popleft()
            job, chunk = piece.job, piece.chunk
            at_s = self._clock.at_s(piece.begin_frame)
            if job.idle_before and job.first_sound_ms is None:
                self.first_sound_ms = job.first_sound_ms = round(1000 * (at_s - job.asked_s))
            if chunk.sentence >= 0:  # a chime says nothing
                told = PlaybackStarted(job.order.id, chunk.sentence, chunk.text, piece.words, at_s)
                self._sounding.append(told)

    def _apply_gain(self, samples: Samples) -> Samples:
        """Return samples at the present loudness, without a step where it has just changed."""
        if self._gain == self._last_gain == 1.0:
            return samples
        loud = samples * np.float32(self._gain)
        ramp = min(_FADE_FRAMES, len(loud))
        loud[:ramp] = samples[:ramp] * np.linspace(
            self._last_gain, self._gain, ramp, dtype=np.float32
        )
        over = np.abs(loud) > _KNEE
        room = 1 - _KNEE
        loud[over] = np.sign(loud[over]) * (
            _KNEE + room * np.tanh((np.abs(loud[over]) - _KNEE) / room)
        )
        return loud

    def _begin(self, piece: Piece) -> bool:
        """Prepare for the first frame of a piece; False if it has to wait."""
        job = piece.job
        now_s = time.monotonic()
        if not job.begun and now_s < job.begin_at_s:
            return False
        before = self._sent[-1] if self._sent else None
        new_sentence = not job.begun or before is None or before.chunk.ends_sentence
        if self.urgent_goes_on and not job.order.urgent and not self._is_within_sentence(piece):
            return False
        if new_sentence and (
            self._speaker.target_changed() or (not job.begun and self._own_stream())
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
        job.begun = True
        if self._within is not job:
            if self._within is not None:  # the rest of that follows behind this urgent one
                self._speaker.end_utterance()
            self._speaker.begin_utterance()
            self._within = job
        job.device = self._speaker.device
        piece.begin_frame = self._speaker.written_frames
        return True

    def _own_stream(self) -> bool:
        """Whether this utterance should not share the stream of the last one."""
        return self._stream_idle_s == 0 and self._speaker.written_frames > 0

    # ---- ends and interruptions ----

    def silence(self) -> None:
        """Be silent now and forget every piece."""
        if self._speaker.is_open and (self._sent or self._ready):
            self._count_heard_in_part()
            self._speaker.abort()
        for pieces in (self._ready, self._sent, self._heard, self._untold):
            pieces.clear()

    def forget(self, job: Job) -> None:
        """Leave out what is ready of an utterance that failed; what the device holds is heard."""
        if self._within is job:
            self._speaker.end_utterance()
            self._within = None
        for name in ("_ready", "_sent", "_heard", "_untold"):
            setattr(self, name, deque(p for p in getattr(self, name) if p.job is not job))

    def drop(self, job: Job) -> None:
        """Forget the pieces of one utterance; be silent at once where it sounds."""
        pieces = (*self._sent, *self._ready)
        if self._speaker.is_open and any(p.job is job and p.written for p in pieces):
            self._take_back()  # what the device held of others is written again
        self.forget(job)

    def pause(self) -> None:
        """Be silent now; `resume` goes on with the word that was cut."""
        self.paused = True
        if self._speaker.is_open:
            self._take_back()

    def _take_back(self) -> None:
        """Be silent now, and have everything again that was not heard, from a bit before it."""
        with contextlib.suppress(SpeakerError):  # of a lost device nobody can say
            played = self._speaker.played_frames
            for piece in (*self._sent, *self._ready):
                if piece.written:
                    heard = min(max(0, played - piece.begin_frame), len(piece.samples))
                    whole = self._is_over(piece, played, _POSITION_ERROR_FRAMES)
                    from_ = heard if whole else heard - _back(heard)
                    if from_:
                        piece.leave_out(from_)
                    piece.job.heard_frames += from_
        self._ready, self._sent = self._sent + self._ready, deque()
        self._untold.clear()
        for piece in self._ready:
            piece.written = 0
        self._speaker.abort()

    def lose_device(self) -> None:
        """Close, and say the rest, from the beginning of the current sentence, elsewhere."""
        self._speaker.close()
        for piece in self._heard:
            piece.job.heard_frames -= len(piece.samples)
        self._ready = self._heard + self._sent + self._ready
        self._heard, self._sent = deque(), deque()
        self._untold.clear()
        self._sounding.clear()
        for piece in self._ready:
            piece.written = 0
            piece.job.begun = piece.job.idle_before = False  # it begins anew on the next device

    def _count_heard_in_part(self) -> None:
        """Count what has been heard of pieces that are about to be cut."""
        with contextlib.suppress(SpeakerError):  # of a lost device nobody can say
            played = self._speaker.played_frames
            for piece in (*self._sent, *self._ready):
                if piece.written:
                    heard = min(played - piece.begin_frame, len(piece.samples))
                    piece.job.heard_frames += max(0, heard)


def _back(heard: int) -> int:
    return min(heard, int(_BACK_S * SAMPLE_RATE_HZ))


def _faded_in(samples: Samples) -> Samples:
    faded = samples.copy()
    ramp = min(_FADE_FRAMES, len(faded))
    faded[:ramp] *= np.linspace(0, 1, ramp, dtype=np.float32)
    return faded
