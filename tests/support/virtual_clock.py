"""A clock for tests that run faster than real time, and what has to use it in place of `time`."""

import sys
from collections.abc import Callable

import pytest

_MODULES = (
    "audio.pipeline",
    "audio.playback",
    "audio.synthesis",
    "audio.output.mute",
    "audio.output.portaudio",
    "tests.support.fake_coreaudio",
    "tests.support.fake_voice",
    "tests.support.speakers",
)


class VirtualClock:
    """Stands in for the module `time`: a sleep takes no time, and moves the clock.

    One thread at a time may use it.
    """

    def __init__(self) -> None:
        self.now_s = 1000.0
        self._events: list[tuple[float, Callable[[], object]]] = []

    def monotonic(self) -> float:
        """Return the time."""
        return self.now_s

    def sleep(self, seconds: float) -> None:
        """Move the clock, and call what is due."""
        self.now_s += seconds
        for event in sorted(self._events, key=lambda event: event[0]):
            if event[0] <= self.now_s:
                self._events.remove(event)
                event[1]()

    def call_at(self, at_s: float, call: Callable[[], object]) -> None:
        """Call something at a time, on the thread that moves the clock past it."""
        self._events.append((at_s, call))

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Replace `time` in the modules that are loaded."""
        for name in _MODULES:
            if name in sys.modules:
                monkeypatch.setattr(f"{name}.time", self)
