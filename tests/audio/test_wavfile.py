"""WAV files in place of a loudspeaker."""

import time
import wave
from pathlib import Path

from audio.output.wavfile import WavSpeaker
from audio.ports import Speaker
from audio.types import SAMPLE_RATE_HZ
from tests.support.speakers import AudioThread, tone


def test_wav_speaker_numbers_its_files(tmp_path: Path) -> None:
    """Each utterance is a 16-bit file, numbered after existing ones; no partial file is left."""
    folder = tmp_path / "new" / "spoken"
    thread = AudioThread(WavSpeaker(folder))
    thread.play(tone(0.2))
    thread.play(tone(0.3))
    files = thread.do(lambda speaker: speaker.pop_files())
    thread.close()

    assert [Path(file).name for file in files] == ["0001.wav", "0002.wav"]
    assert sorted(path.name for path in folder.iterdir()) == ["0001.wav", "0002.wav"]
    with wave.open(files[1]) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (24000, 1, 2)
        assert file.getnframes() == 7200


def test_wav_speaker_abort_truncates_the_file(tmp_path: Path) -> None:
    """The file ends where a loudspeaker would have stopped."""

    def write_and_abort(speaker: Speaker) -> None:
        speaker.open()
        speaker.start_utterance()
        written = 0
        while written < SAMPLE_RATE_HZ:
            written += speaker.write(tone(2)[written:])
            time.sleep(0.02)
        speaker.abort()

    thread = AudioThread(WavSpeaker(tmp_path))
    thread.do(write_and_abort)
    thread.close()
    with wave.open(str(tmp_path / "0001.wav")) as file:
        # 1 s was accepted, of which a buffer of 0.26 s would not have been heard.
        assert 0.6 < file.getnframes() / SAMPLE_RATE_HZ < 0.85
