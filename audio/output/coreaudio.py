"""What PortAudio does not report on a Mac: devices as they are now, buffers, mute and volume.

PortAudio reads its list of devices and the default only when it starts, and has no access to mute
and volume. On other systems every function returns None or nothing. Runs on: audio thread. Does not
block: each call reads a property that the system stores in this process.

`microphone_users` and `is_in_front` ask other processes, and run on any other thread.
"""

import ctypes
import functools
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from audio.output.microphone import MicrophoneUser

_FRAMEWORKS = "/System/Library/Frameworks"


class _PropertyAddress(ctypes.Structure):
    """AudioObjectPropertyAddress. Source: CoreAudio/AudioHardwareBase.h."""

    _fields_ = (
        ("selector", ctypes.c_uint32),
        ("scope", ctypes.c_uint32),
        ("element", ctypes.c_uint32),
    )


def _code(name: str) -> int:
    """Return a four-character code, as Apple's headers write them, as a number."""
    return int.from_bytes(name.encode("ascii"), "big")


def _address(selector: str, scope: str = "glob", element: int = 0) -> _PropertyAddress:
    return _PropertyAddress(_code(selector), _code(scope), element)


# Source: CoreAudio/AudioHardware.h and AudioHardwareBase.h.
_SYSTEM_OBJECT = 1  # kAudioObjectSystemObject
_DEFAULT_OUTPUT = _address("dOut")  # kAudioHardwarePropertyDefaultOutputDevice
_DEVICES = _address("dev#")  # kAudioHardwarePropertyDevices
_NAME, _UID = (
    _address("lnam"),
    _address("uid "),
)  # kAudioObjectPropertyName, -DevicePropertyDeviceUID
_STREAMS = _address("stm#", "outp")  # kAudioDevicePropertyStreams
_TRANSPORT = _address("tran")  # kAudioDevicePropertyTransportType
_SOURCE = _address("ssrc", "outp")  # kAudioDevicePropertyDataSource
_RATE = _address("nsrt")  # kAudioDevicePropertyNominalSampleRate
_BUFFER = _address("fsiz")  # kAudioDevicePropertyBufferFrameSize
_BUFFER_RANGE = _address("fsz#")  # kAudioDevicePropertyBufferFrameSizeRange
_LATENCY = _address("ltnc", "outp")  # kAudioDevicePropertyLatency
_STREAM_LATENCY = _address("ltnc")  # kAudioStreamPropertyLatency
_SAFETY_OFFSET = _address("saft", "outp")  # kAudioDevicePropertySafetyOffset
# kAudioHardwarePropertyProcessObjectList, since macOS 14.2; kAudioProcessPropertyPID, -BundleID,
# -IsRunningInput
_PROCESSES = _address("prs#")
_PID, _BUNDLE_ID, _RECORDS = _address("ppid"), _address("pbid"), _address("piri")
_MUTE, _VOLUME, _OUTPUT = "mute", "volm", "outp"  # kAudioDevicePropertyMute, -VolumeScalar
# Element 0 is the device itself; a device without controls there has them on its channels.
_ELEMENTS = ((0,), (1, 2))
# kAudioDeviceTransportTypeBuiltIn, -Bluetooth, -BluetoothLE
_BUILT_IN, _BLUETOOTH = _code("bltn"), (_code("blue"), _code("blea"))
_HEADPHONES = _code("hdpn")  # kIOAudioOutputPortSubTypeHeadphones. Source: IOKit/IOAudioTypes.h.
_ON_CONSOLE = b"kCGSSessionOnConsoleKey"  # Source: CoreGraphics/CGSession.h.
_UTF_8 = 0x08000100  # kCFStringEncodingUTF8. Source: CoreFoundation/CFString.h.
_TEXT_BYTES = 512


@dataclass(frozen=True, slots=True)
class Output:
    """An output device; a device that is connected again has another id."""

    id: int
    name: str
    label: str
    """Its name, numbered if several have it."""
    uid: str = ""
    """The same whenever it is connected."""
    is_private: bool = False
    """Headphones, or Bluetooth: heard by one person."""
    is_built_in: bool = False
    """The computer's own loudspeaker."""
    is_bluetooth: bool = False


@dataclass(frozen=True, slots=True)
class Timing:
    """How a device takes sound; frames are at its own rate."""

    rate_hz: float
    buffer_frames: int
    """What it takes at once, in this process."""
    buffer_range_frames: tuple[int, int]
    latency_frames: int
    """From its buffer to the air, the safety offset included."""

    @property
    def delay_s(self) -> float:
        """The longest time from a callback of the device to the air.

        A callback asks for one buffer while another is being played.
        """
        return (2 * self.buffer_frames + self.latency_frames) / self.rate_hz


@functools.cache
def _library(name: str = "CoreAudio") -> Any:
    if sys.platform != "darwin":
        return None
    try:
        return ctypes.CDLL(f"{_FRAMEWORKS}/{name}.framework/{name}")
    except OSError:
        return None


def _read(object_id: int, address: _PropertyAddress, value: Any) -> bool:
    """Read a property into *value*, a ctypes object; return whether it succeeded."""
    size = ctypes.c_uint32(ctypes.sizeof(value))
    failed = _library().AudioObjectGetPropertyData(
        ctypes.c_uint32(object_id),
        ctypes.byref(address),
        ctypes.c_uint32(0),
        None,
        ctypes.byref(size),
        ctypes.byref(value),
    )
    return not failed


def _number(object_id: int, address: _PropertyAddress, kind: Any = ctypes.c_uint32) -> Any:
    """Return a number, or 0 if the object has no such property."""
    value = kind(0)
    return value.value if _read(object_id, address, value) else 0


def _ids(object_id: int, address: _PropertyAddress) -> tuple[int, ...] | None:
    """Return a list of object ids, or None if it can't be read."""
    size = ctypes.c_uint32(0)
    if _library().AudioObjectGetPropertyDataSize(
        ctypes.c_uint32(object_id),
        ctypes.byref(address),
        ctypes.c_uint32(0),
        None,
        ctypes.byref(size),
    ):
        return None
    ids = (ctypes.c_uint32 * (size.value // 4))()
    return tuple(ids) if _read(object_id, address, ids) else None


def default_output_id() -> int | None:
    """Return CoreAudio's id of the default output device, or None if it is unknown."""
    if _library() is None:
        return None
    return _number(_SYSTEM_OBJECT, _DEFAULT_OUTPUT) or None


def output_ids() -> tuple[int, ...] | None:
    """Return CoreAudio's ids of the devices that can play now, or None if they are unknown.

    A headset's microphone may be a device of the same name; Bluetooth headphones that have just
    connected may not be able to play yet.
    """
    if _library() is None or (ids := _ids(_SYSTEM_OBJECT, _DEVICES)) is None:
        return None
    return tuple(id_ for id_ in ids if _ids(id_, _STREAMS))


def outputs() -> tuple[Output, ...]:
    """Return the devices that can play now, in PortAudio's order."""
    ids = output_ids() or ()
    names = [(id_, _text(id_, _NAME), _text(id_, _UID)) for id_ in ids]
    labels = unique_labels([(name, uid) for _, name, uid in names])
    found = []
    for (id_, name, uid), label in zip(names, labels, strict=True):
        transport, source = _number(id_, _TRANSPORT), _number(id_, _SOURCE)
        is_private = transport in _BLUETOOTH or source == _HEADPHONES
        is_built_in = transport == _BUILT_IN and not is_private
        is_bluetooth = transport in _BLUETOOTH
        found.append(Output(id_, name, label, uid, is_private, is_built_in, is_bluetooth))
    return tuple(found)


def unique_labels(devices: Sequence[tuple[str, str]]) -> list[str]:
    """Return the name of each (name, UID), with a number if several have it.

    The UIDs decide the numbers, so that each of two displays keeps its own.
    """
    of_name = {name: sorted(uid for n, uid in devices if n == name) for name, _ in devices}
    return [
        name if len(of_name[name]) == 1 else f"{name} ({1 + of_name[name].index(uid)})"
        for name, uid in devices
    ]


def timing(device_id: int) -> Timing | None:
    """Return how a device takes sound, or None if that is unknown."""
    if _library() is None:
        return None
    rate_hz = float(_number(device_id, _RATE, ctypes.c_double))
    buffer_frames = int(_number(device_id, _BUFFER))
    limits = (ctypes.c_double * 2)()
    if rate_hz <= 0 or not buffer_frames:
        return None
    known = _read(device_id, _BUFFER_RANGE, limits)
    streams = _ids(device_id, _STREAMS) or ()
    return Timing(
        rate_hz,
        buffer_frames,
        (int(limits[0]), int(limits[1])) if known else (buffer_frames, buffer_frames),
        int(
            _number(device_id, _LATENCY)
            + _number(device_id, _SAFETY_OFFSET)
            + max((_number(stream, _STREAM_LATENCY) for stream in streams), default=0)
        ),
    )


def mute_reason(name: str) -> str | None:
    """Return why an output device can't be heard, by its label: ``muted``, ``at volume 0``.

    Empty if it can be heard, None if that is unknown.
    """
    default = default_output_id()
    found = [output.id for output in outputs() if name in (output.label, output.name)]
    return _mute_reason(min(found, key=lambda id_: id_ != default)) if found else None


def _mute_reason(device_id: int) -> str:
    for elements in _ELEMENTS:
        muted = list(_controls(device_id, _MUTE, elements, ctypes.c_uint32))
        if muted and all(muted):
            return "muted"
        volumes = list(_controls(device_id, _VOLUME, elements, ctypes.c_float))
        if volumes and not any(volumes):
            return "at volume 0"
    return ""


def _controls(
    device_id: int, selector: str, elements: tuple[int, ...], kind: Any
) -> Iterator[float]:
    """Yield the value of a control on each of *elements* that has it."""
    for element in elements:
        value = kind(0)
        if _read(device_id, _address(selector, _OUTPUT, element), value):
            yield value.value


def microphone_users(own_pid: int) -> tuple[MicrophoneUser, ...]:
    """Return the other processes that are recording; none before macOS 14.2, which has no list."""
    if _library() is None:
        return ()
    users = []
    for process in _ids(_SYSTEM_OBJECT, _PROCESSES) or ():
        pid = int(_number(process, _PID, ctypes.c_int32))
        if pid != own_pid and _number(process, _RECORDS):
            users.append(MicrophoneUser(pid, _text(process, _BUNDLE_ID)))
    return tuple(users)


def is_in_front() -> bool:
    """Return whether the screen shows this user's session; True if that is unknown.

    It does not after a fast switch to another user.
    """
    graphics, foundation = _library("CoreGraphics"), _library("CoreFoundation")
    if graphics is None or foundation is None:
        return True
    session = _reference(graphics.CGSessionCopyCurrentDictionary)
    key = _reference(
        foundation.CFStringCreateWithCString, None, _ON_CONSOLE, ctypes.c_uint32(_UTF_8)
    )
    try:
        if session is None or key is None:  # for example a login by SSH
            return True
        value = _reference(foundation.CFDictionaryGetValue, session, key)
        if value is None or foundation.CFGetTypeID(value) != foundation.CFBooleanGetTypeID():
            return True
        return bool(foundation.CFBooleanGetValue(value) & 0xFF)
    finally:
        for reference in (session, key):
            if reference is not None:
                foundation.CFRelease(reference)


def _reference(call: Any, *args: Any) -> ctypes.c_void_p | None:
    """Return the pointer that a function returns; None for NULL."""
    call.restype = ctypes.c_void_p
    pointer = call(*args)
    return ctypes.c_void_p(pointer) if pointer else None


def _text(object_id: int, address: _PropertyAddress) -> str:
    foundation = _library("CoreFoundation")
    reference = ctypes.c_void_p(None)
    if foundation is None or not _read(object_id, address, reference) or not reference.value:
        return ""
    try:
        text = ctypes.create_string_buffer(_TEXT_BYTES)
        copied = foundation.CFStringGetCString(
            reference, text, ctypes.c_long(_TEXT_BYTES), ctypes.c_uint32(_UTF_8)
        )
        return text.value.decode(errors="replace") if copied & 0xFF else ""
    finally:
        foundation.CFRelease(reference)  # whoever reads the property owns the string
