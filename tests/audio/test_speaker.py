"""The loudspeaker contract: on real PortAudio, on a stand-in for a Mac's, and on WAV files."""

import time
import wave
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest

from audio.output.portaudio import PortAudioSpeaker, _ring_frames
from audio.output.wavfile import WavSpeaker
from audio.playback import Speaker
from audio.types import SAMPLE_RATE_HZ, NoOutputDeviceError, Samples
from tests.support.fake_coreaudio import CoreAudio
from tests.support.loudspeaker import Ear, Loudspeakers

T = TypeVar("T")


class AudioThread:
    """Runs one speaker's calls where they belong: on one thread of that name."""

    def __init__(self, speaker: Speaker) -> None:
        self.speaker = speaker
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="audio")

    def do(self, call: Callable[[Speaker], T]) -> T:
        """Return what *call* of the speaker returns."""
        return self._thread.submit(call, self.speaker).result(30)

    def play(self, samples: Samples) -> None:
        """Write *samples* as an utterance and return when its last frame was heard."""

        def play(speaker: Speaker) -> None:
            if not speaker.is_open:
                speaker.open()
            speaker.begin_utterance()
            done = 0
            while done < len(samples):
                done += speaker.write(samples[done:])
                time.sleep(speaker.poll_s)
            speaker.end_utterance()
            end_frame = speaker.written_frames
            while speaker.played_frames < end_frame:
                speaker.pad()
                time.sleep(speaker.poll_s)

        self.do(play)

    def close(self) -> None:
        """Release the device."""
        self.do(lambda speaker: speaker.shutdown())
        self._thread.shutdown()


@pytest.fixture
def on_speaker_a(loudspeakers: Loudspeakers) -> Iterator[AudioThread]:
    """Return a speaker on the first loudspeaker."""
    assert loudspeakers.alsa_config.exists()
    thread = AudioThread(PortAudioSpeaker("speaker_a"))
    yield thread
    thread.close()


@pytest.fixture(params=["portaudio", "coreaudio", "wav"])
def any_speaker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AudioThread]:
    """Return a speaker of each kind in turn."""
    if request.param == "portaudio":
        request.getfixturevalue("loudspeakers")
        thread = AudioThread(PortAudioSpeaker("speaker_a"))
    elif request.param == "coreaudio":
        mac = CoreAudio("speaker_b", "speaker_a")
        thread = AudioThread(
            PortAudioSpeaker(
                "speaker_a",
                full_at_open=True,
                load_library=mac.load,
                system=mac,
            )
        )
    else:
        thread = AudioThread(WavSpeaker(tmp_path / "spoken"))
    yield thread
    thread.close()


def tone(seconds: float, hz: float = 440.0) -> Samples:
    """Return a loud sine."""
    times = np.arange(int(seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    return (0.5 * np.sin(2 * np.pi * hz * times)).astype(np.float32)


@pytest.mark.parametrize("seconds", [0.05, 0.5, 1.5])
@pytest.mark.realtime
def test_playing_takes_as_long_as_the_sound(any_speaker: AudioThread, seconds: float) -> None:
    """A loudspeaker and a folder both take the time of the sound, and no less."""
    began_s = time.monotonic()
    any_speaker.play(tone(seconds))

    # The virtual loudspeaker takes up to a buffer ahead of time, and tells in steps of 90 ms.
    assert seconds - 0.3 < time.monotonic() - began_s < seconds + 0.6


@pytest.mark.realtime
def test_an_abort_ends_at_once_and_reopening_works(any_speaker: AudioThread) -> None:
    """After an abort the speaker is closed and can be used again."""

    def write_and_abort(speaker: Speaker) -> float:
        speaker.open()
        speaker.begin_utterance()
        speaker.write(tone(2))
        began_s = time.monotonic()
        speaker.abort()
        return time.monotonic() - began_s

    assert any_speaker.do(write_and_abort) < 0.3
    assert not any_speaker.do(lambda speaker: speaker.is_open)
    any_speaker.play(tone(0.2))


def test_closing_twice_is_no_mistake(any_speaker: AudioThread) -> None:
    """Close and abort do nothing where nothing is open."""
    any_speaker.play(tone(0.1))
    for _ in range(2):
        any_speaker.do(lambda speaker: speaker.close())
        any_speaker.do(lambda speaker: speaker.abort())


@pytest.mark.parametrize("seconds", [0.03, 0.12, 0.4])
@pytest.mark.realtime
def test_the_end_of_a_sound_is_heard(on_speaker_a: AudioThread, ear_a: Ear, seconds: float) -> None:
    """The last frames come out, even of a sound shorter than a block."""
    on_speaker_a.play(tone(seconds))
    ear_a.wait_for_silence()

    assert len(ear_a.samples()) / 48_000 == pytest.approx(seconds, abs=0.01)


@pytest.mark.realtime
def test_sound_after_a_pause_on_the_same_stream(on_speaker_a: AudioThread, ear_a: Ear) -> None:
    """A stream that ran dry goes on with the next sound, whole, and counts no underrun."""
    on_speaker_a.play(tone(0.3))
    ear_a.wait_for_silence(0.6)
    on_speaker_a.play(tone(0.3))
    ear_a.wait_for_silence()

    assert [round(end - start, 1) for start, end in ear_a.spans()] == [0.3, 0.3]
    assert on_speaker_a.speaker.underruns == 0


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
def test_devices_are_chosen_by_name(
    on_speaker_a: AudioThread, wanted: str, device: str, warning: str
) -> None:
    """An exact name or a part, in any case; otherwise something sounds all the same, and says."""

    def open_(speaker: Speaker) -> tuple[str, str]:
        speaker.select_device(wanted)
        speaker.open()
        return speaker.device, speaker.warning

    assert on_speaker_a.do(open_) == (device, warning)


def test_a_choice_moves_an_open_stream(on_speaker_a: AudioThread) -> None:
    """An open stream has moved as soon as another device is wanted."""

    def target_changed(speaker: Speaker) -> list[bool]:
        speaker.open()
        before = speaker.target_changed()
        speaker.select_device("speaker_b")
        after = speaker.target_changed()
        speaker.close()
        speaker.open()
        return [before, after, speaker.target_changed()]

    assert on_speaker_a.do(target_changed) == [False, True, False]


def test_no_device_at_all_is_an_error_of_its_own(
    on_speaker_a: AudioThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without any output device the message says what to do."""
    monkeypatch.setattr("audio.output.portaudio.PortAudioSpeaker._outputs", lambda _: ([], -1))
    with pytest.raises(NoOutputDeviceError, match="Connect a loudspeaker"):
        on_speaker_a.do(lambda speaker: speaker.open())


def test_the_depth_of_a_mac_stream_is_a_power_of_two() -> None:
    """CoreAudio's ring, as PortAudio computes it: three blocks, or twice the latency."""
    assert _ring_frames(0.02) == 8192
    assert _ring_frames(0.2) == 16384


def test_files_are_numbered_whole_and_16_bit(tmp_path: Path) -> None:
    """Each utterance is one file, after those that are there already; nothing is left half done."""
    folder = tmp_path / "new" / "spoken"
    thread = AudioThread(WavSpeaker(folder))
    thread.play(tone(0.2))
    thread.play(tone(0.3))
    files = thread.do(lambda speaker: speaker.take_files())
    thread.close()

    assert [Path(file).name for file in files] == ["0001.wav", "0002.wav"]
    assert sorted(path.name for path in folder.iterdir()) == ["0001.wav", "0002.wav"]
    with wave.open(files[1]) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (24000, 1, 2)
        assert file.getnframes() == 7200


def test_an_aborted_file_ends_where_it_was_cut(tmp_path: Path) -> None:
    """What would not have sounded before the abort is not in the file."""

    def write_and_abort(speaker: Speaker) -> None:
        speaker.open()
        speaker.begin_utterance()
        done = 0
        while done < SAMPLE_RATE_HZ:
            done += speaker.write(tone(2)[done:])
            time.sleep(0.02)
        speaker.abort()

    thread = AudioThread(WavSpeaker(tmp_path))
    thread.do(write_and_abort)
    thread.close()
    with wave.open(str(tmp_path / "0001.wav")) as file:
        # 1 s was taken, of which a buffer of 0.26 s had not sounded.
        assert 0.6 < file.getnframes() / SAMPLE_RATE_HZ < 0.85
