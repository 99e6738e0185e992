"""Pipelines for tests: a collector of facts, and a pipeline on a stand-in for a Mac."""

import itertools
import queue
import time
from collections.abc import Callable

from audio.cost import SynthesisCost
from audio.output.portaudio import PortAudioSpeaker
from audio.pipeline import SpeechPipeline
from audio.types import SAMPLE_RATE_HZ, Ended, Fact, SentenceHeard, Utterance
from tests.support.fake_coreaudio import CoreAudio, Device
from tests.support.fake_voice import HeardTone, ToneVoice, find_tones

SIX = " ".join(f"This is number {number}." for number in range(1, 7))


class Facts:
    """Collects the facts of a pipeline."""

    def __init__(self) -> None:
        self.all: list[Fact] = []
        self._new: queue.SimpleQueue[Fact] = queue.SimpleQueue()

    def __call__(self, fact: Fact) -> None:
        self.all.append(fact)
        self._new.put(fact)

    def until(self, matches: Callable[[Fact], bool], timeout_s: float = 40) -> Fact:
        """Wait for the next fact that *matches*, and return it."""
        deadline_s = time.monotonic() + timeout_s
        while True:
            fact = self._new.get(timeout=max(0.01, deadline_s - time.monotonic()))
            if matches(fact):
                return fact

    def end_of(self, id_: int) -> Ended:
        """Wait for the end of an utterance, and return that fact."""
        fact = self.until(lambda fact: isinstance(fact, Ended) and fact.id == id_)
        assert isinstance(fact, Ended)
        return fact


def order(id_: int, text: str, **fields: object) -> Utterance:
    """Return an utterance in the default voice."""
    values: dict[str, object] = {"voice": "af_heart", "speed": 1.0, "lang": "en-us", **fields}
    return Utterance(id_, text, **values)  # type: ignore[arg-type]


class MacPipeline:
    """A pipeline with the tone voice, on a Mac with these loudspeakers."""

    def __init__(self, *names: str, wanted: str = "", cost: SynthesisCost | None = None) -> None:
        self.library = CoreAudio(*names)
        self.facts: queue.Queue[Fact] = queue.Queue()
        speaker = PortAudioSpeaker(
            wanted,
            full_at_open=True,
            load_library=self.library.load,
            system=self.library,
        )
        self.devices = list(self.library.connected)
        self.voice = ToneVoice()
        self.pipeline = SpeechPipeline(
            self.voice,
            speaker,
            self.facts.put,
            stream_idle_s=0.3,
            cost=cost or SynthesisCost(),
        )
        self.pipeline.start()
        self._ids = itertools.count(1)

    def say(self, text: str, *, urgent: bool = False, chime: bool = False) -> Utterance:
        """Queue a text."""
        utterance = order(next(self._ids), text, urgent=urgent, chime=chime)
        self.pipeline.say(utterance)
        return utterance

    def wait_for(self, matches: Callable[[Fact], bool]) -> Fact:
        """Wait for the next fact that *matches*, and return it."""
        while True:
            fact = self.facts.get(timeout=20)
            if matches(fact):
                return fact

    def wait_for_end(self) -> Ended:
        """Wait for the next end of an utterance, and return that fact."""
        fact = self.wait_for(lambda f: isinstance(f, Ended))
        assert isinstance(fact, Ended)
        return fact

    def wait_for_sentence(self, number: int) -> None:
        """Wait until this sentence, counted from 0, has been heard."""
        self.wait_for(lambda f: isinstance(f, SentenceHeard) and f.sentence == number)


def heard(device: Device) -> list[int]:
    """Return the numbers that were heard from a device to their end."""
    return [tone.code for tone in tones(device) if tone.complete]


def tones(device: Device) -> list[HeardTone]:
    """Return the tones that were heard from a device."""
    return find_tones(device.sound, SAMPLE_RATE_HZ)
