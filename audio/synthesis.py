"""Selects the next task of the synthesis worker, and passes its results on.

A text is planned on the worker, just before its first chunk, and each sentence is read on it
before it is cut into chunks, so that no text keeps the audio thread busy. One chunk is synthesized
at a time: for the loudspeaker, at most some seconds ahead; otherwise for a file or a stream.

Runs on: audio thread, except for the worker's own calls of the voice.
"""

import json
import logging
import math
import time
from collections.abc import Callable, Collection
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ParamSpec, TypeVar

from audio.cost import SynthesisCost
from audio.planner import Planner
from audio.playback import Piece, Playback, SpeechJob
from audio.ports import Voice
from audio.recording import Recording
from audio.rendering import Rendering, Renderings, describe_error
from audio.thread_priority import prefer_fast_cores
from audio.types import (
    SAMPLE_RATE_HZ,
    AudioError,
    CancelToken,
    Chunk,
    Outcome,
    Sound,
    Utterance,
    silence,
)

log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

# Enough that a slow chunk causes no gap, and little enough that a stop wastes little work.
_AHEAD_S = 10.0
# A synthesis after a rest of this duration counts as cold. Measured: x 1.2 to 1.3 after 4 s, on two
# x86 cores.
_REST_S = 2.0


@dataclass(frozen=True, eq=False, slots=True)
class SynthesisTask:
    """The synthesis in progress. Audio thread only, except for its `cancel_token`."""

    job: SpeechJob | Rendering
    chunk: Chunk
    last: bool
    """Whether it is the last of its utterance."""
    cancel_token: CancelToken


@dataclass(frozen=True, eq=False, slots=True)
class PlanningTask:
    """The planning in progress: of a text, its next sentence, or a recording. Audio thread only."""

    job: SpeechJob | Rendering
    utterance: Utterance


@dataclass(frozen=True, slots=True)
class Planned:
    """The worker's result: an utterance that can be handed out in chunks, or the error."""

    task: PlanningTask
    result: Planner | Recording | BaseException


@dataclass(frozen=True, slots=True)
class Synthesized:
    """The worker's result: a chunk as sound, or the error."""

    task: SynthesisTask
    result: Sound | BaseException


class Synthesis:
    """Runs one task at a time on the worker, and selects the next."""

    def __init__(
        self,
        voice: Voice,
        playback: Playback,
        jobs: dict[int, SpeechJob],
        cost: SynthesisCost,
        *,
        on_result: Callable[[Planned | Synthesized], None],
        on_work: Callable[[int, bool], None],
        on_end: Callable[[SpeechJob, Outcome, str], None],
    ) -> None:
        """Create the worker; `start` loads the voice on it.

        Args:
            voice: used on the worker only.
            playback: receives the sound, and knows how much of it is ready.
            jobs: all that have not ended, in the order in which they are spoken.
            cost: the synthesis cost on this machine.
            on_result: called on the worker; pass the result to `receive_plan` or `receive`.
            on_work: called on the worker with an utterance's id, and whether work on it starts
                or is over.
            on_end: called if one of *jobs* ends during synthesis, with the reason if it failed.
        """
        self.renderings = Renderings()
        self._voice = voice
        self._playback = playback
        self._jobs = jobs
        self._cost = cost
        self._on_result = on_result
        self._on_work = on_work
        self._on_end = on_end
        self._task: SynthesisTask | PlanningTask | None = None
        self._finished_s = -math.inf  # when the last synthesis was finished
        self._rested = True
        """Whether the worker had been idle for a while before the task in progress."""
        self._worker = ThreadPoolExecutor(1, "synthesis", initializer=prefer_fast_cores)

    @property
    def cost(self) -> SynthesisCost:
        """What has been learned about this machine."""
        return self._cost

    def start(self) -> None:
        """Load the voice. Runs on: any thread; does not block."""
        self._worker.submit(self._load_voice)

    def _load_voice(self) -> None:  # on the worker
        try:
            self._voice.load()
        except AudioError as exc:
            log.error("%s", exc)  # noqa: TRY400  # the message says it all; senders get it, too
        except Exception:
            log.exception("Unexpected error in loading the voice")

    def shut_down(self) -> None:
        """Cancel everything and stop the worker, without waiting for it."""
        self._cancel_task()
        self.renderings.cancel_all("Crier is stopping.", streams=True)
        self._worker.shutdown(wait=False, cancel_futures=True)

    def cancel(self, jobs: Collection[SpeechJob]) -> None:
        """Cancel the task in progress if it belongs to one of *jobs*."""
        if self._task is not None and self._task.job in jobs:
            self._cancel_task()

    def cancel_renderings(self, reason: str) -> None:
        """Cancel all renderings but the streams, whose consumers can close them."""
        self.renderings.cancel_all(reason, streams=False)
        self._cancel_dropped()

    def close_stream(self, stream_id: int) -> None:
        """Stop synthesizing a stream."""
        self.renderings.close_stream(stream_id)
        self._cancel_dropped()

    def _cancel_dropped(self) -> None:
        task = self._task
        if task and isinstance(task.job, Rendering) and task.job not in self.renderings:
            self._cancel_task()

    def _cancel_task(self) -> None:
        if self._task is not None:
            if isinstance(self._task, SynthesisTask):  # planning can't be cancelled; it is short
                self._task.cancel_token.cancel()
                self._finished_s = time.monotonic()
            self._task = None

    def _by_priority(self) -> list[SpeechJob]:
        """Return the utterances in the order in which they need the voice."""
        # An urgent utterance waits for the end of the current sentence.
        return sorted(
            self._jobs.values(),
            key=lambda job: (not self._playback.within_sentence(job), not job.utterance.urgent),
        )

    def preempt(self) -> None:
        """Cancel and requeue a synthesis that an urgent utterance would have to wait for."""
        task = self._task
        if task is None or (
            isinstance(task.job, SpeechJob) and self._playback.within_sentence(task.job)
        ):
            return
        if isinstance(task, SynthesisTask):
            task.job.retry_chunk = task.chunk
        self._cancel_task()

    def advance(self) -> None:
        """Give the worker its next task, if it is free and little sound is ready."""
        if self._task is not None:
            if isinstance(self._task.job, SpeechJob) or not self._needs_voice():
                return
            self.preempt()
        if not self._playback.paused and self._advance_speech():
            return
        if turn := self.renderings.next(self._cost):
            rendering, chunk = turn
            planner = rendering.planner
            if planner is None or chunk is None:
                self._submit_planning(PlanningTask(rendering, rendering.utterance), planner)
                return
            last = planner.done
            self._submit(SynthesisTask(rendering, chunk, last, CancelToken()), rendering.utterance)

    def _advance_speech(self) -> bool:
        """Give the worker the next chunk for the loudspeaker; return whether there was one."""
        for job in self._by_priority():
            if not self._has_more(job):
                if job.utterance.grows and not job.complete:
                    return False  # others follow at its end
                continue
            planner = job.planner
            stored_s, now_s = self._playback.stored_s(), time.monotonic()
            if stored_s > _AHEAD_S and now_s >= job.start_at_s and not job.utterance.urgent:
                return False
            if planner is None or (not job.retry_chunk and (planner.done or not planner.prepared)):
                self._submit_planning(PlanningTask(job, job.utterance), planner)
                return True
            try:
                chunk = self._next_chunk(job, planner, stored_s)
            except Exception as exc:  # one text must not affect the others
                log.exception("Unexpected error in planning a text")
                self._on_end(job, Outcome.FAILED, describe_error(exc))
                continue
            last = planner.done
            self._submit(SynthesisTask(job, chunk, last, CancelToken()), job.utterance)
            return True
        return False

    def _next_chunk(self, job: SpeechJob, planner: Planner | Recording, stored_s: float) -> Chunk:
        if job.retry_chunk is not None:
            chunk, job.retry_chunk = job.retry_chunk, None
            return chunk
        if isinstance(planner, Recording):
            return planner.next()
        if job.synthesized_frames and not job.started:
            chunk, delay_s = planner.next_delayed(self._cost, self._playback.stored_s(job))
            job.start_at_s = time.monotonic() + delay_s
            return chunk
        if job.utterance.urgent:  # it goes ahead of the stored sound of others
            stored_s = self._playback.stored_s(job)
        return planner.next(self._cost, stored_s + self._playback.queued_s())

    def _needs_voice(self) -> bool:
        """Return whether the loudspeaker needs the voice."""
        if self._playback.paused or self._playback.stored_s() > _AHEAD_S:
            return False
        for job in self._by_priority():
            if self._has_more(job):
                return True
            if job.utterance.grows and not job.complete:
                return False  # others follow at its end
        return False

    def _has_more(self, job: SpeechJob) -> bool:
        """Return whether some of the text of an utterance has not been handed out yet."""
        if job.complete:  # or failed
            return False
        planner = job.planner
        if planner is None or job.retry_chunk or not planner.done:
            return True
        return isinstance(planner, Planner) and planner.text != job.utterance.text

    def end_if_complete(self, job: SpeechJob) -> None:
        """End an utterance that grows no more if nothing of it is left to synthesize."""
        in_progress = self._task is not None and self._task.job is job
        if job.complete or job.utterance.grows or in_progress or self._has_more(job):
            return
        if job.chunks and not job.synthesized_frames:
            self._fail_without_sound(job)
            return
        job.complete = True
        if not self._playback.finish(job):
            self._on_end(job, Outcome.HEARD, "")

    def _submit_planning(self, task: PlanningTask, planner: Planner | Recording | None) -> None:
        """Plan an utterance whose turn has come, or read its next sentence, on the worker."""

        def report(future: Future[Planner | Recording]) -> None:  # on the worker
            if not future.cancelled():
                self._on_result(Planned(task, future.exception() or future.result()))

        self._task = task
        future = self._run(task.job, self._planned, task.utterance, planner)
        future.add_done_callback(report)

    def _planned(
        self, utterance: Utterance, planner: Planner | Recording | None
    ) -> Planner | Recording:  # on the worker
        """Return the source of an utterance's chunks, with the next sentence read."""
        if utterance.recording:
            return Recording(Path(utterance.recording), utterance.first_sentence)
        if not isinstance(planner, Planner) or planner.done:  # its text may have grown
            first = planner.sentence if isinstance(planner, Planner) else utterance.first_sentence
            planner = Planner(utterance.text, utterance.lang, utterance.speed, first)
        planner.prepare(
            self._voice.read,
            lambda chunk: self._voice.is_stored(chunk, utterance.voice, utterance.speed),
        )
        return planner

    def _run(
        self, job: SpeechJob | Rendering, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> Future[T]:
        """Submit a call to the worker on behalf of an utterance or a rendering."""
        if isinstance(job, Rendering):
            return self._worker.submit(call, *args, **kwargs)
        id_ = job.utterance.id

        def work() -> T:  # on the worker
            self._on_work(id_, True)
            try:
                return call(*args, **kwargs)
            finally:
                self._on_work(id_, False)

        return self._worker.submit(work)

    def receive_plan(self, planned: Planned) -> None:
        """Store the plan of an utterance, or end the utterance if it can't be spoken."""
        task, planner = planned.task, planned.result
        if task is not self._task:
            return  # cancelled meanwhile
        self._task = None
        job = task.job
        if isinstance(planner, BaseException):
            if not isinstance(planner, AudioError):
                log.error("Unexpected error in planning a text", exc_info=planner)
                planner = AudioError(describe_error(planner))
            if isinstance(job, Rendering):
                self.renderings.fail(job, planner)
            else:
                self._on_end(job, Outcome.FAILED, str(planner))
        elif isinstance(job, SpeechJob):
            job.planner = planner
            if planner.done:  # its text has not grown, or was heard before a restart
                self.end_if_complete(job)
        elif isinstance(planner, Planner):
            job.planner = planner

    def _submit(self, task: SynthesisTask, utterance: Utterance) -> None:
        if log.isEnabledFor(logging.DEBUG):  # the bench reads it
            log.debug("Chunk of message %d: %s", utterance.id, json.dumps(asdict(task.chunk)))

        def report(future: Future[Sound]) -> None:  # on the worker
            if not future.cancelled():
                self._on_result(Synthesized(task, future.exception() or future.result()))

        self._task = task
        self._rested = time.monotonic() - self._finished_s > _REST_S
        if isinstance(task.job.planner, Recording):
            future = self._run(task.job, task.job.planner.read, task.chunk)
        else:
            future = self._run(
                task.job,
                self._voice.synthesize,
                task.chunk,
                utterance.voice,
                utterance.speed,
                task.cancel_token,
            )
        future.add_done_callback(report)

    def receive(self, synthesized: Synthesized) -> None:
        """Pass on the sound of a chunk, or the error in its place."""
        task, sound = synthesized.task, synthesized.result
        if task is not self._task:
            return  # cancelled meanwhile
        self._task = None
        if isinstance(sound, Sound):
            self._learn(task, sound)
        elif not isinstance(sound, AudioError):
            log.error("Unexpected error in the synthesis worker", exc_info=sound)
            sound = AudioError(describe_error(sound))
        if isinstance(task.job, Rendering):
            self.renderings.receive(task.job, task.chunk, sound, last=task.last)
        elif isinstance(sound, AudioError):
            self._on_end(task.job, Outcome.FAILED, str(sound))
        else:
            self._play(task, task.job, sound)

    def _play(self, task: SynthesisTask, job: SpeechJob, sound: Sound) -> None:
        """Queue a chunk for playback; an utterance without any sound has failed."""
        job.synthesized_frames += len(sound.samples)
        job.chunks += 1
        has_more = self._has_more(job)
        last = not (job.utterance.grows or has_more)
        if last and job.synthesized_frames == 0:
            self._fail_without_sound(job)
            return
        if last:
            job.start_at_s, job.complete = 0.0, True
        self._playback.add(
            Piece(
                job=job,
                chunk=task.chunk,
                last=last,
                samples=sound.samples,
                pause=silence(0.0 if last else task.chunk.pause_s),
                words=sound.words,
                awaits_text=not (last or has_more),
            )
        )
        planner = job.planner
        if not job.started and isinstance(planner, Planner) and not planner.prepared:
            # The first word would be played while the worker reads the next sentence.
            delay_s = planner.delay_s(self._cost, self._playback.stored_s(job))
            job.start_at_s = time.monotonic() + delay_s
        self._log_sound(task, sound, job.utterance.id)

    def _fail_without_sound(self, job: SpeechJob) -> None:
        problem = "There is no sound in it"
        if not job.utterance.recording:
            problem = f"The voice {job.utterance.voice} can pronounce nothing of it"
        self._on_end(job, Outcome.FAILED, f"{problem}. Send something else.")

    def _learn(self, task: SynthesisTask, sound: Sound) -> None:
        if sound.took_s and len(sound.samples):
            self._finished_s = time.monotonic()
            self._cost = self._cost.after(
                length=task.chunk.speech_length,
                speed=task.job.utterance.speed,
                lang=task.job.utterance.lang,
                spoken_s=len(sound.samples) / SAMPLE_RATE_HZ,
                took_s=sound.took_s,
                rested=self._rested,
            )

    def _log_sound(self, task: SynthesisTask, sound: Sound, id_: int) -> None:
        if log.isEnabledFor(logging.DEBUG):  # the bench reads it
            values = {
                "at_s": time.monotonic(),
                "sound_s": len(sound.samples) / SAMPLE_RATE_HZ,
                "pause_s": 0.0 if task.last else task.chunk.pause_s,
                "took_s": sound.took_s,
                "buffered_s": self._playback.stored_s() + self._playback.queued_s(),
                "slowdown": self._cost.slowdown,
            }
            log.debug("Sound of message %d: %s", id_, json.dumps(values))
