"""The threads and the queue: texts in, sound and facts out.

    event loop              audio thread                      synthesis worker
    say, abort, ... -order-> open the loudspeaker;
                             submit an utterance -------------> Planner
                             submit chunk n+1 <---------------- Planned
                                              ----------------> Voice.synthesize
                             Speaker.write(chunk n) <---------- Synthesized
    on_fact <---- fact ----- PlaybackStarted, SentenceHeard, Held, Ended

The audio thread reads one mailbox and never waits anywhere else: not for the device, which takes
what it has room for, and not for the voice, which answers into the mailbox. So an order to be
silent is obeyed within the time of one write, whatever waits before it.

The two sides meet at this mailbox, the `on_fact` callback and the published `Status`; nowhere else.
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
    EndStream,
    Order,
    Pause,
    Planned,
    QueryDevices,
    Render,
    Reorder,
    Replace,
    ReportTaken,
    SelectDevice,
    SetGain,
    Skip,
    Synthesized,
)
from audio.playback import NO_PAUSE, Job, Piece, Playback, Speaker
from audio.recording import Recording, chime
from audio.rendering import describe_error
from audio.sleep import time_asleep_s
from audio.synthesis import Synthesis, Voice
from audio.types import (
    SAMPLE_RATE_HZ,
    AudioError,
    Chunk,
    Devices,
    Ended,
    Fact,
    Held,
    Outcome,
    Samples,
    SentenceHeard,
    Silenced,
    Slept,
    Status,
    Utterance,
)

__all__ = ["SpeechPipeline", "Voice"]

log = logging.getLogger(__name__)

# How often the thread comes round when it has nothing to do.
_BEAT_S = 2.0
# How soon a missing or failing device is looked for again.
_RETRY_S = 2.0


_CHIME = Chunk("", "", "", -1, ends_sentence=False, pause_s=0.0, letters=0.0)


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
        pace: SynthesisCost = SynthesisCost(),  # noqa: B008  # frozen
        keep_pace: Callable[[SynthesisCost], None] = lambda _: None,
        hold_after_sleep_s: float = math.inf,
        asleep_s: Callable[[], float] = time_asleep_s,
        on_work: Callable[[int, bool], None] = lambda _, __: None,
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
            hold_after_sleep_s: after the computer slept for longer than this, what is under way
                is paused and a `Slept` follows.
            asleep_s: returns how long the computer has slept in all; called on the audio thread.
            on_work: called on the synthesis thread with an utterance's id and True before its
                text or recording is planned, or a chunk of it made, and with False after it.
        """
        self._speaker = speaker
        self._on_fact = on_fact
        self._stream_idle_s = stream_idle_s
        self._keep_pace = keep_pace
        self._mailbox: queue.SimpleQueue[Order] = queue.SimpleQueue()
        self._streams = itertools.count(1)
        self._status = Status()
        self._closed: Future[None] = Future()
        self._closed.set_running_or_notify_cancel()  # whoever waits for it can't cancel it
        # A daemon, because a wedged device must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name="audio", daemon=True)
        # The audio thread's own:
        self._jobs: dict[int, Job] = {}  # in order of arrival; all that have not ended
        self._playback = Playback(speaker, stream_idle_s)
        self._synthesis = Synthesis(
            voice,
            self._playback,
            self._jobs,
            pace,
            on_answer=self._mailbox.put,
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
        self._facts: list[Fact] = []

    # ---- the public face ----

    def start(self) -> None:
        """Start the threads and load the voice in the background."""
        self._synthesis.start()
        self._thread.start()

    def say(self, utterance: Utterance) -> None:
        """Queue an utterance; facts about it follow, the last one is its `Ended`."""
        self._mailbox.put(utterance)

    def abort(self) -> None:
        """Fall silent and forget every utterance that was queued before this call."""
        self._mailbox.put(Abort(time.monotonic()))

    def skip(self, id_: int | None = None) -> None:
        """End one utterance, or the one that sounds; what waits behind it goes on."""
        self._mailbox.put(Skip(id_))

    def pause(self) -> None:
        """Fall silent, and keep everything; `resume` goes on with the word that was cut."""
        self._mailbox.put(Pause(paused=True))

    def resume(self) -> None:
        """Go on after `pause`."""
        self._mailbox.put(Pause(paused=False))

    def set_gain(self, gain: float) -> None:
        """Change the loudness of what sounds and of all that follows; 1 is as synthesized."""
        self._mailbox.put(SetGain(gain))

    def replace(self, utterance: Utterance) -> None:
        """Say another text in place of the one of the same id, if that has not begun."""
        self._mailbox.put(Replace(utterance))

    def render(
        self, utterance: Utterance, on_sound: Callable[[Samples | AudioError | None], None]
    ) -> None:
        """Make sound for somebody else, whenever the loudspeaker does not need the voice.

        Args:
            utterance: what to say; its id means nothing.
            on_sound: called on the audio thread with each stretch of sound, then with None; or
                with the error that ended it. Must not block.
        """
        self._mailbox.put(Render(utterance, on_sound))

    def stream(
        self, utterance: Utterance, on_sound: Callable[[Samples | AudioError | None], None]
    ) -> int:
        """Make sound as `render` does, for somebody who listens meanwhile: it begins soon.

        No more is made than some seconds ahead of what `report_taken` says.

        Returns:
            Its number, for `report_taken` and `end_stream`.
        """
        number = next(self._streams)
        self._mailbox.put(Render(utterance, on_sound, number))
        return number

    def report_taken(self, number: int, taken_s: float) -> None:
        """Tell that so many more seconds of a stream were taken."""
        self._mailbox.put(ReportTaken(number, taken_s))

    def end_stream(self, number: int) -> None:
        """Make no more of a stream; what has ended already may be ended again."""
        self._mailbox.put(EndStream(number))

    def reorder(self, ids: tuple[int, ...]) -> None:
        """Say what has not begun to sound in this order."""
        self._mailbox.put(Reorder(ids))

    def select_device(self, wanted: str) -> None:
        """Send sound to another device from the next sentence on; empty follows the system."""
        self._mailbox.put(SelectDevice(wanted))

    def devices(self) -> Future[Devices]:
        """Ask the audio thread where sound can go; the future may raise AudioError."""
        answer: Future[Devices] = Future()
        self._mailbox.put(QueryDevices(answer))
        return answer

    def status(self) -> Status:
        """Return what the audio thread published last."""
        return self._status

    def cost(self) -> SynthesisCost:
        """Return what has been learned of this machine's speed. Runs on: any thread."""
        return self._synthesis.pace

    def close(self) -> Future[None]:
        """Fall silent and end the threads; no facts follow about what had not ended.

        Idempotent. The future is done when the device is released.
        """
        self._mailbox.put(Close())
        return self._closed

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
                if isinstance(order, Close):
                    self._shut_down()
                    return
                self._notice_sleep()  # before anything sounds wherever the computer is now
                if order is not None:
                    self._handle(order)
                wait_s = self._step() if self._mailbox.empty() else 0.0
            except Exception as exc:  # the thread must outlive any mistake of ours
                log.exception("Mistake in the audio thread")
                self._fail_all(describe_error(exc))
                wait_s = 0.0
            self._publish()
            self._tell()

    def _notice_sleep(self) -> None:
        slept_s = self._asleep_s() - self._slept_s
        self._slept_s += slept_s
        if slept_s <= self._hold_after_sleep_s or not self._jobs:
            return
        if not self._playback.paused:
            self._playback.pause()
        self._facts.append(Slept(slept_s))

    def _handle(self, order: Order) -> None:  # noqa: C901, PLR0912  # one line for each
        match order:
            case Utterance():
                idle = not self._jobs
                job = self._jobs[order.id] = Job(order, time.monotonic(), idle_before=idle)
                if order.chime and idle:
                    self._playback.add(Piece(job, _CHIME, False, chime(), NO_PAUSE))
                if order.urgent:
                    self._synthesis.make_way()
            case Abort(at_s):
                sounding = self._status.speaking_id
                self._tell_heard_by_now()
                self._silence()
                if sounding is not None and sounding in self._jobs:
                    self._facts.append(Silenced(sounding, time.monotonic() - at_s))
                self._synthesis.end_renderings("Stopped.")
                self._playback.paused = False
                for job in list(self._jobs.values()):
                    self._end(job, Outcome.STOPPED)
            case Skip(id_):
                self._skip(id_)
            case Pause(paused):
                if paused and not self._playback.paused:
                    self._playback.pause()
                self._playback.paused = paused
            case SetGain(gain):
                self._gain = gain
                self._playback.set_gain(gain)
            case Replace(utterance):
                self._replace(utterance)
            case Reorder(ids):
                self._reorder(ids)
            case Render():
                self._synthesis.renderings.begin(order)
            case ReportTaken(number, taken_s):
                self._synthesis.renderings.report_taken(number, taken_s)
            case EndStream(number):
                self._synthesis.end_stream(number)
            case SelectDevice(wanted):
                self._speaker.select_device(wanted)
                self._retry_at_s = 0.0
            case QueryDevices(answer):
                self._answer_devices(answer)
            case Planned():
                self._synthesis.receive_plan(order)
            case Synthesized():
                self._synthesis.receive(order)

    def _replace(self, utterance: Utterance) -> None:
        revised = self._jobs.get(utterance.id)
        if revised is None or revised.begun or revised.heard_frames:
            return
        revised.order = utterance
        ids = list(self._jobs)
        # What was made of it, and of those behind it, is made anew, so that the order stays.
        self._make_anew(ids[ids.index(utterance.id) :])

    def _reorder(self, ids: tuple[int, ...]) -> None:
        place = {id_: number for number, id_ in enumerate(ids)}
        before = list(self._jobs)

        def key(job: Job) -> tuple[bool, int]:
            begun = job.begun or job.heard_frames > 0
            return not begun, 0 if begun else place.get(job.order.id, len(ids))

        in_order = sorted(self._jobs.values(), key=key)
        self._jobs.clear()
        self._jobs.update((job.order.id, job) for job in in_order)
        after = list(self._jobs)
        moved = [i for i, (old, new) in enumerate(zip(before, after, strict=True)) if old != new]
        if moved:
            self._make_anew(after[moved[0] :])

    def _make_anew(self, ids: list[int]) -> None:
        """Forget what was made of those among *ids* that have not begun."""
        for id_ in ids:
            job = self._jobs[id_]
            if job.begun or job.heard_frames:
                continue
            self._playback.forget(job)
            job.planner, job.again, job.frames, job.begin_at_s = None, None, 0, 0.0
            job.chunks, job.complete = 0, False
            self._synthesis.drop([job])

    def _step(self) -> float:
        """Do what can be done now, and return how long nothing else needs doing."""
        self._synthesis.go_on()
        if not self._jobs:
            return self._close_when_idle()
        if self._playback.paused:
            return _BEAT_S
        if not self._speaker.is_open:
            now_s = time.monotonic()
            if now_s < self._retry_at_s:
                return self._retry_at_s - now_s
            if not self._open():
                return _RETRY_S
        self._playback.urgent_goes_on = any(
            job.order.urgent and job.begun and not job.complete for job in self._jobs.values()
        )
        try:
            heard = self._playback.play()
        except AudioError as exc:
            self._lose_device(exc)
            return 0.0
        self._facts += self._playback.take_started()
        self._tell_heard(heard)
        return self._speaker.poll_s

    def _tell_heard(self, pieces: list[Piece]) -> None:
        for piece in pieces:
            if piece.chunk.ends_sentence:
                self._facts.append(SentenceHeard(piece.job.order.id, piece.chunk.sentence))
            if piece.last:
                self._end(piece.job, Outcome.HEARD)

    def _tell_heard_by_now(self) -> None:
        with contextlib.suppress(AudioError):  # of a lost device nobody can say
            self._tell_heard(self._playback.heard_by_now())

    # -- the loudspeaker --

    def _open(self) -> bool:
        """Open the loudspeaker; where it won't, hold everything and say so."""
        try:
            self._playback.open()
        except AudioError as exc:
            if str(exc) != self._blocked:
                log.warning("%s", exc)
            self._blocked = self._last_error = str(exc)
            self._retry_at_s = time.monotonic() + _RETRY_S
            for job in self._jobs.values():
                if not job.held:
                    job.held = True
                    self._facts.append(Held(job.order.id, str(exc)))
            return False
        self._blocked = ""
        return True

    def _lose_device(self, error: AudioError) -> None:
        log.warning("%s", error)
        self._last_error = str(error)
        self._playback.lose_device()
        # At once where it had worked for a while; not in a tight loop where it never does.
        self._retry_at_s = self._playback.opened_s + _RETRY_S

    def _close_when_idle(self) -> float:
        """Close the stream when a burst of utterances is over, so that it can move."""
        if not self._speaker.is_open:
            return _BEAT_S
        left_s = self._idle_since_s + self._stream_idle_s - time.monotonic()
        if left_s > 0:
            return left_s
        self._speaker.close()
        self._keep_pace(self._synthesis.pace)
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
        self._playback.silence()
        self._synthesis.drop(self._jobs.values())

    def _skip(self, id_: int | None) -> None:
        job: Job | None
        if id_ is not None:
            job = self._jobs.get(id_)
        else:  # what sounds, or else the first that waits
            job = self._playback.current or next(iter(self._jobs.values()), None)
        self._tell_heard_by_now()
        if job is None or job.order.id not in self._jobs:
            return
        self._synthesis.drop([job])
        self._playback.drop(job)
        self._end(job, Outcome.SKIPPED)

    def _end(self, job: Job, outcome: Outcome, reason: str = "") -> None:
        """Tell how an utterance ended, and forget it."""
        if outcome is Outcome.FAILED:
            self._last_error = reason
            self._playback.forget(job)
        del self._jobs[job.order.id]
        self._idle_since_s = time.monotonic()
        self._facts.append(
            Ended(
                job.order.id,
                outcome,
                reason,
                job.device,
                job.heard_frames / SAMPLE_RATE_HZ,
                self._speaker.take_files(),
                job.chunks,
                job.first_sound_ms,
                job.underruns,
                self._speaker.mute_reason() if outcome is Outcome.HEARD else "",
            )
        )

    def _fail_all(self, reason: str) -> None:
        self._last_error = reason
        self._silence()
        for job in list(self._jobs.values()):
            self._end(job, Outcome.FAILED, reason)

    def _publish(self) -> None:
        job = self._playback.current
        sounding = job is not None and job.begun and job.order.id in self._jobs
        self._status = Status(
            speaking=any(job.begun for job in self._jobs.values()),
            speaking_id=job.order.id if job is not None and sounding else None,
            left_s=self._left_s(job) if job is not None and sounding else 0.0,
            waiting=sum(not job.begun for job in self._jobs.values()),
            buffer_s=self._playback.stored_s() + self._playback.queued_s(),
            paused=self._playback.paused,
            gain=self._gain,
            device=self._speaker.device or self._status.device,
            first_sound_ms=self._playback.first_sound_ms,
            underruns=self._speaker.underruns,
            synthesis_s_per_s=self._synthesis.pace.b,
            last_error=self._last_error,
            blocked=self._blocked,
            warning=self._speaker.warning,
            inaudible=self._speaker.mute_reason(),
            heartbeat_s=time.monotonic(),
        )

    def _left_s(self, job: Job) -> float:
        """Return how long what is to be heard of an utterance will last, roughly."""
        ready_s = self._playback.stored_s(job) + self._playback.queued_s()
        if job.planner is None:
            return ready_s
        if isinstance(job.planner, Recording):
            return ready_s + job.planner.left_s
        return ready_s + self._synthesis.pace.audio_s(job.planner.letters_left, job.order.speed)

    def _tell(self) -> None:
        """Pass the facts on, once the status that they belong to can be seen."""
        facts, self._facts = self._facts, []
        for fact in facts:
            self._on_fact(fact)

    def _shut_down(self) -> None:
        try:
            with contextlib.suppress(AudioError):
                if self._speaker.is_open and not self._playback.paused:
                    self._tell_heard(self._playback.play())
                    # The silence after a sentence: what was heard is not to be said again.
                    time.sleep(self._playback.confirm_delay_s())
                    self._tell_heard(self._playback.play())
            self._silence()
            self._synthesis.shut_down()
            self._keep_pace(self._synthesis.pace)
            self._speaker.shutdown()
        finally:
            self._publish()
            self._tell()
            self._closed.set_result(None)
