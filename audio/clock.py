"""When a frame that was written to a device is heard. Pure, but for the time that it is told."""

from collections import deque

from audio.types import SAMPLE_RATE_HZ

# A device tells in steps how much it has played, so what it tells may be old, never early. Within
# this time it has told the truth once: PulseAudio's ALSA plug-in does so every 100 ms.
_WINDOW_S = 0.25
# What is later than this is no matter of counting: it ran dry, or took its time to start.
_LATE_S = 0.08


class StreamClock:
    """The time of a stream's frames, from what is told of its progress."""

    def __init__(self) -> None:
        """Know nothing yet; a stream that is opened has a clock of its own."""
        self._zero_s: float | None = None
        self._lately: deque[tuple[float, float]] = deque()  # when, and where frame 0 was told to be
        self._earliest_s = 0.0

    def begin(self, now_s: float, frame: int) -> None:
        """Learn that a frame is about to be written: it can't have been heard before.

        PulseAudio takes the first 250 ms at once and so tells that they were played.
        """
        self._earliest_s = max(self._earliest_s, now_s - frame / SAMPLE_RATE_HZ)
        if self._zero_s is not None:
            self._zero_s = max(self._zero_s, self._earliest_s)

    def observe(self, now_s: float, played_frames: int) -> bool:
        """Learn how many frames are told to have been heard; say whether all are late now."""
        self._lately.append((now_s, now_s - played_frames / SAMPLE_RATE_HZ))
        while self._lately[0][0] < now_s - _WINDOW_S:
            self._lately.popleft()
        zero_s = max(self._earliest_s, min(zero for _, zero in self._lately))
        late = self._zero_s is not None and zero_s > self._zero_s + _LATE_S
        if self._zero_s is None or zero_s < self._zero_s or late:
            self._zero_s = zero_s
        return late

    def not_before_s(self, frame: int) -> float:
        """Return before when a frame can't have been heard, whatever the device tells."""
        return self._earliest_s + frame / SAMPLE_RATE_HZ

    def at_s(self, frame: int) -> float:
        """Return when a frame is heard; something must have been observed."""
        assert self._zero_s is not None  # noqa: S101  # see above
        return self._zero_s + frame / SAMPLE_RATE_HZ
