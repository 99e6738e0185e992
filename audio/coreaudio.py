"""The one question that PortAudio can't answer on a Mac: which output is the default now.

PortAudio reads the default when it starts and never again. Elsewhere than on macOS the answer
is always None. Called on the audio thread; does not block.
"""

import ctypes
import functools
import sys
from typing import Any

_FRAMEWORK = "/System/Library/Frameworks/CoreAudio.framework/CoreAudio"


class _PropertyAddress(ctypes.Structure):
    """AudioObjectPropertyAddress. Source: CoreAudio/AudioHardwareBase.h."""

    _fields_ = (
        ("selector", ctypes.c_uint32),
        ("scope", ctypes.c_uint32),
        ("element", ctypes.c_uint32),
    )


def _four_chars(code: str) -> int:
    return int.from_bytes(code.encode("ascii"), "big")


# Source: CoreAudio/AudioHardware.h and AudioHardwareBase.h.
_SYSTEM_OBJECT = 1  # kAudioObjectSystemObject
_DEFAULT_OUTPUT = _PropertyAddress(
    _four_chars("dOut"),  # kAudioHardwarePropertyDefaultOutputDevice
    _four_chars("glob"),  # kAudioObjectPropertyScopeGlobal
    0,  # kAudioObjectPropertyElementMain
)


@functools.cache
def _library() -> Any:
    if sys.platform != "darwin":
        return None
    try:
        return ctypes.CDLL(_FRAMEWORK)
    except OSError:
        return None


def default_output_id() -> int | None:
    """Return CoreAudio's number of the default output device, or None where it is unknown."""
    library = _library()
    if library is None:
        return None
    device, size = ctypes.c_uint32(0), ctypes.c_uint32(4)
    failed = library.AudioObjectGetPropertyData(
        ctypes.c_uint32(_SYSTEM_OBJECT),
        ctypes.byref(_DEFAULT_OUTPUT),
        ctypes.c_uint32(0),
        None,
        ctypes.byref(size),
        ctypes.byref(device),
    )
    return None if failed else device.value or None
