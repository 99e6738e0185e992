"""What CoreAudio says of a device, on a stand-in for its frameworks."""

import pytest

from audio.output import coreaudio
from audio.output.properties import device_properties
from tests.support.fake_coreaudio import Hal


@pytest.fixture
def hal(monkeypatch: pytest.MonkeyPatch) -> Hal:
    """Return the frameworks of a Mac with a headset: a microphone (11) and an output (12)."""
    hal = Hal()
    hal.set(1, "dev#", (11, 12))
    hal.set(1, "dOut", 11)
    for number in (11, 12):
        hal.set(number, "lnam", "AirPods")
    monkeypatch.setattr(coreaudio, "_library", lambda _name="": hal)
    monkeypatch.setattr("audio.output.properties._library", lambda: hal)
    return hal


def test_device_properties_are_those_of_the_output(hal: Hal) -> None:
    """Of two devices of one name, that with output streams is meant."""
    hal.properties[12, "stm#", "outp", 0] = (33,)
    hal.set(11, "fsiz", 320)
    hal.set(12, "fsiz", 480)
    hal.set(12, "fsz#", (15.0, 960.0))
    hal.set(12, "nsrt", 48000.0)
    hal.properties[12, "ltnc", "outp", 0] = 18
    hal.properties[12, "saft", "outp", 0] = 51

    assert device_properties("AirPods") == {
        "buffer": 480,
        "smallest buffer": 15.0,
        "largest buffer": 960.0,
        "rate": 48000.0,
        "latency": 18,
        "safety offset": 51,
    }
    assert hal.unreleased_references == 0


def test_device_properties_leave_out_what_is_unknown(hal: Hal) -> None:
    """A device without a property, and one that is not there."""
    hal.set(12, "fsiz", 512)
    hal.properties[12, "stm#", "outp", 0] = (33,)

    assert device_properties("AirPods") == {"buffer": 512}
    assert device_properties("HomePod") == {}
