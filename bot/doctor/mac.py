"""`crier doctor --mac`: what only a Mac can show, with its owner's help.

How long PortAudio takes to open and to abort, and whether it ever hangs; what becomes of speech
when the output changes or vanishes; whether a mute is noticed. What it prints is to be sent back.
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
from audio.pipeline import SpeechPipeline, Voice
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
from bot.doctor import local, system
from bot.doctor.check import Check, Context, Finding, fail, skip, warn, well

# After this the bot would be ended. Source: bot.core.health, WEDGED_S.
_HUNG_S = 10.0
_SLOW_ABORT_S = 1.0
_LONG_GAP_S = 3.0
_WAIT_S = 120.0
# Long enough to find the menu: about a minute.
_TEXT = " ".join(
    f"This is sentence number {number}, and it goes on for a while, so that there is time."
    for number in range(1, 13)
)


class Watched(PortAudioSpeaker):
    """A loudspeaker that remembers when sound began and ended, and where. Audio thread only."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """Take what every other one takes."""
        super().__init__(*arguments, **options)
        self.begun: list[tuple[float, str]] = []
        """`time.monotonic` at which the first frame of each stream was heard, and the device."""
        self.gaps_s: list[float] = []
        """How long nothing was heard before each of them but the first."""
        self._silent_s = 0.0

    def write(self, samples: Samples) -> int:
        """Note the first frame of each stream."""
        is_first = self.written_frames == 0
        taken = super().write(samples)
        if taken and is_first:
            before_it_s = (self.written_frames - taken - self.played_frames) / SAMPLE_RATE_HZ
            heard_s = time.monotonic() + max(0.0, before_it_s)
            if self.begun:
                self.gaps_s.append(heard_s - self._silent_s)
            self.begun.append((heard_s, self.device))
        return taken

    def close(self) -> None:
        """Note when the device last took something: it may have been dead for a while."""
        if self.is_open and self.written_frames:
            self._silent_s = self._room_changed_s
        super().close()


@dataclass(eq=False, slots=True)
class Equipment:
    """What the checks work with."""

    make_speaker: Callable[[], Watched]
    make_voice: Callable[[], Voice]
    mute_reason: Callable[[str], str | None] = coreaudio.mute_reason
    cycles: int = 200
    text: str = _TEXT
    hung_s: float = _HUNG_S


def mac_checks(context: Context, equipment: Equipment | None = None) -> tuple[Check, ...]:
    """Return the checks; *equipment* is this computer's where it is left out."""
    settings = context.settings
    gear = equipment or Equipment(
        lambda: Watched("", settings.audio_latency),
        lambda: KokoroVoice(settings.model_dir, resolve_kind(settings.kokoro_model)),
    )
    limit_s = _WAIT_S + 600.0  # a person has to find their headphones

    def with_gear(look: Callable[[Equipment, Context], Finding]) -> Callable[[Context], Finding]:
        return functools.partial(look, gear)

    return (
        Check("python", local.python),
        Check("cycles", with_gear(cycles), limit_s=600.0, audio=True),
        Check("switch", with_gear(switch), limit_s=limit_s, audio=True),
        Check("removal", with_gear(removal), limit_s=limit_s, audio=True),
        Check("mute", with_gear(mute), limit_s=limit_s, audio=True),
        Check("service", system.service),
        Check("priority", system.priority),
    )


# ---- streams that come and go ----


def cycles(gear: Equipment, context: Context) -> Finding:
    """Open a stream, write a little, abort it, again and again; see that it always returns."""
    opened_s: list[float] = []
    aborted_s: list[float] = []
    failed: list[str] = []
    beat_s = [time.monotonic()]
    what = [""]

    def work() -> None:  # the only thread that calls PortAudio
        speaker = gear.make_speaker()
        sound = np.zeros(2 * BLOCK_FRAMES, np.float32)
        for _ in range(gear.cycles):
            try:
                what[0], beat_s[0] = "open", time.monotonic()
                speaker.open()
                opened_s.append(time.monotonic() - beat_s[0])
                what[0], beat_s[0] = "write", time.monotonic()
                speaker.write(sound)
                what[0], beat_s[0] = "abort", time.monotonic()
                speaker.abort()
                aborted_s.append(time.monotonic() - beat_s[0])
            except AudioError as exc:
                failed.append(str(exc))
                speaker.close()
        what[0], beat_s[0] = "shutdown", time.monotonic()
        speaker.shutdown()

    # A daemon: it may never come back.
    thread = threading.Thread(target=work, name="audio", daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(0.2)
        context.say(f"{len(aborted_s)} of {gear.cycles}")
        # Seen from here: whoever hangs in C can't tell.
        if thread.is_alive() and time.monotonic() - beat_s[0] > gear.hung_s:
            context.hangs = "cycles"
            return fail(
                f"After {len(aborted_s)} cycles {what[0]} did not return within "
                f"{gear.hung_s:.0f} s. {_times(opened_s, aborted_s)}",
                "Send this table back. The bot ends and starts anew where this happens.",
            )
    found = f"{len(aborted_s)} of {gear.cycles}, none hung. {_times(opened_s, aborted_s)}"
    if failed:
        return fail(f"{found} {len(failed)} failed: {failed[-1]}", "Send this table back.")
    if max(aborted_s) > _SLOW_ABORT_S:
        return warn(found, "Send this table back: an abort should take about 0.1 s.")
    return well(found)


def _times(opened_s: list[float], aborted_s: list[float]) -> str:
    return " ".join(
        f"{name}: median {1000 * median(times):.0f} ms, longest {1000 * max(times):.0f} ms."
        for name, times in (("Open", opened_s), ("Abort", aborted_s))
        if times
    )


# ---- devices that change while it speaks ----


def switch(gear: Equipment, context: Context) -> Finding:
    """Measure the gap when the output is switched while it speaks."""
    if not context.ask("Have two outputs ready, such as the Mac's own and headphones."):
        return skip("Left out")
    return _while_speaking(
        gear,
        context,
        "Switch the sound output now (Control Center, Sound).",
        "The output was not switched while it spoke",
    )


def removal(gear: Equipment, context: Context) -> Finding:
    """Measure the gap when the output in use vanishes while it speaks."""
    if not context.ask("Connect headphones and choose them as the sound output."):
        return skip("Left out")
    return _while_speaking(
        gear,
        context,
        "Take the headphones away now: unplug them, or put them into their case.",
        "The output did not change while it spoke",
    )


def _while_speaking(gear: Equipment, context: Context, what: str, nothing: str) -> Finding:
    """Speak, ask for *what* after the first sentence, and look how speech went on."""
    settings = context.settings
    facts: queue.SimpleQueue[Fact] = queue.SimpleQueue()
    speaker = gear.make_speaker()
    pipeline = SpeechPipeline(gear.make_voice(), speaker, facts.put)
    held, asked = "", False
    ended: Ended | None = None
    deadline_s = time.monotonic() + _WAIT_S
    try:
        pipeline.start()
        pipeline.say(Utterance(0, gear.text, settings.kokoro_voice, 1.0, settings.lang))
        while ended is None:
            fact = facts.get(timeout=max(0.01, deadline_s - time.monotonic()))
            if isinstance(fact, SentenceHeard) and not asked:
                asked = True
                context.tell(what)
            elif isinstance(fact, Held):
                held = fact.reason
            elif isinstance(fact, Ended):
                ended = fact
    except queue.Empty:
        return fail(
            f"It never came to its end. {held}".strip(),
            "Send this table back, and the log: `crier doctor --report`.",
        )
    finally:
        pipeline.close().result(10)
    return _judged(speaker, ended, held, nothing)


def _judged(speaker: Watched, ended: Ended, held: str, nothing: str) -> Finding:
    if ended.outcome is not Outcome.HEARD:
        return fail(f"{ended.outcome}: {ended.reason}", "Send this table back.")
    if len(speaker.begun) < 2:  # noqa: PLR2004  # streams
        return skip(f"{nothing}; all of it was heard on {ended.device}")
    before, after, gap_s = speaker.begun[0][1], speaker.begun[-1][1], max(speaker.gaps_s)
    found = f"From {before} to {after}: {gap_s:.2f} s without sound, then heard to the end"
    if held:
        found += f"; meanwhile: {held}"
    if gap_s > _LONG_GAP_S and not held:
        return warn(found, "Send this table back.")
    return well(found)


# ---- mute ----


def mute(gear: Equipment, context: Context) -> Finding:
    """See that a mute is noticed, and its end."""
    speaker = gear.make_speaker()
    try:
        name = next((one.name for one in speaker.devices().outputs if one.is_default), "")
    finally:
        speaker.shutdown()
    seen = []
    for what in ("Mute the sound output.", "Turn the sound on again."):
        if not context.ask(what):
            return skip("Left out")
        seen.append(gear.mute_reason(name))
    if seen[0] and seen[1] == "":
        return well(f"{name}: noticed ({seen[0]}), and its end")
    return warn(
        f"{name}: macOS said {seen[0]!r} when it was muted, {seen[1]!r} afterwards.",
        "Send this table back: senders would not be told that nobody hears them.",
    )
