"""The bytes of a file -> sound or text. Pure except for the WAV file it writes; blocks.

A file comes from outside: it may be damaged, mislabelled or malicious. The result is always its
sound, its text or an `AttachmentError`. The libraries that read it may crash, take hours or exhaust
the memory, so the bot runs this module in a separate process (`python -m bot.chat.decode`, started
by bot/chat/extraction.py), which limits its own resources and answers with one line of JSON.
"""

import contextlib
import io
import json
import os
import re
import resource
import signal
import sys
import wave
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bot.chat.encodings import decode_text
from bot.chat.pages import text_of_pages

if TYPE_CHECKING:
    import av
    import pypdf

SOUND, TEXT, PDF = "sound", "text", "pdf"

MAX_SOUND_S = 600.0
MAX_TEXT_CHARS = 60_000  # an hour
MAX_READING_S = 60  # ten minutes of Opus take about one second
MAX_MEMORY_BYTES = 256_000_000
_MAX_FILE_BYTES = 64_000_000  # ten minutes of WAV take 29 MB
_MAX_PAGES = 300
_NICENESS = 10  # playback has priority

SOUND_SUFFIXES = tuple(
    ".aac .aif .aiff .caf .flac .m4a .mkv .mov .mp3 .mp4 .oga .ogg .opus .wav .webm".split()
)
# FFmpeg's names of their containers. Playlists and the like are excluded: they make FFmpeg open
# other files and URLs. Source: ffmpeg-formats, format_whitelist.
_CONTAINERS = "aac,aiff,caf,flac,matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,mp3,ogg,wav,w64"

_CATALOG = re.compile(rb"\b(\d{1,9} \d{1,5}) obj\s{0,9}<<[^>]{0,500}/Type\s{0,9}/Catalog\b")

TOO_LONG = f"It is longer than {MAX_SOUND_S / 60:.0f} minutes. Cut it first."
TOO_MUCH_MEMORY = "It takes too much memory to read. Send it in another form, or in parts."


class AttachmentError(Exception):
    """A file can't be spoken; the message says why and what to do."""

    left_out = "1 file that I can't read"
    """What is reported as skipped if the file's caption is spoken instead."""


class SilentError(AttachmentError):
    """A file contains no sound."""

    left_out = "1 file without sound"


def decode(content: bytes, path: Path, rate_hz: int) -> None:
    """Write the sound of a file, or of a video, to *path* as mono 16-bit WAV at *rate_hz*.

    Raises:
        AttachmentError: it contains no sound that FFmpeg can decode, or too much.
        OSError: the WAV file can't be written.
    """
    import av  # noqa: PLC0415  # loads FFmpeg's libraries

    try:
        with wave.open(str(path), "wb") as out:
            out.setnchannels(1)
            out.setsampwidth(2)
            out.setframerate(rate_hz)
            for block in _pcm(content, rate_hz):
                out.writeframesraw(block)
                # A small file can contain hours of silence, and its header can be wrong about it.
                if out.getnframes() > MAX_SOUND_S * rate_hz:
                    raise AttachmentError(TOO_LONG)
            if not out.getnframes():
                raise SilentError("There is no sound in it.")
    except av.FFmpegError as exc:
        raise AttachmentError(
            f"It is no sound that I know ({exc.strerror}). Send OGG, MP3, M4A or WAV."
        ) from exc


def _pcm(content: bytes, rate_hz: int) -> Iterator[bytes]:
    """Decode the first audio stream of a file; damaged packets are left out."""
    import av  # noqa: PLC0415

    with av.open(io.BytesIO(content), "r", options={"format_whitelist": _CONTAINERS}) as file:
        if not file.streams.audio:
            return
        if (file.duration or 0) / av.time_base > MAX_SOUND_S:
            raise AttachmentError(TOO_LONG)
        resampler = av.AudioResampler("s16", "mono", rate_hz)
        any_frames = False
        for packet in file.demux(file.streams.audio[0]):
            try:
                frames = packet.decode()
            except av.InvalidDataError:
                frames = []
            for frame in frames:
                any_frames = True
                yield from map(_bytes_of, resampler.resample(frame))
        if any_frames:  # a resampler without input has no format to flush
            yield from map(_bytes_of, resampler.resample(None))


def _bytes_of(frame: "av.AudioFrame") -> bytes:
    return bytes(frame.planes[0])[: 2 * frame.samples]  # planes are padded


@dataclass(frozen=True, slots=True)
class FileText:
    """The text of a file."""

    text: str
    left_out: str = ""
    """How much of it is too much, such as ``the last 12 of 40 pages``; empty if nothing is."""


def text_of(content: bytes, kind: str) -> FileText:
    """Return the text of a file, at most `MAX_TEXT_CHARS` of it.

    Raises:
        AttachmentError: it has no readable text.
    """
    if kind == PDF or content.startswith(b"%PDF-"):
        return _text_of_pdf(content)
    text = decode_text(content)
    return first_part(text_of_pages(text.split("\f")) if "\f" in text else text)


def first_part(text: str) -> FileText:
    """Return at most `MAX_TEXT_CHARS` of a text, to the end of a line or else a word."""
    if len(text) <= MAX_TEXT_CHARS:
        return FileText(text)
    middle = MAX_TEXT_CHARS // 2
    ends = (text.rfind(end, middle, MAX_TEXT_CHARS) + 1 for end in "\n ")
    part = text[: next(filter(None, ends), MAX_TEXT_CHARS)]
    percent = max(1, round(100 * (1 - len(part) / len(text))))
    return FileText(part, f"the last {percent} % of the file")


def _text_of_pdf(content: bytes) -> FileText:
    from pypdf.errors import DependencyError, PyPdfError  # noqa: PLC0415

    pages: list[str] = []
    damaged = 0
    try:
        reader = _open_pdf(content)
        # A PDF with only an owner's password may be read by anyone.
        if reader.is_encrypted and not reader.decrypt(""):
            raise AttachmentError("The PDF is locked by a password. Send it without one.")
        count = len(reader.pages)
        for number in range(min(count, _MAX_PAGES)):
            try:
                pages.append(reader.pages[number].extract_text())
            except (PyPdfError, ArithmeticError, LookupError, TypeError, ValueError) as exc:
                if count == 1:
                    raise AttachmentError(_damaged(exc)) from exc
                damaged += 1
                pages.append("")
            if sum(map(len, pages)) > MAX_TEXT_CHARS:
                break
    except (PyPdfError, DependencyError) as exc:
        raise AttachmentError(_damaged(exc)) from exc
    if len(pages) > 1 and sum(map(len, pages)) > MAX_TEXT_CHARS:
        pages.pop()  # whole pages, so that their number says how much is read
    part = first_part(text_of_pages(pages))
    left = count - len(pages)
    left_out = (
        part.left_out,
        f"the last {left} of {count} pages" if left else "",
        f"{damaged} damaged page{'' if damaged == 1 else 's'}" if damaged else "",
    )
    return FileText(part.text, ", ".join(filter(None, left_out)))


def _open_pdf(content: bytes) -> "pypdf.PdfReader":
    """Open a PDF; one whose end is missing gets another, from which pypdf finds the pages.

    Raises:
        PyPdfError: it is none, or too little of it is left.
    """
    import pypdf  # noqa: PLC0415
    from pypdf.errors import PyPdfError  # noqa: PLC0415

    try:
        return pypdf.PdfReader(io.BytesIO(content))
    except PyPdfError:
        catalog = _CATALOG.search(content)
        if not catalog:
            raise
        end = b"\ntrailer<</Root %b R>>\nstartxref\n0\n%%%%EOF" % catalog[1]
        return pypdf.PdfReader(io.BytesIO(content + end))


def _damaged(exc: Exception) -> str:
    return f"The PDF is damaged ({exc}). Send it in another form."


def main() -> None:
    """Read a file: ``python -m bot.chat.decode PARENT KIND SOURCE TARGET RATE_HZ``."""
    parent, kind, source, target, rate_hz = sys.argv[1:]
    _limit_this_process()
    _exit_with(int(parent))
    answer: dict[str, str | bool] = {}
    try:
        content = Path(source).read_bytes()
        if kind == SOUND:
            decode(content, Path(target), int(rate_hz))
        else:
            answer.update(asdict(text_of(content, kind)))
    except AttachmentError as exc:
        answer = {"error": str(exc), "silent": isinstance(exc, SilentError)}
    except MemoryError:
        answer = {"error": TOO_MUCH_MEMORY}
    except OSError as exc:
        answer = {
            "error": f"The computer can't keep it ({exc.strerror}). Make room, send it again."
        }
    except Exception as exc:  # noqa: BLE001  # a file can be broken in any way
        reason = f"It can't be read ({type(exc).__name__}). Send it in another form."
        answer = {"error": reason}
    sys.stdout.write(json.dumps(answer) + "\n")


def _limit_this_process() -> None:
    """Limit priority, processor time, memory and file size, as far as the system enforces that.

    macOS enforces no memory limit; the parent process watches the memory as well.
    """
    os.nice(_NICENESS)
    os.umask(0o077)
    for limit, value in (
        (resource.RLIMIT_CPU, MAX_READING_S),  # even if the parent process is gone
        (resource.RLIMIT_DATA, MAX_MEMORY_BYTES),
        (resource.RLIMIT_FSIZE, _MAX_FILE_BYTES),
        (resource.RLIMIT_CORE, 0),
    ):
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(limit, (value, value))


def _exit_with(parent: int) -> None:
    """Exit within a second of the parent process, whatever ended it."""

    def check_parent(*_: object) -> None:
        if os.getppid() != parent:
            os._exit(1)

    signal.signal(signal.SIGALRM, check_parent)
    signal.setitimer(signal.ITIMER_REAL, 1.0, 1.0)


if __name__ == "__main__":
    main()
