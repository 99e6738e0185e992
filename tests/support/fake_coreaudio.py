"""What sounddevice and PortAudio do on a Mac, where this project's tests can't run.

A stand-in for the module `sounddevice`, after PortAudio v19.7.0 (pa_mac_core.c, -_blocking.c,
-_utilities.c, pa_process.c, pa_front.c) and sounddevice's own source:

- The list of devices is that of `_initialize`; a vanished device does not open (-9986).
- `_terminate` frees every open stream; without PortAudio every call fails with -10000.
- PortAudio sets the size of the device's buffer, within the device's limits; the ring is the next
  power of two from twice the latency and three such buffers, whose frames are the device's.
- A stream's ring is full of silence when it starts, and accepts sound as the device plays.
- PortAudio pulls whole blocks out of the ring, when the device has used up the last one; what a
  block lacks is silence, which the next write reports.
- The reported latency counts the device's frames at the stream's rate.
- A vanished or stalled device plays nothing more: the ring stays full, and no call fails.
- A device that stalls, after a wake or a change of its rate, plays again what is reopened.
- A write without room waits in C; an abort from another thread leaves it waiting forever.
- An abort costs 100 ms.

`Hal` stands in for the framework CoreAudio itself: properties of devices, read through ctypes.
"""

import ctypes
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from audio.output.coreaudio import Output, Timing, unique_labels
from audio.types import Samples

_ABORT_S = 0.1  # Pa_Sleep(100) in BlockWhileAudioUnitIsRunning
_NONSENSE_FRAMES = 0x6D61  # uninitialized (PortAudio#568)
_OUTPUT_SELECTORS = ("mute", "volm", "stm#", "ssrc", "saft")
_POLL_S = 0.005  # of a writer that waits for room


class PortAudioError(Exception):
    """As sounddevice's: a text, and PortAudio's number if there is one."""


@dataclass(eq=False)
class Device:
    """A loudspeaker, and what was heard from it."""

    name: str
    uid: str = ""
    rate_hz: float = 48_000.0
    buffer_range_frames: tuple[int, int] = (15, 4096)
    latency_frames: int = 960
    """The safety offset included."""
    is_private: bool = False
    """Headphones."""
    is_built_in: bool = False
    is_bluetooth: bool = False
    can_play: bool = True
    """Whether it has output channels: not yet, if it has just connected."""
    misreports_latency: bool = False
    reported_buffer_frames: int | None = None
    """What CoreAudio reports in place of the truth; 0: nothing at all."""
    inaudible: str = ""
    """As `audio.output.coreaudio.mute_reason` returns it."""
    buffer_frames: int = 512
    """As PortAudio has set it."""
    vanished_s: float | None = None
    stalls_s: list[float] = field(default_factory=list)
    """When the streams that were open ceased to be played."""
    played: list[tuple[float, Samples]] = field(default_factory=list)
    """Segments of sound, each with the time of its first frame; silence where there was none."""
    dry: list[tuple[float, float]] = field(default_factory=list)
    """The stretches of silence within `played` that nobody wrote."""

    def vanish(self) -> None:
        """Disconnect it, as when AirPods go back into their case."""
        self.vanished_s = time.monotonic()

    def stall(self, rate_hz: float = 0.0) -> None:
        """Play nothing more of the open streams, as after a wake or a change of the rate."""
        self.stalls_s.append(time.monotonic())
        self.rate_hz = rate_hz or self.rate_hz

    @property
    def sound(self) -> Samples:
        """Everything that was heard."""
        return np.concatenate([part for _, part in self.played] or [np.zeros(0, np.float32)])

    @property
    def output(self) -> Output:
        """The device as CoreAudio describes it, but for its label."""
        return Output(
            id(self),
            self.name,
            self.name,
            self.uid,
            self.is_private,
            self.is_built_in,
            self.is_bluetooth,
        )


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
        self._able: list[Device] = []
        self._streams: list[Stream] = []
        self.default = SimpleNamespace(device=[-1, -1])

    # ---- the Mac ----

    def default_output_id(self) -> int | None:
        """Return the current default, not that of PortAudio's start."""
        return None if self.default_device is None else id(self.default_device)

    def output_ids(self) -> tuple[int, ...]:
        """Return the system's ids of the devices; one that is connected again gets another."""
        return tuple(id(device) for device in self.connected if device.can_play)

    def outputs(self) -> tuple[Output, ...]:
        """Return the devices that can play."""
        outputs = [device.output for device in self.connected if device.can_play]
        labels = unique_labels([(output.name, output.uid) for output in outputs])
        return tuple(
            replace(output, label=label) for output, label in zip(outputs, labels, strict=True)
        )

    def timing(self, device_id: int) -> Timing | None:
        """Return how a device takes sound."""
        for device in self.connected:
            if id(device) == device_id and device.reported_buffer_frames != 0:
                return Timing(
                    device.rate_hz,
                    device.reported_buffer_frames or device.buffer_frames,
                    device.buffer_range_frames,
                    device.latency_frames,
                )
        return None

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
        self._able = [device for device in self._known if device.can_play]
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
                "max_output_channels": 2 if device in self._able else 0,
                "default_high_output_latency": (device.latency_frames + 512) / device.rate_hz,
                "default_low_output_latency": (device.latency_frames + 64) / device.rate_hz,
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
        self._block_frames = int(options["blocksize"])
        latency_s = options["latency"]
        # CalculateOptimalBufferSize, ClipToDeviceBufferSize, computeRingBufferSize.
        wanted_frames = max(1, int(latency_s * self._rate_hz) - device.latency_frames)
        buffer_frames = -(-wanted_frames // self._block_frames) * self._block_frames
        least, most = device.buffer_range_frames
        device.buffer_frames = min(max(buffer_frames, least), most)
        ring = max(int(2 * latency_s * self._rate_hz + 0.5), 3 * device.buffer_frames)
        self.ring_frames = 1 << (ring - 1).bit_length()
        frames = device.latency_frames + device.buffer_frames + self.ring_frames
        frames += _NONSENSE_FRAMES if device.misreports_latency else 0
        self.latency = frames / self._rate_hz
        self._buffer_s = device.buffer_frames / device.rate_hz
        self._delay_s = self._buffer_s + device.latency_frames / device.rate_hz
        self._state = "stopped"
        self._lock = threading.Lock()
        self._queue: Samples = np.zeros(0, np.float32)
        self._blocks = 0  # pulled out of the ring since the start
        self._started_s = 0.0
        self._dry = False  # whether a block lacked something since the last write
        self.waiting = threading.Event()  # a writer waits for room
        self.released = threading.Event()  # frees a hung writer when a test is over

    def start(self) -> None:
        """Start, with the ring full of silence (blk.c, resetBlioRingBuffers)."""
        self._call()
        self._queue = np.zeros(self.ring_frames, np.float32)
        self._started_s, self._blocks = time.monotonic(), 0
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
            self._cut(time.monotonic())
            self._state = "stopping"
            self._state = "stopped"  # the unit's own callback is faster than a writer's sleep
            self._queue = np.zeros(self.ring_frames, np.float32)
        time.sleep(_ABORT_S)

    def close(self, ignore_errors: bool = True) -> None:  # noqa: ARG002
        """Free the stream; what was not played is lost."""
        self._call()
        with self._lock:
            self._play()
            self._cut(time.monotonic())
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
        """Play what the device has pulled since the last call."""
        if self._state != "running":
            return
        now_s = time.monotonic()
        device = self._device
        if device.vanished_s is not None:
            now_s = min(now_s, device.vanished_s)
        now_s = min(now_s, *(at_s for at_s in device.stalls_s if at_s >= self._started_s), now_s)
        pulls = int((now_s - self._started_s) / self._buffer_s) + 1
        due = math.ceil(pulls * self._buffer_s * self._rate_hz / self._block_frames)
        for number in range(self._blocks, due):
            sound, self._queue = np.split(self._queue, [self._block_frames])
            lacks = self._block_frames - len(sound)
            at_s = self._started_s + number * self._block_frames / self._rate_hz + self._delay_s
            device.played.append((at_s, np.pad(sound, (0, lacks))))
            if lacks:
                self._dry = True
                device.dry.append(
                    (at_s + len(sound) / self._rate_hz, at_s + self._block_frames / self._rate_hz)
                )
        self._blocks = max(self._blocks, due)
        if device.vanished_s is not None:
            self._cut(device.vanished_s)

    def _cut(self, at_s: float) -> None:
        """Take back what has left the ring and is not heard any more."""
        played = self._device.played
        while played and played[-1][0] + len(played[-1][1]) / self._rate_hz > at_s:
            start_s, part = played.pop()
            if start_s < at_s:
                played.append((start_s, part[: int((at_s - start_s) * self._rate_hz)]))
                return


class _Function:
    """A function of a framework, whose type of result its caller may set."""

    def __init__(self, call: Callable[..., Any]) -> None:
        self._call = call
        self.restype: Any = ctypes.c_int

    def __call__(self, *arguments: Any) -> Any:
        result = self._call(*arguments)
        if self.restype is ctypes.c_int and isinstance(result, int) and result > 0x7FFFFFFF:
            raise AssertionError("a pointer is cut off, unless its type was set")
        return result


class Hal:
    """The frameworks CoreAudio, CoreFoundation and CoreGraphics, as far as they are used.

    After AudioHardware.h: every property has a selector, a scope and an element; one that an
    object does not have is kAudioHardwareUnknownPropertyError ('who?'); a string comes as a
    reference that its reader has to release. After CGSession.h: a session is a dictionary, to be
    released, too; there is none outside a window server.
    """

    _UNKNOWN = int.from_bytes(b"who?", "big")

    def __init__(self) -> None:
        self.properties: dict[tuple[int, str, str, int], Any] = {}
        """Object, selector, scope, element -> int, float, str or a tuple of numbers."""
        self._strings: dict[int, bytes] = {}
        self.unreleased_references = 0
        self.session: dict[bytes, bool | int] | None = None
        """What the window server says about the session; a bool stands for a CFBoolean."""
        self._values: dict[int, bool | int] = {}
        self.CGSessionCopyCurrentDictionary = _Function(self._copy_session)
        self.CFStringCreateWithCString = _Function(self._create_string)
        self.CFDictionaryGetValue = _Function(self._get_value)

    def set(
        self, object_id: int, selector: str, value: Any, *, element: int = 0, scope: str = ""
    ) -> None:
        """Set a property of an object; a control of a device's output has the scope ``outp``."""
        scope = scope or ("outp" if selector in _OUTPUT_SELECTORS else "glob")
        self.properties[object_id, selector, scope, element] = value

    def _value_of(self, object_id: Any, address: Any) -> Any:
        names = (
            number.to_bytes(4, "big").decode()
            for number in (address._obj.selector, address._obj.scope)
        )
        return self.properties.get((object_id.value, *names, address._obj.element))

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

    def _copy_session(self) -> int | None:
        return None if self.session is None else self._reference(b"a dictionary")

    def _create_string(self, allocator: None, text: bytes, encoding: Any) -> int:
        assert (allocator, encoding.value) == (None, 0x08000100)
        return self._reference(text)

    def _reference(self, content: bytes) -> int:
        reference = 0x7F00_0000_0000 + len(self._strings)  # as wide as a pointer
        self._strings[reference] = content
        self.unreleased_references += 1
        return reference

    def _get_value(self, dictionary: Any, key: Any) -> int | None:
        assert self._strings[dictionary.value] == b"a dictionary"
        value = (self.session or {}).get(self._strings[key.value])
        if value is None:
            return None
        self._values[0x7E00_0000_0000] = value
        return 0x7E00_0000_0000

    def CFGetTypeID(self, reference: Any) -> int:  # noqa: N802
        """Return 21 for a CFBoolean, 22 for a CFNumber."""
        return 21 if isinstance(self._values[reference.value], bool) else 22

    def CFBooleanGetTypeID(self) -> int:  # noqa: N802
        """Return the type of a CFBoolean."""
        return 21

    def CFBooleanGetValue(self, reference: Any) -> int:  # noqa: N802
        """Return a byte, in a register whose other bytes are undefined."""
        return 0x100 + self._values[reference.value]

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
