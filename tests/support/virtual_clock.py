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
        self._work_s: float | None = None

    def monotonic(self) -> float:
        """Return the time."""
        return self.now_s

    def sleep(self, seconds: float) -> None:
        """Move the clock, and call what is due; what `work` calls sleeps beside it."""
        if self._work_s is not None:
            self._work_s += seconds
            return
        until_s = self.now_s + seconds
        while event := self._pop_due(until_s):
            self.now_s = max(self.now_s, event[0])
            event[1]()
        self.now_s = until_s

    def _pop_due(self, until_s: float) -> tuple[float, Callable[[], object]] | None:
        due = [event for event in self._events if event[0] <= until_s]
        if not due:
            return None
        event = min(due, key=lambda event: event[0])
        self._events.remove(event)
        return event

    def call_at(self, at_s: float, call: Callable[[], object]) -> None:
        """Call something at a time, on the thread that moves the clock past it."""
        self._events.append((at_s, call))

    def work(self, call: Callable[[], object]) -> float:
        """Call something now, as another thread would; return for how long it slept."""
        self._work_s = 0.0
        try:
            call()
            return self._work_s
        finally:
            self._work_s = None

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Replace `time` in the modules that are loaded."""
        for name in _MODULES:
            if name in sys.modules:
                monkeypatch.setattr(f"{name}.time", self)
