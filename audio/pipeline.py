"""The threads and the queue: texts in, sound and facts out.

    event loop              audio thread                      synthesis worker
    say, abort, ... -order-> plan; open the loudspeaker;
                             submit chunk n+1 ----------------> Voice.synthesize
                             Speaker.write(chunk n) <---------- _Synthesized
    on_fact <---- fact ----- SentenceHeard, Held, Ended

The audio thread reads one mailbox and never waits anywhere else: not for the device, which takes
what it has room for, and not for the voice, which answers into the mailbox. So an order to be
silent is obeyed within the time of one write, whatever waits before it.

The two sides meet at this mailbox, the `on_fact` callback and the published `Status`; nowhere else.
"""

import contextlib
import json
import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Protocol

import numpy as np

from audio.pace import Pace
from audio.planner import Planner
from audio.types import (
    SAMPLE_RATE_HZ,
    AudioError,
    Chunk,
    Devices,
    Ended,
    Fact,
    Held,
    Interrupt,
    NothingToSpeakError,
    Outcome,
    Samples,
    SentenceHeard,
    Sound,
    SpeakerError,
    Status,
    Utterance,
)

log = logging.getLogger(__name__)

# Enough that a slow chunk does not leave a gap, little enough that a stop wastes little work.
_AHEAD_S = 10.0
# How often the thread comes round when it has nothing to do.
_BEAT_S = 2.0
# How soon a missing or failing device is looked for again.
_RETRY_S = 2.0
# Between two utterances that follow each other without a pause of their own.
_GAP_S = 0.4


class Voice(Protocol):
    """Turns a chunk of text into sound. Runs on: synthesis worker."""

    def load(self) -> None:
        """Get ready; blocks.

        Raises:
            AudioError: it can't.
        """
        ...

    def synthesize(
        self, chunk: Chunk, voice: str, speed: float, lang: str, interrupt: Interrupt
    ) -> Sound:
        """Return a chunk as sound; blocks.

        Raises:
            AudioError: it can't, or *interrupt* was set.
        """
        ...


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
    def choose(self, wanted: str) -> None: ...
    def moved(self) -> bool: ...
    def begin_utterance(self) -> None: ...
    def end_utterance(self) -> None: ...
    def take_files(self) -> tuple[str, ...]: ...


# ---- what the mailbox holds besides Utterance ----


@dataclass(frozen=True, slots=True)
class _Abort:
    pass


@dataclass(frozen=True, slots=True)
class _Choose:
    wanted: str


@dataclass(frozen=True, slots=True)
class _QueryDevices:
    answer: Future[Devices]


@dataclass(frozen=True, slots=True)
class _Close:
    pass


@dataclass(frozen=True, slots=True)
class _Synthesized:
    work: "_Work"
    sound: Sound | None
    error: BaseException | None


_Order = Utterance | _Abort | _Choose | _QueryDevices | _Close | _Synthesized


# ---- what only the audio thread touches ----


@dataclass(eq=False, slots=True)
class _Job:
    """An utterance on its way."""

    order: Utterance
    asked_s: float
    idle_before: bool
    planner: Planner | None = None  # None until its turn comes
    frames: int = 0
    """Synthesized so far."""
    heard_frames: int = 0
    begun: bool = False
    begin_at_s: float = 0.0
    """Its first word is held back until then, since its sound would run out before its end."""
    held: bool = False
    device: str = ""
    files: tuple[str, ...] = ()


@dataclass(eq=False, slots=True)
class _Work:
    """The one synthesis in flight."""

    job: _Job
    chunk: Chunk
    last: bool
    interrupt: Interrupt


@dataclass(eq=False, slots=True)
class _Piece:
    """A chunk as sound, on its way to and through the device."""

    job: _Job
    chunk: Chunk
    last: bool
    samples: Samples
    pause: Samples
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


class SpeechPipeline:
    """Speaks utterances in order, synthesizing ahead of what sounds.

    No public method blocks; call them from any thread.
    """

    def __init__(
        self,
        voice: Voice,
        speaker: Speaker,
        on_fact: Callable[[Fact], None],
        *,
        stream_idle_s: float = 3.0,
        pace: Pace = Pace(),  # noqa: B008  # frozen
        keep_pace: Callable[[Pace], None] = lambda _: None,
    ) -> None:
        """Start nothing yet.

        Args:
            voice: used on the synthesis worker only.
            speaker: used on the audio thread only.
            on_fact: called on the audio thread with each fact; must not block.
            stream_idle_s: how long the stream stays open after the last utterance; with 0 each
                utterance has a stream of its own.
            pace: what earlier runs learned of this machine.
            keep_pace: called on the audio thread, now and then, with what is known now.
        """
        self._voice = voice
        self._speaker = speaker
        self._on_fact = on_fact
        self._stream_idle_s = stream_idle_s
        self._keep_pace = keep_pace
        self._mailbox: queue.SimpleQueue[_Order] = queue.SimpleQueue()
        self._status = Status()
        self._heard: deque[_Piece] = deque()  # of the sentence that is being heard
        self._closed: Future[None] = Future()
        self._closed.set_running_or_notify_cancel()  # whoever waits for it can't cancel it
        self._synthesis = ThreadPoolExecutor(1, thread_name_prefix="synthesis")
        # A daemon, because a wedged device must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name="audio", daemon=True)
        # The audio thread's own:
        self._jobs: dict[int, _Job] = {}  # in order of arrival; all that have not ended
        self._work: _Work | None = None
        self._ready: deque[_Piece] = deque()  # synthesized; the first may be partly written
        self._sent: deque[_Piece] = deque()  # written, not known to have been heard
        self._idle_since_s = 0.0
        self._opened_s = 0.0
        self._retry_at_s = 0.0
        self._pace = pace
        self._first_sound_ms: int | None = None
        self._last_error = ""
        self._facts: list[Fact] = []

    # ---- the public face ----

    def start(self) -> None:
        """Start the threads and load the voice in the background."""
        self._synthesis.submit(self._load_voice)
        self._thread.start()

    def say(self, utterance: Utterance) -> None:
        """Queue an utterance; facts about it follow, the last one is its `Ended`."""
        self._mailbox.put(utterance)

    def abort(self) -> None:
        """Fall silent and forget every utterance that was queued before this call."""
        self._mailbox.put(_Abort())

    def choose(self, wanted: str) -> None:
        """Send sound to another device from the next sentence on; empty follows the system."""
        self._mailbox.put(_Choose(wanted))

    def devices(self) -> Future[Devices]:
        """Ask the audio thread where sound can go; the future may raise AudioError."""
        answer: Future[Devices] = Future()
        self._mailbox.put(_QueryDevices(answer))
        return answer

    def status(self) -> Status:
        """Return what the audio thread published last."""
        return self._status

    def close(self) -> Future[None]:
        """Fall silent and end the threads; no facts follow about what had not ended.

        Idempotent. The future is done when the device is released.
        """
        self._mailbox.put(_Close())
        return self._closed

    # ---- synthesis worker ----

    def _load_voice(self) -> None:
        try:
            self._voice.load()
        except AudioError as exc:
            log.error("%s", exc)  # noqa: TRY400  # the message says it all; said to senders too

    # ---- audio thread: nothing below is called from anywhere else ----

    def _run(self) -> None:
        wait_s = 0.0
        while True:
            try:
                # Never longer than this, so that others can see that the thread is alive.
                order = self._mailbox.get(timeout=min(wait_s, _BEAT_S))
            except queue.Empty:
                order = None
            try:
                if isinstance(order, _Close):
                    self._shut_down()
                    return
                if order is not None:
                    self._obey(order)
                wait_s = self._turn() if self._mailbox.empty() else 0.0
            except Exception as exc:  # the thread must outlive any mistake of ours
                log.exception("Mistake in the audio thread")
                self._fail_all(_mistake(exc))
                wait_s = 0.0
            self._publish()
            self._tell()

    def _obey(self, order: _Order) -> None:
        match order:
            case Utterance():
                idle = not self._jobs
                self._jobs[order.id] = _Job(order, time.monotonic(), idle_before=idle)
            case _Abort():
                self._silence()
                for job in list(self._jobs.values()):
                    self._end(job, Outcome.STOPPED)
            case _Choose(wanted):
                self._speaker.choose(wanted)
                self._retry_at_s = 0.0
            case _QueryDevices(answer):
                self._answer_devices(answer)
            case _Synthesized(work, sound, error):
                self._receive(work, sound, error)

    def _turn(self) -> float:
        """Do what can be done now, and return how long nothing else needs doing."""
        self._synthesize_ahead()
        if not self._jobs:
            return self._linger()
        if not self._speaker.is_open:
            now_s = time.monotonic()
            if now_s < self._retry_at_s:
                return self._retry_at_s - now_s
            if not self._open():
                return _RETRY_S
        try:
            self._write()
            self._collect_heard()
        except SpeakerError as exc:
            self._lose_device(exc)
            return 0.0
        return self._speaker.poll_s

    # -- the voice --

    def _synthesize_ahead(self) -> None:
        """Give the worker the next chunk, if it is free and little sound is in store."""
        if self._work is not None:
            return
        for job in list(self._jobs.values()):
            order = job.order
            if job.planner is None:
                try:
                    job.planner = Planner(order.text, order.lang, order.speed, order.first_sentence)
                except NothingToSpeakError as exc:
                    self._end(job, Outcome.FAILED, str(exc))
                    continue
                except Exception as exc:  # one text must not take the others with it
                    log.exception("Mistake in planning a text")
                    self._end(job, Outcome.FAILED, _mistake(exc))
                    continue
                if job.planner.done:  # all of its sentences were heard in an earlier life
                    self._end(job, Outcome.HEARD)
                    continue
            if not job.planner.done:
                stored_s, now_s = self._stored_s(), time.monotonic()
                if stored_s > _AHEAD_S and now_s >= job.begin_at_s:
                    return
                if job.frames and not job.begun:
                    own_s = sum(piece.left_s for piece in self._ready if piece.job is job)
                    chunk, wait_s = job.planner.next_held(self._pace, own_s)
                    job.begin_at_s = now_s + wait_s
                else:
                    chunk = job.planner.next(self._pace, stored_s + self._queued_s())
                self._submit(_Work(job, chunk, job.planner.done, Interrupt()))
                return

    def _submit(self, work: _Work) -> None:
        if log.isEnabledFor(logging.DEBUG):  # the bench reads it
            log.debug("Chunk of message %d: %s", work.job.order.id, json.dumps(asdict(work.chunk)))

        def report(future: Future[Sound]) -> None:  # on the worker
            if not future.cancelled():
                error = future.exception()
                sound = None if error else future.result()
                self._mailbox.put(_Synthesized(work, sound, error))

        self._work = work
        order = work.job.order
        self._synthesis.submit(
            self._voice.synthesize,
            work.chunk,
            order.voice,
            order.speed,
            order.lang,
            work.interrupt,
        ).add_done_callback(report)

    def _receive(self, work: _Work, sound: Sound | None, error: BaseException | None) -> None:
        if work is self._work:
            self._work = None
        job = work.job
        if self._jobs.get(job.order.id) is not job:
            return  # stopped meanwhile
        if sound is None:
            if not isinstance(error, AudioError):
                log.error("Mistake in the synthesis worker", exc_info=error)
            self._last_error = str(error)
            self._end(job, Outcome.FAILED, str(error))
            return
        if sound.took_s:
            self._pace = self._pace.after(
                letters=work.chunk.letters,
                speed=job.order.speed,
                spoken_s=len(sound.samples) / SAMPLE_RATE_HZ,
                raw_s=sound.raw_s,
                took_s=sound.took_s,
            )
        job.frames += len(sound.samples)
        if work.last and job.frames == 0:
            reason = f"The voice {job.order.voice} can pronounce nothing of it. Send other words."
            self._end(job, Outcome.FAILED, reason)
            return
        pause = np.zeros(int(work.chunk.pause_s * SAMPLE_RATE_HZ), np.float32)
        if work.last:
            pause = np.zeros(0, np.float32)
        self._ready.append(_Piece(job, work.chunk, work.last, sound.samples, pause))
        if work.last:
            job.begin_at_s = 0.0
        self._note_sound(work, sound)

    def _note_sound(self, work: _Work, sound: Sound) -> None:
        if log.isEnabledFor(logging.DEBUG):  # the bench reads it
            facts = {
                "at_s": time.monotonic(),
                "sound_s": len(sound.samples) / SAMPLE_RATE_HZ,
                "pause_s": 0.0 if work.last else work.chunk.pause_s,
                "took_s": sound.took_s,
                "buffered_s": self._stored_s() + self._queued_s(),
                "late": self._pace.late,
            }
            log.debug("Sound of message %d: %s", work.job.order.id, json.dumps(facts))

    def _stored_s(self) -> float:
        """Return how long the sound lasts that is ready and not written."""
        return sum(piece.left_s for piece in self._ready)

    def _queued_s(self) -> float:
        """Return how long the sound lasts that the device holds."""
        if not self._sent and not (self._ready and self._ready[0].written):
            return 0.0
        try:
            frames = self._speaker.written_frames - self._speaker.played_frames
        except SpeakerError:
            return 0.0  # the next write will find it out
        return frames / SAMPLE_RATE_HZ

    # -- the loudspeaker --

    def _open(self) -> bool:
        """Open the loudspeaker; where it won't, hold everything and say so."""
        try:
            self._speaker.open()
        except AudioError as exc:
            if str(exc) != self._last_error:
                log.warning("%s", exc)
            self._last_error = str(exc)
            self._retry_at_s = time.monotonic() + _RETRY_S
            for job in self._jobs.values():
                if not job.held:
                    job.held = True
                    self._facts.append(Held(job.order.id, str(exc)))
            return False
        self._opened_s = time.monotonic()
        return True

    def _write(self) -> None:
        """Hand over what is ready, as far as the device has room."""
        while self._ready:
            piece = self._ready[0]
            if piece.written == 0 and not self._begin(piece):
                break
            samples = piece.samples[piece.written :]
            if len(samples):
                taken = self._speaker.write(samples)
                piece.written += taken
                if taken < len(samples):
                    return
            pause_done = piece.written - len(piece.samples)
            if pause_done < len(piece.pause):
                taken = self._speaker.write(piece.pause[pause_done:])
                piece.written += taken
                if taken < len(piece.pause) - pause_done:
                    return
            if piece.last:
                self._speaker.end_utterance()
            self._sent.append(self._ready.popleft())
        if self._speaker.written_frames:
            self._speaker.pad()

    def _begin(self, piece: _Piece) -> bool:
        """Prepare for the first frame of a piece; False if it has to wait."""
        job = piece.job
        if not job.begun and time.monotonic() < job.begin_at_s:
            return False
        new_sentence = not job.begun or not self._sent or self._sent[-1].chunk.ends_sentence
        if new_sentence and (self._speaker.moved() or (not job.begun and self._own_stream())):
            if self._sent:
                return False  # what was written is heard on the old device first
            self._speaker.close()
            if not self._open():
                raise SpeakerError(self._last_error)
        if not job.begun:
            if self._sent:
                gap_frames = int(_GAP_S * SAMPLE_RATE_HZ)
                end_frame = self._sent[-1].end_frame
                missing = gap_frames - (self._speaker.written_frames - end_frame)
                if missing > 0:
                    taken = self._speaker.write(np.zeros(missing, np.float32))
                    if taken < missing:
                        return False
            job.begun = True
            self._speaker.begin_utterance()
            if job.idle_before:
                queued = self._speaker.written_frames - self._speaker.played_frames
                waited_s = time.monotonic() - job.asked_s + queued / SAMPLE_RATE_HZ
                self._first_sound_ms = round(1000 * waited_s)
        job.device = self._speaker.device
        piece.begin_frame = self._speaker.written_frames
        return True

    def _own_stream(self) -> bool:
        """Whether this utterance should not share the stream of the last one."""
        return self._stream_idle_s == 0 and self._speaker.written_frames > 0

    def _collect_heard(self) -> None:
        """Tell of what has left the device's buffer."""
        if not self._sent:
            return
        played = self._speaker.played_frames
        while self._sent and self._sent[0].end_frame <= played:
            piece = self._sent.popleft()
            piece.job.heard_frames += len(piece.samples)
            self._heard.append(piece)
            if piece.chunk.ends_sentence:
                self._heard.clear()
                self._facts.append(SentenceHeard(piece.job.order.id, piece.chunk.sentence))
            if piece.last:
                self._end(piece.job, Outcome.HEARD)

    def _lose_device(self, error: SpeakerError) -> None:
        """Close, and say the rest, from the beginning of the current sentence, elsewhere."""
        log.warning("%s", error)
        self._last_error = str(error)
        self._speaker.close()
        for piece in self._heard:
            piece.job.heard_frames -= len(piece.samples)
        self._ready = self._heard + self._sent + self._ready
        self._heard, self._sent = deque(), deque()
        for piece in self._ready:
            piece.written = 0
            piece.job.begun = piece.job.idle_before = False  # it begins anew on the next device
        # At once where it had worked for a while; not in a tight loop where it never does.
        self._retry_at_s = self._opened_s + _RETRY_S

    def _linger(self) -> float:
        """Close the stream when a burst of utterances is over, so that it can move."""
        if not self._speaker.is_open:
            return _BEAT_S
        left_s = self._idle_since_s + self._stream_idle_s - time.monotonic()
        if left_s > 0:
            return left_s
        self._speaker.close()
        self._keep_pace(self._pace)
        return _BEAT_S

    def _answer_devices(self, answer: Future[Devices]) -> None:
        if not answer.set_running_or_notify_cancel():
            return  # nobody waits for it any more
        if not self._jobs:
            self._speaker.close()  # an open stream would keep the list as it was
        try:
            answer.set_result(self._speaker.devices())
        except AudioError as exc:
            self._last_error = str(exc)
            answer.set_exception(exc)

    # -- ends --

    def _silence(self) -> None:
        """Be silent, and let the worker be free for what comes next."""
        if self._speaker.is_open and self._jobs:
            self._count_heard_in_part()
            self._speaker.abort()
        for pieces in (self._ready, self._sent, self._heard):
            pieces.clear()
        if self._work is not None:
            self._work.interrupt.set()
            self._work = None

    def _count_heard_in_part(self) -> None:
        """Count what has been heard of pieces that are about to be cut."""
        with contextlib.suppress(SpeakerError):  # of a lost device nobody can say
            played = self._speaker.played_frames
            for piece in [*self._sent, *self._ready]:
                if piece.written:
                    heard = min(played - piece.begin_frame, len(piece.samples))
                    piece.job.heard_frames += max(0, heard)

    def _end(self, job: _Job, outcome: Outcome, reason: str = "") -> None:
        """Tell how an utterance ended, and forget it."""
        if job.begun and outcome is Outcome.FAILED:
            self._speaker.end_utterance()
        del self._jobs[job.order.id]
        self._ready = deque(piece for piece in self._ready if piece.job is not job)
        self._sent = deque(piece for piece in self._sent if piece.job is not job)
        self._heard = deque(piece for piece in self._heard if piece.job is not job)
        self._idle_since_s = time.monotonic()
        self._facts.append(
            Ended(
                job.order.id,
                outcome,
                reason,
                job.device,
                job.heard_frames / SAMPLE_RATE_HZ,
                self._speaker.take_files(),
            )
        )

    def _fail_all(self, reason: str) -> None:
        self._last_error = reason
        self._silence()
        for job in list(self._jobs.values()):
            self._end(job, Outcome.FAILED, reason)

    def _publish(self) -> None:
        self._status = Status(
            speaking=any(job.begun for job in self._jobs.values()),
            waiting=sum(not job.begun for job in self._jobs.values()),
            device=self._speaker.device or self._status.device,
            first_sound_ms=self._first_sound_ms,
            underruns=self._speaker.underruns,
            last_error=self._last_error,
            warning=self._speaker.warning,
            beat_s=time.monotonic(),
        )

    def _tell(self) -> None:
        """Pass the facts on, once the status that they belong to can be seen."""
        facts, self._facts = self._facts, []
        for fact in facts:
            self._on_fact(fact)

    def _shut_down(self) -> None:
        try:
            with contextlib.suppress(SpeakerError):
                self._collect_heard()
            self._silence()
            self._keep_pace(self._pace)
            self._synthesis.shutdown(wait=False, cancel_futures=True)
            self._speaker.shutdown()
        finally:
            self._publish()
            self._tell()
            self._closed.set_result(None)


def _mistake(error: Exception) -> str:
    return f"Crier made a mistake ({type(error).__name__}); its log says more."
