"""The threads and the mailbox: texts in, sound and facts out.

    event loop              audio thread                      synthesis thread
    say, abort, ... -order-> open the loudspeaker;
                             submit an utterance -------------> Planner, Voice.read
                             submit chunk n+1 <---------------- Planned
                                              ----------------> Voice.synthesize
                             Speaker.write(chunk n) <---------- Synthesized
    on_fact <---- fact ----- PlaybackStarted, SentenceHeard, Held, Ended, ...

The audio thread reads one mailbox. It waits neither for the voice, whose results come by the
mailbox, nor for the device, which accepts what it has room for. So an abort takes effect within the
time of one write, whatever is queued. Only opening a device and closing the pipeline block, for
some tens of milliseconds.

Only these cross the threads:

- frozen values: orders and results through the mailbox, facts through `on_fact`, and the `Status`,
  which the audio thread replaces and any thread may read; a result also refers to its task and its
  job, which only the audio thread uses;
- callbacks, called on the audio thread (`on_fact`, `on_cost`, `Render.on_sound`, `asleep_s`) or the
  synthesis thread (`on_work`), which pass on what they get, or at most write a small file;
- futures: those of `devices` and `close` are set by the audio thread; those of the worker are
  used by these two threads only;
- one bit: a `CancelToken`, cancelled by the audio thread, ends the synthesis in progress.

A `Planner` or `Recording` is created on the synthesis thread and then used on the audio thread
only, except for `Planner.prepare` and `Recording.read`.
"""

import contextlib
import itertools
import logging
import math
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future

from audio.cost import SynthesisCost
from audio.orders import (
    Abort,
    Close,
    CloseStream,
    Order,
    Pause,
    QueryDevices,
    Render,
    Reorder,
    Replace,
    ReportTaken,
    SelectDevice,
    SetGain,
    Skip,
    Withdraw,
)
from audio.playback import Piece, Playback, SpeechJob
from audio.ports import Speaker, Voice
from audio.recording import Recording, chime
from audio.rendering import describe_error
from audio.synthesis import Planned, Synthesis, Synthesized
from audio.system_sleep import time_asleep_s
from audio.thread_priority import prefer_fast_cores
from audio.types import (
    SAMPLE_RATE_HZ,
    AudioError,
    Chunk,
    Devices,
    Ended,
    Fact,
    HeadphonesLostError,
    Held,
    Outcome,
    Samples,
    SentenceHeard,
    Silenced,
    Slept,
    Status,
    Utterance,
    Word,
    silence,
)

log = logging.getLogger(__name__)

# The longest time between two iterations of the audio thread.
_HEARTBEAT_S = 2.0
# How soon a missing or failing device is tried again.
_RETRY_S = 2.0

_CHIME = Chunk((), "", "", -1, ends_sentence=True, pause_s=0.0)


class SpeechPipeline:
    """Speaks utterances in order, synthesizing ahead of playback.

    No public method blocks; call them from any thread.
    """

    def __init__(
        self,
        voice: Voice,
        speaker: Speaker,
        on_fact: Callable[[Fact], None],
        *,
        stream_idle_s: float = 3.0,
        bluetooth_idle_s: float = 0.0,
        cost: SynthesisCost = SynthesisCost(),  # noqa: B008  # frozen
        on_cost: Callable[[SynthesisCost], None] = lambda _: None,
        hold_after_sleep_s: float = math.inf,
        asleep_s: Callable[[], float] = time_asleep_s,
        on_work: Callable[[int, bool], None] = lambda _, __: None,
    ) -> None:
        """Create the pipeline; `start` starts its threads.

        Args:
            voice: used on the synthesis thread only.
            speaker: used on the audio thread only.
            on_fact: called on the audio thread with each fact; must not block.
            stream_idle_s: how long the stream stays open after the last utterance; with 0 each
                utterance has a stream of its own.
            bluetooth_idle_s: the same for a Bluetooth device, if it is longer and the other is
                not 0; such a device takes a while to wake up, and cuts off what comes meanwhile.
            cost: what earlier runs learned about this machine.
            on_cost: called on the audio thread, now and then, with what has been learned.
            hold_after_sleep_s: if the computer slept for longer than this during playback, pause
                and report `Slept`.
            asleep_s: returns how long the computer has slept in all; called on the audio thread.
            on_work: called on the synthesis thread with an utterance's id, and with True before its
                text or recording is planned or a chunk of it synthesized, with False afterwards.
        """
        self._speaker = speaker
        self._on_fact = on_fact
        self._stream_idle_s = stream_idle_s
        self._bluetooth_idle_s = bluetooth_idle_s if stream_idle_s else 0.0
        self._on_cost = on_cost
        self._mailbox: queue.SimpleQueue[Order | Planned | Synthesized] = queue.SimpleQueue()
        self._stream_ids = itertools.count(1)
        self._status = Status()
        self._closed: Future[None] = Future()
        self._closed.set_running_or_notify_cancel()  # so that no waiter can cancel it
        # A daemon, because a hanging device must not keep the process from exiting.
        self._thread = threading.Thread(target=self._run, name="audio", daemon=True)
        # Used by the audio thread only:
        self._jobs: dict[int, SpeechJob] = {}  # all that have not ended, in order
        self._playback = Playback(speaker, stream_idle_s)
        self._synthesis = Synthesis(
            voice,
            self._playback,
            self._jobs,
            cost,
            on_result=self._mailbox.put,
            on_work=on_work,
            on_end=self._end,
        )
        self._gain = 1.0
        self._hold_after_sleep_s = hold_after_sleep_s
        self._asleep_s = asleep_s
        self._slept_s = asleep_s()
        self._idle_since_s = 0.0
        self._retry_at_s = 0.0
        self._last_error = self._blocked = ""
        self._paused_by_loss = False  # of headphones, and not by a person
        self._facts: list[Fact] = []

    # ---- public: called from any thread ----

    def start(self) -> None:
        """Start the threads and load the voice in the background."""
        self._synthesis.start()
        self._thread.start()

    def say(self, utterance: Utterance) -> None:
        """Queue an utterance; facts about it follow, `Ended` as the last."""
        self._mailbox.put(utterance)

    def abort(self) -> None:
        """Stop playback and drop every utterance that was queued before this call."""
        self._mailbox.put(Abort(time.monotonic()))

    def skip(self, id_: int | None = None) -> None:
        """Drop one utterance, by default the current one; the next one follows."""
        self._mailbox.put(Skip(id_))

    def withdraw(self, id_: int, reason: str) -> None:
        """Drop one utterance, unless it has started; its `Ended` repeats the reason."""
        self._mailbox.put(Withdraw(id_, reason))

    def pause(self) -> None:
        """Stop playback, and drop nothing; `resume` continues with the word that was cut."""
        self._mailbox.put(Pause(paused=True))

    def resume(self) -> None:
        """Continue after `pause`."""
        self._mailbox.put(Pause(paused=False))

    def set_gain(self, gain: float, *, by_clock: bool = False) -> None:
        """Change the loudness, also of what is being played; 1 is as synthesized.

        Utterances with a loudness of their own that have not started keep it; if the clock changes
        the loudness, and nobody who hears it, all of them do.
        """
        self._mailbox.put(SetGain(gain, by_clock))

    def replace(self, utterance: Utterance) -> None:
        """Replace the queued utterance of the same id.

        A growing utterance can be replaced at any time, another one only before it has started.
        """
        self._mailbox.put(Replace(utterance))

    def render(
        self, utterance: Utterance, on_sound: Callable[[Samples | AudioError | None], None]
    ) -> None:
        """Synthesize sound for a file, whenever the loudspeaker does not need the voice.

        Args:
            utterance: what to say; its id is ignored.
            on_sound: called on the audio thread with each chunk of sound, then with None; or with
                the error that ended it. Must not block.
        """
        self._mailbox.put(Render(utterance, on_sound))

    def stream(
        self,
        utterance: Utterance,
        on_sound: Callable[[Samples | AudioError | None], None],
        on_words: Callable[[tuple[Word, ...]], None] = lambda _: None,
    ) -> int:
        """Synthesize sound as `render` does, for a listener: the first chunk comes soon.

        Synthesis stays some seconds ahead of what `record_consumed` has reported. *on_words* is
        called with the words of each chunk, just before its sound.

        Returns:
            The stream's id, for `record_consumed` and `close_stream`.
        """
        stream_id = next(self._stream_ids)
        self._mailbox.put(Render(utterance, on_sound, on_words, stream_id))
        return stream_id

    def record_consumed(self, stream_id: int, taken_s: float) -> None:
        """Report how many more seconds of a stream were consumed."""
        self._mailbox.put(ReportTaken(stream_id, taken_s))

    def close_stream(self, stream_id: int) -> None:
        """Stop synthesizing a stream. Idempotent."""
        self._mailbox.put(CloseStream(stream_id))

    def reorder(self, ids: tuple[int, ...]) -> None:
        """Speak the utterances that have not started in this order."""
        self._mailbox.put(Reorder(ids))

    def select_device(self, wanted: str) -> None:
        """Use another device from the next sentence on; empty follows the system's default."""
        self._mailbox.put(SelectDevice(wanted))

    def devices(self) -> Future[Devices]:
        """Query the output devices; the future may raise AudioError."""
        answer: Future[Devices] = Future()
        self._mailbox.put(QueryDevices(answer))
        return answer

    def status(self) -> Status:
        """Return what the audio thread published last."""
        return self._status

    def cost(self) -> SynthesisCost:
        """Return what has been learned about this machine's speed. Runs on: any thread."""
        return self._synthesis.cost

    def close(self) -> Future[None]:
        """Stop playback and the threads; utterances that have not ended get no more facts.

        Idempotent. The future is done when the device is released.
        """
        self._mailbox.put(Close())
        return self._closed

    # ---- private: runs on the audio thread only ----

    def _run(self) -> None:
        prefer_fast_cores()
        wait_s = 0.0
        while True:
            try:
                # The timeout keeps the heartbeat going, which shows that the thread is alive.
                mail = self._mailbox.get(timeout=min(wait_s, _HEARTBEAT_S))
            except queue.Empty:
                mail = None
            try:
                if isinstance(mail, Close):
                    self._shut_down()
                    return
                self._check_sleep()  # first: after a sleep the computer may be somewhere else
                if mail is not None:
                    self._handle(mail)
                wait_s = self._step() if self._mailbox.empty() else 0.0
            except Exception as exc:  # the thread must survive every error
                log.exception("Unexpected error in the audio thread")
                self._fail_all(describe_error(exc))
                wait_s = 0.0
            self._publish()
            self._send_facts()

    def _check_sleep(self) -> None:
        slept_s = self._asleep_s() - self._slept_s
        self._slept_s += slept_s
        if slept_s <= self._hold_after_sleep_s or not self._jobs:
            return
        if not self._playback.paused:
            self._playback.pause()
        self._facts.append(Slept(slept_s))

    def _handle(self, mail: Order | Planned | Synthesized) -> None:  # noqa: C901, PLR0912  # a table
        match mail:
            case Utterance():
                self._accept(mail)
            case Abort(at_s):
                self._abort(at_s)
            case Skip(id_):
                self._skip(id_)
            case Withdraw(id_, reason):
                self._withdraw(id_, reason)
            case Pause(paused):
                if paused and not self._playback.paused:
                    self._playback.pause()
                self._playback.paused, self._paused_by_loss = paused, False
            case SetGain(gain, by_clock):
                self._gain = gain
                self._playback.set_gain(gain, by_clock=by_clock)
            case Replace(utterance):
                self._replace(utterance)
            case Reorder(ids):
                self._reorder(ids)
            case Render():
                self._synthesis.renderings.add(mail)
            case ReportTaken(stream_id, taken_s):
                self._synthesis.renderings.record_consumed(stream_id, taken_s)
            case CloseStream(stream_id):
                self._synthesis.close_stream(stream_id)
            case SelectDevice(wanted):
                self._speaker.select_device(wanted)
                self._retry_at_s = 0.0
            case QueryDevices(answer):
                self._answer_devices(answer)
            case Planned():
                self._synthesis.receive_plan(mail)
            case Synthesized():
                self._synthesis.receive(mail)

    def _accept(self, utterance: Utterance) -> None:
        idle = not self._jobs
        job = SpeechJob(utterance, received_s=time.monotonic(), was_idle=idle, gain=utterance.gain)
        self._jobs[utterance.id] = job
        if utterance.chime and idle:
            self._playback.add(Piece(job, _CHIME, last=False, samples=chime(), pause=silence(0)))
        if utterance.urgent:
            self._synthesis.preempt()

    def _abort(self, at_s: float) -> None:
        current = self._playback.current
        playing = current is not None and (current.started or self._playback.is_playing(current))
        self._report_heard_by_now()
        self._silence()
        if current is not None and playing and current.utterance.id in self._jobs:
            self._facts.append(Silenced(current.utterance.id, time.monotonic() - at_s))
        self._synthesis.cancel_renderings("Stopped.")
        self._playback.paused = self._paused_by_loss = False
        for job in list(self._jobs.values()):
            self._end(job, Outcome.STOPPED)

    def _replace(self, utterance: Utterance) -> None:
        job = self._jobs.get(utterance.id)
        if job is not None and job.utterance.grows:
            job.utterance = utterance
            self._synthesis.end_if_complete(job)
            return
        if job is None or job.started or job.heard_frames:
            return
        job.utterance = utterance
        ids = list(self._jobs)
        # Synthesize it and everything after it again, to preserve the order.
        self._resynthesize(ids[ids.index(utterance.id) :])

    def _reorder(self, ids: tuple[int, ...]) -> None:
        position = {id_: index for index, id_ in enumerate(ids)}
        before = list(self._jobs)

        def key(job: SpeechJob) -> tuple[bool, int]:
            started = job.started or job.heard_frames > 0
            return not started, 0 if started else position.get(job.utterance.id, len(ids))

        in_order = sorted(self._jobs.values(), key=key)
        self._jobs.clear()
        self._jobs.update((job.utterance.id, job) for job in in_order)
        after = list(self._jobs)
        moved = [i for i, (old, new) in enumerate(zip(before, after, strict=True)) if old != new]
        if moved:
            self._playback.move_chime(next(job for job in in_order if key(job)[0]))
            self._resynthesize(after[moved[0] :])

    def _resynthesize(self, ids: list[int]) -> None:
        """Discard the sound of the utterances in *ids* that have not started."""
        for id_ in ids:
            job = self._jobs[id_]
            if job.started or job.heard_frames:
                continue
            self._playback.discard(job, chime=False)
            job.planner, job.retry_chunk, job.start_at_s = None, None, 0.0
            job.synthesized_frames, job.chunks, job.complete, job.error = 0, 0, False, ""
            self._synthesis.cancel([job])

    def _step(self) -> float:
        """Do what can be done now; return how many seconds the next step can wait."""
        self._synthesis.advance()
        if not self._jobs:
            return self._close_when_idle()
        if self._playback.paused:
            if self._paused_by_loss:
                self._hold_all()
            return _HEARTBEAT_S
        if not self._speaker.is_open:
            now_s = time.monotonic()
            if now_s < self._retry_at_s:
                return self._retry_at_s - now_s
            if not self._open():
                return _RETRY_S
        self._playback.urgent_in_progress = any(
            job.utterance.urgent and job.started and not job.complete for job in self._jobs.values()
        )
        try:
            heard = self._playback.play()
        except AudioError as exc:
            self._lose_device(exc)
            return 0.0
        self._facts += self._playback.pop_started()
        self._report_heard(heard)
        return self._speaker.poll_s

    def _report_heard(self, pieces: list[Piece]) -> None:
        for piece in pieces:
            if piece.chunk.ends_sentence and not piece.is_chime:
                self._facts.append(SentenceHeard(piece.job.utterance.id, piece.chunk.sentence))
            if piece.last:
                error = piece.job.error
                self._end(piece.job, Outcome.FAILED if error else Outcome.HEARD, error)

    def _report_heard_by_now(self) -> None:
        with contextlib.suppress(AudioError):  # the position of a lost device is unknown
            self._report_heard(self._playback.heard_by_now())

    # -- the loudspeaker --

    def _open(self) -> bool:
        """Open the loudspeaker; if that fails, hold everything and report it."""
        try:
            self._playback.open()
        except AudioError as exc:
            if str(exc) != self._blocked:
                log.warning("%s", exc)
            self._blocked = self._last_error = str(exc)
            self._retry_at_s = time.monotonic() + _RETRY_S
            if isinstance(exc, HeadphonesLostError):
                self._playback.paused = self._paused_by_loss = True
                for job in self._jobs.values():
                    job.held = False  # what it waits for now is something else
            self._hold_all()
            return False
        self._blocked = ""
        for job in self._jobs.values():
            job.held = False
        return True

    def _hold_all(self) -> None:
        """Report that everything waits, and for what."""
        for job in self._jobs.values():
            if not job.held:
                job.held = True
                self._facts.append(Held(job.utterance.id, self._blocked))

    def _lose_device(self, error: AudioError) -> None:
        log.warning("%s", error)
        self._last_error = str(error)
        self._playback.lose_device()
        if isinstance(error, HeadphonesLostError):
            self._blocked = str(error)
            self._playback.paused = self._paused_by_loss = True
        # At once if the device had worked for a while, but not in a tight loop if it never does.
        self._retry_at_s = self._playback.opened_s + _RETRY_S

    def _close_when_idle(self) -> float:
        """Close the stream after a burst, so that the next one follows a change of devices."""
        if not self._speaker.is_open:
            return _HEARTBEAT_S
        idle_s = self._stream_idle_s
        if self._speaker.is_bluetooth():
            idle_s = max(idle_s, self._bluetooth_idle_s)
        left_s = self._idle_since_s + idle_s - time.monotonic()
        if left_s > 0:
            return left_s
        self._speaker.close()
        self._on_cost(self._synthesis.cost)
        return _HEARTBEAT_S

    def _answer_devices(self, answer: Future[Devices]) -> None:
        if not answer.set_running_or_notify_cancel():
            return  # the caller gave up
        if not self._jobs:
            self._speaker.close()  # while a stream is open, the list can't be updated
        try:
            answer.set_result(self._speaker.devices())
        except AudioError as exc:
            self._last_error = str(exc)
            answer.set_exception(exc)

    # -- the end of utterances --

    def _silence(self) -> None:
        """Stop playback, and free the worker for the next task."""
        self._playback.silence()
        self._synthesis.cancel(self._jobs.values())

    def _skip(self, id_: int | None) -> None:
        job: SpeechJob | None
        if id_ is not None:
            job = self._jobs.get(id_)
        else:  # the current one, or else the first in the queue
            job = self._playback.current or next(iter(self._jobs.values()), None)
        self._report_heard_by_now()
        if job is None or job.utterance.id not in self._jobs:
            return
        self._synthesis.cancel([job])
        self._playback.drop(job)
        self._end(job, Outcome.SKIPPED)

    def _withdraw(self, id_: int, reason: str) -> None:
        job = self._jobs.get(id_)
        if job is None or job.started or job.heard_frames or self._playback.is_playing(job):
            return  # what has begun, if only with its chime, goes on
        self._synthesis.cancel([job])
        self._playback.discard(job)
        self._end(job, Outcome.SKIPPED, reason)

    def _end(self, job: SpeechJob, outcome: Outcome, reason: str = "") -> None:
        """Remove an utterance, and report how it ended.

        If it failed, what is ready of it is heard first.
        """
        if outcome is Outcome.FAILED:
            self._last_error = reason
            if not job.error and self._playback.finish(job):
                job.error, job.complete = reason, True
                return
            self._playback.discard(job)
        del self._jobs[job.utterance.id]
        if self._paused_by_loss and not self._jobs:  # what comes later is no rest of a message
            self._playback.paused = self._paused_by_loss = False
            self._blocked = ""
        self._idle_since_s = time.monotonic()
        self._facts.append(
            Ended(
                job.utterance.id,
                outcome,
                reason=reason,
                device=job.device,
                audio_s=job.heard_frames / SAMPLE_RATE_HZ,
                files=self._speaker.pop_files(),
                chunks=job.chunks,
                first_sound_ms=job.first_sound_ms,
                underruns=job.underruns,
                warning=self._speaker.mute_reason() if outcome is Outcome.HEARD else "",
            )
        )

    def _fail_all(self, reason: str) -> None:
        self._last_error = reason
        self._silence()
        for job in list(self._jobs.values()):
            self._end(job, Outcome.FAILED, reason)

    def _publish(self) -> None:
        job = self._playback.current
        playing = job is not None and job.started and job.utterance.id in self._jobs
        self._status = Status(
            speaking=any(job.started for job in self._jobs.values()),
            speaking_id=job.utterance.id if job is not None and playing else None,
            left_s=self._left_s(job) if job is not None and playing else 0.0,
            waiting=sum(not job.started for job in self._jobs.values()),
            buffer_s=self._playback.stored_s() + self._playback.queued_s(),
            paused=self._playback.paused,
            gain=self._gain,
            device=self._speaker.device or self._status.device,
            first_sound_ms=self._playback.first_sound_ms,
            underruns=self._playback.underruns,
            synthesis_s_per_s=self._synthesis.cost.rtf,
            last_error=self._last_error,
            blocked=self._blocked,
            warning=self._speaker.warning,
            inaudible=self._speaker.mute_reason(),
            heartbeat_s=time.monotonic(),
        )

    def _left_s(self, job: SpeechJob) -> float:
        """Return how long the rest of an utterance will last, roughly."""
        ready_s = self._playback.stored_s(job) + self._playback.queued_s()
        if job.planner is None or job.complete:
            return ready_s
        if isinstance(job.planner, Recording):
            return ready_s + job.planner.left_s
        return ready_s + self._synthesis.cost.audio_s(
            job.planner.length_left, job.utterance.speed, job.utterance.lang
        )

    def _send_facts(self) -> None:
        """Report the new facts; the status that they belong to has been published."""
        facts, self._facts = self._facts, []
        for fact in facts:
            self._on_fact(fact)

    def _shut_down(self) -> None:
        try:
            with contextlib.suppress(AudioError):
                if self._speaker.is_open and not self._playback.paused:
                    self._report_heard(self._playback.play())
                    # In the silence after a sentence, so that it is not repeated after a restart.
                    time.sleep(self._playback.confirm_delay_s())
                    self._report_heard(self._playback.play())
            self._silence()
            self._synthesis.shut_down()
            self._on_cost(self._synthesis.cost)
            self._speaker.shutdown()
        finally:
            self._publish()
            self._send_facts()
            self._closed.set_result(None)
