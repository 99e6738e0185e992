"""The properties that CoreAudio reports, on a stand-in for its frameworks."""

import contextlib
import threading

import numpy as np
import pytest

from audio.output import coreaudio
from audio.output.microphone import MicrophoneUser
from audio.types import SAMPLE_RATE_HZ
from tests.support.fake_coreaudio import CoreAudio, Hal, PortAudioError


@pytest.fixture
def hal(monkeypatch: pytest.MonkeyPatch) -> Hal:
    """Return the frameworks of a Mac with two devices; AirPods (12) are the default."""
    hal = Hal()
    hal.set(1, "dev#", (11, 12))
    hal.set(1, "dOut", 12)
    hal.set(11, "stm#", (21,))
    hal.set(12, "stm#", (22,))
    hal.set(11, "lnam", "MacBook Speakers")
    hal.set(12, "lnam", "Ann's AirPods")
    monkeypatch.setattr(coreaudio, "_library", lambda _name="": hal)
    return hal


def test_output_ids_and_default_output_id_read_properties(hal: Hal) -> None:
    """The ids of the devices and of the default come from the system's properties."""
    assert coreaudio.output_ids() == (11, 12)
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
def test_mute_reason_reads_the_controls_of_a_device(
    hal: Hal, controls: dict[tuple[str, int], float], expected: str
) -> None:
    """Some devices have controls of their own, some on each channel, some none."""
    for (selector, element), value in controls.items():
        hal.set(11, selector, value, element=element)

    assert coreaudio.mute_reason("MacBook Speakers") == expected
    assert coreaudio.mute_reason("Ann's AirPods") == ""
    assert coreaudio.mute_reason("gone") is None
    assert hal.unreleased_references == 0


def test_mute_reason_prefers_the_default_of_two_devices_with_one_name(hal: Hal) -> None:
    """Two displays of one make have one name; the one in use is most likely the default."""
    hal.set(11, "lnam", "Ann's AirPods")
    hal.set(12, "mute", 1)

    assert coreaudio.mute_reason("Ann's AirPods") == "muted"


def test_abort_from_another_thread_leaves_a_writer_hanging() -> None:
    """A writer that waits in C never notices the abort, so one thread does everything."""
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
    still_hung = hung.is_alive()
    stream.released.set()
    hung.join(5)

    assert still_hung


def test_outputs_leave_out_the_input_twin_of_a_headset(hal: Hal) -> None:
    """A headset's microphone is a device of the same name, without output streams."""
    hal.set(1, "dev#", (13, 11, 12))
    hal.set(13, "lnam", "Ann's AirPods")
    hal.set(13, "mute", 1)

    assert coreaudio.output_ids() == (11, 12)
    assert [output.id for output in coreaudio.outputs()] == [11, 12]
    assert coreaudio.mute_reason("Ann's AirPods") == ""


def test_outputs_number_devices_of_one_name_by_uid(hal: Hal) -> None:
    """Two displays of one make keep their numbers in whatever order they are listed."""
    for device_id, uid in ((11, "display-b"), (12, "display-a")):
        hal.set(device_id, "lnam", "LG HDR 4K")
        hal.set(device_id, "uid ", uid)
    hal.set(11, "mute", 1)

    assert [(output.label, output.uid) for output in coreaudio.outputs()] == [
        ("LG HDR 4K (2)", "display-b"),
        ("LG HDR 4K (1)", "display-a"),
    ]
    assert coreaudio.mute_reason("LG HDR 4K (2)") == "muted"
    assert hal.unreleased_references == 0


@pytest.mark.parametrize(
    ("transport", "source", "is_private", "is_built_in", "is_bluetooth"),
    [
        ("blue", None, True, False, True),
        ("blea", None, True, False, True),
        ("bltn", "hdpn", True, False, False),
        ("bltn", "ispk", False, True, False),
        ("bltn", None, False, True, False),
        ("usb ", None, False, False, False),
    ],
)
def test_outputs_know_headphones_from_loudspeakers(
    hal: Hal,
    transport: str,
    source: str | None,
    is_private: bool,
    is_built_in: bool,
    is_bluetooth: bool,
) -> None:
    """Bluetooth and the headphone jack are for one person; the Mac's own loudspeaker is not."""
    hal.set(11, "tran", int.from_bytes(transport.encode(), "big"))
    if source:
        hal.set(11, "ssrc", int.from_bytes(source.encode(), "big"))
    output = coreaudio.outputs()[0]

    assert (output.is_private, output.is_built_in) == (is_private, is_built_in)
    assert output.is_bluetooth == is_bluetooth


def test_timing_reads_the_buffer_the_rate_and_every_latency(hal: Hal) -> None:
    """The latency is that of the device, its stream and its safety offset."""
    assert coreaudio.timing(11) is None
    hal.set(11, "nsrt", 48_000.0)
    hal.set(11, "fsiz", 480)
    hal.set(11, "fsz#", (15.0, 960.0))
    hal.set(11, "ltnc", 7200, scope="outp")
    hal.set(11, "saft", 100)
    hal.set(21, "ltnc", 20)

    assert coreaudio.timing(11) == coreaudio.Timing(48_000.0, 480, (15, 960), 7320)


def test_microphone_users_are_the_other_processes_that_record(hal: Hal) -> None:
    """Each with its process id and bundle id; none before macOS 14.2, which has no list."""
    assert coreaudio.microphone_users(own_pid=100) == ()
    hal.set(1, "prs#", (31, 32, 33))
    for process, pid, bundle_id, records in (
        (31, 100, "org.python.python", 1),
        (32, 200, "us.zoom.xos", 1),
        (33, 300, "com.apple.Music", 0),
    ):
        hal.set(process, "ppid", pid)
        hal.set(process, "pbid", bundle_id)
        hal.set(process, "piri", records)

    assert coreaudio.microphone_users(own_pid=100) == (MicrophoneUser(200, "us.zoom.xos"),)
    assert hal.unreleased_references == 0


@pytest.mark.parametrize(
    ("session", "expected"),
    [
        ({b"kCGSSessionOnConsoleKey": True}, True),
        ({b"kCGSSessionOnConsoleKey": False}, False),
        ({b"kCGSSessionOnConsoleKey": 0}, True),  # no CFBoolean: not understood
        ({}, True),
        (None, True),
    ],
)
def test_is_in_front_reads_the_session_of_the_window_server(
    hal: Hal, session: dict[bytes, bool | int] | None, expected: bool
) -> None:
    """After a fast switch to another user it is not; whatever is unknown counts as in front."""
    hal.session = session

    assert coreaudio.is_in_front() == expected
    assert hal.unreleased_references == 0
