"""Voice notes, sound and text files: played and read, or refused with a reason."""

import asyncio
import io
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import correlate, resample_poly

from audio.types import SAMPLE_RATE_HZ, Samples
from bot.attachments import PDF, TEXT, AttachmentError, decode, text_of
from bot.sandbox import Fault, Sandbox
from tests.conftest import ALICE, StartBot, reaction_to, reply_with
from tests.loudspeaker import RATE_HZ, Ear
from tests.tones import tell


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
    """It is heard soon after it was fetched, whole and unchanged, and gets its thumb."""
    recorded = sweep(1.5)
    async with start_toned() as bot:
        first = sandbox.send(ALICE, "This is number 1.")  # what is imported once is imported
        await sandbox.wait_for(reaction_to(first, "👍"))
        message = send_voice(sandbox, note_of(recorded))
        await sandbox.wait_for_call("getfile")
        fetched_s = time.monotonic()
        heard_s = await asyncio.to_thread(ear_a.wait_for_sound, fetched_s)
        await sandbox.wait_for(reaction_to(message, "👍"))
        assert list((bot.delivery._settings.data_dir / "sounds").glob("*")) == []
    ear_a.wait_for_silence()
    sound = ear_a.samples()[-int(2.0 * RATE_HZ) :]
    likeness = (
        np.abs(correlate(sound, recorded, "valid")).max() if len(sound) > len(recorded) else 0
    )
    energy = np.sqrt((recorded**2).sum() * (sound[-len(recorded) :] ** 2).sum())

    assert heard_s - fetched_s < 1.0
    assert likeness / energy > 0.9


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
    heard = [tone.code for tone in tell(ear_a.recording()[0], RATE_HZ) if tone.whole]
    assert heard == [11, 21]
    assert tell(spoken, SAMPLE_RATE_HZ)[0].code == 21


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("virus.exe", b"MZ", "I can read .txt"),
        ("noise.ogg", b"this is no sound", "It is no sound that I know"),
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


async def test_large_files_long_notes_and_video_are_not_fetched(
    sandbox: Sandbox, start_toned: StartBot
) -> None:
    """What is over a limit is refused before it costs anything."""
    huge = {"file_id": "x", "file_unique_id": "x", "file_name": "a.pdf", "file_size": 30_000_000}
    endless = {"file_id": "x", "file_unique_id": "x", "duration": 3600}
    video = {"file_id": "x", "file_unique_id": "x", "length": 240, "duration": 5}
    async with start_toned():
        for fields, why in (
            ({"document": huge}, "20 MB at most"),
            ({"voice": endless}, "longer than 10 minutes"),
            ({"video_note": video}, "no video"),
        ):
            message = sandbox.send_fields(ALICE, fields)
            await sandbox.wait_for(reply_with(why, to=message))

    assert "getfile" not in {method for _, method, _ in sandbox.calls}


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
            decode(content, Path(folder) / "x.wav")
        except AttachmentError as exc:
            assert str(exc)  # noqa: PT017
