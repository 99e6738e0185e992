"""The contract of `audio.ports.Speaker`: PortAudio, a stand-in for CoreAudio, and WAV files."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from audio.output.portaudio import PortAudioSpeaker
from audio.output.wavfile import WavSpeaker
from audio.ports import Speaker
from tests.support.fake_coreaudio import CoreAudio
from tests.support.speakers import AudioThread, tone


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
