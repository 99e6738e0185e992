"""Whatever happens to a Mac's devices, every message is heard, and its receipt is true."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audio.types import Outcome
from tests.support.fake_coreaudio import Device
from tests.support.virtual_mac import VirtualMac, tones_of

BUFFERS_FRAMES = (128, 480, 512, 960, 2048)
RATES_HZ = (16_000.0, 24_000.0, 44_100.0, 48_000.0)
TEXTS = ("Number 1. Number 2. Number 3.", "Number 4.")


def fault(mac: VirtualMac, kind: str, device: Device) -> None:
    """Make something happen to a device."""
    match kind:
        case "stall":
            device.stall()
        case "rate":  # a call begins
            device.buffer_range_frames = (15, 480)
            device.stall(16_000.0)
        case "unplug":
            mac.library.disconnect(device)
        case "wake":
            mac.slept_s += 5
            device.stall()


@settings(max_examples=80, deadline=None, derandomize=True)
@given(
    buffer_frames=st.sampled_from(BUFFERS_FRAMES),
    latency=st.one_of(st.sampled_from(("high", "low")), st.floats(0.01, 0.3)),
    rate_hz=st.sampled_from(RATES_HZ),
    kind=st.sampled_from(("none", "stall", "rate", "unplug", "wake")),
    at_s=st.floats(0.0, 3.0),
    reported_frames=st.sampled_from((None, None, 0, 4096)),
)
def test_mac_hears_everything_and_ends_in_time(
    buffer_frames: int,
    latency: str | float,
    rate_hz: float,
    kind: str,
    at_s: float,
    reported_frames: int | None,
) -> None:
    """Every message ends; each sentence sounds once, but one that was cut; 👍 comes soon after."""
    device = Device("AirPods", rate_hz=rate_hz, buffer_range_frames=(15, buffer_frames))
    device.reported_buffer_frames = reported_frames
    other = Device("MacBook Speakers")
    with pytest.MonkeyPatch.context() as monkeypatch:
        mac = VirtualMac(monkeypatch, device, other, latency=latency)
        for text in TEXTS:
            mac.say(text)
        mac.call(at_s, lambda: fault(mac, kind, device))
        mac.run()

    ends = mac.ends
    assert [end.outcome for _, end in ends] == [Outcome.HEARD] * len(TEXTS)
    tones = [tone for each in (device, other) for tone in tones_of(each) if tone.complete]
    counts = Counter(tone.code for tone in tones)
    assert counts.keys() == {1, 2, 3, 4}
    # A ring that seems deeper than it is hides the end of a sentence until it runs dry.
    is_misread = reported_frames is not None
    assert counts.total() <= 4 + (kind != "none") * (1 + is_misread)
    for (end_s, _), last in zip(ends, (3, 4), strict=True):
        heard_s = max(tone.end_s for tone in tones if tone.code == last)
        assert 0 <= end_s - heard_s <= (1 if is_misread else 0.5)
