"""Samples -> the loudspeaker. The only file that knows PortAudio.

Everything here runs on the audio thread, the import of sounddevice (which starts PortAudio)
included, and nothing here waits for the device: `PortAudioSpeaker.write` hands over what the
device has room for and returns.
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
from audio.output.mute import Audibility
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
"""85 ms: small enough to start soon, large enough for a Bluetooth device's appetite."""

DEAD_AFTER_S = 2.0
"""A device that holds a block and takes nothing for so long is dead: a vanished one raises nothing
on a Mac (pa_mac_core_blocking.c), its ring just stays full."""

# A device that died in silence is left alone so long; where another one stands in for the wanted
# one, the wanted one is looked for as often, at the end of a sentence.
_AVOID_S = 10.0


class System(Protocol):
    """What the system knows and PortAudio does not; None where it can't tell."""

    def default_output_id(self) -> int | None: ...
    def device_ids(self) -> tuple[int, ...] | None: ...
    def mute_reason(self, name: str) -> str | None: ...


class PortAudioSpeaker:
    """A write-based `sounddevice.OutputStream` that is opened and closed as needed.

    The stream belongs to one device: to follow a change, ask `target_changed`, wait until the
    sound has ended, and call `close` and `open`, which looks for devices again.
    """

    poll_s = 0.02
    """How soon it is worth asking for room again: a quarter of a block."""

    def __init__(
        self,
        wanted: str = "",
        latency: str | float = "high",
        *,
        full_at_open: bool = sys.platform == "darwin",
        load_library: Callable[[], Any] = lambda: importlib.import_module("sounddevice"),
        system: System = coreaudio,
    ) -> None:
        """Open nothing yet.

        Args:
            wanted: a device's name or a part of it, in any case; empty follows the system.
            latency: ``high``, ``low`` or seconds, as PortAudio understands them.
            full_at_open: a new stream holds a ring full of silence, as on CoreAudio
                (pa_mac_core_blocking.c), so its depth can't be asked for.
            load_library: returns sounddevice, or what stands in for it.
            system: the system's own sound settings, or what stands in for them.
        """
        self._load_library = load_library
        self._system = system
        self._audibility = Audibility(system.mute_reason)
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
        self._beyond_frames = 0
        self._written_frames = 0
        self._padded_frames = 0
        self._last_write_s = 0.0
        self._opened_s = 0.0
        self._room = 0
        self._room_changed_s = 0.0
        self._avoid_until_s: dict[str, float] = {}  # by name
        self._may_be_dry = True
        self._underruns = 0

    # ---- where sound goes ----

    @property
    def device(self) -> str:
        """The name of the device in use; empty while nothing is open."""
        return self._device

    @property
    def warning(self) -> str:
        """What is wrong with the wanted device; empty where nothing is."""
        return self._warning

    def select_device(self, wanted: str) -> None:
        """Want another device from the next `open` on; empty follows the system."""
        self._wanted = wanted

    def target_changed(self) -> bool:
        """Say whether sound should go elsewhere than where the open stream takes it.

        Also now and then while another device stands in for the wanted one, which may be back.
        """
        if self._stream is None:
            return False
        stands_in = bool(self._warning) and time.monotonic() - self._opened_s > _AVOID_S
        return stands_in or self._opened_for != self._target()

    def _target(self) -> tuple[str, int | None]:
        """What an `open` would be for: the wanted name, or the system's default."""
        return (self._wanted, None if self._wanted else self._system.default_output_id())

    def devices(self) -> Devices:
        """List the output devices, looked for anew unless a stream is open.

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
        """Return why the utterance that sounds or sounded last can't be heard; mostly empty.

        What the system says about the device, as of the utterance's beginning or end.
        """
        return self._audibility.answer()

    def _devices_now(self) -> tuple[object, object]:
        """Return what the system says about its devices, to be compared; (None, ...) if nothing."""
        return (self._system.device_ids(), self._system.default_output_id())

    def _scan_if_changed(self) -> None:
        """Scan, unless the system says that its devices are those of the last scan.

        On a Mac a scan costs 10 to 50 ms and is a place where PortAudio can hang
        (sounddevice#394). After anything odd it is worth that.
        """
        now = self._devices_now()
        same = now[0] is not None and now == self._scanned
        if not same or self._warning or self._sd is None or not self._sd._initialized:  # noqa: SLF001
            self._scan()

    def _scan(self) -> None:
        """Have PortAudio look for devices again; it freezes its list when it starts.

        Only with no stream open: it would leave a dangling one behind (sounddevice#47).
        """
        # Read before: what changes meanwhile is then seen at the next open.
        scanning, self._scanned = self._devices_now(), (None, None)
        self._restart_library()
        self._scanned = scanning

    def _restart_library(self) -> None:
        try:
            if self._sd is None:
                self._sd = self._load_library()  # this starts PortAudio
                log.info("%s (%s)", *self.library)
                if self._sd._initialized:  # noqa: SLF001
                    return
            # Public calls for this do not exist; its maintainer names these (sounddevice#125).
            # After a start that failed, another end would fail too.
            if self._sd._initialized:  # noqa: SLF001
                self._sd._terminate()  # noqa: SLF001
            self._sd._initialize()  # noqa: SLF001
        except OSError as exc:
            raise AudioLibraryError(
                f"The PortAudio library can't be loaded ({exc}). "
                "On Debian or Ubuntu: sudo apt-get install libportaudio2"
            ) from exc
        except Exception as exc:
            # sounddevice starts PortAudio while it is imported, so its error class may be unknown.
            if type(exc).__name__ != "PortAudioError":
                raise
            raise AudioLibraryError(f"PortAudio will not start ({exc}). Trying again.") from exc

    def _outputs(self) -> tuple[list[tuple[int, str]], int]:
        """Return (index, name) of every output device, and the index of the default or -1.

        Raises:
            AudioLibraryError: PortAudio does not tell.
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
            # Such as Bluetooth headphones that show no channels yet: looked at again soon.
            default, self._scanned = outputs[0][0], (None, None)
        return outputs, default

    def _pick(self, outputs: list[tuple[int, str]], default: int) -> tuple[int, str, str]:
        """Choose by name, since indices shift: (index, name, warning)."""
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
            every = ", ".join(name for _, name in partial)
            warning = f"{self._wanted!r} fits several devices ({every}); using {partial[0][1]}."
            return (*partial[0], warning)
        return (*fallback, f"No device fits {self._wanted!r}; using {fallback[1]} instead.")

    # ---- the stream ----

    def open(self) -> None:
        """Look for devices and open a stream on the wanted one, or on the default.

        Blocks for some tens of milliseconds, less where no device has come or gone; for a
        Bluetooth device that sleeps, longer.

        Raises:
            NoOutputDeviceError: there is none.
            SpeakerError: the device will not open.
            AudioLibraryError: PortAudio is missing or will not start.
        """
        self._scan_if_changed()
        target = self._target()
        outputs, default = self._outputs()
        # Until the stream is open, what was scanned is not known to be good.
        scanned, self._scanned = self._scanned, (None, None)
        if not outputs:
            raise NoOutputDeviceError(
                "There is no output device. Connect a loudspeaker or headphones; "
                "what waits is spoken then."
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
            except self._sd.PortAudioError as also:
                raise SpeakerError(f"{warning} That will not open either ({also}).") from also
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
                # PortAudio counts its ring in; what is left is the device's own.
                beyond_s = max(0.0, total_s - capacity_frames / SAMPLE_RATE_HZ)
            else:
                capacity_frames, beyond_s = int(stream.write_available), 0.0
        except self._sd.PortAudioError:
            with contextlib.suppress(self._sd.PortAudioError):
                stream.close()
            raise
        self._capacity_frames = capacity_frames
        self._beyond_frames = int(beyond_s * SAMPLE_RATE_HZ)
        self._written_frames = self._padded_frames = 0
        self._last_write_s = self._room_changed_s = time.monotonic()
        self._room = capacity_frames
        self._stream = stream

    def _is_avoided(self, name: str) -> bool:
        return time.monotonic() < self._avoid_until_s.get(name, 0.0)

    def _lost(self, why: object) -> DeviceLostError:
        """Return the error that says that the device in use failed; what was scanned is stale."""
        self._scanned = (None, None)
        return DeviceLostError(f"{self._device} stopped taking sound ({why}).")

    def _ask_room(self) -> int:
        """Return for how many frames the device has room.

        Raises:
            DeviceLostError: the device failed, or has not moved although it holds sound.
        """
        try:
            room = int(self._stream.write_available)
        except self._sd.PortAudioError as exc:
            raise self._lost(exc) from exc
        now_s = time.monotonic()
        # Less than a block may stay on ALSA, and a device that ran dry does not move either.
        if room != self._room or self._capacity_frames - room < BLOCK_FRAMES:
            self._room, self._room_changed_s = room, now_s
        elif now_s - self._room_changed_s > DEAD_AFTER_S:
            # It raises nothing, so it may still be listed, and open.
            self._avoid_until_s[self._device] = now_s + _AVOID_S
            raise self._lost(f"it took nothing for {DEAD_AFTER_S:.0f} s")
        return room

    @property
    def is_open(self) -> bool:
        """Whether there is a stream to write to."""
        return self._stream is not None

    @property
    def written_frames(self) -> int:
        """Frames taken since `open`, silence included."""
        return self._written_frames

    @property
    def underruns(self) -> int:
        """How often the device ran dry between two writes that should have joined."""
        return self._underruns

    def write(self, samples: Samples) -> int:
        """Hand over as much of *samples* as the device has room for, and return how much.

        Raises:
            DeviceLostError: the device failed.
        """
        frames = min(len(samples), self._ask_room())
        if frames <= 0:
            return 0
        try:
            block = np.ascontiguousarray(samples[:frames], dtype=np.float32).reshape(-1, 1)
            dry = self._stream.write(block)
        except self._sd.PortAudioError as exc:
            raise self._lost(exc) from exc
        # The first write after a pause always reports an underflow; between utterances there
        # may be one.
        if dry and not self._may_be_dry:
            self._underruns += 1
        self._may_be_dry = False
        self._padded_frames = 0
        self._count(frames)
        return frames

    def pad(self) -> None:
        """Push what was written out with silence; call while there is nothing to write.

        ALSA starts and goes on in whole blocks only: of the last 120 ms nothing was heard
        without this. After one buffer of silence it does nothing more, and the device runs dry.

        Raises:
            DeviceLostError: the device failed.
        """
        if self._padded_frames >= self._capacity_frames:
            return
        room = self._ask_room()
        if self._capacity_frames - room >= BLOCK_FRAMES:
            return  # enough is queued; what comes next should not wait behind silence
        frames = min(room, BLOCK_FRAMES)
        try:
            if frames > 0:
                self._stream.write(np.zeros((frames, 1), np.float32))
        except self._sd.PortAudioError as exc:
            raise self._lost(exc) from exc
        self._padded_frames += frames
        self._count(frames)

    def _count(self, frames: int) -> None:
        self._written_frames += frames
        self._last_write_s = time.monotonic()
        self._room -= frames

    @property
    def played_frames(self) -> int:
        """Frames that have been heard since `open`.

        By the device's count of free room; by the clock for less than a block, which ALSA may
        keep. A device that takes nothing more has not played what it holds.

        Raises:
            DeviceLostError: the device failed.
        """
        queued = max(0, self._capacity_frames - self._ask_room())
        depth_s = (self._capacity_frames + self._beyond_frames) / SAMPLE_RATE_HZ
        if queued < BLOCK_FRAMES and time.monotonic() - self._last_write_s > depth_s:
            return self._written_frames
        return self._written_frames - queued - self._beyond_frames

    def abort(self) -> None:
        """Fall silent now, forget what was written, and close. Never raises.

        Called by the thread that writes: an abort from another one can leave a CoreAudio writer
        hanging for ever (pa_mac_core_blocking.c). Costs 100 ms and more on a Mac.
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
        """Close, and end PortAudio, so that its exit handler has nothing left to hang on."""
        self.abort()
        self._audibility.end()
        if self._sd is not None and self._sd._initialized:  # noqa: SLF001
            with contextlib.suppress(self._sd.PortAudioError):
                self._sd._terminate()  # noqa: SLF001

    # ---- where an utterance begins and ends, which matters more to a folder of files ----

    def begin_utterance(self) -> None:
        """Expect that the device may have run dry since the last one; look if it can be heard."""
        self._may_be_dry = True
        self._audibility.look(self._device, first=True)

    def end_utterance(self) -> None:
        """Look if it could be heard, just before its last sound has left the device."""
        self._audibility.look(self._device, first=False)

    def take_files(self) -> tuple[str, ...]:
        """Return nothing: a loudspeaker leaves no files."""
        return ()


def _ring_frames(latency_s: float) -> int:
    """Return the depth of CoreAudio's blocking ring for a stream of this suggested latency.

    Source: PortAudio v19.7.0, pa_mac_core_utilities.c, computeRingBufferSize.
    """
    frames = max(2 * latency_s * SAMPLE_RATE_HZ, 3 * BLOCK_FRAMES)
    return 1 << (int(np.ceil(frames)) - 1).bit_length()
