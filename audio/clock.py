"""Estimates when a written frame is heard. Pure: callers pass the time in."""

from collections import deque

from audio.types import SAMPLE_RATE_HZ

# A device reports its position in steps, so most reports are old. Within this window at least one
# is close: PulseAudio's ALSA plug-in updates every 100 ms, and extrapolates in between (see
# `_POSITION_ERROR_FRAMES` in audio/playback.py).
_WINDOW_S = 0.25
# A greater delay is real: the device ran dry, or was slow to start.
_LATE_S = 0.08


class StreamClock:
    """Maps the frames of one stream to the time at which each is heard."""

    def __init__(self) -> None:
        self._zero_s: float | None = None
        self._recent: deque[tuple[float, float]] = deque()  # (now, when frame 0 was heard)
        self._earliest_s = 0.0
        self._ran_dry = False

    def record_write(self, now_s: float, frame: int, *, dry: bool = False) -> None:
        """Record that a frame is about to be written, so it can't have been heard earlier.

        PulseAudio accepts the first 250 ms at once and reports them as played.

        Args:
            now_s: the time.
            frame: the first frame of the write.
            dry: whether the device had run dry, so that what it reported before is void.
        """
        if dry:
            self._ran_dry = True
            self._recent.clear()
        self._earliest_s = max(self._earliest_s, now_s - frame / SAMPLE_RATE_HZ)
        if self._zero_s is not None:
            self._zero_s = max(self._zero_s, self._earliest_s)

    def observe(self, now_s: float, played_frames: int) -> bool:
        """Record the position that the device reports.

        Returns:
            Whether all frames are now later than `at_s` returned before.
        """
        self._recent.append((now_s, now_s - played_frames / SAMPLE_RATE_HZ))
        while self._recent[0][0] < now_s - _WINDOW_S:
            self._recent.popleft()
        zero_s = max(self._earliest_s, min(zero for _, zero in self._recent))
        late = self._ran_dry or (self._zero_s is not None and zero_s > self._zero_s + _LATE_S)
        self._ran_dry = False
        if self._zero_s is None or zero_s < self._zero_s or late:
            self._zero_s = zero_s
        return late

    def not_before_s(self, frame: int) -> float:
        """Return the earliest time at which a frame can be heard, whatever the device reports."""
        return self._earliest_s + frame / SAMPLE_RATE_HZ

    def at_s(self, frame: int) -> float:
        """Return when a frame is heard; call `observe` first."""
        assert self._zero_s is not None  # noqa: S101  # see above
        return self._zero_s + frame / SAMPLE_RATE_HZ
