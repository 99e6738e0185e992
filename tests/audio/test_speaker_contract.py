"""The contract of `audio.ports.Speaker`: PortAudio, a stand-in for CoreAudio, and WAV files."""

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from audio.output.portaudio import PortAudioSpeaker
from audio.output.wavfile import WavSpeaker
from audio.ports import Speaker
from audio.types import SAMPLE_RATE_HZ
from tests.support.fake_coreaudio import CoreAudio
from tests.support.speakers import AudioThread, tone
from tests.support.virtual_clock import VirtualClock


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


@pytest.mark.realtime
@pytest.mark.parametrize("seconds", [0.05, 0.5, 1.5])
def test_speaker_plays_in_real_time(any_speaker: AudioThread, seconds: float) -> None:
    """Playback on a device or into a folder takes as long as the sound."""
    began_s = time.monotonic()
    any_speaker.play(tone(seconds))

    # The virtual loudspeaker accepts up to a buffer ahead of time, and reports in steps of 90 ms.
    assert seconds - 0.3 < time.monotonic() - began_s < seconds + 0.6


@pytest.mark.realtime
def test_speaker_can_be_opened_again_after_abort(any_speaker: AudioThread) -> None:
    """After an abort the speaker is closed, and can be used again."""

    def write_and_abort(speaker: Speaker) -> float:
        speaker.open()
        speaker.start_utterance()
        speaker.write(tone(2))
        began_s = time.monotonic()
        speaker.abort()
        return time.monotonic() - began_s

    assert any_speaker.do(write_and_abort) < 0.3
    assert not any_speaker.do(lambda speaker: speaker.is_open)
    any_speaker.play(tone(0.2))


def test_speaker_close_and_abort_are_idempotent(any_speaker: AudioThread) -> None:
    """Close and abort do nothing on a closed speaker."""
    any_speaker.play(tone(0.1))
    for _ in range(2):
        any_speaker.do(lambda speaker: speaker.close())
        any_speaker.do(lambda speaker: speaker.abort())


@pytest.mark.parametrize("latency", [0.01, 0.05, 0.1, 0.17, 0.3, "high", "low"])
@pytest.mark.parametrize("buffer_frames", [128, 480, 512, 960, 2048])
def test_speaker_on_a_mac_reports_the_end_when_it_is_heard(
    monkeypatch: pytest.MonkeyPatch, buffer_frames: int, latency: str | float
) -> None:
    """Whatever buffer the device takes and whatever its rate: all is heard, without a gap."""
    for rate_hz in (16_000.0, 24_000.0, 44_100.0, 48_000.0):
        clock = VirtualClock()
        clock.install(monkeypatch)
        mac = CoreAudio("AirPods")
        device = mac.connected[0]
        device.buffer_range_frames, device.rate_hz = (15, buffer_frames), rate_hz
        device.misreports_latency = True
        speaker = PortAudioSpeaker(
            "", latency, full_at_open=True, load_library=mac.load, system=mac
        )
        thread = AudioThread(speaker)
        began_s = clock.now_s
        thread.play(np.full(SAMPLE_RATE_HZ // 2, 0.5, np.float32))
        ended_s = clock.now_s
        thread.close()

        sound = np.flatnonzero(device.sound)
        assert len(sound) == SAMPLE_RATE_HZ // 2 == sound[-1] - sound[0] + 1
        parts = [(at_s, part) for at_s, part in device.played if part.any()]
        first_s = parts[0][0] + np.flatnonzero(parts[0][1])[0] / SAMPLE_RATE_HZ
        assert first_s - began_s < (0.6 if isinstance(latency, str) else 1.1)
        assert 0 <= ended_s - (first_s + 0.5) < 0.3
