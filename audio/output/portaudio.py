"""Samples -> the loudspeaker. The only module that uses PortAudio.

Runs on: audio thread, including the import of sounddevice, which starts PortAudio. Nothing here
waits for the device: `PortAudioSpeaker.write` writes what the device has room for and returns.
"""

import contextlib
import importlib
import logging
import math
import sys
import time
from collections.abc import Callable
from typing import Any, Literal, Protocol

import numpy as np

from audio.output import coreaudio
from audio.output.coreaudio import Output, Timing
from audio.output.mute import MuteCheck
from audio.types import (
    SAMPLE_RATE_HZ,
    AudioLibraryError,
    DeviceLostError,
    Devices,
    HeadphonesLostError,
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

# If nothing moves for this long, the system is asked whether the device is gone or has changed its
# rate, and the ring whether it is empty.
_STALLED_S = 0.3
# How long a dead device is avoided, and how soon one that failed is tried again, at the end of a
# sentence. A device that stalls again within this time is dead.
_AVOID_S = 10.0
# How long a default device that can't play yet is waited for: Bluetooth headphones have no channels
# for a moment after they connect (RustAudio/rodio#914).
_READY_WITHIN_S = 5.0
# Headphones that played this recently were in use.
_IN_USE_S = 15.0
# On a Mac PortAudio pulls whole blocks out of its ring, whatever the device takes (pa_process.c,
# AdaptingOutputOnlyProcess), so a ring needs two of them: a suggested latency of at least one.
# More makes the ring, which starts full of silence, 683 ms deep; but if the device takes small
# buffers only, as AirPods do (480 or 960 frames), more makes it as deep as others, 341 ms.
_BLOCK_S, _SMALL_BUFFERS_S = BLOCK_FRAMES / SAMPLE_RATE_HZ, 0.1
# Longer than AirPlay's 2 s; more is nonsense.
_MAX_DELAY_S = 4.0
# Of a device that CoreAudio does not know: the slowest, as headphones in a call.
_UNKNOWN = Timing(16_000.0, BLOCK_FRAMES, (0, BLOCK_FRAMES), 960)

OnHeadphonesLost = Literal["auto", "pause", "continue"]


class AudioSystem(Protocol):
    """What the system knows and PortAudio does not; None or nothing means unknown.

    Implemented by the module `audio.output.coreaudio`. No method blocks or raises.
    """

    def default_output_id(self) -> int | None:
        """Return the id of the default output device."""
        ...

    def output_ids(self) -> tuple[int, ...] | None:
        """Return the ids of the devices that can play; one that is reconnected gets another."""
        ...

    def outputs(self) -> tuple[Output, ...]:
        """Return the devices that can play, in PortAudio's order."""
        ...

    def timing(self, device_id: int) -> Timing | None:
        """Return how a device takes sound."""
        ...

    def mute_reason(self, name: str) -> str | None:
        """Return why a device can't be heard, for example ``muted``; empty if it can."""
        ...


def _key(name: str) -> str:
    """Return a name for comparison: in any case, with typed apostrophes.

    Apple writes "Jane\u2019s AirPods".
    """
    return name.translate({0x2019: "'", 0x2018: "'", 0xA0: " "}).casefold()


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
        on_headphones_lost: OnHeadphonesLost = "auto",
        full_at_open: bool = sys.platform == "darwin",
        load_library: Callable[[], Any] = lambda: importlib.import_module("sounddevice"),
        system: AudioSystem = coreaudio,
    ) -> None:
        """Create a closed speaker.

        Args:
            wanted: a device's name, a part of it or its UID, in any case; empty follows the system.
            latency: ``high``, ``low`` or seconds, as PortAudio understands them; see `_BLOCK_S`.
            on_headphones_lost: whether `open` refuses once to continue on another device: ``auto``
                does if that is the computer's own loudspeaker.
            full_at_open: whether a new stream holds a ring full of silence, as on CoreAudio
                (pa_mac_core_blocking.c), so that its depth can't be queried.
            load_library: returns sounddevice, or a stand-in.
            system: the system's own sound settings, or a stand-in.
        """
        self._load_library = load_library
        self._system = system
        self._mute_check = MuteCheck(system.mute_reason)
        self._scanned: tuple[object, object] = (None, None)
        self._on_headphones_lost = on_headphones_lost
        self._full_at_open = full_at_open
        self._wanted = wanted
        self._latency = latency
        self._sd: Any = None
        self._stream: Any = None
        self._device = ""
        self._warning = ""
        self._output: Output | None = None  # of the open stream
        self._headphones: tuple[Output, float] | None = None  # with when they were in use
        self._unopened = ""  # the device that did not open, if it was the last one
        self._rate_hz = 0.0  # of the open stream's device
        self._opened_for: tuple[str, int | None] = ("", None)
        self._recheck_s = math.inf
        self._unready_s: tuple[float, float] | None = None  # since when, and when it was last
        self._capacity_frames = 0
        self._delay_frames = 0
        self._written_frames = 0
        self._padded_frames = 0
        self._last_write_s = 0.0
        self._room = 0
        self._room_changed_s = 0.0
        self._probed = (0, 0.0)  # the room, and since when it had not changed
        self._stalls_s: dict[str, float] = {}  # when each device stalled last
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
        """Return whether `open` would now open another device, or the open one at another rate.

        Also True now and then while another device replaces the selected one, which may be back.
        """
        if self._output is None:
            return False
        if self._opened_for != self._target() or self._rate_changed(self._output):
            return True
        if not self._warning:
            return False
        if self._recheck_s < math.inf:
            return time.monotonic() > self._recheck_s
        return self._system_devices() != self._scanned

    def _target(self) -> tuple[str, int | None]:
        """Return the target of an `open`: the selected name, or the system's default."""
        return (self._wanted, None if self._wanted else self._system.default_output_id())

    def _rate_changed(self, output: Output) -> bool:
        """Return whether a device has another rate than at `open`, as headphones in a call."""
        return self._timing(output).rate_hz != self._rate_hz

    def _timing(self, output: Output) -> Timing:
        return self._system.timing(output.id) or _UNKNOWN

    def devices(self) -> Devices:
        """Return the output devices, searched for again unless a stream is open.

        Raises:
            AudioLibraryError: PortAudio is missing or will not start.
        """
        if self._stream is None:
            self._scan()
        outputs, default = self._outputs()
        first = default if default in outputs else next(iter(outputs), -1)
        return Devices(
            outputs=tuple(
                OutputDevice(
                    output.label, is_default=index == default, in_use=output.label == self._device
                )
                for index, output in outputs.items()
            ),
            wanted=self._wanted,
            warning=self._pick(outputs, first)[1] if outputs else "",
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

    def is_bluetooth(self) -> bool:
        """Return whether the open stream's device is connected by Bluetooth.

        CoreAudio knows; elsewhere it is what was found when the device was checked for mute.
        """
        if self._output is not None and self._output.id:
            return self._output.is_bluetooth
        return self._mute_check.is_bluetooth()

    def _system_devices(self) -> tuple[object, object]:
        """Return the system's device ids and default, for comparison; (None, ...) if unknown."""
        return (self._system.output_ids(), self._system.default_output_id())

    def _scan_if_changed(self) -> None:
        """Scan, unless the system reports the same devices as at the last scan.

        On a Mac a scan costs 10 to 50 ms, and PortAudio may hang in it (sounddevice#394). After an
        error, which resets `_scanned`, the scan is worth its cost.
        """
        current = self._system_devices()
        same = current[0] is not None and current == self._scanned
        if not same or self._sd is None or not self._sd._initialized:  # noqa: SLF001
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

    def _outputs(self) -> tuple[dict[int, Output], int]:
        """Return every output device by its index, and the index of the default or -1.

        Raises:
            AudioLibraryError: PortAudio can't list them.
        """
        try:
            listed = self._sd.query_devices()
            default = int(self._sd.default.device[1])
        except self._sd.PortAudioError as exc:
            raise AudioLibraryError(f"PortAudio lists no devices ({exc}). Trying again.") from exc
        # PortAudio knows names only, and two displays may have one; the order is the system's.
        known: dict[str, list[Output]] = {}
        for output in self._system.outputs():
            known.setdefault(output.name, []).append(output)
        outputs = {}
        for index, device in enumerate(listed):
            if device["max_output_channels"] > 0:
                name = str(device["name"])
                outputs[index] = known[name].pop(0) if known.get(name) else Output(0, name, name)
        return outputs, default

    def _pick(self, outputs: dict[int, Output], default: int) -> tuple[int, str]:
        """Select a device by name, since indices change; return its index, and a warning.

        Without one of that name it is *default*, which is none of *outputs* if it can't play yet.
        """
        wanted = _key(self._wanted)
        if not wanted:
            return (default, "")
        exact = [i for i, o in outputs.items() if wanted in (_key(o.label), _key(o.uid))]
        partial = [i for i, output in outputs.items() if wanted in _key(output.label)]
        if exact or len(partial) == 1:
            return ((exact or partial)[0], "")
        if partial:
            names = ", ".join(outputs[index].label for index in partial)
            using = outputs[partial[0]].label
            return (partial[0], f"{self._wanted!r} fits several devices ({names}); using {using}.")
        using = outputs.get(default, next(iter(outputs.values()))).label
        return (default, f"No device fits {self._wanted!r}; using {using} instead.")

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
        target, now_s = self._target(), time.monotonic()
        if self._headphones and now_s - self._headphones[1] <= _IN_USE_S:
            # What they were playing still waits, however long no device opens.
            self._headphones = self._headphones[0], now_s
        self._scan_if_changed()
        outputs, default = self._outputs()
        # The scan counts as valid only once the stream is open.
        scanned, self._scanned = self._scanned, (None, None)
        if not outputs:
            raise NoOutputDeviceError(
                "There is no output device. Connect a loudspeaker or headphones; "
                "waiting messages are spoken then."
            )
        index, default, warning = self._choose(outputs, default, now_s)
        name, default_name = outputs[index].label, outputs[default].label
        recheck_s = math.inf if scanned[0] is not None else now_s + _AVOID_S
        if self._is_avoided(name):
            if self._is_avoided(default_name):
                raise SpeakerError(f"{name} stopped taking sound. Trying again in a moment.")
            warning = f"{name} stopped taking sound; using {default_name} instead."
            index, recheck_s = default, now_s + _AVOID_S
        try:
            self._start(index, outputs[index])
        except self._sd.PortAudioError as exc:
            self._unopened = name
            if index == default:
                raise SpeakerError(f"{name} will not open ({exc}). Trying again.") from exc
            warning = f"{name} will not open ({exc}); using {default_name} instead."
            index, recheck_s = default, now_s + _AVOID_S
            try:
                self._start(index, outputs[index])
            except self._sd.PortAudioError as second:
                raise SpeakerError(f"{warning} That will not open either ({second}).") from second
        if warning and warning != self._warning:
            log.warning("%s", warning)
        self._device, self._warning = outputs[index].label, warning
        self._opened_for, self._recheck_s = target, recheck_s
        self._scanned = scanned if recheck_s == math.inf else (None, None)
        log.info("Stream opened on %s, %d frames deep", self._device, self._capacity_frames)

    def _choose(
        self, outputs: dict[int, Output], default: int, now_s: float
    ) -> tuple[int, int, str]:
        """Select a device; return its index, that of the default or its substitute, and a warning.

        Raises:
            SpeakerError: the default is selected, and may be able to play in a moment.
        """
        index, warning = self._pick(outputs, default)
        if default in outputs:
            self._unready_s = None
            return index, default, warning
        substitute = next(iter(outputs))
        if index != default:
            return index, substitute, warning
        since_s, last_s = self._unready_s or (now_s, now_s)
        if now_s - last_s > _AVOID_S:
            since_s = now_s
        self._unready_s = since_s, now_s
        is_known = self._system.default_output_id() is not None
        if is_known and now_s - since_s < _READY_WITHIN_S:
            raise SpeakerError("The output device is not ready yet. Trying again in a moment.")
        return substitute, substitute, warning

    def _check_headphones(self, output: Output) -> None:
        """Refuse, once, to continue aloud what headphones were playing that are gone now.

        Raises:
            HeadphonesLostError: *output* is a loudspeaker.
        """
        if self._headphones is None or self._on_headphones_lost == "continue" or output.is_private:
            return
        lost, used_s = self._headphones
        works = lost.label != self._unopened and not self._is_avoided(lost.label)
        is_listed = any(lost.id == found.id for found in self._system.outputs() if found.is_private)
        if (works and is_listed) or time.monotonic() - used_s > _IN_USE_S:
            return
        if output.is_built_in or self._on_headphones_lost == "pause":
            self._headphones = None
            raise HeadphonesLostError(
                f"{lost.label} is gone, so I paused instead of going on aloud. "
                f"/resume goes on with {output.label}."
            )

    def _start(self, index: int, output: Output) -> None:
        self._check_headphones(output)
        latency_s = self._latency_s(index, output)
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
            timing = self._timing(output)  # PortAudio has just set the size of the buffer
            if self._full_at_open:
                # What PortAudio reports as latency is divided by the wrong rate, and may be
                # uninitialized (v19.7.0; PortAudio#568).
                delay_s = _BLOCK_S + min(timing.delay_s, _MAX_DELAY_S)
                self._capacity_frames = ring_frames(latency_s, timing.buffer_frames)
            else:
                delay_s = 0.0
                self._capacity_frames = int(stream.write_available)
        except self._sd.PortAudioError:
            with contextlib.suppress(self._sd.PortAudioError):
                stream.close()
            raise
        self._delay_frames = int(delay_s * SAMPLE_RATE_HZ)
        self._written_frames = self._padded_frames = 0
        self._probed = (0, 0.0)
        self._last_write_s = self._room_changed_s = time.monotonic()
        self._room = 0 if self._full_at_open else self._capacity_frames
        self._stream, self._output, self._rate_hz = stream, output, timing.rate_hz
        self._headphones, self._unopened = None, ""

    def _latency_s(self, index: int, output: Output) -> float:
        """Return the latency to suggest to PortAudio."""
        if not isinstance(self._latency, str):
            return max(self._latency, _BLOCK_S) if self._full_at_open else self._latency
        if not self._full_at_open:
            device = self._sd.query_devices(index)
            return float(device[f"default_{self._latency}_output_latency"])
        takes_small = 3 * self._timing(output).buffer_range_frames[1] < 2 * BLOCK_FRAMES
        return _SMALL_BUFFERS_S if takes_small and self._latency == "high" else _BLOCK_S

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
            if room != self._room:
                self._room, self._room_changed_s = room, time.monotonic()
            elif self._output is not None and self._stalled_s() > _STALLED_S:
                room = self._check_stall(self._output, room)
        except self._sd.PortAudioError as exc:
            raise self._device_lost(exc) from exc
        if self._full_at_open and room > self._capacity_frames:  # it is deeper than computed
            self._set_capacity(1 << (room - 1).bit_length())
        return room

    def _stalled_s(self) -> float:
        """Return for how long the device has not moved although it holds sound."""
        return 0.0 if self._is_dry() else time.monotonic() - self._room_changed_s

    def _is_dry(self) -> bool:
        """Return whether there is nothing to play; ALSA may hold less than a block forever."""
        queued_frames = self._capacity_frames - self._room
        return queued_frames < (1 if self._full_at_open else BLOCK_FRAMES)

    def _check_stall(self, output: Output, room: int) -> int:
        """Return the room of a device that does not move, if it may still be alive.

        Raises:
            DeviceLostError: it is not.
        """
        ids = self._system.output_ids()
        if output.id and ids is not None and output.id not in ids:
            raise self._device_lost("it is gone")
        if self._rate_changed(output):
            raise self._device_lost("its rate has changed")
        # A frame of silence asks the ring whether it is empty: a device that pulls it reports an
        # underflow. Twice, since an overload of the system is reported as one, too.
        probed_room, probed_s = self._probed
        if self._full_at_open and room and probed_s != self._room_changed_s:
            self._probed = (room, self._room_changed_s)
            if self._write(np.zeros(1, np.float32)) and room == probed_room:
                self._set_capacity(room)
                self._room_changed_s = time.monotonic()  # nothing was waiting
        if self._stalled_s() > DEAD_AFTER_S:
            # It raises no error, so it may still be listed, and `open` may succeed: after a call
            # or a sleep it plays again (tom-seddon/b2#615), but not if it is dead.
            now_s = time.monotonic()
            if now_s - self._stalls_s.get(self._device, -math.inf) < _AVOID_S:
                self._avoid_until_s[self._device] = now_s + _AVOID_S
            self._stalls_s[self._device] = now_s
            raise self._device_lost(f"it took nothing for {DEAD_AFTER_S:.0f} s")
        return self._room

    def _set_capacity(self, frames: int) -> None:
        log.warning(
            "The ring of %s has %d frames, not %d", self._device, frames, self._capacity_frames
        )
        self._capacity_frames = frames

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
        # The first write after a pause always reports an underflow; between utterances that is
        # no underrun.
        if self._write(samples[:frames]) and not self._may_be_dry:
            self._underruns += 1
        self._may_be_dry = False
        self._padded_frames = 0
        return frames

    def pad(self) -> None:
        """Write silence, so that the device plays the last frames; call after an utterance.

        ALSA holds back less than a block: without this the last 120 ms were not heard. CoreAudio
        plays all, but only a block that is pulled after the last frame proves it. After one buffer
        of silence, or that block, it does nothing more, and the device runs dry.

        Raises:
            DeviceLostError: the device failed.
        """
        if self._padded_frames >= (BLOCK_FRAMES if self._full_at_open else self._capacity_frames):
            return
        room = self._query_room()
        if self._capacity_frames - room >= BLOCK_FRAMES:
            return  # enough is queued; the next sound should not wait behind silence
        silence = np.zeros(min(room, BLOCK_FRAMES), np.float32)
        self._write(silence)
        self._padded_frames += len(silence)

    def _write(self, samples: Samples) -> bool:
        """Write samples that there is room for; return whether something was lacking before.

        Raises:
            DeviceLostError: the device failed.
        """
        try:
            block = np.ascontiguousarray(samples, dtype=np.float32).reshape(-1, 1)
            lacked = bool(self._stream.write(block))
        except self._sd.PortAudioError as exc:
            raise self._device_lost(exc) from exc
        self._written_frames += len(samples)
        self._last_write_s = time.monotonic()
        if self._is_dry():
            self._room_changed_s = self._last_write_s  # it may move from now on
        self._room -= len(samples)
        return lacked

    @property
    def played_frames(self) -> int:
        """Frames that have been heard since `open`.

        Computed from the device's free room; from the clock for what has left CoreAudio's ring, and
        for less than a block, which ALSA may hold. What a dead device holds is not counted.

        Raises:
            DeviceLostError: the device failed.
        """
        queued = max(0, self._capacity_frames - self._query_room())
        now_s = time.monotonic()
        if self._full_at_open:
            played = self._written_frames - queued - self._delay_frames
            if not queued:
                played += int((now_s - self._room_changed_s) * SAMPLE_RATE_HZ)
            return min(played, self._written_frames)
        if (
            queued < BLOCK_FRAMES
            and now_s - self._last_write_s > self._capacity_frames / SAMPLE_RATE_HZ
        ):
            return self._written_frames
        return self._written_frames - queued

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
            if self._output is not None and self._output.is_private:
                self._headphones = (self._output, time.monotonic())
        self._stream, self._output, self._device = None, None, ""

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
        self._may_be_dry = True
        self._mute_check.check(self._device, at_start=False)

    def pop_files(self) -> tuple[str, ...]:
        """Return nothing: a loudspeaker writes no files."""
        return ()


def ring_frames(latency_s: float, buffer_frames: int) -> int:
    """Return the depth of CoreAudio's blocking ring for a stream of this suggested latency.

    Source: PortAudio v19.7.0, pa_mac_core_utilities.c, computeRingBufferSize.

    Args:
        latency_s: as suggested to PortAudio.
        buffer_frames: what the device takes at once, at its own rate.
    """
    frames = max(int(2 * latency_s * SAMPLE_RATE_HZ + 0.5), 3 * buffer_frames)
    return 1 << (frames - 1).bit_length()
