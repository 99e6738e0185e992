"""A pipeline on a Mac, faster than real time: the whole of it on one thread and a virtual clock."""

import queue
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from audio.output.portaudio import OnHeadphonesLost, PortAudioSpeaker
from audio.pipeline import SpeechPipeline
from audio.types import SAMPLE_RATE_HZ, Ended, Fact
from tests.support.fake_coreaudio import CoreAudio, Device
from tests.support.fake_voice import HeardTone, ToneVoice, find_tones
from tests.support.pipelines import order
from tests.support.virtual_clock import VirtualClock

_LIMIT_S = 120.0
_STEP_S = 0.01  # how soon mail is noticed


class VirtualMac:
    """A pipeline with the tone voice; `run` returns when every message has ended."""

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        *devices: Device,
        wanted: str = "",
        latency: str | float = "high",
        on_headphones_lost: OnHeadphonesLost = "auto",
        voice: ToneVoice | None = None,
        stream_idle_s: float = 0.3,
        bluetooth_idle_s: float = 0.0,
    ) -> None:
        self.clock = VirtualClock()
        self.clock.install(monkeypatch)
        monkeypatch.setattr(
            "audio.synthesis.ThreadPoolExecutor", lambda *_, **__: _Worker(self.clock)
        )
        monkeypatch.setattr(
            "audio.pipeline.queue",
            SimpleNamespace(SimpleQueue=lambda: _Mailbox(self.clock), Empty=queue.Empty),
        )
        self.start_s = self.clock.now_s
        self.slept_s = 0.0
        self.library = CoreAudio()
        self.library.connected = list(devices)
        self.library.default_device = devices[0] if devices else None
        self.facts: list[tuple[float, Fact]] = []
        """Each with its time."""
        speaker = PortAudioSpeaker(
            wanted,
            latency,
            on_headphones_lost=on_headphones_lost,
            full_at_open=True,
            load_library=self.library.load,
            system=self.library,
        )
        self.pipeline = SpeechPipeline(
            voice or ToneVoice(0.02),
            speaker,
            self._record,
            stream_idle_s=stream_idle_s,
            bluetooth_idle_s=bluetooth_idle_s,
            asleep_s=lambda: self.slept_s,
        )
        self._said = 0
        self._over = threading.Event()

    def say(self, text: str, at_s: float = 0.0, **fields: object) -> int:
        """Queue a text at a time after the start; return its id."""
        self._said += 1
        utterance = order(self._said, text, **fields)
        self.call(at_s, lambda: self.pipeline.say(utterance))
        return self._said

    def replace(self, id_: int, text: str, at_s: float, **fields: object) -> None:
        """Replace the text of a message at a time after the start."""
        utterance = order(id_, text, **fields)
        self.call(at_s, lambda: self.pipeline.replace(utterance))

    def call(self, at_s: float, call: Callable[[], object]) -> None:
        """Call something on the audio thread, at a time after the start."""
        self.clock.call_at(self.start_s + at_s, call)

    def run(self, until_s: float = _LIMIT_S) -> None:
        """Run until every message has ended, or until a time after the start."""
        self.call(until_s, self._over.set)
        self.pipeline.start()
        assert self._over.wait(60)
        self.pipeline.close().result(10)

    def _record(self, fact: Fact) -> None:
        self.facts.append((self.clock.now_s, fact))
        if len(self.ends) == self._said:
            self._over.set()

    @property
    def ends(self) -> list[tuple[float, Ended]]:
        """The ends of messages, each with its time."""
        return [(at_s, fact) for at_s, fact in self.facts if isinstance(fact, Ended)]


def tones_of(device: Device) -> list[HeardTone]:
    """Return the tones that were heard from a device, in the clock's time."""
    ends = np.cumsum([len(part) for _, part in device.played])

    def heard_s(frame: int) -> float:
        part = min(int(np.searchsorted(ends, frame, side="right")), len(ends) - 1)
        at_s, samples = device.played[part]
        return at_s + float(frame - (ends[part] - len(samples))) / SAMPLE_RATE_HZ

    return find_tones(device.sound, SAMPLE_RATE_HZ, heard_s) if device.played else []


class _Worker:
    """An executor of one thread, whose results come when it has slept as long as they take."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self._free_s = 0.0

    def submit(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> "Future[Any]":
        """Return the result, or the exception, of a call, some time from now."""
        worked: Future[Any] = Future()
        future: Future[Any] = Future()

        def run() -> None:
            try:
                worked.set_result(call(*args, **kwargs))
            except Exception as exc:  # noqa: BLE001  # as the executor does
                worked.set_exception(exc)

        def report() -> None:
            if error := worked.exception():
                future.set_exception(error)
            else:
                future.set_result(worked.result())

        took_s = self._clock.work(run)
        self._free_s = max(self._free_s, self._clock.now_s) + took_s
        self._clock.call_at(self._free_s, report)
        return future

    def shutdown(self, **_: Any) -> None:
        """Do nothing."""


class _Mailbox:
    """A queue whose timeouts move the clock."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self._mail: deque[Any] = deque()

    def put(self, mail: Any) -> None:
        """Add mail."""
        self._mail.append(mail)

    def empty(self) -> bool:
        """Return whether there is none."""
        return not self._mail

    def get(self, timeout: float) -> Any:
        """Return the next mail.

        Raises:
            queue.Empty: there is none before the timeout.
        """
        until_s = self._clock.now_s + timeout
        while not self._mail:
            left_s = until_s - self._clock.now_s
            if left_s <= 0:
                self._clock.sleep(0)
                break
            self._clock.sleep(min(left_s, _STEP_S))
        if not self._mail:
            raise queue.Empty
        return self._mail.popleft()
