"""Voice notes, sound and text files: played and read, or refused with a reason."""

import io
from pathlib import Path
from typing import Literal

import av
import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import correlate, resample_poly

from audio.types import SAMPLE_RATE_HZ, Samples
from bot.chat.decode import PDF, TEXT, AttachmentError, decode, text_of
from bot.chat.sandbox import Fault, Json, Sandbox
from tests.conftest import ALICE, StartBot, reaction_to, reply_with
from tests.support.fake_voice import find_tones
from tests.support.loudspeaker import RATE_HZ, Ear


def sweep(seconds: float) -> Samples:
    """Return a rising tone, which is like itself at one place only."""
    times = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    hz = 300 + 1500 * times / seconds
    return (0.5 * np.sin(2 * np.pi * np.cumsum(hz) / RATE_HZ)).astype(np.float32)


def note_of(samples: Samples) -> bytes:
    """Return a voice note as Telegram's apps record them."""
    content = io.BytesIO()
    soundfile.write(content, samples, RATE_HZ, format="OGG", subtype="OPUS")
    return content.getvalue()


def film_of(
    samples: Samples, codec: Literal["aac", "libopus", "mp3"] = "aac", kind: str = "mp4"
) -> bytes:
    """Return a video note as Telegram's apps record them: moving pictures and AAC."""
    content = io.BytesIO()
    with av.open(content, "w", format=kind) as file:
        pictures = file.add_stream("mpeg4", rate=10)
        pictures.width, pictures.height, pictures.pix_fmt = 64, 64, "yuv420p"
        sound = file.add_stream(codec, rate=RATE_HZ, layout="mono") if len(samples) else None
        picture = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
        for _ in range(5):
            file.mux(pictures.encode(picture))
        file.mux(pictures.encode())
        if sound:
            frame = av.AudioFrame.from_ndarray(samples[None], format="fltp", layout="mono")
            frame.sample_rate, frame.pts = RATE_HZ, 0
            file.mux(sound.encode(frame))
            file.mux(sound.encode())
    return content.getvalue()


def likeness(ear: Ear, recorded: Samples) -> float:
    """Return how like a recording the last sound heard is: the correlation's peak, 0 to 1."""
    ear.wait_for_silence()
    sound = ear.samples()[-len(recorded) - RATE_HZ // 2 :]
    sound = np.pad(sound, RATE_HZ // 10)  # its edges may be cut where they are soft
    if len(sound) < len(recorded):
        return 0.0
    peaks = np.abs(correlate(sound, recorded, "valid"))
    best = int(peaks.argmax())
    energy = (recorded**2).sum() * (sound[best : best + len(recorded)] ** 2).sum()
    return float(peaks[best] / np.sqrt(energy))


def send_voice(sandbox: Sandbox, content: bytes, seconds: int = 2) -> int:
    """Send a voice note."""
    voice = {"file_id": sandbox.add_file(content), "file_unique_id": "v", "duration": seconds}
    return sandbox.send_fields(ALICE, {"voice": {**voice, "file_size": len(content)}})


def send_file(sandbox: Sandbox, name: str, content: bytes) -> int:
    """Send a document."""
    document = {"file_id": sandbox.add_file(content), "file_unique_id": "d", "file_name": name}
    return sandbox.send_fields(ALICE, {"document": {**document, "file_size": len(content)}})


async def test_a_voice_note_sounds_as_it_was_recorded(
    sandbox: Sandbox, start_toned: StartBot, ear_a: Ear
) -> None:
    """It is heard whole and unchanged, gets its thumb, and leaves no file behind."""
    recorded = sweep(1.5)
    async with start_toned() as bot:
        message = send_voice(sandbox, note_of(recorded))
        await sandbox.wait_for(reaction_to(message, "👍"))
        assert list((bot.delivery._settings.data_dir / "sounds").glob("*")) == []

    assert likeness(ear_a, recorded) > 0.95


async def test_a_video_note_and_a_video_sound_as_they_were_recorded(
    sandbox: Sandbox, start_toned: StartBot, ear_a: Ear
) -> None:
    """Their sound is played; one without sound, and the words under one, are told as left out."""
    recorded = sweep(1.5)
    content, mute = film_of(recorded), film_of(recorded[:0])
    about = {"file_unique_id": "n", "duration": 2}
    note = {**about, "length": 64}
    video = {**about, "width": 64, "height": 64}
    async with start_toned():
        fields: Json = {"video_note": {**note, "file_id": sandbox.add_file(content)}}
        first = sandbox.send_fields(ALICE, fields)
        await sandbox.wait_for(reaction_to(first, "👍"))
        assert likeness(ear_a, recorded) > 0.95
        fields = {"video": {**video, "file_id": sandbox.add_file(content)}, "caption": "Look!"}
        second = sandbox.send_fields(ALICE, fields)
        await sandbox.wait_for(reaction_to(second, "👍"))
        await sandbox.wait_for(reply_with("Skipped: 1 caption.", to=second))
        assert likeness(ear_a, recorded) > 0.95
        fields = {"video_note": {**note, "file_id": sandbox.add_file(mute)}}
        third = sandbox.send_fields(ALICE, fields)
        await sandbox.wait_for(reply_with("no sound in it", to=third))
        await sandbox.wait_for(reaction_to(third, "💔"))


async def test_a_voice_note_is_fetched_again_after_a_restart(
    sandbox: Sandbox, start_toned: StartBot
) -> None:
    """A note that could not be fetched before the restart is played after it."""
    sandbox.faults["getfile"] = Fault(status=502, description="Bad Gateway")
    async with start_toned():
        message = send_voice(sandbox, note_of(sweep(0.5)))
        await sandbox.wait_for_call("getfile")
    sandbox.faults.clear()
    async with start_toned():
        await sandbox.wait_for(reaction_to(message, "👍"))


async def test_text_files_are_read_and_long_ones_asked_about(
    sandbox: Sandbox, start_toned: StartBot, ear_a: Ear
) -> None:
    """A short file is read; a long one waits for a choice, which is obeyed once."""
    long_text = "This is number 21.\n\n" + "These are words of no number at all. " * 60
    async with start_toned():
        short = send_file(sandbox, "note.md", b"# This is number 11\n")
        await sandbox.wait_for(reaction_to(short, "👍"))
        long_ = send_file(sandbox, "book.txt", long_text.encode())
        question = await sandbox.wait_for(reply_with("What shall I do?", to=long_))
        for _ in range(2):
            data = dict(question.buttons)["The first paragraph"]
            sandbox.press(ALICE, question.message_id, data)
        await sandbox.wait_for(reaction_to(long_, "👍"))
        await sandbox.wait_for(lambda e: e.kind == "answer" and "decided already" in e.text)
        again = send_file(sandbox, "book.txt", long_text.encode())
        question = await sandbox.wait_for(reply_with("What shall I do?", to=again))
        sandbox.press(ALICE, question.message_id, dict(question.buttons)["A voice note"])
        note = await sandbox.wait_for(lambda e: e.kind == "voice")
        samples, rate_hz = soundfile.read(io.BytesIO(note.content))
        spoken = resample_poly(samples, SAMPLE_RATE_HZ, rate_hz).astype(np.float32)

    ear_a.wait_for_silence()
    heard = [tone.code for tone in find_tones(ear_a.recording()[0], RATE_HZ) if tone.whole]
    assert heard == [11, 21]
    assert find_tones(spoken, SAMPLE_RATE_HZ)[0].code == 21


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("virus.exe", b"MZ", "I can read .txt"),
        ("noise.ogg", b"this is no sound", "It is no sound that I know"),
        ("list.mp3", b"#EXTM3U\n#EXTINF:1,\n/etc/hostname\n", "It is no sound that I know"),
        ("list.wav", b"ffconcat version 1.0\nfile /etc/hostname\n", "It is no sound that I know"),
        ("broken.pdf", b"%PDF-1.4 broken", "PDF"),
        ("empty.txt", b"   \n", "There are no words in it"),
    ],
)
async def test_what_cannot_be_read_is_refused_with_a_reason(
    sandbox: Sandbox, start_toned: StartBot, name: str, content: bytes, why: str
) -> None:
    """A file of another kind, or a damaged one, has its broken heart and the reason."""
    async with start_toned():
        message = send_file(sandbox, name, content)
        await sandbox.wait_for(reply_with(why, to=message))
        await sandbox.wait_for(reaction_to(message, "💔"))


async def test_large_files_and_long_notes_are_not_fetched(
    sandbox: Sandbox, start_toned: StartBot
) -> None:
    """What is over a limit is refused before it costs anything."""
    huge = {"file_id": "x", "file_unique_id": "x", "file_name": "a.pdf", "file_size": 30_000_000}
    endless = {"file_id": "x", "file_unique_id": "x", "duration": 3600}
    film = {**endless, "length": 240}
    async with start_toned():
        for fields, why in (
            ({"document": huge}, "20 MB at most"),
            ({"voice": endless}, "longer than 10 minutes"),
            ({"video_note": film}, "longer than 10 minutes"),
        ):
            message = sandbox.send_fields(ALICE, fields)
            await sandbox.wait_for(reply_with(why, to=message))

    assert "getfile" not in {method for _, method, _ in sandbox.calls}


@pytest.mark.parametrize(
    ("kind", "codec"),
    [("mp4", "aac"), ("mov", "aac"), ("matroska", "libopus"), ("matroska", "mp3")],
)
def test_what_phones_and_computers_record_is_decoded(
    tmp_path: Path, kind: str, codec: Literal["aac", "libopus", "mp3"]
) -> None:
    """AAC, Opus and MP3, in the containers in which they come, beside pictures."""
    decode(film_of(sweep(0.5), codec, kind), tmp_path / "x.wav", SAMPLE_RATE_HZ)
    samples, rate_hz = soundfile.read(tmp_path / "x.wav")

    assert rate_hz == SAMPLE_RATE_HZ
    assert len(samples) / rate_hz == pytest.approx(0.5, abs=0.06)
    assert list(tmp_path.iterdir()) == [tmp_path / "x.wav"]


def test_a_small_file_with_hours_of_silence_is_refused(tmp_path: Path) -> None:
    """Whatever its header says, decoding ends at ten minutes."""
    hours = io.BytesIO()
    with av.open(hours, "w", format="adts") as file:  # which has no header to tell its length
        sound = file.add_stream("aac", rate=8000, layout="mono")
        for _ in range(11):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 60 * 8000), np.float32), "fltp", "mono")
            frame.sample_rate = 8000
            file.mux(sound.encode(frame))
        file.mux(sound.encode())
    with pytest.raises(AttachmentError, match="longer than 10 minutes"):
        decode(hours.getvalue(), tmp_path / "x.wav", SAMPLE_RATE_HZ)


@given(st.binary(max_size=400), st.sampled_from([TEXT, PDF]))
def test_any_bytes_are_read_or_refused(content: bytes, kind: str) -> None:
    """Whatever a file holds, there is a text or an AttachmentError."""
    try:
        text_of(content, kind)
    except AttachmentError as exc:
        assert str(exc)  # noqa: PT017


@given(st.binary(max_size=300))
def test_any_bytes_are_sound_or_refused(content: bytes) -> None:
    """Whatever a file holds, there is a recording or an AttachmentError."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        try:
            decode(content, Path(folder) / "x.wav", SAMPLE_RATE_HZ)
        except AttachmentError as exc:
            assert str(exc)  # noqa: PT017
