"""OpenAI's speech endpoint: a text becomes a sound file, which is sent while it is made.

The loudspeaker has priority: files wait while it needs the voice. FFmpeg (PyAV) encodes in worker
threads; the rest runs on the event loop.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, cast

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from audio.pipeline import SpeechPipeline
from audio.types import SAMPLE_RATE_HZ, AudioError, NothingToSpeakError, Samples, Utterance
from bot.core.preferences import FASTEST, SLOWEST
from bot.http.guard import Refused
from bot.http.schemas import Input, Language, VoiceName

if TYPE_CHECKING:
    import av

MODELS = ("kokoro", "tts-1", "tts-1-hd", "gpt-4o-mini-tts")
"""The accepted names of the only voice model, OpenAI's included."""

MAX_STREAMS = 8

_BITS_PER_S = 64_000  # transparent for one voice at 24 kHz


class Speech(BaseModel):
    """OpenAI's CreateSpeechRequest; other fields of OpenAI's are accepted and have no effect."""

    model_config = ConfigDict(strict=True)

    model: str = Field(min_length=1, max_length=200, description="Any name; there is one model.")
    input: Input
    voice: VoiceName
    response_format: Literal["mp3", "opus", "aac", "flac", "wav", "pcm"] = "mp3"
    stream_format: Literal["audio"] = "audio"
    speed: float = Field(
        1.0,
        ge=0.25,
        le=4.0,
        description="0.25 to 4, as in OpenAI's API; the voice speaks at 0.5 to 2, and the header "
        "X-Speed has the speed that was used.",
    )
    lang: Language | None = Field(
        None, description="As in /v1/audio/speak; not part of OpenAI's API."
    )

    @property
    def spoken_speed(self) -> float:
        """The nearest speed at which the voice can speak."""
        return max(SLOWEST, min(FASTEST, self.speed))


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
    "aac": Format("audio/aac", "adts", "aac"),
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


class SpeechStreams:
    """Makes sound files for up to `MAX_STREAMS` clients, a chunk for each in turn."""

    def __init__(self, pipeline: SpeechPipeline) -> None:
        """Use the voice of *pipeline* while the loudspeaker does not need it."""
        self._pipeline = pipeline
        self._streams = 0

    async def speech(self, utterance: Utterance, file_format: Format) -> AsyncIterator[bytes]:
        """Wait for the first part of the file; return an iterator over all parts.

        Raises:
            Refused: there is no sound, or too many files are being made.
        """
        if self._streams >= MAX_STREAMS:
            reason = f"{MAX_STREAMS} texts are being made into sound already. Try again in a while."
            raise Refused(429, "too_many", reason)
        parts = self._parts(utterance, file_format)
        try:
            first = await anext(parts)
        except NothingToSpeakError as exc:
            raise Refused(422, "nothing_to_speak", f"input: {exc}") from exc
        except AudioError as exc:
            raise Refused(503, "no_sound", str(exc)) from exc
        return _with_first(first, parts)

    async def _parts(self, utterance: Utterance, file_format: Format) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        # Bounded by `record_consumed`: the pipeline synthesizes only a little ahead of it.
        made: asyncio.Queue[Samples | AudioError | None] = asyncio.Queue()

        def on_sound(part: Samples | AudioError | None) -> None:  # on the audio thread
            loop.call_soon_threadsafe(made.put_nowait, part)

        self._streams += 1
        number = self._pipeline.stream(utterance, on_sound)
        try:
            encoder = await asyncio.to_thread(Encoder, file_format)
            while (part := await made.get()) is not None:
                if isinstance(part, AudioError):
                    raise part
                if encoded := await asyncio.to_thread(encoder.encode, part):
                    yield encoded
                self._pipeline.record_consumed(number, len(part) / SAMPLE_RATE_HZ)
            yield await asyncio.to_thread(encoder.finish)
        finally:
            self._pipeline.close_stream(number)
            self._streams -= 1


async def _with_first(first: bytes, parts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for part in parts:
        yield part
