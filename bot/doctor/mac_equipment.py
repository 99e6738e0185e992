"""The parts that the checks of `crier doctor --mac` use; tests replace them."""

import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from audio.kokoro.prepared import resolve_kind
from audio.kokoro.voice import KokoroVoice
from audio.output import coreaudio
from audio.output.portaudio import PortAudioSpeaker
from audio.ports import Voice
from audio.system_sleep import time_asleep_s
from audio.types import SAMPLE_RATE_HZ, Samples
from bot.paths import CHECKOUT
from bot.service.launchd import run_once
from bot.service.notify import alert, notify
from bot.settings import Settings

# After this the watchdog would restart the bot. Source: bot.core.health, WEDGED_S.
_HUNG_S = 10.0
_RECORDING_TIMEOUT_S = 60.0  # macOS may ask first whether Terminal may use the microphone
# About a minute, to leave time to find the menu.
_TEXT = " ".join(
    f"This is sentence number {number}, and it goes on for a while, so that there is time."
    for number in range(1, 13)
)
_CHUNK = "Your parcel has come, and somebody has to sign for it."

# In another process, as a call is, and since PortAudio has one thread in this one.
_RECORD = """
import sys, sounddevice
name = sys.argv[1]
inputs = [d for d in sounddevice.query_devices() if d["name"] == name and d["max_input_channels"]]
if not inputs:
    sys.exit(f"{name} has no microphone")
rate_hz = int(inputs[0]["default_samplerate"])
sounddevice.rec(5 * rate_hz, rate_hz, channels=1, device=inputs[0]["index"], blocking=True)
"""


def record_elsewhere(name: str) -> str:
    """Use the microphone of a device for 5 s; return why that failed, or nothing. Blocks."""
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-c", _RECORD, name],
            capture_output=True,
            text=True,
            timeout=_RECORDING_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return "its microphone did not answer"
    lines = done.stderr.strip().splitlines()
    return (lines[-1] if lines else "it failed") if done.returncode else ""


class MeasuringSpeaker(PortAudioSpeaker):
    """A loudspeaker that records when sound starts and stops. Audio thread only."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """Take the arguments of `PortAudioSpeaker`; the rest goes on if headphones are removed."""
        super().__init__(*arguments, on_headphones_lost="continue", **options)
        self.starts: list[tuple[float, str]] = []
        """`time.monotonic` at which the first frame of each stream was heard, and the device."""
        self.gaps_s: list[float] = []
        """The silence before each start except the first."""
        self.longest_wait_s = 0.0
        """The longest time in which an open device took nothing although there was sound."""
        self._silent_s = 0.0
        self._waiting_since_s: float | None = None

    @property
    def computed_frames(self) -> int:
        """How deep the ring of the open stream is, as computed."""
        return self._capacity_frames

    def room_frames(self) -> int:
        """Return how much the open stream would take, as PortAudio says.

        Raises:
            DeviceLostError: the device failed.
        """
        try:
            return int(self._stream.write_available)
        except self._sd.PortAudioError as exc:
            raise self._device_lost(exc) from exc

    def write(self, samples: Samples) -> int:
        """Record when the first frame of each stream is heard."""
        is_first = self.written_frames == 0
        written = super().write(samples)
        now_s = time.monotonic()
        if written:
            if self._waiting_since_s is not None:
                self.longest_wait_s = max(self.longest_wait_s, now_s - self._waiting_since_s)
            self._waiting_since_s = None
        elif self._waiting_since_s is None and len(samples):
            self._waiting_since_s = now_s
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
        self._waiting_since_s = None
        super().close()


def device_properties(name: str) -> dict[str, float]:
    """Return what CoreAudio says of an output device; sizes in frames of the device."""
    found = next(
        (output for output in coreaudio.outputs() if name in {output.name, output.label}), None
    )
    timing = found and coreaudio.timing(found.id)
    if not timing:
        return {}
    smallest, largest = timing.buffer_range_frames
    return {
        "buffer": timing.buffer_frames,
        "smallest buffer": smallest,
        "largest buffer": largest,
        "latency": timing.latency_frames,
        "rate": timing.rate_hz,
    }


@dataclass(eq=False, slots=True)
class Equipment:
    """The parts that the checks use; tests replace them."""

    make_speaker: Callable[[], MeasuringSpeaker]
    make_voice: Callable[[], Voice]
    make_voice_with: Callable[[Mapping[str, str]], Voice]
    """Makes a voice with session options of onnxruntime."""
    mute_reason: Callable[[str], str | None] = coreaudio.mute_reason
    properties: Callable[[str], Mapping[str, float]] = device_properties
    """What the system says of a device."""
    record: Callable[[str], str] = record_elsewhere
    """Uses the microphone of a device for 5 s; returns why that failed, or nothing."""
    asleep_s: Callable[[], float] = time_asleep_s
    notify: Callable[[str], None] = notify
    alert: Callable[[str], None] = alert
    run_in_agent: Callable[[], str] = lambda: run_once(
        CHECKOUT, [sys.executable, "-P", "-m", "bot.doctor.mac_agent"]
    )
    """Returns what `bot.doctor.mac_agent` prints as a LaunchAgent."""
    cycles: int = 200
    text: str = _TEXT
    chunk: str = _CHUNK
    hung_s: float = _HUNG_S
    drain_s: float = 2.0
    """After so long without more room a ring is empty."""


def equipment_of(settings: Settings) -> Equipment:
    """Return this computer's."""

    def make_voice_with(session_config: Mapping[str, str]) -> Voice:
        kind = resolve_kind(settings.kokoro_model, settings.model_dir)
        return KokoroVoice(settings.model_dir, kind, session_config=session_config)

    return Equipment(
        lambda: MeasuringSpeaker("", settings.audio_latency),
        lambda: make_voice_with({}),
        make_voice_with,
    )
