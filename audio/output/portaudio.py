"""Samples -> the loudspeaker. The only module that uses PortAudio.

Runs on: audio thread, including the import of sounddevice, which starts PortAudio. Nothing here
waits for the device: `PortAudioSpeaker.write` writes what the device has room for and returns.
"""

import contextlib
import importlib
import logging
import sys
import time
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from audio.output import coreaudio
from audio.output.mute import MuteCheck
from audio.types import (
    SAMPLE_RATE_HZ,
    AudioLibraryError,
    DeviceLostError,
    Devices,
    NoOutputDeviceError,
    OutputDevice,
    Samples,
    SpeakerError,
)

log = logging.getLogger(__name__)

BLOCK_FRAMES = 2048
"""85 ms: small enough to start soon, large enough for Bluetooth devices."""

DEAD_AFTER_S = 2.0
"""A device that holds a block and accepts nothing for this time is dead: on a Mac a disconnected
one raises no error (pa_mac_core_blocking.c), its ring just stays full."""

# How long a dead device is avoided, and how often a missing selected device is searched for, at the
# end of a sentence.
_AVOID_S = 10.0


class AudioSystem(Protocol):
    """What the system knows and PortAudio does not; None means unknown.

    Implemented by the module `audio.output.coreaudio`. No method blocks or raises.
    """

    def default_output_id(self) -> int | None:
        """Return the id of the default output device."""
        ...

    def device_ids(self) -> tuple[int, ...] | None:
        """Return the ids of all devices; a device that is reconnected gets another."""
        ...

    def mute_reason(self, name: str) -> str | None:
        """Return why a device can't be heard, for example ``muted``; empty if it can."""
        ...


class PortAudioSpeaker:
    """A write-based `sounddevice.OutputStream` that is opened and closed as needed.

    A stream belongs to one device: to follow a change, call `target_changed`, wait until the sound
    has been heard, and call `close` and `open`, which searches for devices again.
    """

    poll_s = 0.02
    """A quarter of a block."""

    def __init__(
        self,
        wanted: str = "",
        latency: str | float = "high",
        *,
        full_at_open: bool = sys.platform == "darwin",
        load_library: Callable[[], Any] = lambda: importlib.import_module("sounddevice"),
        system: AudioSystem = coreaudio,
    ) -> None:
        """Create a closed speaker.

        Args:
            wanted: a device's name or a part of it, in any case; empty follows the system.
            latency: ``high``, ``low`` or seconds, as PortAudio understands them.
            full_at_open: whether a new stream holds a ring full of silence, as on CoreAudio
                (pa_mac_core_blocking.c), so that its depth can't be queried.
            load_library: returns sounddevice, or a stand-in.
            system: the system's own sound settings, or a stand-in.
        """
        self._load_library = load_library
        self._system = system
        self._mute_check = MuteCheck(system.mute_reason)
        self._scanned: tuple[object, object] = (None, None)
        self._full_at_open = full_at_open
        self._wanted = wanted
        self._latency = latency
        self._sd: Any = None
        self._stream: Any = None
        self._device = ""
        self._warning = ""
        self._opened_for: tuple[str, int | None] = ("", None)
        self._capacity_frames = 0
        self._device_latency_frames = 0
        self._written_frames = 0
        self._padded_frames = 0
        self._last_write_s = 0.0
        self._opened_s = 0.0
        self._room = 0
        self._room_changed_s = 0.0
        self._avoid_until_s: dict[str, float] = {}  # by name
        self._may_be_dry = True
        self._underruns = 0

    # ---- devices ----

    @property
    def device(self) -> str:
        """The name of the device in use; empty while nothing is open."""
        return self._device

    @property
    def warning(self) -> str:
        """What is wrong with the selected device; empty if nothing is."""
        return self._warning

    def select_device(self, wanted: str) -> None:
        """Set the device of the next `open`; empty follows the system's default."""
        self._wanted = wanted

    def target_changed(self) -> bool:
        """Return whether `open` would now open another device than the open one.

        Also True now and then while another device replaces the selected one, which may be back.
        """
        if self._stream is None:
            return False
        recheck_due = bool(self._warning) and time.monotonic() - self._opened_s > _AVOID_S
        return recheck_due or self._opened_for != self._target()

    def _target(self) -> tuple[str, int | None]:
        """Return the target of an `open`: the selected name, or the system's default."""
        return (self._wanted, None if self._wanted else self._system.default_output_id())

    def devices(self) -> Devices:
        """Return the output devices, searched for again unless a stream is open.

        Raises:
            AudioLibraryError: PortAudio is missing or will not start.
        """
        if self._stream is None:
            self._scan()
        outputs, default = self._outputs()
        return Devices(
            outputs=tuple(
                OutputDevice(name, is_default=index == default, in_use=name == self._device)
                for index, name in outputs
            ),
            wanted=self._wanted,
            warning=self._pick(outputs, default)[2] if outputs else "",
        )

    @property
    def library(self) -> tuple[str, str]:
        """PortAudio's version and where it was loaded from; empty before the first scan."""
        if self._sd is None:
            return ("", "")
        return (str(self._sd.get_portaudio_version()[1]), str(self._sd._libname))  # noqa: SLF001

    def mute_reason(self) -> str:
        """Return why the current or last utterance can't be heard; usually empty.

        According to the system, as of the start or the end of the utterance.
        """
        return self._mute_check.reason()

    def _system_devices(self) -> tuple[object, object]:
        """Return the system's device ids and default, for comparison; (None, ...) if unknown."""
        return (self._system.device_ids(), self._system.default_output_id())

    def _scan_if_changed(self) -> None:
        """Scan, unless the system reports the same devices as at the last scan.

        On a Mac a scan costs 10 to 50 ms, and PortAudio may hang in it (sounddevice#394). After a
        warning or an error the scan is worth its cost.
        """
        current = self._system_devices()
        same = current[0] is not None and current == self._scanned
        if not same or self._warning or self._sd is None or not self._sd._initialized:  # noqa: SLF001
            self._scan()

    def _scan(self) -> None:
        """Restart PortAudio, which lists the devices only when it starts.

        Call it only while no stream is open: a stream would be left dangling (sounddevice#47).
        """
        # Read first, so that a change during the scan is noticed at the next open.
        scanning, self._scanned = self._system_devices(), (None, None)
        self._restart_library()
        self._scanned = scanning

    def _restart_library(self) -> None:
        try:
            if self._sd is None:
                self._sd = self._load_library()  # this starts PortAudio
                log.info("%s (%s)", *self.library)
                if self._sd._initialized:  # noqa: SLF001
                    return
            # There is no public call for this; the maintainer recommends these (sounddevice#125).
            # After a failed start _terminate would fail, too.
            if self._sd._initialized:  # noqa: SLF001
                self._sd._terminate()  # noqa: SLF001
            self._sd._initialize()  # noqa: SLF001
        except OSError as exc:
            raise AudioLibraryError(
                f"The PortAudio library can't be loaded ({exc}). "
                "On Debian or Ubuntu: sudo apt-get install libportaudio2"
            ) from exc
        except Exception as exc:
            # sounddevice starts PortAudio during its import, so its error class may not exist yet.
            if type(exc).__name__ != "PortAudioError":
                raise
            raise AudioLibraryError(f"PortAudio will not start ({exc}). Trying again.") from exc

    def _outputs(self) -> tuple[list[tuple[int, str]], int]:
        """Return (index, name) of every output device, and the index of the default or -1.

        Raises:
            AudioLibraryError: PortAudio can't list them.
        """
        try:
            outputs = [
                (index, str(device["name"]))
                for index, device in enumerate(self._sd.query_devices())
                if device["max_output_channels"] > 0
            ]
            default = int(self._sd.default.device[1])
        except self._sd.PortAudioError as exc:
            raise AudioLibraryError(f"PortAudio lists no devices ({exc}). Trying again.") from exc
        if outputs and default not in dict(outputs):
            # For example Bluetooth headphones that have no channels yet: scan again soon.
            default, self._scanned = outputs[0][0], (None, None)
        return outputs, default

    def _pick(self, outputs: list[tuple[int, str]], default: int) -> tuple[int, str, str]:
        """Select a device by name, since indices change.

        Returns:
            (index, name, warning).
        """
        names = dict(outputs)
        fallback = (default, names.get(default, ""))
        wanted = self._wanted.casefold()
        if not wanted:
            return (*fallback, "")
        exact = [(i, name) for i, name in outputs if name.casefold() == wanted]
        partial = [(i, name) for i, name in outputs if wanted in name.casefold()]
        if exact or len(partial) == 1:
            return (*(exact or partial)[0], "")
        if partial:
            names_text = ", ".join(name for _, name in partial)
            warning = (
                f"{self._wanted!r} fits several devices ({names_text}); using {partial[0][1]}."
            )
            return (*partial[0], warning)
        return (*fallback, f"No device fits {self._wanted!r}; using {fallback[1]} instead.")

    # ---- the stream ----

    def open(self) -> None:
        """Search for devices, and open a stream on the selected one or on the default.

        Blocks for some tens of milliseconds; less if the devices have not changed, longer for a
        Bluetooth device that sleeps.

        Raises:
            NoOutputDeviceError: there is none.
            SpeakerError: the device does not open.
            AudioLibraryError: PortAudio is missing or will not start.
        """
        self._scan_if_changed()
        target = self._target()
        outputs, default = self._outputs()
        # The scan counts as valid only once the stream is open.
        scanned, self._scanned = self._scanned, (None, None)
        if not outputs:
            raise NoOutputDeviceError(
                "There is no output device. Connect a loudspeaker or headphones; "
                "waiting messages are spoken then."
            )
        index, name, warning = self._pick(outputs, default)
        if self._is_avoided(name):
            default_name = dict(outputs)[default]
            if self._is_avoided(default_name):
                raise SpeakerError(f"{name} stopped taking sound. Trying again in a moment.")
            warning = f"{name} stopped taking sound; using {default_name} instead."
            index, name = default, default_name
        try:
            self._start(index)
        except self._sd.PortAudioError as exc:
            if index == default:
                raise SpeakerError(f"{name} will not open ({exc}). Trying again.") from exc
            fallback = dict(outputs)[default]
            warning = f"{name} will not open ({exc}); using {fallback} instead."
            name = fallback
            try:
                self._start(default)
            except self._sd.PortAudioError as second:
                raise SpeakerError(f"{warning} That will not open either ({second}).") from second
        if warning and warning != self._warning:
            log.warning("%s", warning)
        self._device, self._warning, self._opened_for = name, warning, target
        self._scanned = scanned
        self._opened_s = time.monotonic()
        log.info("Stream opened on %s, %d frames deep", name, self._capacity_frames)

    def _start(self, index: int) -> None:
        device = self._sd.query_devices(index)
        latency_s = (
            float(device[f"default_{self._latency}_output_latency"])
            if isinstance(self._latency, str)
            else self._latency
        )
        stream = self._sd.OutputStream(
            samplerate=SAMPLE_RATE_HZ,
            channels=1,
            dtype="float32",
            blocksize=BLOCK_FRAMES,
            latency=latency_s,
            device=index,
        )
        try:
            stream.start()
            total_s = float(stream.latency)
            if self._full_at_open:
                capacity_frames = _ring_frames(latency_s)
                # PortAudio includes its ring; the rest is the device's own latency.
                device_latency_s = max(0.0, total_s - capacity_frames / SAMPLE_RATE_HZ)
            else:
                capacity_frames, device_latency_s = int(stream.write_available), 0.0
        except self._sd.PortAudioError:
            with contextlib.suppress(self._sd.PortAudioError):
                stream.close()
            raise
        self._capacity_frames = capacity_frames
        self._device_latency_frames = int(device_latency_s * SAMPLE_RATE_HZ)
        self._written_frames = self._padded_frames = 0
        self._last_write_s = self._room_changed_s = time.monotonic()
        self._room = capacity_frames
        self._stream = stream

    def _is_avoided(self, name: str) -> bool:
        return time.monotonic() < self._avoid_until_s.get(name, 0.0)

    def _device_lost(self, reason: object) -> DeviceLostError:
        """Return the error for a failure of the device in use, and mark the scan as stale."""
        self._scanned = (None, None)
        return DeviceLostError(f"{self._device} stopped taking sound ({reason}).")

    def _query_room(self) -> int:
        """Return how many frames the device has room for.

        Raises:
            DeviceLostError: the device failed, or does not play the sound that it holds.
        """
        try:
            room = int(self._stream.write_available)
        except self._sd.PortAudioError as exc:
            raise self._device_lost(exc) from exc
        now_s = time.monotonic()
        # ALSA may hold less than a block forever, and a device that ran dry does not move either.
        if room != self._room or self._capacity_frames - room < BLOCK_FRAMES:
            self._room, self._room_changed_s = room, now_s
        elif now_s - self._room_changed_s > DEAD_AFTER_S:
            # It raises no error, so it may still be listed, and `open` may succeed.
            self._avoid_until_s[self._device] = now_s + _AVOID_S
            raise self._device_lost(f"it took nothing for {DEAD_AFTER_S:.0f} s")
        return room

    @property
    def is_open(self) -> bool:
        """Whether there is a stream to write to."""
        return self._stream is not None

    @property
    def written_frames(self) -> int:
        """Frames accepted since `open`, silence included."""
        return self._written_frames

    @property
    def underruns(self) -> int:
        """How often the device ran dry between two writes of one utterance."""
        return self._underruns

    def write(self, samples: Samples) -> int:
        """Write as many of *samples* as the device has room for; return how many.

        Raises:
            DeviceLostError: the device failed.
        """
        frames = min(len(samples), self._query_room())
        if frames <= 0:
            return 0
        try:
            block = np.ascontiguousarray(samples[:frames], dtype=np.float32).reshape(-1, 1)
            dry = self._stream.write(block)
        except self._sd.PortAudioError as exc:
            raise self._device_lost(exc) from exc
        # The first write after a pause always reports an underflow; between utterances that is
        # no underrun.
        if dry and not self._may_be_dry:
            self._underruns += 1
        self._may_be_dry = False
        self._padded_frames = 0
        self._count(frames)
        return frames

    def pad(self) -> None:
        """Write silence, so that the device plays the last frames; call while idle.

        ALSA plays whole blocks only: without this the last 120 ms were not heard. After one buffer
        of silence it does nothing more, and the device runs dry.

        Raises:
            DeviceLostError: the device failed.
        """
        if self._padded_frames >= self._capacity_frames:
            return
        room = self._query_room()
        if self._capacity_frames - room >= BLOCK_FRAMES:
            return  # enough is queued; the next sound should not wait behind silence
        frames = min(room, BLOCK_FRAMES)
        try:
            if frames > 0:
                self._stream.write(np.zeros((frames, 1), np.float32))
        except self._sd.PortAudioError as exc:
            raise self._device_lost(exc) from exc
        self._padded_frames += frames
        self._count(frames)

    def _count(self, frames: int) -> None:
        self._written_frames += frames
        self._last_write_s = time.monotonic()
        self._room -= frames

    @property
    def played_frames(self) -> int:
        """Frames that have been heard since `open`.

        Computed from the device's free room; for less than a block, which ALSA may hold, from the
        clock. What a dead device holds is not counted.

        Raises:
            DeviceLostError: the device failed.
        """
        queued = max(0, self._capacity_frames - self._query_room())
        depth_s = (self._capacity_frames + self._device_latency_frames) / SAMPLE_RATE_HZ
        if queued < BLOCK_FRAMES and time.monotonic() - self._last_write_s > depth_s:
            return self._written_frames
        return self._written_frames - queued - self._device_latency_frames

    def abort(self) -> None:
        """Stop playback now, drop what was not played, and close. Never raises.

        Runs on the thread that writes: an abort from another one can leave a CoreAudio writer
        hanging forever (pa_mac_core_blocking.c). Takes 100 ms or more on a Mac.
        """
        if self._stream is not None:
            with contextlib.suppress(self._sd.PortAudioError):
                self._stream.abort()
        self.close()

    def close(self) -> None:
        """Release the device; what was not played is lost. Never raises."""
        if self._stream is not None:
            with contextlib.suppress(self._sd.PortAudioError):
                self._stream.close()
            log.info("Stream on %s closed", self._device)
        self._stream, self._device = None, ""

    def shutdown(self) -> None:
        """Close, and terminate PortAudio, so that its exit handler has nothing to hang on."""
        self.abort()
        self._mute_check.cancel()
        if self._sd is not None and self._sd._initialized:  # noqa: SLF001
            with contextlib.suppress(self._sd.PortAudioError):
                self._sd._terminate()  # noqa: SLF001

    # ---- utterances ----

    def start_utterance(self) -> None:
        """Ignore an underrun since the last utterance; check whether the device is muted."""
        self._may_be_dry = True
        self._mute_check.check(self._device, at_start=True)

    def finish_utterance(self) -> None:
        """Check whether the device is muted, just before the last sound leaves it."""
        self._mute_check.check(self._device, at_start=False)

    def pop_files(self) -> tuple[str, ...]:
        """Return nothing: a loudspeaker writes no files."""
        return ()


def _ring_frames(latency_s: float) -> int:
    """Return the depth of CoreAudio's blocking ring for a stream of this suggested latency.

    Source: PortAudio v19.7.0, pa_mac_core_utilities.c, computeRingBufferSize.
    """
    frames = max(2 * latency_s * SAMPLE_RATE_HZ, 3 * BLOCK_FRAMES)
    return 1 << (int(np.ceil(frames)) - 1).bit_length()
