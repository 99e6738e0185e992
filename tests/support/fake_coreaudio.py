"""What sounddevice and PortAudio do on a Mac, where this project's tests can't run.

A stand-in for the module `sounddevice`, after PortAudio v19.7.0 (pa_mac_core.c, -_blocking.c,
-_utilities.c, pa_front.c) and sounddevice's own source:

- The list of devices is that of `_initialize`; a vanished device does not open (-9986).
- `_terminate` frees every open stream; without PortAudio every call fails with -10000.
- A stream's ring is full of silence when it starts, and accepts sound as the device plays.
- A vanished device plays nothing more: the ring stays full, and no call fails.
- A write without room waits in C; an abort from another thread leaves it waiting forever.
- An abort costs 100 ms.

`Hal` stands in for the framework CoreAudio itself: properties of devices, read through ctypes.
"""

import ctypes
import threading
import time
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audio.types import Samples

_ABORT_S = 0.1  # Pa_Sleep(100) in BlockWhileAudioUnitIsRunning
_QUANTUM_FRAMES = 256  # 512 at the device's 48 kHz
_POLL_S = 0.005  # of a writer that waits for room


class PortAudioError(Exception):
    """As sounddevice's: a text, and PortAudio's number if there is one."""


@dataclass(eq=False)
class Device:
    """A loudspeaker, and what was heard from it."""

    name: str
    latency_s: float = 0.02
    """How much later it plays what it accepts."""
    inaudible: str = ""
    """As `audio.output.coreaudio.mute_reason` returns it."""
    vanished_s: float | None = None
    played: list[tuple[float, Samples]] = field(default_factory=list)
    """Segments of sound, each with the time of its first frame."""

    def vanish(self) -> None:
        """Disconnect it, as when AirPods go back into their case."""
        self.vanished_s = time.monotonic()

    @property
    def sound(self) -> Samples:
        """Everything that was heard."""
        return np.concatenate([part for _, part in self.played] or [np.zeros(0, np.float32)])


class CoreAudio:
    """The module `sounddevice`, and the Mac behind it."""

    PortAudioError = PortAudioError
    _libname = "a stand-in for CoreAudio"

    def __init__(self, *names: str) -> None:
        """Connect loudspeakers; the first is the default. `load` starts PortAudio."""
        self.connected = [Device(name) for name in names]
        self.default_device = self.connected[0] if names else None
        self.failing_starts = 0
        self.scans = 0
        self.threads: set[int] = set()
        """The ids of all threads that called anything."""
        self._initialized = 0
        self._known: list[Device] = []
        self._streams: list[Stream] = []
        self.default = SimpleNamespace(device=[-1, -1])

    # ---- the Mac ----

    def default_output_id(self) -> int | None:
        """Return the current default, not that of PortAudio's start."""
        return None if self.default_device is None else id(self.default_device)

    def device_ids(self) -> tuple[int, ...]:
        """Return the system's ids of the devices; one that is connected again gets another."""
        return tuple(map(id, self.connected))

    def mute_reason(self, name: str) -> str | None:
        """Return the reason that was set on the device."""
        return next((device.inaudible for device in self.connected if device.name == name), None)

    def disconnect(self, device: Device) -> None:
        """Disconnect a device; the first of the others becomes the default."""
        device.vanish()
        self.connected.remove(device)
        self.default_device = self.connected[0] if self.connected else None

    # ---- the module ----

    def load(self) -> "CoreAudio":
        """Return the module; as its import, this starts PortAudio."""
        self._initialize()
        return self

    def get_portaudio_version(self) -> tuple[int, str]:
        """Return a version."""
        return 1246976, "PortAudio V19.7.0-devel"

    def _initialize(self) -> None:
        self._record_thread()
        if self.failing_starts:
            self.failing_starts -= 1
            raise PortAudioError("Error initializing PortAudio: Internal PortAudio error", -9986)
        self._initialized += 1
        self.scans += 1
        self._known = list(self.connected)
        index = self._known.index(self.default_device) if self.default_device else -1
        self.default.device = [-1, index]

    def _terminate(self) -> None:
        self._record_thread()
        self._check()
        self._initialized -= 1
        for stream in self._streams:
            stream.dangle()
        self._streams.clear()
        self._known = []

    def query_devices(self, index: int | None = None) -> Any:
        """Return the devices as of PortAudio's start."""
        self._record_thread()
        self._check()
        devices = [
            {
                "name": device.name,
                "max_output_channels": 2,
                "default_high_output_latency": 0.1,
                "default_low_output_latency": 0.01,
            }
            for device in self._known
        ]
        if index is None:
            return devices
        if not 0 <= index < len(devices):
            raise PortAudioError(f"Error querying device {index}")
        return devices[index]

    def OutputStream(self, **options: Any) -> "Stream":  # noqa: N802  # as sounddevice's
        """Open a stream."""
        self._record_thread()
        self._check()
        device = self._known[options["device"]]
        if device.vanished_s is not None:
            raise PortAudioError("Error opening OutputStream: Internal PortAudio error", -9986)
        stream = Stream(self, device, options)
        self._streams.append(stream)
        return stream

    def _check(self) -> None:
        if not self._initialized:
            raise PortAudioError("PortAudio not initialized", -10000)

    def _record_thread(self) -> None:
        self.threads.add(threading.get_ident())


class Stream:
    """A blocking output stream on the HAL."""

    def __init__(self, library: CoreAudio, device: Device, options: dict[str, Any]) -> None:
        self._library = library
        self._device = device
        self._rate_hz = float(options["samplerate"])
        # computeRingBufferSize: the next power of two.
        least = max(2 * options["latency"] * self._rate_hz, 3 * options["blocksize"])
        self.ring_frames = 1 << (int(np.ceil(least)) - 1).bit_length()
        self.latency = self.ring_frames / self._rate_hz + device.latency_s
        self._state = "stopped"
        self._lock = threading.Lock()
        self._queue: Samples = np.zeros(0, np.float32)
        self._drained = 0  # quanta's frames since the start
        self._started_s = 0.0
        self._dry = True
        self.waiting = threading.Event()  # a writer waits for room
        self.released = threading.Event()  # frees a hung writer when a test is over

    def start(self) -> None:
        """Start, with the ring full of silence (blk.c, resetBlioRingBuffers)."""
        self._call()
        self._queue = np.zeros(self.ring_frames, np.float32)
        self._started_s, self._drained = time.monotonic(), 0
        self._state = "running"

    @property
    def write_available(self) -> int:
        """Return how many frames can be written without waiting."""
        self._call()
        with self._lock:
            self._play()
            return self.ring_frames - len(self._queue)

    def write(self, block: NDArray[np.float32]) -> bool:
        """Write a block, waiting for room; return whether silence was played since the last one."""
        self._call()
        if self._state != "running":
            raise PortAudioError("Stream is stopped", -9983)
        left = block.reshape(-1)
        while True:
            with self._lock:
                self._play()
                accepted = min(len(left), self.ring_frames - len(self._queue))
                self._queue = np.concatenate([self._queue, left[:accepted]])
                left = left[accepted:]
                if not len(left):
                    dry, self._dry = self._dry, False
                    return dry
            # The loop ends only if it sees "stopping", which lasts a moment (blk.c:500-590).
            if self._state == "stopping":
                raise PortAudioError("Internal PortAudio error", -9986)
            self.waiting.set()
            if self.released.wait(_POLL_S):
                raise PortAudioError("the test is over")

    def abort(self, ignore_errors: bool = True) -> None:  # noqa: ARG002
        """Stop; the ring is full of silence afterwards, so that a waiting writer keeps waiting."""
        self._call()
        with self._lock:
            self._play()
            self._state = "stopping"
            self._state = "stopped"  # the unit's own callback is faster than a writer's sleep
            self._queue = np.zeros(self.ring_frames, np.float32)
        time.sleep(_ABORT_S)

    def close(self, ignore_errors: bool = True) -> None:  # noqa: ARG002
        """Free the stream; what was not played is lost."""
        self._call()
        with self._lock:
            self._play()
        self.dangle()
        if self in self._library._streams:
            self._library._streams.remove(self)

    def dangle(self) -> None:
        """Mark the stream as freed by PortAudio: every call fails."""
        self._state = "freed"

    def _call(self) -> None:
        self._library._record_thread()
        if self._state == "freed":
            raise PortAudioError("Invalid stream pointer", -9988)

    def _play(self) -> None:
        """Play what the device has consumed since the last call."""
        if self._state != "running":
            return
        now_s = time.monotonic()
        if self._device.vanished_s is not None:
            now_s = min(now_s, self._device.vanished_s)
        due = int((now_s - self._started_s) * self._rate_hz) // _QUANTUM_FRAMES * _QUANTUM_FRAMES
        frames = min(due - self._drained, len(self._queue))
        if frames > 0:
            at_s = self._started_s + self._drained / self._rate_hz + self._device.latency_s
            self._device.played.append((at_s, self._queue[:frames]))
            self._queue = self._queue[frames:]
        self._dry = self._dry or due - self._drained > frames
        self._drained = max(self._drained, due)


class Hal:
    """The frameworks CoreAudio and CoreFoundation, as far as `audio.output.coreaudio` uses them.

    After AudioHardware.h: every property has a selector, a scope and an element; one that an
    object does not have is kAudioHardwareUnknownPropertyError ('who?'); a string comes as a
    reference that its reader has to release.
    """

    _UNKNOWN = int.from_bytes(b"who?", "big")

    def __init__(self) -> None:
        self.properties: dict[tuple[int, str, str, int], Any] = {}
        """Object, selector, scope, element -> int, float, str or a tuple of numbers."""
        self._strings: dict[int, bytes] = {}
        self.unreleased_references = 0

    def set(self, object_id: int, selector: str, value: Any, *, element: int = 0) -> None:
        """Set a property of an object; a control of a device's output has the scope ``outp``."""
        scope = "outp" if selector in ("mute", "volm") else "glob"
        self.properties[object_id, selector, scope, element] = value

    def _value_of(self, object_id: Any, address: Any) -> Any:
        names = (
            number.to_bytes(4, "big").decode()
            for number in (address._obj.selector, address._obj.scope)
        )
        return self.properties.get((object_id.value, *names, address._obj.element))

    def AudioObjectHasProperty(self, object_id: Any, address: Any) -> int:  # noqa: N802
        """Return a Boolean, whose upper bytes mean nothing."""
        return 0x4100 | (self._value_of(object_id, address) is not None)

    def AudioObjectGetPropertyDataSize(self, *arguments: Any) -> int:  # noqa: N802
        """Write the size of a property in bytes."""
        object_id, address, _, _, size = arguments
        value = self._value_of(object_id, address)
        if value is None:
            return self._UNKNOWN
        size._obj.value = 4 * len(value) if isinstance(value, tuple) else 4
        return 0

    def AudioObjectGetPropertyData(self, *arguments: Any) -> int:  # noqa: N802
        """Write the value of a property."""
        object_id, address, _, _, _, out = arguments
        value = self._value_of(object_id, address)
        if value is None:
            return self._UNKNOWN
        if isinstance(value, tuple):
            out._obj[:] = value
        elif isinstance(value, str):
            reference = 0x1000 + len(self._strings)
            self._strings[reference] = value.encode()
            self.unreleased_references += 1
            out._obj.value = reference
        else:
            out._obj.value = value
        return 0

    def CFStringGetCString(self, reference: Any, out: Any, size: Any, encoding: Any) -> int:  # noqa: N802
        """Copy a string."""
        content = self._strings[reference.value]
        assert encoding.value == 0x08000100  # UTF-8
        assert len(content) < size.value
        ctypes.memmove(out, content + b"\0", len(content) + 1)
        return 1

    def CFRelease(self, reference: Any) -> None:  # noqa: N802
        """Release a string."""
        del self._strings[reference.value]
        self.unreleased_references -= 1
