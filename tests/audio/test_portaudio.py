"""PortAudio on virtual loudspeakers."""

import time
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from audio.output.portaudio import PortAudioSpeaker, ring_frames
from audio.ports import Speaker
from audio.types import NoOutputDeviceError
from tests.support.loudspeaker import Ear, Loudspeakers
from tests.support.speakers import AudioThread, tone


@pytest.fixture
def on_speaker_a(loudspeakers: Loudspeakers) -> Iterator[AudioThread]:
    """Return a speaker on the first loudspeaker."""
    assert loudspeakers.alsa_config.exists()
    thread = AudioThread(PortAudioSpeaker("speaker_a"))
    yield thread
    thread.close()


@pytest.mark.realtime
@pytest.mark.parametrize("seconds", [0.03, 0.12, 0.4])
def test_pad_makes_the_last_frames_heard(
    on_speaker_a: AudioThread, ear_a: Ear, seconds: float
) -> None:
    """The last frames are heard, even those of a sound shorter than a block."""
    on_speaker_a.play(tone(seconds))
    ear_a.wait_for_silence()

    assert len(ear_a.samples()) / 48_000 == pytest.approx(seconds, abs=0.01)


@pytest.mark.realtime
def test_write_continues_after_an_underrun_between_utterances(
    on_speaker_a: AudioThread, ear_a: Ear
) -> None:
    """A stream that ran dry plays the next sound completely, and counts no underrun."""
    on_speaker_a.play(tone(0.3))
    ear_a.wait_for_silence(0.6)
    on_speaker_a.play(tone(0.3))
    ear_a.wait_for_silence()

    assert [round(end - start, 1) for start, end in ear_a.spans()] == [0.3, 0.3]
    assert on_speaker_a.speaker.underruns == 0


@pytest.mark.realtime
def test_late_write_is_heard_whole_and_counted(on_speaker_a: AudioThread, ear_a: Ear) -> None:
    """The device plays all that it has without padding; what comes after that is an underrun."""

    def write(speaker: Speaker) -> None:
        samples = tone(0.4)
        while len(samples):
            samples = samples[speaker.write(samples) :]
            time.sleep(speaker.poll_s)

    on_speaker_a.do(lambda speaker: speaker.open())
    on_speaker_a.do(lambda speaker: speaker.start_utterance())
    on_speaker_a.do(write)
    ear_a.wait_for_silence()
    on_speaker_a.do(write)
    ear_a.wait_for_silence()

    assert [round(end - start, 1) for start, end in ear_a.spans()] == [0.4, 0.4]
    assert on_speaker_a.speaker.underruns == 1


@pytest.mark.parametrize(
    ("wanted", "device", "warning"),
    [
        ("", "default", ""),
        ("speaker_b", "speaker_b", ""),
        ("SPEAKER_B", "speaker_b", ""),
        ("er_b", "speaker_b", ""),
        (
            "speaker",
            "speaker_a",
            "'speaker' fits several devices (speaker_a, speaker_b); using speaker_a.",
        ),
        ("AirPods", "default", "No device fits 'AirPods'; using default instead."),
    ],
)
def test_open_selects_a_device_by_name(
    on_speaker_a: AudioThread, wanted: str, device: str, warning: str
) -> None:
    """An exact name or a part, in any case; otherwise the default, with a warning."""

    def open_(speaker: Speaker) -> tuple[str, str]:
        speaker.select_device(wanted)
        speaker.open()
        return speaker.device, speaker.warning

    assert on_speaker_a.do(open_) == (device, warning)


def test_target_changed_after_select_device(on_speaker_a: AudioThread) -> None:
    """The target has changed as soon as another device is selected, until it is opened."""

    def target_changed(speaker: Speaker) -> list[bool]:
        speaker.open()
        before = speaker.target_changed()
        speaker.select_device("speaker_b")
        after = speaker.target_changed()
        speaker.close()
        speaker.open()
        return [before, after, speaker.target_changed()]

    assert on_speaker_a.do(target_changed) == [False, True, False]


def test_open_without_any_device_says_what_to_do(
    on_speaker_a: AudioThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audio.output.portaudio.PortAudioSpeaker._outputs", lambda _: ([], -1))
    with pytest.raises(NoOutputDeviceError, match="Connect a loudspeaker"):
        on_speaker_a.do(lambda speaker: speaker.open())


def test_ring_frames_is_a_power_of_two() -> None:
    """The depth of CoreAudio's ring as PortAudio computes it: 3 buffers, or twice the latency."""
    assert ring_frames(0.02, 2048) == 8192
    assert ring_frames(0.2, 2048) == 16384
    assert ring_frames(0.02, 480) == 2048


def test_alsa_that_ran_dry_is_not_deeper_than_at_open() -> None:
    """After an underrun ALSA reports more room than it has; the device is not taken for stalled."""
    speaker = PortAudioSpeaker("speaker_a", full_at_open=False)
    speaker._capacity_frames = speaker._room = 6144
    speaker._stream = SimpleNamespace(write_available=6200)

    assert speaker._query_room() == 6200
    assert speaker._capacity_frames == 6144
    assert speaker._stalled_s() == 0
