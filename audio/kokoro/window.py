"""The window of frames that Kokoro decodes, and what is carried from one to the next.

See `audio.kokoro.graph`.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

FRAME_SAMPLES = 600
"""Samples of sound per frame of the decoder."""

WINDOW = ("first_token", "end_token", "lead_frames", "tail_frames")
"""The inputs that define the window, each one int64: the first and the end token, counted from the
first pad, and the number of frames to decode before and after them."""

PRIOR_FRAMES = "prior_frames"
"""The input for how many frames the prior counts as, against those of the window; 0 for none."""

PRIOR, OWN = "prior/", "own/"
"""What the names of the inputs with a prior's statistics begin with, and those of the outputs with
the window's own; a number follows."""

_MOST_FRAMES = 400.0  # 10 s; with 40 s windows differ no less. Measured: 1 voice, 6 texts


@dataclass(frozen=True, slots=True)
class Statistics:
    """What the decoder's normalizations computed over some frames."""

    frames: float
    """Over how many, at most `_MOST_FRAMES`: what is newer counts more."""
    values: tuple[NDArray[np.float32], ...]

    def joined(self, before: Self | None) -> "Statistics":
        """Return the statistics over these frames and those *before* them."""
        if before is None:
            return self
        share = np.float32(before.frames / (before.frames + self.frames))
        values = (
            own + share * (old - own) for own, old in zip(self.values, before.values, strict=True)
        )
        return Statistics(min(before.frames + self.frames, _MOST_FRAMES), tuple(values))
