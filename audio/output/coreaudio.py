"""What PortAudio does not report on a Mac: the current devices and default, mute and volume.

PortAudio reads its list of devices and the default only when it starts, and has no access to mute
and volume. On other systems every function returns None. Runs on: audio thread. Does not block:
each call reads a property that the system stores in this process.
"""

import ctypes
import functools
import sys
from collections.abc import Iterator
from typing import Any

_FRAMEWORKS = "/System/Library/Frameworks"


class _PropertyAddress(ctypes.Structure):
    """AudioObjectPropertyAddress. Source: CoreAudio/AudioHardwareBase.h."""

    _fields_ = (
        ("selector", ctypes.c_uint32),
        ("scope", ctypes.c_uint32),
        ("element", ctypes.c_uint32),
    )


def _address(selector: str, scope: str = "glob", element: int = 0) -> _PropertyAddress:
    """Return an address from two four-character codes, as Apple's headers write them."""
    selector_code, scope_code = (
        int.from_bytes(name.encode("ascii"), "big") for name in (selector, scope)
    )
    return _PropertyAddress(selector_code, scope_code, element)


# Source: CoreAudio/AudioHardware.h and AudioHardwareBase.h.
_SYSTEM_OBJECT = 1  # kAudioObjectSystemObject
_DEFAULT_OUTPUT = _address("dOut")  # kAudioHardwarePropertyDefaultOutputDevice
_DEVICES = _address("dev#")  # kAudioHardwarePropertyDevices
_NAME = _address("lnam")  # kAudioObjectPropertyName
_MUTE, _VOLUME, _OUTPUT = "mute", "volm", "outp"  # kAudioDevicePropertyMute, -VolumeScalar
# Element 0 is the device itself; a device without controls there has them on its channels.
_ELEMENTS = ((0,), (1, 2))
_UTF_8 = 0x08000100  # kCFStringEncodingUTF8. Source: CoreFoundation/CFString.h.
_NAME_BYTES = 512


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


def default_output_id() -> int | None:
    """Return CoreAudio's id of the default output device, or None if it is unknown."""
    device = ctypes.c_uint32(0)
    if _library() is None or not _read(_SYSTEM_OBJECT, _DEFAULT_OUTPUT, device):
        return None
    return device.value or None


def device_ids() -> tuple[int, ...] | None:
    """Return CoreAudio's ids of all devices, or None if they are unknown.

    A device that is connected again gets another id.
    """
    library = _library()
    if library is None:
        return None
    size = ctypes.c_uint32(0)
    if library.AudioObjectGetPropertyDataSize(
        ctypes.c_uint32(_SYSTEM_OBJECT),
        ctypes.byref(_DEVICES),
        ctypes.c_uint32(0),
        None,
        ctypes.byref(size),
    ):
        return None
    ids = (ctypes.c_uint32 * (size.value // 4))()
    return tuple(ids) if _read(_SYSTEM_OBJECT, _DEVICES, ids) else None


def mute_reason(name: str) -> str | None:
    """Return why the output device of that name can't be heard: ``muted``, ``at volume 0``.

    Empty if it can be heard, None if that is unknown.
    """
    for device_id in _ids_of(name):
        return _mute_reason(device_id)
    return None


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
        address = _address(selector, _OUTPUT, element)
        # A Boolean: only the lowest byte of the answer counts.
        if not 0xFF & _library().AudioObjectHasProperty(
            ctypes.c_uint32(device_id), ctypes.byref(address)
        ):
            continue
        value = kind(0)
        if _read(device_id, address, value):
            yield value.value


def _ids_of(name: str) -> Iterator[int]:
    """Yield the ids of the devices of that name, the default first."""
    ids = device_ids() or ()
    default = default_output_id()
    for device_id in sorted(ids, key=lambda id_: id_ != default):
        if _name(device_id) == name:
            yield device_id


def _name(device_id: int) -> str:
    foundation = _library("CoreFoundation")
    reference = ctypes.c_void_p(None)
    if foundation is None or not _read(device_id, _NAME, reference) or not reference.value:
        return ""
    try:
        name = ctypes.create_string_buffer(_NAME_BYTES)
        copied = foundation.CFStringGetCString(
            reference, name, ctypes.c_long(_NAME_BYTES), ctypes.c_uint32(_UTF_8)
        )
        return name.value.decode(errors="replace") if copied & 0xFF else ""
    finally:
        foundation.CFRelease(reference)  # whoever reads the property owns the string
