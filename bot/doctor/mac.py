"""`crier doctor --mac`: checks that need a Mac, and its owner's help.

Measures how long PortAudio takes to open and to abort, and whether it ever hangs; what happens to
speech when the output changes or vanishes; and whether a mute is noticed. The owner is asked to
send the results back.
"""

import functools
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np

from audio.kokoro.model_files import resolve_kind
from audio.kokoro.voice import KokoroVoice
from audio.output import coreaudio
from audio.output.portaudio import BLOCK_FRAMES, PortAudioSpeaker
from audio.pipeline import SpeechPipeline
from audio.ports import Voice
from audio.types import (
    SAMPLE_RATE_HZ,
    AudioError,
    Ended,
    Fact,
    Held,
    Outcome,
    Samples,
    SentenceHeard,
    Utterance,
)
from bot.doctor import local, service
from bot.doctor.check import Check, Context, Finding, fail, ok, skip, warn

# After this the watchdog would restart the bot. Source: bot.core.health, WEDGED_S.
_HUNG_S = 10.0
_SLOW_ABORT_S = 1.0
_LONG_GAP_S = 3.0
_SPEECH_TIMEOUT_S = 120.0
_SEND_BACK = "Send this table back."
# About a minute, to leave time to find the menu.
_TEXT = " ".join(
    f"This is sentence number {number}, and it goes on for a while, so that there is time."
    for number in range(1, 13)
)


class MeasuringSpeaker(PortAudioSpeaker):
    """A loudspeaker that records when sound starts and stops. Audio thread only."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """Take the arguments of `PortAudioSpeaker`."""
        super().__init__(*arguments, **options)
        self.starts: list[tuple[float, str]] = []
        """`time.monotonic` at which the first frame of each stream was heard, and the device."""
        self.gaps_s: list[float] = []
        """The silence before each start except the first."""
        self._silent_s = 0.0

    def write(self, samples: Samples) -> int:
        """Record when the first frame of each stream is heard."""
        is_first = self.written_frames == 0
        written = super().write(samples)
        if written and is_first:
            delay_s = (self.written_frames - written - self.played_frames) / SAMPLE_RATE_HZ
            heard_s = time.monotonic() + max(0.0, delay_s)
            if self.starts:
                self.gaps_s.append(heard_s - self._silent_s)
            self.starts.append((heard_s, self.device))
        return written

    def close(self) -> None:
        """Record when the device last accepted sound; it may have been dead since then."""
        if self.is_open and self.written_frames:
            self._silent_s = self._room_changed_s
        super().close()


@dataclass(eq=False, slots=True)
class Equipment:
    """The parts that the checks use; tests replace them."""

    make_speaker: Callable[[], MeasuringSpeaker]
    make_voice: Callable[[], Voice]
    mute_reason: Callable[[str], str | None] = coreaudio.mute_reason
    cycles: int = 200
    text: str = _TEXT
    hung_s: float = _HUNG_S


def mac_checks(context: Context, equipment: Equipment | None = None) -> tuple[Check, ...]:
    """Return the checks; without *equipment*, they use this computer's."""
    settings = context.settings
    used = equipment or Equipment(
        lambda: MeasuringSpeaker("", settings.audio_latency),
        lambda: KokoroVoice(settings.model_dir, resolve_kind(settings.kokoro_model)),
    )
    limit_s = _SPEECH_TIMEOUT_S + 600.0  # a person has to find their headphones

    def bind(check: Callable[[Equipment, Context], Finding]) -> Callable[[Context], Finding]:
        return functools.partial(check, used)

    return (
        Check("python", local.python),
        Check("cycles", bind(cycles), limit_s=600.0, audio=True),
        Check("switch", bind(switch), limit_s=limit_s, audio=True),
        Check("removal", bind(removal), limit_s=limit_s, audio=True),
        Check("mute", bind(mute), limit_s=limit_s, audio=True),
        Check("service", service.service),
        Check("priority", service.priority),
    )


# ---- opening and aborting ----


def cycles(equipment: Equipment, context: Context) -> Finding:
    """Open a stream, write a little and abort it, many times; check that each call returns."""
    run = CycleRun(equipment)
    # A daemon: it may never return.
    thread = threading.Thread(target=run.run, name="audio", daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(0.2)
        context.progress(f"{len(run.aborts_s)} of {equipment.cycles}")
        # Checked here, since a thread that hangs in C can't notice it.
        if thread.is_alive() and time.monotonic() - run.call_started_s > equipment.hung_s:
            context.hung_check = "cycles"
            return fail(
                f"After {len(run.aborts_s)} cycles {run.call} did not return within "
                f"{equipment.hung_s:.0f} s. {run.summary()}",
                f"{_SEND_BACK} Where this happens, the bot exits and is restarted.",
            )
    found = f"{len(run.aborts_s)} of {equipment.cycles}, none hung. {run.summary()}"
    if run.errors:
        return fail(f"{found} {len(run.errors)} failed: {run.errors[-1]}", _SEND_BACK)
    if max(run.aborts_s) > _SLOW_ABORT_S:
        return warn(found, "Send this table back: an abort should take about 0.1 s.")
    return ok(found)


class CycleRun:
    """Opens and aborts streams, and measures how long that takes."""

    def __init__(self, equipment: Equipment) -> None:
        """Start without measurements."""
        self._equipment = equipment
        self.opens_s: list[float] = []
        self.aborts_s: list[float] = []
        self.errors: list[str] = []
        self.call = ""
        """The current or last call of PortAudio."""
        self.call_started_s = time.monotonic()

    def run(self) -> None:
        """Run all cycles. No other thread may call PortAudio meanwhile."""
        speaker = self._equipment.make_speaker()
        sound = np.zeros(2 * BLOCK_FRAMES, np.float32)
        for _ in range(self._equipment.cycles):
            try:
                self.opens_s.append(self._measure("open", speaker.open))
                self._measure("write", functools.partial(speaker.write, sound))
                self.aborts_s.append(self._measure("abort", speaker.abort))
            except AudioError as exc:
                self.errors.append(str(exc))
                speaker.close()
        self._measure("shutdown", speaker.shutdown)

    def _measure(self, name: str, call: Callable[[], object]) -> float:
        self.call, self.call_started_s = name, time.monotonic()
        call()
        return time.monotonic() - self.call_started_s

    def summary(self) -> str:
        """Return the median and the maximum of each call."""
        return " ".join(
            f"{name}: median {1000 * median(times_s):.0f} ms, longest {1000 * max(times_s):.0f} ms."
            for name, times_s in (("Open", self.opens_s), ("Abort", self.aborts_s))
            if times_s
        )


# ---- a device that changes while it speaks ----


def switch(equipment: Equipment, context: Context) -> Finding:
    """Measure the gap when the output is switched during speech."""
    if not context.ask("Have two outputs ready, such as the Mac's own and headphones."):
        return skip("Skipped")
    return _while_speaking(
        equipment,
        context,
        instruction="Switch the sound output now (Control Center, Sound).",
        nothing_happened="The output was not switched while it spoke",
    )


def removal(equipment: Equipment, context: Context) -> Finding:
    """Measure the gap when the output in use vanishes during speech."""
    if not context.ask("Connect headphones and choose them as the sound output."):
        return skip("Skipped")
    return _while_speaking(
        equipment,
        context,
        instruction="Take the headphones away now: unplug them, or put them into their case.",
        nothing_happened="The output did not change while it spoke",
    )


def _while_speaking(
    equipment: Equipment, context: Context, *, instruction: str, nothing_happened: str
) -> Finding:
    """Speak, show the *instruction* after the first sentence, and measure what happens."""
    settings = context.settings
    facts: queue.SimpleQueue[Fact] = queue.SimpleQueue()
    speaker = equipment.make_speaker()
    pipeline = SpeechPipeline(equipment.make_voice(), speaker, facts.put)
    held_reason, instructed = "", False
    ended: Ended | None = None
    deadline_s = time.monotonic() + _SPEECH_TIMEOUT_S
    try:
        pipeline.start()
        pipeline.say(Utterance(0, equipment.text, settings.kokoro_voice, 1.0, settings.lang))
        while ended is None:
            fact = facts.get(timeout=max(0.01, deadline_s - time.monotonic()))
            if isinstance(fact, SentenceHeard) and not instructed:
                instructed = True
                context.instruct(instruction)
            elif isinstance(fact, Held):
                held_reason = fact.reason
            elif isinstance(fact, Ended):
                ended = fact
    except queue.Empty:
        return fail(
            f"It was never heard to the end. {held_reason}".strip(),
            "Send this table back, and the log: `crier doctor --report`.",
        )
    finally:
        pipeline.close().result(10)
    return _rate_gap(speaker, ended, held_reason=held_reason, nothing_happened=nothing_happened)


def _rate_gap(
    speaker: MeasuringSpeaker, ended: Ended, *, held_reason: str, nothing_happened: str
) -> Finding:
    """Return the length of the silence, rated."""
    if ended.outcome is not Outcome.HEARD:
        return fail(f"{ended.outcome}: {ended.reason}", _SEND_BACK)
    if len(speaker.starts) < 2:  # noqa: PLR2004  # streams
        return skip(f"{nothing_happened}; all of it was heard on {ended.device}")
    before, after, gap_s = speaker.starts[0][1], speaker.starts[-1][1], max(speaker.gaps_s)
    found = f"From {before} to {after}: {gap_s:.2f} s without sound, then heard to the end"
    if held_reason:
        found += f"; meanwhile: {held_reason}"
    if gap_s > _LONG_GAP_S and not held_reason:
        return warn(found, _SEND_BACK)
    return ok(found)


# ---- mute ----


def mute(equipment: Equipment, context: Context) -> Finding:
    """Check that a mute and its end are noticed."""
    speaker = equipment.make_speaker()
    try:
        name = next((output.name for output in speaker.devices().outputs if output.is_default), "")
    finally:
        speaker.shutdown()
    reasons = []
    for instruction in ("Mute the sound output.", "Turn the sound on again."):
        if not context.ask(instruction):
            return skip("Skipped")
        reasons.append(equipment.mute_reason(name))
    if reasons[0] and reasons[1] == "":
        return ok(f"{name}: noticed ({reasons[0]}), and its end")
    return warn(
        f"{name}: macOS reported {reasons[0]!r} when it was muted, {reasons[1]!r} afterwards.",
        "Send this table back: senders would not learn that nobody hears them.",
    )
