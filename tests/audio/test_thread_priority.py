"""The threads that make sound stay on a Mac's fast cores."""

import threading

import pytest

from audio import thread_priority
from tests.support.pipelines import MacPipeline


class FakeSystem:
    """The C library of macOS."""

    def __init__(self) -> None:
        self.asked: dict[str, tuple[int, int]] = {}

    def pthread_set_qos_class_self_np(self, qos_class: int, relative_priority: int) -> int:
        """Record what the calling thread asks for."""
        name = threading.current_thread().name.partition("_")[0]
        self.asked[name] = (qos_class, relative_priority)
        return 0


def test_audio_and_synthesis_threads_ask_for_fast_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each thread asks for itself, since a thread can't ask for another."""
    system = FakeSystem()
    monkeypatch.setattr(thread_priority, "_system", lambda: system)
    mac = MacPipeline("MacBook Speakers")
    mac.pipeline.close().result(10)

    assert system.asked == {"audio": (0x21, 0), "synthesis": (0x21, 0)}


def test_threads_start_where_the_system_can_not_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A C library without the call costs no sound."""

    def fail() -> None:
        raise OSError("no C library")

    for system in (object, fail):
        monkeypatch.setattr(thread_priority, "_system", system)
        thread_priority.prefer_fast_cores()
