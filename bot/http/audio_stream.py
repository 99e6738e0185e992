"""OpenAI's speech endpoint: a text becomes a sound file, which is sent while it is made.

The loudspeaker has priority: files wait while it needs the voice. FFmpeg (PyAV) encodes in worker
threads; the rest runs on the event loop.
"""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from audio.pipeline import SpeechPipeline
from audio.types import (
    SAMPLE_RATE_HZ,
    AudioError,
    NothingToSpeakError,
    Samples,
    Utterance,
    Word,
    silence,
)
from bot.core.sound_stream import sound_of
from bot.http.guard import Refused

if TYPE_CHECKING:
    import av

MODELS = ("kokoro", "tts-1", "tts-1-hd", "gpt-4o-mini-tts")
"""The accepted names of the only voice model, OpenAI's included."""

MAX_STREAMS = 8
"""At once; others wait in a line."""
MAX_WAITING = 64

_SILENCE_S = 0.2  # the sound of a text without words
_BITS_PER_S = 64_000  # transparent for one voice at 24 kHz


@dataclass(frozen=True, slots=True)
class Format:
    """A file format."""

    media_type: str
    container: str
    """FFmpeg's name of it; codec and options are FFmpeg's too."""
    codec: str
    options: dict[str, str] = field(default_factory=dict)


FORMATS = {
    # No Xing header: it is at the beginning, but its content is known only at the end.
    "mp3": Format("audio/mpeg", "mp3", "libmp3lame", {"write_xing": "0"}),
    # Pages of 0.2 s, so that the first word is not delayed by a second.
    "opus": Format("audio/ogg", "ogg", "libopus", {"page_duration": "200000"}),
    "ogg": Format("audio/ogg", "ogg", "libopus", {"page_duration": "200000"}),
    "aac": Format("audio/aac", "adts", "aac"),
    # In fragments of 0.2 s: the index of a whole file would come before it.
    "m4a": Format(
        "audio/mp4", "mp4", "aac", {"movflags": "empty_moov+frag_custom", "frag_duration": "200000"}
    ),
    "flac": Format("audio/flac", "flac", "flac"),
    # Its header leaves the length unknown, as OpenAI's does.
    "wav": Format("audio/wav", "wav", "pcm_s16le"),
    # 24 kHz, mono, 16 bit, little-endian; nothing else.
    "pcm": Format("audio/pcm", "s16le", "pcm_s16le"),
}


class Encoder:
    """Encodes samples into parts of a file. Blocks: not for the event loop."""

    def __init__(self, file_format: Format) -> None:
        """Start a file."""
        import av  # noqa: PLC0415  # loads FFmpeg's libraries: 16 MB

        self._out = _Buffer()
        options = {**file_format.options, "flush_packets": "1"}  # do not wait for a full buffer
        self._container = av.open(self._out, "w", format=file_format.container, options=options)
        stream = self._container.add_stream(file_format.codec, rate=SAMPLE_RATE_HZ)
        self._stream = cast("av.AudioStream", stream)  # all codecs above are audio
        self._stream.layout = "mono"
        if not file_format.codec.startswith(("pcm", "flac")):
            self._stream.bit_rate = _BITS_PER_S

    def encode(self, samples: Samples) -> bytes:
        """Return the next part of the file; may be empty."""
        if len(samples):
            import av  # noqa: PLC0415  # see above

            clipped = np.clip(samples, -1.0, 1.0)[np.newaxis]
            frame = av.AudioFrame.from_ndarray(clipped, format="flt", layout="mono")
            frame.sample_rate = SAMPLE_RATE_HZ
            self._container.mux(self._stream.encode(frame))
        return self._out.take()

    def finish(self) -> bytes:
        """Return the last part of the file."""
        self._container.mux(self._stream.encode(None))
        self._container.close()
        return self._out.take()


class _Buffer:
    """The output of FFmpeg; not seekable."""

    def __init__(self) -> None:
        self._written = bytearray()

    def write(self, part: bytes) -> int:
        self._written += part
        return len(part)

    def take(self) -> bytes:
        written = bytes(self._written)
        self._written.clear()
        return written


@dataclass(frozen=True, slots=True)
class SpeechPart:
    """A part of a sound file."""

    data: bytes
    words: tuple[Word, ...] = ()
    """Those that begin in it, by the time since the beginning of the sound."""


class SpeechStreams:
    """Makes sound files for up to `MAX_STREAMS` clients, a chunk for each in turn."""

    def __init__(self, pipeline: SpeechPipeline) -> None:
        """Use the voice of *pipeline* while the loudspeaker does not need it."""
        self._pipeline = pipeline
        self._free = asyncio.Semaphore(MAX_STREAMS)
        self._waiting = 0

    async def speech(
        self, utterance: Utterance | None, file_format: Format, volume: float = 1.0
    ) -> AsyncIterator[SpeechPart]:
        """Wait for the first part of the file; return an iterator over all parts.

        Args:
            utterance: None for a short silence.
            file_format: of the file.
            volume: a factor.

        Raises:
            Refused: there is no sound, or too many clients wait.
        """
        if self._free.locked() and self._waiting >= MAX_WAITING:
            reason = f"{MAX_WAITING} texts wait for their turn already. Try again in a while."
            raise Refused(429, "too_many", reason)
        parts = self._parts(utterance, file_format, volume)
        self._waiting += 1
        try:
            first = await anext(parts)
        except NothingToSpeakError as exc:
            raise Refused(422, "nothing_to_speak", f"input: {exc}", "input") from exc
        except AudioError as exc:
            raise Refused(503, "no_sound", str(exc)) from exc
        finally:
            self._waiting -= 1
        return _with_first(first, parts)

    async def _parts(
        self, utterance: Utterance | None, file_format: Format, volume: float
    ) -> AsyncIterator[SpeechPart]:
        if utterance is None:
            encoder = await asyncio.to_thread(Encoder, file_format)
            encoded = await asyncio.to_thread(encoder.encode, silence(_SILENCE_S))
            yield SpeechPart(encoded + await asyncio.to_thread(encoder.finish))
            return
        async with self._free:
            encoder = await asyncio.to_thread(Encoder, file_format)
            start_s = 0.0
            words: tuple[Word, ...] = ()
            async for made, words_of_it in sound_of(self._pipeline, utterance):
                words += tuple(
                    Word(word.text, start_s + word.start_s, start_s + word.end_s)
                    for word in words_of_it
                )
                start_s += len(made) / SAMPLE_RATE_HZ
                samples = made if volume == 1.0 else made * np.float32(volume)
                if encoded := await asyncio.to_thread(encoder.encode, samples):
                    yield SpeechPart(encoded, words)
                    words = ()
            yield SpeechPart(await asyncio.to_thread(encoder.finish), words)


async def _with_first(
    first: SpeechPart, parts: AsyncIterator[SpeechPart]
) -> AsyncIterator[SpeechPart]:
    yield first
    async for part in parts:
        yield part


# ---- what clients get of the parts ----


async def as_file(parts: AsyncIterator[SpeechPart]) -> AsyncIterator[bytes]:
    """Yield the file itself."""
    async for part in parts:
        yield part.data


async def as_events(parts: AsyncIterator[SpeechPart]) -> AsyncIterator[bytes]:
    """Yield OpenAI's server-sent events: speech.audio.delta and speech.audio.done."""
    try:
        async for part in parts:
            if part.data:
                audio = base64.b64encode(part.data).decode()
                yield _event({"type": "speech.audio.delta", "audio": audio})
    except AudioError as exc:
        error = {"message": str(exc), "type": "server_error", "param": None, "code": "no_sound"}
        yield _event({"type": "error", "error": error})
        return
    usage = {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}  # nothing is charged
    yield _event({"type": "speech.audio.done", "usage": usage})


def _event(data: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(data, separators=(',', ':'))}\n\n".encode()


async def as_captions(
    parts: AsyncIterator[SpeechPart], file_format: Format, *, timed: bool
) -> AsyncIterator[bytes]:
    """Yield Kokoro-FastAPI's captions, a line of JSON for each part."""
    async for part in parts:
        yield caption(part, file_format, timed=timed) + b"\n"


async def joined(parts: AsyncIterator[SpeechPart]) -> SpeechPart:
    """Return all parts as one.

    Raises:
        Refused: there is no sound.
    """
    try:
        every = [part async for part in parts]
    except AudioError as exc:
        raise Refused(503, "no_sound", str(exc)) from exc
    words = (word for part in every for word in part.words)
    return SpeechPart(b"".join(part.data for part in every), tuple(words))


def caption(part: SpeechPart, file_format: Format, *, timed: bool) -> bytes:
    """Return Kokoro-FastAPI's CaptionedSpeechResponse of a part."""
    timestamps = [
        {
            "word": word.text,
            "start_time": round(word.start_s, 3),
            "end_time": round(word.end_s, 3),
        }
        for word in part.words
    ]
    fields = {
        "audio": base64.b64encode(part.data).decode(),
        "audio_format": file_format.media_type,
        "timestamps": timestamps if timed else None,
    }
    return json.dumps(fields, ensure_ascii=False).encode()
