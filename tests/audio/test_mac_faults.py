"""Whatever happens to a Mac's devices, every message is heard, and its receipt is true."""

import itertools
import re
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audio.output.portaudio import OnHeadphonesLost
from audio.types import CancelToken, Chunk, Held, Outcome, Sound
from tests.support.fake_coreaudio import Device, Stream
from tests.support.fake_voice import FailingVoice, ToneVoice
from tests.support.pipelines import SIX, heard
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
        assert 0 <= end_s - heard_s <= (1.5 if is_misread else 0.5)


@settings(max_examples=120, deadline=None, derandomize=True)
@given(
    kind=st.sampled_from(("none", "stall", "rate", "unplug", "wake", "pause", "reorder")),
    at_s=st.floats(0.0, 5.0),
    growths_s=st.lists(st.floats(0.0, 4.0), max_size=3).map(sorted),
    chime=st.booleans(),
    urgent_s=st.one_of(st.none(), st.floats(0.0, 4.0)),
    failing=st.sampled_from((0, 0, 21, 22, 23, 25, 27)),
    factor=st.sampled_from((0.02, 0.3, 1.5)),
    is_private=st.booleans(),
)
def test_mac_ends_everything_once(
    kind: str,
    at_s: float,
    growths_s: list[float],
    chime: bool,  # drawn
    urgent_s: float | None,
    failing: int,
    factor: float,
    is_private: bool,
) -> None:
    """Whatever is said and goes wrong: one end each, nothing is lost, nothing private is aloud."""
    lines = ["Number 21. Number 22.", "Number 23.", "Number 24.", "Number 25."][
        : len(growths_s) + 1
    ]
    device = Device("AirPods", is_private=is_private)
    other = Device("MacBook Speakers", is_built_in=True)
    with pytest.MonkeyPatch.context() as monkeypatch:
        mac = VirtualMac(monkeypatch, device, other, voice=FailingVoice(failing, factor))
        texts = ["\n".join(lines), "Number 26. Number 27."]
        first = mac.say(lines[0], chime=chime, grows=bool(growths_s))
        second = mac.say(texts[1], at_s=0.1)
        for count, grown_s in enumerate(growths_s, 2):
            grows = count < len(lines)
            mac.replace(first, "\n".join(lines[:count]), grown_s, grows=grows)
        if urgent_s is not None:
            texts.append("Number 28.")
            mac.say(texts[-1], at_s=urgent_s, urgent=True)
        match kind:
            case "pause":
                mac.call(at_s, mac.pipeline.pause)
            case "reorder":
                mac.call(at_s, lambda: mac.pipeline.reorder((second, first)))
            case _:
                mac.call(at_s, lambda: fault(mac, kind, device))
        mac.call(30, mac.pipeline.resume)
        mac.run()

    failed = [f"Number {failing}." in text for text in texts]
    outcomes = {end.id: end.outcome for _, end in mac.ends}
    assert len(mac.ends) == len(texts)
    assert outcomes == {
        id_: Outcome.FAILED if fails else Outcome.HEARD for id_, fails in enumerate(failed, 1)
    }
    assert not any("Unexpected" in end.reason for _, end in mac.ends)
    counts = Counter(tone.code for each in (device, other) for tone in tones_of(each))
    before_it = [re.split(rf"\bNumber {failing}\.", text)[0] for text in texts]
    expected = {int(number) for text in before_it for number in re.findall(r"\d+", text)}
    assert expected <= counts.keys()
    if kind in ("none", "reorder"):
        assert all(counts[number] == 1 for number in expected)
    if is_private and heard(device):
        assert all(tone.start_s - mac.start_s > 30 for tone in tones_of(other))


def gap_s(*devices: Device) -> float:
    """Return the longest silence between two tones, on whatever device."""
    tones = sorted((tone.start_s, tone.end_s) for device in devices for tone in tones_of(device))
    return max(after[0] - before[1] for before, after in itertools.pairwise(tones))


def held_reasons(mac: VirtualMac) -> list[str]:
    """Return why messages were held."""
    return [fact.reason for _, fact in mac.facts if isinstance(fact, Held)]


# ---- stalls and rates ----


def test_mac_reopens_a_stalled_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wake stalls a device that is there: it is opened again, not avoided."""
    device, other = Device("MacBook Speakers"), Device("LG HDR 4K")
    mac = VirtualMac(monkeypatch, device, other)
    mac.say(SIX)
    mac.call(1.5, device.stall)
    mac.run()

    assert sorted(set(heard(device))) == [1, 2, 3, 4, 5, 6]
    assert heard(other) == []
    assert gap_s(device) < 3.5


def test_mac_avoids_a_device_that_stalls_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """A device that is listed, opens and never plays is dead: the default gets the rest."""
    device, default = Device("AirPods"), Device("MacBook Speakers")
    mac = VirtualMac(monkeypatch, default, device, wanted="AirPods")
    mac.say(SIX)
    for tenth in range(15, 100):
        mac.call(tenth / 10, device.stall)
    mac.run()

    [(_, end)] = mac.ends
    assert (end.outcome, end.device) == (Outcome.HEARD, "MacBook Speakers")
    assert gap_s(device, default) < 6


def test_mac_reopens_soon_after_a_change_of_the_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call that begins changes the rate of headphones; that needs no two seconds of silence."""
    device = Device("AirPods")
    mac = VirtualMac(monkeypatch, device)
    mac.say(SIX)
    mac.call(1.5, lambda: fault(mac, "rate", device))
    mac.run()

    assert sorted(set(heard(device))) == [1, 2, 3, 4, 5, 6]
    assert gap_s(device) < 1.8


def test_mac_finds_a_ring_that_is_deeper_than_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The room in a ring that runs dry corrects the depth, so that the next 👍 is not early."""
    device = Device("MacBook Speakers")
    device.reported_buffer_frames = 512
    mac = VirtualMac(monkeypatch, device, stream_idle_s=10)
    mac.say("Number 1.")
    mac.say("Number 2. Number 3.", at_s=4)
    mac.run()

    for (end_s, _), number in zip(mac.ends, (1, 3), strict=True):
        last = next(tone for tone in tones_of(device) if tone.code == number)
        assert 0 <= end_s - last.end_s <= 0.5


def test_mac_plays_on_a_device_that_the_system_does_not_know(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without its timing the ring is taken for deeper than it is, which is no loss."""
    device = Device("AirPods", buffer_range_frames=(15, 480))
    mac = VirtualMac(monkeypatch, device)
    monkeypatch.setattr(mac.library, "outputs", tuple)
    mac.say("Number 1. Number 2.")
    mac.run()

    assert [end.outcome for _, end in mac.ends] == [Outcome.HEARD]
    assert heard(device) == [1, 2]
    assert mac.library.scans == 1


@pytest.mark.parametrize(
    ("is_bluetooth", "stream_idle_s", "streams"), [(True, 3, 1), (False, 3, 2), (True, 0, 2)]
)
def test_mac_keeps_the_stream_to_a_bluetooth_device_open_for_longer(
    monkeypatch: pytest.MonkeyPatch, is_bluetooth: bool, stream_idle_s: float, streams: int
) -> None:
    """A message after ten seconds finds it awake; STREAM_IDLE_S=0 is a stream for each message."""
    device = Device("AirPods", is_bluetooth=is_bluetooth)
    mac = VirtualMac(monkeypatch, device, stream_idle_s=stream_idle_s, bluetooth_idle_s=20)
    opened = []
    open_stream = mac.library.OutputStream

    def count_stream(**options: Any) -> Stream:
        opened.append(open_stream(**options))
        return opened[-1]

    monkeypatch.setattr(mac.library, "OutputStream", count_stream)
    mac.say("Number 1.")
    mac.say("Number 2.", at_s=10)
    mac.run()

    assert heard(device) == [1, 2]
    assert len(opened) == streams


def test_late_chunk_is_one_underrun_and_no_longer_than_late(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No silence is added to what a late chunk costs, and it is counted."""

    class StumblingVoice(ToneVoice):
        def synthesize(
            self, chunk: Chunk, voice: str, speed: float, cancel_token: CancelToken
        ) -> Sound:
            self.factor = 6.0 if "2" in chunk.text else 0.02
            return super().synthesize(chunk, voice, speed, cancel_token)

    device = Device("MacBook Speakers")
    mac = VirtualMac(monkeypatch, device, voice=StumblingVoice())
    mac.say("Number 1. Number 2. Number 3.")
    mac.run()
    [(_, end)] = mac.ends
    first, second, _ = tones_of(device)
    inside = [span for span in device.dry if first.end_s <= span[0] < second.start_s]

    assert end.underruns == 1
    # It starts at the next block that is pulled: 85 ms.
    assert second.start_s - inside[0][0] < 6.0 * 0.3 + 0.1


# ---- a default that is not ready, and names ----


def test_mac_waits_for_a_default_that_can_not_play_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Headphones that have just connected get the message, not the first device of the list."""
    display, headphones = Device("LG HDR 4K"), Device("AirPods")
    headphones.can_play = False
    mac = VirtualMac(monkeypatch, display, headphones)
    mac.library.default_device = headphones
    mac.say("Number 1.")
    mac.call(3, lambda: setattr(headphones, "can_play", True))
    mac.run()

    assert heard(display) == []
    assert heard(headphones) == [1]
    assert held_reasons(mac) == ["The output device is not ready yet. Trying again in a moment."]


def test_mac_does_not_wait_long_for_a_default_that_can_not_play(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After some seconds another device is better than none."""
    display, headphones = Device("LG HDR 4K"), Device("AirPods")
    headphones.can_play = False
    mac = VirtualMac(monkeypatch, display, headphones)
    mac.library.default_device = headphones
    mac.say("Number 1.")
    mac.run()

    [tone] = tones_of(display)
    assert 5 < tone.start_s - mac.start_s < 8


def test_mac_does_not_wait_for_a_device_that_is_not_selected(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A default that can't play yet delays nothing on a selected device that can."""
    display, headphones = Device("LG HDR 4K"), Device("AirPods")
    headphones.can_play = False
    mac = VirtualMac(monkeypatch, display, headphones, wanted="LG HDR 4K")
    mac.library.default_device = headphones
    mac.say("Number 1.")
    mac.run()

    assert held_reasons(mac) == []
    assert heard(display) == [1]


@pytest.mark.parametrize("was_ready", [True, False])
def test_mac_waits_again_for_a_default_that_can_not_play_yet(
    monkeypatch: pytest.MonkeyPatch, *, was_ready: bool
) -> None:
    """A wait that was given up, or for another device, does not count for the next one."""
    display, headphones = Device("LG HDR 4K"), Device("AirPods")
    headphones.can_play = False
    mac = VirtualMac(monkeypatch, display, headphones)
    mac.library.default_device = headphones
    mac.say("Number 1.")
    mac.call(1, mac.pipeline.abort)
    again_s = 60.0
    if was_ready:  # but it did not open
        again_s = 7.0

        def default(device: Device) -> None:
            mac.library.default_device = device

        mac.call(2, display.vanish)
        mac.call(2, lambda: default(display))
        mac.say("Number 3.", at_s=3)
        mac.call(4, mac.pipeline.abort)
        mac.call(5, lambda: default(headphones))
    mac.say("Number 2.", at_s=again_s)
    mac.call(again_s + 1, lambda: setattr(headphones, "can_play", True))
    mac.run()

    assert (heard(display), heard(headphones)) == ([], [2])


@pytest.mark.parametrize(
    ("wanted", "chosen"),
    [
        ("jane's airpods", "Jane\u2019s AirPods"),
        ("LG HDR 4K (2)", "LG HDR 4K (2)"),
        ("DISPLAY-A", "LG HDR 4K (1)"),
        ("LG", "LG HDR 4K (2)"),  # the first in the list, with a warning
    ],
)
def test_mac_selects_a_device_as_people_write_it(
    monkeypatch: pytest.MonkeyPatch, wanted: str, chosen: str
) -> None:
    """Apple's apostrophe is typed as another one; displays of one name are told apart."""
    displays = [Device("LG HDR 4K", uid=f"display-{letter}") for letter in "ba"]
    mac = VirtualMac(
        monkeypatch, Device("Speakers"), Device("Jane\u2019s AirPods"), *displays, wanted=wanted
    )
    mac.say("Number 1.")
    mac.run()

    [(_, end)] = mac.ends
    assert end.device == chosen
    assert [heard(display) for display in displays] == [
        [1] * (chosen == "LG HDR 4K (2)"),
        [1] * (chosen == "LG HDR 4K (1)"),
    ]


def test_mac_keeps_its_stream_while_the_selected_device_is_away(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Only a change of the devices is worth closing, scanning and opening for."""
    caplog.set_level("INFO", "audio.output.portaudio")
    default, back = Device("MacBook Speakers"), Device("AirPods")
    mac = VirtualMac(monkeypatch, default, wanted="AirPods")
    mac.say(" ".join(f"Number {number}." for number in range(60)))
    mac.call(30, lambda: mac.library.connected.append(back))
    mac.run()

    assert heard(default) + heard(back) == list(range(60))
    opened = [r.args for r in caplog.records if r.msg.startswith("Stream opened")]
    assert [arguments[0] for arguments in opened if isinstance(arguments, tuple)] == [
        "MacBook Speakers",
        "AirPods",
    ]
    assert mac.library.scans == 2


# ---- headphones that go away ----


def private_mac(
    monkeypatch: pytest.MonkeyPatch,
    on_headphones_lost: OnHeadphonesLost = "auto",
    *,
    is_built_in: bool = True,
) -> tuple[VirtualMac, Device, Device]:
    """Return a Mac that speaks to headphones, and the two devices."""
    headphones = Device("AirPods", is_private=True)
    loudspeaker = Device("MacBook Speakers", is_built_in=is_built_in)
    mac = VirtualMac(monkeypatch, headphones, loudspeaker, on_headphones_lost=on_headphones_lost)
    mac.say(SIX)
    return mac, headphones, loudspeaker


@pytest.mark.parametrize(
    ("setting", "is_built_in"), [("auto", True), ("pause", True), ("pause", False)]
)
def test_mac_pauses_when_headphones_go_away(
    monkeypatch: pytest.MonkeyPatch, setting: OnHeadphonesLost, is_built_in: bool
) -> None:
    """A private message does not go on aloud before somebody says so; what waits is reported."""
    mac, headphones, loudspeaker = private_mac(monkeypatch, setting, is_built_in=is_built_in)
    mac.call(1.5, lambda: mac.library.disconnect(headphones))
    mac.say("Number 7.", at_s=9)
    mac.call(20, mac.pipeline.resume)
    mac.run()

    reason = (
        "AirPods is gone, so I paused instead of going on aloud. "
        "/resume goes on with MacBook Speakers."
    )
    assert held_reasons(mac) == [reason, reason]
    assert tones_of(loudspeaker)[0].start_s > mac.start_s + 20
    assert sorted(set(heard(headphones) + heard(loudspeaker))) == [1, 2, 3, 4, 5, 6, 7]


def test_mac_reports_lost_headphones_after_another_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    """A message that waited for its headphones, and then lost them, says so again."""
    mac, headphones, _ = private_mac(monkeypatch)
    headphones.can_play = False
    mac.call(1, lambda: setattr(headphones, "can_play", True))
    mac.call(5, lambda: mac.library.disconnect(headphones))
    mac.run(20)

    assert [reason.partition(" is ")[0] for reason in held_reasons(mac)] == [
        "The output device",
        "AirPods",
    ]


@pytest.mark.parametrize(("setting", "is_built_in"), [("continue", True), ("auto", False)])
def test_mac_continues_on_a_loudspeaker_if_that_is_wanted(
    monkeypatch: pytest.MonkeyPatch, setting: OnHeadphonesLost, is_built_in: bool
) -> None:
    """At home others may hear the rest, and who connected a loudspeaker wants it to be heard."""
    mac, headphones, loudspeaker = private_mac(monkeypatch, setting, is_built_in=is_built_in)
    mac.call(1.5, lambda: mac.library.disconnect(headphones))
    mac.run()

    assert held_reasons(mac) == []
    assert gap_s(headphones, loudspeaker) < 2


@pytest.mark.parametrize("is_default", [True, False])
def test_mac_pauses_when_headphones_do_not_open(
    monkeypatch: pytest.MonkeyPatch, *, is_default: bool
) -> None:
    """Headphones that are still listed, and don't open, are gone; the sender hears of it."""
    headphones = Device("AirPods", is_private=True)
    loudspeaker = Device("MacBook Speakers", is_built_in=True)
    devices = [headphones, loudspeaker][:: 1 if is_default else -1]
    mac = VirtualMac(monkeypatch, *devices, wanted="AirPods")
    mac.say(SIX)
    mac.call(1.5, headphones.vanish)
    mac.call(4.5, lambda: mac.library.disconnect(headphones))
    mac.run(60)

    assert heard(loudspeaker) == []
    assert held_reasons(mac)[-1].startswith("AirPods is gone, so I paused")


def test_mac_pauses_when_headphones_stall_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Headphones that are there and dead are avoided, but nothing private goes on aloud."""
    headphones = Device("AirPods", is_private=True)
    loudspeaker = Device("MacBook Speakers", is_built_in=True)
    mac = VirtualMac(monkeypatch, loudspeaker, headphones, wanted="AirPods")
    mac.say(SIX)
    for tenth in range(15, 100):
        mac.call(tenth / 10, headphones.stall)
    mac.run(60)

    assert heard(loudspeaker) == []
    assert held_reasons(mac)[-1].startswith("AirPods is gone, so I paused")


def test_mac_pauses_when_a_loudspeaker_comes_long_after_headphones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The rest of a private message stays one, however long there is no device at all."""
    headphones = Device("AirPods", is_private=True)
    loudspeaker = Device("MacBook Speakers", is_built_in=True)
    mac = VirtualMac(monkeypatch, headphones)
    mac.say(SIX)
    mac.call(1.5, lambda: mac.library.disconnect(headphones))

    def connect() -> None:
        mac.library.connected.append(loudspeaker)
        mac.library.default_device = loudspeaker

    mac.call(40, connect)
    mac.run(60)

    assert heard(loudspeaker) == []
    assert [reason.partition(" is ")[0] for reason in held_reasons(mac)] == ["There", "AirPods"]


def test_mac_ends_the_pause_of_lost_headphones_with_its_messages(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Once the rest was skipped nothing waits, so that a new message is spoken."""
    mac, headphones, loudspeaker = private_mac(monkeypatch)
    mac.call(1.5, lambda: mac.library.disconnect(headphones))
    mac.call(5, mac.pipeline.skip)
    mac.say("Number 7.", at_s=60)
    mac.run()

    assert [end.outcome for _, end in mac.ends] == [Outcome.SKIPPED, Outcome.HEARD]
    assert heard(loudspeaker) == [7]
    assert not mac.pipeline.status().blocked


def test_mac_holds_nothing_that_a_person_has_paused(monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes after a pause waits for its end, not for a loudspeaker."""
    mac = VirtualMac(monkeypatch)
    mac.say("Number 1.")
    mac.call(1, mac.pipeline.pause)
    mac.say("Number 2.", at_s=2)
    mac.run(10)

    assert [fact.id for _, fact in mac.facts if isinstance(fact, Held)] == [1]


def test_mac_continues_where_the_listener_switched_it_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """Headphones that are still there were not lost."""
    mac, _, loudspeaker = private_mac(monkeypatch)
    mac.call(1.5, lambda: setattr(mac.library, "default_device", loudspeaker))
    mac.run()

    assert held_reasons(mac) == []
    assert heard(loudspeaker)[-1] == 6


def test_mac_speaks_aloud_long_after_headphones_were_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """A new message is not the rest of an old one."""
    mac, headphones, loudspeaker = private_mac(monkeypatch)
    mac.call(10, lambda: mac.library.disconnect(headphones))
    mac.say("Number 7.", at_s=40)
    mac.run()

    assert held_reasons(mac) == []
    assert heard(loudspeaker) == [7]
