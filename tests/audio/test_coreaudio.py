"""What only a Mac does, on a stand-in for CoreAudio: devices that change, vanish and come back."""

import contextlib
import itertools
import queue
import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from audio.output import coreaudio
from audio.output.portaudio import PortAudioSpeaker
from audio.pipeline import SpeechPipeline
from audio.types import SAMPLE_RATE_HZ, Ended, Fact, Held, Outcome, SentenceHeard, Utterance
from tests.support.fake_coreaudio import CoreAudio, Device, Hal, PortAudioError
from tests.support.fake_voice import Heard, ToneVoice, tell

SIX = " ".join(f"This is number {number}." for number in range(1, 7))


class Mac:
    """A pipeline on a Mac with these loudspeakers."""

    def __init__(self, *names: str, wanted: str = "") -> None:
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
        self.pipeline = SpeechPipeline(self.voice, speaker, self.facts.put, stream_idle_s=0.3)
        self.pipeline.start()
        self._ids = itertools.count(1)

    def say(self, text: str, *, urgent: bool = False) -> Utterance:
        """Order a text."""
        utterance = Utterance(next(self._ids), text, "af_heart", 1.0, "en-us", urgent=urgent)
        self.pipeline.say(utterance)
        return utterance

    def wait_for(self, wanted: Callable[[Fact], bool]) -> Fact:
        """Return the next fact that is wanted."""
        while True:
            fact = self.facts.get(timeout=20)
            if wanted(fact):
                return fact

    def ended(self) -> Ended:
        """Return how the message ended."""
        fact = self.wait_for(lambda f: isinstance(f, Ended))
        assert isinstance(fact, Ended)
        return fact

    def sentence_heard(self, number: int) -> None:
        """Return when this sentence, counted from 0, has been heard."""
        self.wait_for(lambda f: isinstance(f, SentenceHeard) and f.sentence == number)


@pytest.fixture
def start() -> Iterator[Callable[..., Mac]]:
    """Return a function that makes a Mac, whose pipeline is closed afterwards."""
    macs: list[Mac] = []

    def make(*names: str, wanted: str = "") -> Mac:
        macs.append(Mac(*names, wanted=wanted))
        return macs[-1]

    yield make
    for mac in macs:
        mac.pipeline.close().result(10)
        # PortAudio is only ever called on one thread, whatever happened.
        assert len(mac.library.threads) == 1


def heard(device: Device) -> list[int]:
    """Return the numbers that were heard whole from a device."""
    return [tone.code for tone in tones(device) if tone.whole]


def tones(device: Device) -> list[Heard]:
    """Return what was heard from a device."""
    return tell(device.sound, SAMPLE_RATE_HZ)


def test_a_message_is_heard_once_and_whole(start: Callable[..., Mac]) -> None:
    """On a Mac as elsewhere every word sounds once, in order, and the receipt comes after it."""
    mac = start("MacBook Speakers")
    mac.say(SIX)

    assert mac.ended().outcome is Outcome.HEARD
    assert heard(mac.devices[0]) == [1, 2, 3, 4, 5, 6]


def test_the_end_tells_how_it_went(start: Callable[..., Mac]) -> None:
    """The last fact says in how many chunks a message was made and how soon it sounded."""
    mac = start("MacBook Speakers")
    mac.say("Number 1. Number 2.")
    mac.say("Number 3.")
    first, behind = mac.ended(), mac.ended()

    assert first.chunks >= 1
    assert first.first_sound_ms is not None
    assert 0 < first.first_sound_ms < 5000
    assert behind.first_sound_ms is None  # it waited for the first
    assert first.underruns == behind.underruns == 0


def test_sound_follows_the_default_after_the_sentence(start: Callable[..., Mac]) -> None:
    """A new default gets the next sentence; no word is lost or said twice."""
    mac = start("MacBook Speakers", "AirPods")
    mac.say(SIX)
    mac.sentence_heard(1)
    mac.library.default_device = mac.devices[1]

    assert mac.ended().device == "AirPods"
    here, there = map(heard, mac.devices)
    assert here + there == [1, 2, 3, 4, 5, 6]
    assert there[0] in (4, 5)  # what was in the ring when it changed is heard where it was


def test_a_device_that_vanishes_hands_the_sentence_on(start: Callable[..., Mac]) -> None:
    """The rest of a message, from the sentence that was cut, is heard from the default."""
    mac = start("AirPods", "MacBook Speakers")
    mac.say(SIX)
    mac.sentence_heard(1)
    mac.library.disconnect(mac.devices[0])

    assert mac.ended().outcome is Outcome.HEARD
    here, there = map(heard, mac.devices)
    assert sorted(set(here + there)) == [1, 2, 3, 4, 5, 6]
    assert there == list(range(there[0], 7))
    assert len(set(here) & set(there)) <= 1


def test_without_any_device_a_message_is_held_until_one_comes(start: Callable[..., Mac]) -> None:
    """The only device vanishes: the sender is told, and the rest is heard from the next one."""
    mac = start("AirPods")
    mac.say(SIX)
    mac.sentence_heard(1)
    mac.library.disconnect(mac.devices[0])
    held = mac.wait_for(lambda f: isinstance(f, Held))
    assert isinstance(held, Held)
    assert "no output device" in held.reason
    speakers = Device("MacBook Speakers")
    mac.library.connected.append(speakers)
    mac.library.default_device = speakers

    assert mac.ended().outcome is Outcome.HEARD
    assert sorted(set(heard(mac.devices[0]) + heard(speakers))) == [1, 2, 3, 4, 5, 6]


def test_a_chosen_device_that_is_back_is_used_again(start: Callable[..., Mac]) -> None:
    """While the chosen device is away the default speaks; when it is back, it does."""
    mac = start("MacBook Speakers", "AirPods", wanted="airpods")
    mac.library.disconnect(mac.devices[1])
    mac.say("Number 1.")
    assert mac.ended().device == "MacBook Speakers"
    assert "No device fits 'airpods'" in mac.pipeline.status().warning
    time.sleep(0.6)  # the burst is over and the stream closed
    back = Device("AirPods")
    mac.library.connected.append(back)
    mac.say("Number 2.")

    assert mac.ended().device == "AirPods"
    assert heard(back) == [2]


def test_portaudio_that_will_not_start_is_tried_again(start: Callable[..., Mac]) -> None:
    """A failed start of PortAudio holds the message; a later one lets it out."""
    mac = start("MacBook Speakers")
    mac.say("Number 1.")
    mac.ended()
    time.sleep(0.6)
    mac.library.connected.append(Device("AirPods"))  # so that it is started anew
    mac.library.failing_starts = 2
    mac.say("Number 2.")
    held = mac.wait_for(lambda f: isinstance(f, Held))
    assert isinstance(held, Held)
    assert "PortAudio will not start" in held.reason

    assert mac.ended().outcome is Outcome.HEARD
    assert heard(mac.devices[0]) == [1, 2]


@pytest.mark.realtime
def test_stop_works_on_a_device_that_vanished(start: Callable[..., Mac]) -> None:
    """An order to be silent is obeyed within a second although the device takes nothing."""
    mac = start("AirPods")
    mac.say(SIX)
    mac.sentence_heard(0)
    mac.library.disconnect(mac.devices[0])
    asked_s = time.monotonic()
    mac.pipeline.abort()

    assert mac.ended().outcome is Outcome.STOPPED
    assert time.monotonic() - asked_s < 1


def test_devices_are_scanned_again_only_when_they_have_changed(start: Callable[..., Mac]) -> None:
    """A scan may hang on a Mac, so an open without a change goes without; after one, not."""
    mac = start("MacBook Speakers")
    counts = []
    for number in (1, 2, 3):
        if number == 3:
            mac.library.connected.append(Device("AirPods"))
        mac.say(f"Number {number}.")
        mac.ended()
        counts.append(mac.library.scans)
        time.sleep(0.6)  # the burst is over and the stream closed

    assert counts == [1, 1, 2]


def test_a_device_that_failed_is_scanned_for_again(start: Callable[..., Mac]) -> None:
    """After a loss the list of the last scan counts for nothing, whatever the system says."""
    mac = start("MacBook Speakers")
    mac.say(SIX)
    mac.sentence_heard(0)
    mac.devices[0].vanish()  # and the system still lists it
    mac.wait_for(lambda f: isinstance(f, Held))

    assert mac.library.scans > 1


def test_a_muted_mac_is_told_with_the_end(start: Callable[..., Mac]) -> None:
    """What a muted device played was not heard by anybody: its end says so, the status too."""
    mac = start("MacBook Speakers")
    mac.say("Number 1.")
    assert mac.ended().warning == ""
    mac.devices[0].inaudible = "muted"
    mac.say("Number 2.")

    muted = mac.ended()
    assert muted.outcome is Outcome.HEARD
    assert muted.warning == "muted"
    assert mac.pipeline.status().inaudible == "muted"


@pytest.fixture
def hal(monkeypatch: pytest.MonkeyPatch) -> Hal:
    """Return the frameworks of a Mac with two loudspeakers, AirPods (12) being the default."""
    hal = Hal()
    hal.set(1, "dev#", (11, 12))
    hal.set(1, "dOut", 12)
    hal.set(11, "lnam", "MacBook Speakers")
    hal.set(12, "lnam", "Ann's AirPods")
    monkeypatch.setattr(coreaudio, "_library", lambda _name="": hal)
    return hal


def test_the_system_tells_its_devices_and_its_default(hal: Hal) -> None:
    """The numbers of the devices and of the default come from the system's properties."""
    assert coreaudio.device_ids() == (11, 12)
    assert coreaudio.default_output_id() == 12
    hal.set(1, "dOut", 0)
    assert coreaudio.default_output_id() is None


@pytest.mark.parametrize(
    ("controls", "expected"),
    [
        ({}, ""),
        ({("mute", 0): 0, ("volm", 0): 0.4}, ""),
        ({("mute", 0): 1, ("volm", 0): 0.4}, "muted"),
        ({("volm", 0): 0.0}, "at volume 0"),
        ({("volm", 1): 0.0, ("volm", 2): 0.3}, ""),
        ({("volm", 1): 0.0, ("volm", 2): 0.0}, "at volume 0"),
        ({("mute", 1): 1, ("mute", 2): 1}, "muted"),
    ],
)
def test_mute_and_volume_are_read_where_a_device_has_them(
    hal: Hal, controls: dict[tuple[str, int], float], expected: str
) -> None:
    """Some devices have controls of their own, some on each channel, some none."""
    for (selector, element), value in controls.items():
        hal.set(11, selector, value, element=element)

    assert coreaudio.mute_reason("MacBook Speakers") == expected
    assert coreaudio.mute_reason("Ann's AirPods") == ""
    assert coreaudio.mute_reason("gone") is None
    assert hal.kept_references == 0


def test_of_two_devices_with_one_name_the_default_is_asked(hal: Hal) -> None:
    """Two displays of one make have one name; the one in use is most likely the default."""
    hal.set(11, "lnam", "Ann's AirPods")
    hal.set(12, "mute", 1)

    assert coreaudio.mute_reason("Ann's AirPods") == "muted"


def test_an_abort_from_another_thread_leaves_a_writer_hanging() -> None:
    """Why one thread does everything: a writer that waits in C never learns of such an abort."""
    library = CoreAudio("MacBook Speakers").load()
    stream = library.OutputStream(samplerate=24_000, blocksize=2048, latency=0.1, device=0)
    stream.start()

    def write() -> None:
        with contextlib.suppress(PortAudioError):
            stream.write(np.ones((5 * SAMPLE_RATE_HZ, 1), np.float32))

    hung = threading.Thread(target=write)
    hung.start()
    assert stream.waiting.wait(5)
    stream.abort()
    hung.join(0.5)
    still_there = hung.is_alive()
    stream.released.set()
    hung.join(5)

    assert still_there
