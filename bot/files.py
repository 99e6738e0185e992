"""The bytes of a file -> sound or text. Pure but for the WAV file that it writes; blocks.

Whatever a file holds, the outcome is its sound, its text or an `AttachmentError`: it came from
outside, and may be damaged, of another kind than its name says, or made to do harm.
"""

import io
import re
import time
import wave
from collections.abc import Iterator
from pathlib import Path

from audio.types import SAMPLE_RATE_HZ

SOUND, TEXT, PDF = "sound", "text", "pdf"

MAX_SOUND_S = 600.0
MAX_TEXT_CHARS = 60_000  # an hour; planning it takes the audio thread 0.1 s
_MAX_PAGES = 300
_MAX_DECODING_S = 60.0  # ten minutes of Opus take about one

SOUND_SUFFIXES = tuple(
    ".aac .aif .aiff .caf .flac .m4a .mkv .mov .mp3 .mp4 .oga .ogg .opus .wav .webm".split()
)
# FFmpeg's names of the containers of these; not among them are playlists and the like, which
# would have it open other files and addresses. Source: ffmpeg-formats, format_whitelist.
_CONTAINERS = "aac,aiff,caf,flac,matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,mp3,ogg,wav,w64"

TOO_LONG = f"It is longer than {MAX_SOUND_S / 60:.0f} minutes. Cut it first."


class AttachmentError(Exception):
    """A file can't be spoken; the message says why and what to do."""


def decode(content: bytes, path: Path) -> None:
    """Write the sound of a file, or of a video, as mono 16-bit WAV at `SAMPLE_RATE_HZ`.

    Raises:
        AttachmentError: there is no sound in it that FFmpeg knows, or too much.
        OSError: it can't be written.
    """
    import av  # noqa: PLC0415  # loads FFmpeg's libraries

    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    give_up_s = time.monotonic() + _MAX_DECODING_S
    try:
        with wave.open(str(part), "wb") as out:
            out.setnchannels(1)
            out.setsampwidth(2)
            out.setframerate(SAMPLE_RATE_HZ)
            for block in _pcm(content):
                out.writeframesraw(block)
                # A small file can hold hours of silence, and a header can lie about it.
                if out.getnframes() > MAX_SOUND_S * SAMPLE_RATE_HZ:
                    raise AttachmentError(TOO_LONG)
                if time.monotonic() > give_up_s:
                    raise AttachmentError("It takes too long to decode. Send it as OGG or MP3.")
            if not out.getnframes():
                raise AttachmentError("There is no sound in it.")
        part.replace(path)
    except av.FFmpegError as exc:
        raise AttachmentError(
            f"It is no sound that I know ({exc.strerror}). Send OGG, MP3, M4A or WAV."
        ) from exc
    finally:
        part.unlink(missing_ok=True)


def _pcm(content: bytes) -> Iterator[bytes]:
    """Decode the first sound in a file; a damaged packet of it is left out."""
    import av  # noqa: PLC0415

    with av.open(io.BytesIO(content), "r", options={"format_whitelist": _CONTAINERS}) as file:
        if not file.streams.audio:
            return
        if (file.duration or 0) / av.time_base > MAX_SOUND_S:
            raise AttachmentError(TOO_LONG)
        resampler = av.AudioResampler("s16", "mono", SAMPLE_RATE_HZ)
        began = False
        for packet in file.demux(file.streams.audio[0]):
            try:
                frames = packet.decode()
            except av.InvalidDataError:
                frames = []
            for frame in frames:
                began = True
                for block in resampler.resample(frame):
                    yield block.to_ndarray().tobytes()
            yield b""  # so that whoever takes them can look at the clock
        for block in resampler.resample(None) if began else ():
            yield block.to_ndarray().tobytes()


def text_of(content: bytes, kind: str) -> str:
    """Return the text of a file, as much of it as is read. Blocks.

    Raises:
        AttachmentError: it has none, or none that can be read.
    """
    if kind == TEXT:
        for encoding in (
            "utf-8-sig",
            "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "cp1252",
        ):
            try:
                return content.decode(encoding)[:MAX_TEXT_CHARS]
            except UnicodeDecodeError:
                continue
        raise AttachmentError("Its letters are in no form that I know. Save it as UTF-8.")
    import pypdf  # noqa: PLC0415  # slow to import
    from pypdf.errors import PyPdfError  # noqa: PLC0415

    try:
        reader = pypdf.PdfReader(io.BytesIO(content))
        if reader.is_encrypted:
            raise AttachmentError("The PDF is locked by a password. Send it without one.")
        pages = [page.extract_text() for page in reader.pages[:_MAX_PAGES]]
    except PyPdfError as exc:
        raise AttachmentError(f"The PDF is damaged ({exc}). Send it in another form.") from exc
    # A line of a page ends where the paper does; a paragraph ends with a mark.
    return re.sub(r"(?<![.!?:\n])\n(?=\S)", " ", "\n\n".join(pages)[:MAX_TEXT_CHARS])
