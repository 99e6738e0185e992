"""Bytes are decoded to sound or text, or refused."""

import io
from pathlib import Path
from typing import Literal

import av
import numpy as np
import pypdf
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from audio.types import SAMPLE_RATE_HZ
from bot.chat.decode import MAX_TEXT_CHARS, PDF, TEXT, AttachmentError, decode, text_of
from tests.chat.samples import film_of, page_with, pdf_of, sweep


@pytest.mark.parametrize(
    ("kind", "codec"),
    [("mp4", "aac"), ("mov", "aac"), ("matroska", "libopus"), ("matroska", "mp3")],
)
def test_decode_reads_the_formats_of_phones_and_computers(
    tmp_path: Path, kind: str, codec: Literal["aac", "libopus", "mp3"]
) -> None:
    """AAC, Opus and MP3 in their usual containers, with pictures."""
    decode(film_of(sweep(0.5), codec, kind), tmp_path / "x.wav", SAMPLE_RATE_HZ)
    samples, rate_hz = soundfile.read(tmp_path / "x.wav")

    assert rate_hz == SAMPLE_RATE_HZ
    assert len(samples) / rate_hz == pytest.approx(0.5, abs=0.06)
    assert list(tmp_path.iterdir()) == [tmp_path / "x.wav"]


def test_decode_refuses_a_small_file_with_hours_of_silence(tmp_path: Path) -> None:
    """Decoding stops at ten minutes, whatever the header says."""
    hours = io.BytesIO()
    with av.open(hours, "w", format="adts") as file:  # a format without a length in its header
        sound = file.add_stream("aac", rate=8000, layout="mono")
        for _ in range(11):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 60 * 8000), np.float32), "fltp", "mono")
            frame.sample_rate = 8000
            file.mux(sound.encode(frame))
        file.mux(sound.encode())
    with pytest.raises(AttachmentError, match="longer than 10 minutes"):
        decode(hours.getvalue(), tmp_path / "x.wav", SAMPLE_RATE_HZ)


@pytest.mark.parametrize("algorithm", ["RC4-128", "AES-256"])
def test_text_of_reads_a_pdf_with_only_an_owner_password(algorithm: str) -> None:
    """A PDF that anyone may open is read; one that needs a password is refused."""
    locked = []
    for password in ("", "secret"):
        writer = pypdf.PdfWriter(pypdf.PdfReader(io.BytesIO(page_with(b"Number 5."))))
        writer.encrypt(password, "owner", algorithm=algorithm)
        content = io.BytesIO()
        writer.write(content)
        locked.append(content.getvalue())

    assert text_of(locked[0], PDF).text == "Number 5."
    with pytest.raises(AttachmentError, match="locked by a password"):
        text_of(locked[1], PDF)


def test_text_of_stops_at_the_limit() -> None:
    """Of a long page no more than MAX_TEXT_CHARS are returned, and it is said how much."""
    words = b"(" + b"word " * 20_000 + b") Tj "
    read = text_of(pdf_of(b"BT /F1 12 Tf " + words + b"ET"), PDF)

    assert len(read.text) == MAX_TEXT_CHARS
    assert read.left_out == "the last 40 % of the file"


@given(st.binary(max_size=400), st.sampled_from([TEXT, PDF]))
def test_text_of_reads_or_refuses_any_bytes(content: bytes, kind: str) -> None:
    """Any content yields a text or an AttachmentError."""
    try:
        text_of(content, kind)
    except AttachmentError as exc:
        assert str(exc)  # noqa: PT017


@given(st.binary(max_size=300))
def test_decode_reads_or_refuses_any_bytes(content: bytes) -> None:
    """Any content yields a recording or an AttachmentError."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        try:
            decode(content, Path(folder) / "x.wav", SAMPLE_RATE_HZ)
        except AttachmentError as exc:
            assert str(exc)  # noqa: PT017
