"""Checks of `crier doctor --mac` that need loudspeakers, and their owner."""

import functools
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

import numpy as np

from audio.output.portaudio import BLOCK_FRAMES
from audio.pipeline import SpeechPipeline
from audio.types import (
    AudioError,
    Ended,
    Fact,
    Held,
    Outcome,
    SentenceHeard,
    Utterance,
)
from bot.doctor.check import Context, Finding, fail, ok, skip, warn
from bot.doctor.mac_equipment import Equipment, MeasuringSpeaker

_SLOW_ABORT_S = 1.0
_LONG_GAP_S = 3.0
_LATE_FIRST_SOUND_MS = 3000
_SPEECH_TIMEOUT_S = 120.0
_SLEPT_S = 5.0
_LONGEST_DRAIN_S = 20.0
"""A ring of AirPlay may hold six seconds."""
_POLL_S = 0.02
_SEND_BACK = "Send this table back."


# ---- the ring ----


def ring(equipment: Equipment, context: Context) -> Finding:
    """Compare the computed depth of each output's ring with the room that appears in it.

    A new stream is full of silence. While nothing is written the device empties it, so the largest
    room is the ring.
    """
    speaker = equipment.make_speaker()
    lines, wrong = [], []
    try:
        for output in speaker.devices().outputs:
            context.progress(output.name)
            is_right, line = _measure_ring(equipment, speaker, output.name)
            lines.append(line)
            if not is_right:
                wrong.append(output.name)
    finally:
        speaker.shutdown()
    if not lines:
        return skip("There is no output device")
    found = "; ".join(lines)
    if wrong:
        return fail(
            f"{found}. Not as computed: {', '.join(wrong)}.",
            f"{_SEND_BACK} There 👍 may come early, or the end of a message may repeat.",
        )
    return ok(found)


def _measure_ring(equipment: Equipment, speaker: MeasuringSpeaker, name: str) -> tuple[bool, str]:
    """Return whether a device's ring is as deep as computed, and the measurements."""
    speaker.select_device(name)
    try:
        speaker.open()
        if speaker.device != name:
            return True, f"{name}: does not open ({speaker.warning})"
        computed, largest = speaker.computed_frames, 0
        started_s = grown_s = time.monotonic()
        while (now_s := time.monotonic()) - grown_s < equipment.drain_s:
            if (room := speaker.room_frames()) > largest and now_s - started_s < _LONGEST_DRAIN_S:
                largest, grown_s = room, now_s
            time.sleep(_POLL_S)
    except AudioError as exc:
        return True, f"{name}: does not open ({exc})"
    finally:
        speaker.close()
    numbers = [f"computed {computed}", f"largest room {largest}"]
    numbers += [f"{key} {value:g}" for key, value in equipment.properties(name).items()]
    return largest == computed, f"{name}: {', '.join(numbers)}"


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


class NeverHeardError(Exception):
    """Speech did not end; the message says why, if that is known."""


@dataclass(frozen=True, slots=True)
class _Spoken:
    """What happened while a minute of text was spoken."""

    speaker: MeasuringSpeaker
    ended: Ended
    held_reason: str


def switch(equipment: Equipment, context: Context) -> Finding:
    """Measure the gap when the output is switched during speech."""
    if not context.ask("Have two outputs ready, such as the Mac's own and headphones."):
        return skip("Skipped")
    instruction = "Switch the sound output now (Control Center, Sound)."
    spoken = _speak(equipment, context, lambda _: context.instruct(instruction))
    return _rate_gap(spoken, nothing_happened="The output was not switched while it spoke")


def removal(equipment: Equipment, context: Context) -> Finding:
    """Measure the gap when the output in use vanishes during speech."""
    if not context.ask("Connect headphones and choose them as the sound output."):
        return skip("Skipped")
    instruction = "Take the headphones away now: unplug them, or put them into their case."
    spoken = _speak(equipment, context, lambda _: context.instruct(instruction))
    return _rate_gap(spoken, nothing_happened="The output did not change while it spoke")


def call(equipment: Equipment, context: Context) -> Finding:
    """Measure what happens to speech when the microphone of the same headset is used."""
    if not context.ask("Connect a headset with a microphone; choose it as the sound output."):
        return skip("Skipped")
    errors: list[str] = []

    def use_microphone(device: str) -> None:
        context.instruct(f"Using the microphone of {device} for 5 s; allow it if macOS asks.")
        errors.append(equipment.record(device))

    spoken = _speak(equipment, context, use_microphone)
    if error := "".join(errors):
        return skip(f"The microphone was not used: {error}")
    return _rate_waiting(spoken, "While the microphone was in use")


def sleep(equipment: Equipment, context: Context) -> Finding:
    """Check that speech goes on after the Mac has slept."""
    if not context.ask("The next check needs the Mac to sleep in the middle of a text."):
        return skip("Skipped")
    before_s = equipment.asleep_s()
    instruction = "Put the Mac to sleep now (Apple menu, Sleep), and wake it after a minute."
    spoken = _speak(equipment, context, lambda _: context.instruct(instruction))
    slept_s = equipment.asleep_s() - before_s
    if slept_s < _SLEPT_S:
        return skip("The Mac did not sleep while it spoke")
    return _rate_waiting(spoken, f"After {slept_s:.0f} s of sleep")


def airplay(equipment: Equipment, context: Context) -> Finding:
    """Measure how long the first sound takes on an AirPlay device."""
    if not context.ask("Choose an AirPlay device as the sound output, such as a HomePod."):
        return skip("Skipped")
    spoken = _speak(equipment, context, lambda _: None)
    ended = spoken.ended
    if ended.outcome is not Outcome.HEARD:
        return fail(f"{ended.outcome}: {ended.reason}", _SEND_BACK)
    found = f"{ended.device}: the first sound after {ended.first_sound_ms} ms"
    if (ended.first_sound_ms or 0) > _LATE_FIRST_SOUND_MS:
        return warn(found, _SEND_BACK)
    return ok(found)


def _speak(
    equipment: Equipment, context: Context, on_first_sentence: Callable[[str], None]
) -> _Spoken:
    """Speak, and call *on_first_sentence* with the device when the first sentence was heard.

    Raises:
        NeverHeardError: it did not end.
    """
    settings = context.settings
    facts: queue.SimpleQueue[Fact] = queue.SimpleQueue()
    speaker = equipment.make_speaker()
    pipeline = SpeechPipeline(equipment.make_voice(), speaker, facts.put)
    held_reason, acted = "", False
    deadline_s = time.monotonic() + _SPEECH_TIMEOUT_S
    try:
        pipeline.start()
        pipeline.say(Utterance(0, equipment.text, settings.kokoro_voice, 1.0, settings.lang))
        while True:
            fact = facts.get(timeout=max(0.01, deadline_s - time.monotonic()))
            if isinstance(fact, SentenceHeard) and not acted:
                acted = True
                on_first_sentence(speaker.device)
            elif isinstance(fact, Held):
                held_reason = fact.reason
            elif isinstance(fact, Ended):
                return _Spoken(speaker, fact, held_reason)
    except queue.Empty:
        raise NeverHeardError(held_reason) from None
    finally:
        pipeline.close().result(10)


def _rate_gap(spoken: _Spoken, *, nothing_happened: str) -> Finding:
    """Return the length of the silence, rated."""
    speaker, ended = spoken.speaker, spoken.ended
    if ended.outcome is not Outcome.HEARD:
        return fail(f"{ended.outcome}: {ended.reason}", _SEND_BACK)
    if len(speaker.starts) < 2:  # noqa: PLR2004  # streams
        return skip(f"{nothing_happened}; all of it was heard on {ended.device}")
    before, after, gap_s = speaker.starts[0][1], speaker.starts[-1][1], max(speaker.gaps_s)
    found = f"From {before} to {after}: {gap_s:.2f} s without sound, then heard to the end"
    if spoken.held_reason:
        found += f"; meanwhile: {spoken.held_reason}"
    if gap_s > _LONG_GAP_S and not spoken.held_reason:
        return warn(found, _SEND_BACK)
    return ok(found)


def _rate_waiting(spoken: _Spoken, when: str) -> Finding:
    """Return how long the device took nothing, rated."""
    speaker, ended = spoken.speaker, spoken.ended
    if ended.outcome is not Outcome.HEARD:
        return fail(f"{when}: {ended.outcome}: {ended.reason}", _SEND_BACK)
    silent_s = max(speaker.longest_wait_s, *speaker.gaps_s, 0.0)
    streams = len(speaker.starts)
    found = (
        f"{when}: heard to the end on {ended.device}, in {streams} "
        f"{'stream' if streams == 1 else 'streams'}; at most {silent_s:.2f} s without progress"
    )
    return warn(found, _SEND_BACK) if silent_s > _LONG_GAP_S else ok(found)


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
