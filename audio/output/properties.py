"""What CoreAudio says of an output device: sizes in frames of the device, and its rate.

Only `crier doctor --mac` prints it. Runs on: any thread. Does not block.
"""

import ctypes

from audio.output.coreaudio import _address, _ids_of, _library, _read

# Source: CoreAudio/AudioHardware.h and AudioHardwareBase.h.
_BUFFER = _address("fsiz")  # kAudioDevicePropertyBufferFrameSize
_BUFFER_RANGE = _address("fsz#")  # kAudioDevicePropertyBufferFrameSizeRange, an AudioValueRange
_RATE_HZ = _address("nsrt")  # kAudioDevicePropertyNominalSampleRate
_LATENCY = _address("ltnc", "outp")  # kAudioDevicePropertyLatency
_SAFETY = _address("saft", "outp")  # kAudioDevicePropertySafetyOffset
_STREAMS = _address("stm#", "outp")  # kAudioDevicePropertyStreams


def device_properties(name: str) -> dict[str, float]:
    """Return what is known of the output device *name*: a number for each property."""
    if _library() is None:
        return {}
    ids = list(_ids_of(name))
    # A headset's microphone is another device of the same name, without output streams.
    device_id = next((id_ for id_ in ids if _has_outputs(id_)), ids[0] if ids else None)
    if device_id is None:
        return {}
    found: dict[str, float] = {}
    for key, address in (("buffer", _BUFFER), ("latency", _LATENCY), ("safety offset", _SAFETY)):
        frames = ctypes.c_uint32(0)
        if _read(device_id, address, frames):
            found[key] = frames.value
    bounds = (ctypes.c_double * 2)()
    if _read(device_id, _BUFFER_RANGE, bounds):
        found["smallest buffer"], found["largest buffer"] = bounds
    rate_hz = ctypes.c_double(0)
    if _read(device_id, _RATE_HZ, rate_hz):
        found["rate"] = rate_hz.value
    return found


def _has_outputs(device_id: int) -> bool:
    size = ctypes.c_uint32(0)
    failed = _library().AudioObjectGetPropertyDataSize(
        ctypes.c_uint32(device_id),
        ctypes.byref(_STREAMS),
        ctypes.c_uint32(0),
        None,
        ctypes.byref(size),
    )
    return not failed and size.value > 0
