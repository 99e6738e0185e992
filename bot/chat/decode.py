"""The bytes of a file -> sound or text. Pure but for the WAV file that it writes; blocks.

Whatever a file holds, the outcome is its sound, its text or an `AttachmentError`: it came from
outside, and may be damaged, of another kind than its name says, or made to do harm. What reads it
may crash, or take hours or all the memory, so the bot has this module read in a process of its own
(`python -m bot.chat.decode`, started by bot/chat/extraction.py), which limits itself and answers
with one line of JSON.
"""

import contextlib
import io
import itertools
import json
import os
import re
import resource
import signal
import sys
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import av

SOUND, TEXT, PDF = "sound", "text", "pdf"

MAX_SOUND_S = 600.0
MAX_TEXT_CHARS = 60_000  # an hour
MAX_READING_S = 60  # ten minutes of Opus take about one
MAX_MEMORY_BYTES = 256_000_000
_MAX_FILE_BYTES = 64_000_000  # ten minutes of WAV have 29
_MAX_PAGES = 300
_NICENESS = 10  # what sounds meanwhile goes first

SOUND_SUFFIXES = tuple(
    ".aac .aif .aiff .caf .flac .m4a .mkv .mov .mp3 .mp4 .oga .ogg .opus .wav .webm".split()
)
# FFmpeg's names of the containers of these; not among them are playlists and the like, which
# would have it open other files and addresses. Source: ffmpeg-formats, format_whitelist.
_CONTAINERS = "aac,aiff,caf,flac,matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,mp3,ogg,wav,w64"

TOO_LONG = f"It is longer than {MAX_SOUND_S / 60:.0f} minutes. Cut it first."
TOO_MUCH_MEMORY = "It takes too much memory to read. Send it in another form, or in parts."


class AttachmentError(Exception):
    """A file can't be spoken; the message says why and what to do."""

    left_out = "1 file that I can't read"
    """What is told where the words beside it are spoken."""


class SilentError(AttachmentError):
    """There is no sound in a file."""

    left_out = "1 file without sound"


def decode(content: bytes, path: Path, rate_hz: int) -> None:
    """Write the sound of a file, or of a video, as mono 16-bit WAV with *rate_hz*.

    Raises:
        AttachmentError: there is no sound in it that FFmpeg knows, or too much.
        OSError: it can't be written.
    """
    import av  # noqa: PLC0415  # loads FFmpeg's libraries

    try:
        with wave.open(str(path), "wb") as out:
            out.setnchannels(1)
            out.setsampwidth(2)
            out.setframerate(rate_hz)
            for block in _pcm(content, rate_hz):
                out.writeframesraw(block)
                # A small file can hold hours of silence, and a header can lie about it.
                if out.getnframes() > MAX_SOUND_S * rate_hz:
                    raise AttachmentError(TOO_LONG)
            if not out.getnframes():
                raise SilentError("There is no sound in it.")
    except av.FFmpegError as exc:
        raise AttachmentError(
            f"It is no sound that I know ({exc.strerror}). Send OGG, MP3, M4A or WAV."
        ) from exc


def _pcm(content: bytes, rate_hz: int) -> Iterator[bytes]:
    """Decode the first sound in a file; a damaged packet of it is left out."""
    import av  # noqa: PLC0415

    with av.open(io.BytesIO(content), "r", options={"format_whitelist": _CONTAINERS}) as file:
        if not file.streams.audio:
            return
        if (file.duration or 0) / av.time_base > MAX_SOUND_S:
            raise AttachmentError(TOO_LONG)
        resampler = av.AudioResampler("s16", "mono", rate_hz)
        began = False
        for packet in file.demux(file.streams.audio[0]):
            try:
                frames = packet.decode()
            except av.InvalidDataError:
                frames = []
            for frame in frames:
                began = True
                yield from map(_bytes_of, resampler.resample(frame))
        if began:
            yield from map(_bytes_of, resampler.resample(None))


def _bytes_of(frame: "av.AudioFrame") -> bytes:
    return bytes(frame.planes[0])[: 2 * frame.samples]  # a plane is padded


def text_of(content: bytes, kind: str) -> str:
    """Return the text of a file, as much of it as is read.

    Raises:
        AttachmentError: it has none, or none that can be read.
    """
    if kind == PDF:
        return _text_of_pdf(content)
    for encoding in (
        "utf-8-sig",
        "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "cp1252",
    ):
        try:
            return content.decode(encoding)[:MAX_TEXT_CHARS]
        except UnicodeDecodeError:
            continue
    raise AttachmentError("Its letters are in no form that I know. Save it as UTF-8.")


def _text_of_pdf(content: bytes) -> str:
    import pypdf  # noqa: PLC0415  # slow to import
    from pypdf.errors import DependencyError, PyPdfError  # noqa: PLC0415

    pages: list[str] = []
    try:
        reader = pypdf.PdfReader(io.BytesIO(content))
        # With an owner's password only, anyone may read it.
        if reader.is_encrypted and not reader.decrypt(""):
            raise AttachmentError("The PDF is locked by a password. Send it without one.")
        for page in itertools.islice(reader.pages, _MAX_PAGES):
            pages.append(page.extract_text())
            if sum(map(len, pages)) > MAX_TEXT_CHARS:
                break
    except (PyPdfError, DependencyError) as exc:
        raise AttachmentError(f"The PDF is damaged ({exc}). Send it in another form.") from exc
    # A line of a page ends where the paper does; a paragraph ends with a mark.
    return re.sub(r"(?<![.!?:\n])\n(?=\S)", " ", "\n\n".join(pages)[:MAX_TEXT_CHARS])


def main() -> None:
    """Read a file: ``python -m bot.chat.decode PARENT KIND SOURCE TARGET RATE_HZ``."""
    parent, kind, source, target, rate_hz = sys.argv[1:]
    _limit_this_process()
    _end_with(int(parent))
    answer: dict[str, str | bool] = {}
    try:
        content = Path(source).read_bytes()
        if kind == SOUND:
            decode(content, Path(target), int(rate_hz))
        else:
            answer["text"] = text_of(content, kind)
    except AttachmentError as exc:
        answer = {"error": str(exc), "silent": isinstance(exc, SilentError)}
    except MemoryError:
        answer = {"error": TOO_MUCH_MEMORY}
    except OSError as exc:
        answer = {
            "error": f"The computer can't keep it ({exc.strerror}). Make room, send it again."
        }
    except Exception as exc:  # noqa: BLE001  # a file can be wrong in any way
        why = f"It can't be read ({type(exc).__name__}). Send it in another form."
        answer = {"error": why}
    sys.stdout.write(json.dumps(answer) + "\n")


def _limit_this_process() -> None:
    """Take no more than is given to the reading of a file, where the system sees to that.

    macOS keeps no limit of memory; whoever started this process looks at it, too.
    """
    os.nice(_NICENESS)
    os.umask(0o077)
    for limit, most in (
        (resource.RLIMIT_CPU, MAX_READING_S),  # also where nobody is left to end it
        (resource.RLIMIT_DATA, MAX_MEMORY_BYTES),
        (resource.RLIMIT_FSIZE, _MAX_FILE_BYTES),
        (resource.RLIMIT_CORE, 0),
    ):
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(limit, (most, most))


def _end_with(parent: int) -> None:
    """End this process soon after the one that started it, however that ended."""

    def look(*_: object) -> None:
        if os.getppid() != parent:
            os._exit(1)

    signal.signal(signal.SIGALRM, look)
    signal.setitimer(signal.ITIMER_REAL, 1.0, 1.0)


if __name__ == "__main__":
    main()
