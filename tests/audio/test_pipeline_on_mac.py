"""The pipeline on a Mac, with a stand-in for CoreAudio: devices that change, vanish and return."""

import time
from collections.abc import Callable

import pytest

from audio.types import Held, Outcome
from tests.support.fake_coreaudio import Device
from tests.support.pipelines import SIX, MacPipeline, heard

StartMac = Callable[..., MacPipeline]


def test_mac_plays_a_message_once(start_mac: StartMac) -> None:
    """On a Mac every word is heard once, in order, and the receipt comes after it."""
    mac = start_mac("MacBook Speakers")
    mac.say(SIX)

    assert mac.wait_for_end().outcome is Outcome.HEARD
    assert heard(mac.devices[0]) == [1, 2, 3, 4, 5, 6]


def test_ended_has_chunks_and_first_sound(start_mac: StartMac) -> None:
    """The last fact has the number of chunks, and the time to the first sound."""
    mac = start_mac("MacBook Speakers")
    mac.say("Number 1. Number 2.")
    mac.say("Number 3.")
    first, second = mac.wait_for_end(), mac.wait_for_end()

    assert first.chunks >= 1
    assert first.first_sound_ms is not None
    assert 0 < first.first_sound_ms < 5000
    assert second.first_sound_ms is None  # it waited for the first
    assert first.underruns == second.underruns == 0


def test_mac_follows_the_default_device_after_a_sentence(start_mac: StartMac) -> None:
    """A new default gets the next sentence; no word is lost or repeated."""
    mac = start_mac("MacBook Speakers", "AirPods")
    mac.say(SIX)
    mac.wait_for_sentence(1)
    mac.library.default_device = mac.devices[1]

    assert mac.wait_for_end().device == "AirPods"
    on_first, on_second = map(heard, mac.devices)
    assert on_first + on_second == [1, 2, 3, 4, 5, 6]
    assert on_second[0] in (4, 5)  # what is in the ring is still heard on the first device


def test_mac_moves_the_sentence_of_a_device_that_vanishes(start_mac: StartMac) -> None:
    """The rest of a message, from the sentence that was cut, is heard from the default."""
    mac = start_mac("AirPods", "MacBook Speakers")
    mac.say(SIX)
    mac.wait_for_sentence(1)
    mac.library.disconnect(mac.devices[0])

    assert mac.wait_for_end().outcome is Outcome.HEARD
    on_first, on_second = map(heard, mac.devices)
    assert sorted(set(on_first + on_second)) == [1, 2, 3, 4, 5, 6]
    assert on_second == list(range(on_second[0], 7))
    assert len(set(on_first) & set(on_second)) <= 1


def test_mac_holds_a_message_until_a_device_is_connected(start_mac: StartMac) -> None:
    """If the only device vanishes, that is reported; the rest is heard from the next one."""
    mac = start_mac("AirPods")
    mac.say(SIX)
    mac.wait_for_sentence(1)
    mac.library.disconnect(mac.devices[0])
    held = mac.wait_for(lambda f: isinstance(f, Held))
    assert isinstance(held, Held)
    assert "no output device" in held.reason
    speakers = Device("MacBook Speakers")
    mac.library.connected.append(speakers)
    mac.library.default_device = speakers

    assert mac.wait_for_end().outcome is Outcome.HEARD
    assert sorted(set(heard(mac.devices[0]) + heard(speakers))) == [1, 2, 3, 4, 5, 6]


def test_mac_returns_to_the_selected_device(start_mac: StartMac) -> None:
    """While the selected device is missing the default plays; then the selected one again."""
    mac = start_mac("MacBook Speakers", "AirPods", wanted="airpods")
    mac.library.disconnect(mac.devices[1])
    mac.say("Number 1.")
    assert mac.wait_for_end().device == "MacBook Speakers"
    assert "No device fits 'airpods'" in mac.pipeline.status().warning
    time.sleep(0.6)  # the burst is over and the stream closed
    back = Device("AirPods")
    mac.library.connected.append(back)
    mac.say("Number 2.")

    assert mac.wait_for_end().device == "AirPods"
    assert heard(back) == [2]


def test_mac_retries_starting_portaudio(start_mac: StartMac) -> None:
    """A failed start of PortAudio holds the message until a later one succeeds."""
    mac = start_mac("MacBook Speakers")
    mac.say("Number 1.")
    mac.wait_for_end()
    time.sleep(0.6)
    mac.library.connected.append(Device("AirPods"))  # so that PortAudio is restarted
    mac.library.failing_starts = 2
    mac.say("Number 2.")
    held = mac.wait_for(lambda f: isinstance(f, Held))
    assert isinstance(held, Held)
    assert "PortAudio will not start" in held.reason

    assert mac.wait_for_end().outcome is Outcome.HEARD
    assert heard(mac.devices[0]) == [1, 2]


@pytest.mark.realtime
def test_abort_works_on_a_device_that_vanished(start_mac: StartMac) -> None:
    """An abort takes effect within a second although the device accepts nothing."""
    mac = start_mac("AirPods")
    mac.say(SIX)
    mac.wait_for_sentence(0)
    mac.library.disconnect(mac.devices[0])
    aborted_s = time.monotonic()
    mac.pipeline.abort()

    assert mac.wait_for_end().outcome is Outcome.STOPPED
    assert time.monotonic() - aborted_s < 1


def test_mac_scans_only_after_a_change_of_devices(start_mac: StartMac) -> None:
    """A scan may hang on a Mac, so it is omitted unless the devices have changed."""
    mac = start_mac("MacBook Speakers")
    counts = []
    for number in (1, 2, 3):
        if number == 3:
            mac.library.connected.append(Device("AirPods"))
        mac.say(f"Number {number}.")
        mac.wait_for_end()
        counts.append(mac.library.scans)
        time.sleep(0.6)  # the burst is over and the stream closed

    assert counts == [1, 1, 2]


def test_mac_scans_after_a_device_failed(start_mac: StartMac) -> None:
    """After a loss the last scan is stale, whatever the system reports."""
    mac = start_mac("MacBook Speakers")
    mac.say(SIX)
    mac.wait_for_sentence(0)
    mac.devices[0].vanish()  # and the system still lists it
    mac.wait_for(lambda f: isinstance(f, Held))

    assert mac.library.scans > 1


def test_ended_warns_of_a_muted_mac(start_mac: StartMac) -> None:
    """Sound from a muted device was not heard: the last fact and the status say so."""
    mac = start_mac("MacBook Speakers")
    mac.say("Number 1.")
    assert mac.wait_for_end().warning == ""
    mac.devices[0].inaudible = "muted"
    mac.say("Number 2.")

    muted = mac.wait_for_end()
    assert muted.outcome is Outcome.HEARD
    assert muted.warning == "muted"
    assert mac.pipeline.status().inaudible == "muted"
