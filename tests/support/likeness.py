"""How similar two sounds are. scipy does this too, but takes over a second to import."""

import numpy as np
from numpy.typing import NDArray

Sound = NDArray[np.float32] | NDArray[np.float64]


def correlation(sound: Sound, part: Sound) -> NDArray[np.float64]:
    """Return the sum of products for every lag of *part*, from all before *sound* to all behind.

    The value for frame *n* of *sound* is at index ``n + len(part) - 1``.
    """
    frames = len(sound) + len(part) - 1
    length = 1 << (frames - 1).bit_length()  # a fast one for the FFT
    product = np.fft.rfft(sound, length) * np.fft.rfft(part[::-1], length)
    return np.fft.irfft(product, length)[:frames]


def resampled(sound: Sound, rate_hz: int, to_hz: int) -> NDArray[np.float64]:
    """Return a sound at another rate, band-limited."""
    frames = len(sound) * to_hz // rate_hz
    length = -(-len(sound) // rate_hz) * rate_hz  # whole seconds, so that both are whole numbers
    spectrum = np.fft.rfft(sound, length)
    resampled = np.fft.irfft(spectrum, length * to_hz // rate_hz) * (to_hz / rate_hz)
    return resampled[:frames]
