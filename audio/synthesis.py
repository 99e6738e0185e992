"""What the synthesis worker makes next, and what becomes of it.

A text is planned on the worker, just before its first chunk, so that no text keeps the audio
thread busy. Then one chunk at a time: of what is to be heard, the most urgent first, and no more
than some seconds ahead; else of what somebody wants as a file or a stream. Audio thread only, but
for the worker's own calls of the voice.
"""

import json
import logging
import math
import time
from collections.abc import Callable, Collection
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import ParamSpec, Protocol, TypeVar

import numpy as np

from audio.cost import SynthesisCost
from audio.orders import Plan, Planned, Rendering, Synthesized, Work
from audio.planner import Planner
from audio.playback import NO_PAUSE, Job, Piece, Playback
from audio.recording import Recording
from audio.rendering import Renderings, describe_error
from audio.types import (
    SAMPLE_RATE_HZ,
    AudioError,
    CancelToken,
    Chunk,
    Outcome,
    Sound,
    Utterance,
)

log = logging.getLogger(__name__)

P = ParamSpec("P")
T = TypeVar("T")

# Enough that a slow chunk does not leave a gap, little enough that a stop wastes little work.
_AHEAD_S = 10.0
# A synthesis after a rest of this length counts as cold. Measured: x 1.2 to 1.3 after 4 s, on two
# x86 cores.
_REST_S = 2.0


class Voice(Protocol):
    """Turns a chunk of text into sound. Runs on: synthesis worker."""

    def load(self) -> None:
        """Get ready; blocks.

        Raises:
            AudioError: it can't.
        """
        ...

    def synthesize(
        self, chunk: Chunk, voice: str, speed: float, lang: str, cancel_token: CancelToken
    ) -> Sound:
        """Return a chunk as sound; blocks.

        Raises:
            AudioError: it can't, or *cancel_token* was set.
        """
        ...


class Synthesis:
    """The one synthesis in flight, and the choice of the next."""

    def __init__(
        self,
        voice: Voice,
        playback: Playback,
        jobs: dict[int, Job],
        pace: SynthesisCost,
        *,
        on_answer: Callable[[Planned | Synthesized], None],
        on_work: Callable[[int, bool], None],
        on_end: Callable[[Job, Outcome, str], None],
    ) -> None:
        """Start nothing yet.

        Args:
            voice: used on the worker only.
            playback: where sound goes, and how much of it is in store.
            jobs: all that have not ended, in the order in which they are to be heard.
            pace: what is known of this machine.
            on_answer: called on the worker, for `receive_plan` and `receive`.
            on_work: called on the worker with an utterance's id, and whether work on it begins
                or is over.
            on_end: called where one of *jobs* ends here, with the reason if it failed.
        """
        self.renderings = Renderings()
        self._voice = voice
        self._playback = playback
        self._jobs = jobs
        self._pace = pace
        self._on_answer = on_answer
        self._on_work = on_work
        self._on_end = on_end
        self._work: Work | Plan | None = None
        self._made_at_s = -math.inf  # when the last synthesis ended
        self._rested = True
        """Whether nothing had been made for a while when the one in flight began."""
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="synthesis")

    @property
    def pace(self) -> SynthesisCost:
        """What has been learned of this machine."""
        return self._pace

    def start(self) -> None:
        """Load the voice. Runs on: any thread; does not block."""
        self._worker.submit(self._load_voice)

    def _load_voice(self) -> None:  # on the worker
        try:
            self._voice.load()
        except AudioError as exc:
            log.error("%s", exc)  # noqa: TRY400  # the message says it all; said to senders too
        except Exception:
            log.exception("Mistake in loading the voice")

    def shut_down(self) -> None:
        """End what is in flight, and the worker with it."""
        self._drop_work()
        self.renderings.end_all("Crier is stopping.", streams=True)
        self._worker.shutdown(wait=False, cancel_futures=True)

    def drop(self, jobs: Collection[Job]) -> None:
        """End the synthesis in flight, if it is for one of these."""
        if self._work is not None and self._work.job in jobs:
            self._drop_work()

    def end_renderings(self, reason: str) -> None:
        """Give up all but the streams, whose takers can end them themselves."""
        self.renderings.end_all(reason, streams=False)
        self._drop_unwanted()

    def end_stream(self, number: int) -> None:
        """Make no more of a stream."""
        self.renderings.end(number)
        self._drop_unwanted()

    def _drop_unwanted(self) -> None:
        work = self._work
        if work and isinstance(work.job, Rendering) and work.job not in self.renderings:
            self._drop_work()

    def _drop_work(self) -> None:
        if self._work is not None:
            if isinstance(self._work, Work):  # a plan can't be ended, and takes no time
                self._work.cancel_token.set()
                self._made_at_s = time.monotonic()
            self._work = None

    def _in_turn(self) -> list[Job]:
        """Return the utterances in the order in which they need the voice."""
        jobs = sorted(self._jobs.values(), key=lambda job: not job.order.urgent)  # stable
        # What is urgent waits for the end of a sentence that has begun.
        jobs.sort(key=lambda job: not self._playback.within_sentence(job))
        return jobs

    def make_way(self) -> None:
        """End a synthesis that an urgent utterance would have to wait for; it is done again."""
        work = self._work
        if work is None or (isinstance(work.job, Job) and self._playback.within_sentence(work.job)):
            return
        if isinstance(work, Work):
            work.job.again = work.chunk
        self._drop_work()

    def go_on(self) -> None:
        """Give the worker the next chunk, if it is free and little sound is in store."""
        if self._work is not None:
            if isinstance(self._work.job, Job) or not self._needs_voice():
                return
            self.make_way()
        if not self._playback.paused and self._go_on_for_the_loudspeaker():
            return
        if turn := self.renderings.next(self._pace):
            rendering, chunk = turn
            if rendering.planner is None or chunk is None:
                self._plan(Plan(rendering, rendering.order.utterance))
                return
            work = Work(rendering, chunk, rendering.planner.done, CancelToken())
            self._submit(work, rendering.order.utterance)

    def _go_on_for_the_loudspeaker(self) -> bool:
        """Give the worker what is to be heard next; return whether there was something."""
        for job in self._in_turn():
            if job.again is None and job.planner is not None and job.planner.done:
                continue
            stored_s, now_s = self._playback.stored_s(), time.monotonic()
            if stored_s > _AHEAD_S and now_s >= job.begin_at_s and not job.order.urgent:
                return False
            if job.planner is None:
                self._plan(Plan(job, job.order))
                return True
            try:
                chunk = self._next_chunk(job, job.planner, stored_s)
            except Exception as exc:  # one text must not take the others with it
                log.exception("Unexpected error in planning a text")
                self._on_end(job, Outcome.FAILED, describe_error(exc))
                continue
            self._submit(Work(job, chunk, job.planner.done, CancelToken()), job.order)
            return True
        return False

    def _next_chunk(self, job: Job, planner: Planner | Recording, stored_s: float) -> Chunk:
        if job.again is not None:
            chunk, job.again = job.again, None
            return chunk
        if isinstance(planner, Recording):
            return planner.next()
        if job.frames and not job.begun:
            chunk, wait_s = planner.next_held(self._pace, self._playback.stored_s(job))
            job.begin_at_s = time.monotonic() + wait_s
            return chunk
        if job.order.urgent:  # what it goes before does not keep it in sound
            stored_s = self._playback.stored_s(job)
        return planner.next(self._pace, stored_s + self._playback.queued_s())

    def _needs_voice(self) -> bool:
        """Whether something for the loudspeaker waits for the voice."""
        if self._playback.paused or self._playback.stored_s() > _AHEAD_S:
            return False
        return any(j.planner is None or j.again or not j.planner.done for j in self._jobs.values())

    def _plan(self, plan: Plan) -> None:
        """Submit an utterance whose turn has come to the worker, for planning."""

        def report(future: Future[Planner | Recording]) -> None:  # on the worker
            if not future.cancelled():
                self._on_answer(Planned(plan, future.exception() or future.result()))

        self._work = plan
        self._start(plan.job, _planned, plan.order).add_done_callback(report)

    def _start(
        self, job: Job | Rendering, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> Future[T]:
        """Submit a call to the worker on behalf of an utterance or a rendering."""
        if isinstance(job, Rendering):
            return self._worker.submit(call, *args, **kwargs)
        id_ = job.order.id

        def work() -> T:  # on the worker
            self._on_work(id_, True)
            try:
                return call(*args, **kwargs)
            finally:
                self._on_work(id_, False)

        return self._worker.submit(work)

    def receive_plan(self, answer: Planned) -> None:
        """Take the plan of an utterance, or end it where it can't be said."""
        plan, planner = answer.plan, answer.result
        if plan is not self._work:
            return  # it gave way, or was stopped
        self._work = None
        job = plan.job
        if isinstance(planner, BaseException):
            if not isinstance(planner, AudioError):
                log.error("Unexpected error in planning a text", exc_info=planner)
                planner = AudioError(describe_error(planner))
            if isinstance(job, Rendering):
                self.renderings.fail(job, planner)
            else:
                self._on_end(job, Outcome.FAILED, str(planner))
        elif isinstance(job, Job):
            job.planner = planner
            if planner.done:  # all of its sentences were heard in an earlier life
                self._on_end(job, Outcome.HEARD, "")
        elif isinstance(planner, Planner):
            job.planner = planner

    def _submit(self, work: Work, order: Utterance) -> None:
        if log.isEnabledFor(logging.DEBUG):  # the bench reads it
            log.debug("Chunk of message %d: %s", order.id, json.dumps(asdict(work.chunk)))

        def report(future: Future[Sound]) -> None:  # on the worker
            if not future.cancelled():
                self._on_answer(Synthesized(work, future.exception() or future.result()))

        self._work = work
        self._rested = time.monotonic() - self._made_at_s > _REST_S
        if isinstance(work.job.planner, Recording):
            making = self._start(work.job, work.job.planner.read, work.chunk)
        else:
            making = self._start(
                work.job,
                self._voice.synthesize,
                *(work.chunk, order.voice, order.speed, order.lang, work.cancel_token),
            )
        making.add_done_callback(report)

    def receive(self, answer: Synthesized) -> None:
        """Pass on what the worker has made, or why it could not."""
        work, sound = answer.work, answer.result
        if work is not self._work:
            return  # it gave way, or was stopped
        self._work = None
        if isinstance(sound, Sound):
            self._learn(work, sound)
        elif not isinstance(sound, AudioError):
            log.error("Mistake in the synthesis worker", exc_info=sound)
            sound = AudioError(describe_error(sound))
        job = work.job
        if isinstance(job, Rendering):
            self.renderings.receive(job, work.chunk, sound, last=work.last)
            return
        if isinstance(sound, AudioError):
            self._on_end(job, Outcome.FAILED, str(sound))
            return
        job.frames += len(sound.samples)
        job.chunks += 1
        if work.last and job.frames == 0:
            what = "There is no sound in it"
            if not job.order.recording:
                what = f"The voice {job.order.voice} can pronounce nothing of it"
            reason = f"{what}. Send something else."
            self._on_end(job, Outcome.FAILED, reason)
            return
        pause = np.zeros(int(work.chunk.pause_s * SAMPLE_RATE_HZ), np.float32)
        if work.last:
            pause = NO_PAUSE
            job.begin_at_s, job.complete = 0.0, True
        self._playback.add(Piece(job, work.chunk, work.last, sound.samples, pause, sound.words))
        self._note_sound(work, sound, job.order.id)

    def _learn(self, work: Work, sound: Sound) -> None:
        job = work.job
        speed = (job.order.utterance if isinstance(job, Rendering) else job.order).speed
        if sound.took_s:
            self._made_at_s = time.monotonic()
            self._pace = self._pace.after(
                letters=work.chunk.letters,
                speed=speed,
                spoken_s=len(sound.samples) / SAMPLE_RATE_HZ,
                took_s=sound.took_s,
                rested=self._rested,
            )

    def _note_sound(self, work: Work, sound: Sound, id_: int) -> None:
        if log.isEnabledFor(logging.DEBUG):  # the bench reads it
            facts = {
                "at_s": time.monotonic(),
                "sound_s": len(sound.samples) / SAMPLE_RATE_HZ,
                "pause_s": 0.0 if work.last else work.chunk.pause_s,
                "took_s": sound.took_s,
                "buffered_s": self._playback.stored_s() + self._playback.queued_s(),
                "late": self._pace.late,
            }
            log.debug("Sound of message %d: %s", id_, json.dumps(facts))


def _planned(order: Utterance) -> Planner | Recording:
    """Return what hands an utterance out bit by bit. Runs on: synthesis worker."""
    if order.recording:
        return Recording(Path(order.recording), order.first_sentence)
    return Planner(order.text, order.lang, order.speed, order.first_sentence)
