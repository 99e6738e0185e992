"""OpenAI's speech endpoint: a text becomes a file of sound, which is sent as it is made.

The loudspeaker comes first: while it needs the voice, this waits. FFmpeg (PyAV) encodes beside the
event loop; the rest runs on it.
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
"""There is one voice model; it answers to OpenAI's names too."""

MAX_STREAMS = 8

_BITS_PER_S = 64_000  # transparent for one voice at 24 kHz


class Speech(BaseModel):
    """OpenAI's CreateSpeechRequest; what it has besides is taken and has no effect."""

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
        description="0.25 to 4 as OpenAI has it; the voice can do 0.5 to 2, and X-Speed says what "
        "was done.",
    )

    lang: Language | None = Field(None, description="Not OpenAI's; as in /v1/audio/speak.")

    @property
    def spoken_speed(self) -> float:
        """The nearest speed that the voice can do."""
        return max(SLOWEST, min(FASTEST, self.speed))


@dataclass(frozen=True, slots=True)
class Format:
    """How sound is written."""

    media_type: str
    container: str
    """FFmpeg's names."""
    codec: str
    options: dict[str, str] = field(default_factory=dict)


FORMATS = {
    # No Xing header: it would have to be written last, at the beginning.
    "mp3": Format("audio/mpeg", "mp3", "libmp3lame", {"write_xing": "0"}),
    # Pages of 0.2 s, so that the first word does not wait for a whole second.
    "opus": Format("audio/ogg", "ogg", "libopus", {"page_duration": "200000"}),
    "aac": Format("audio/aac", "adts", "aac"),
    "flac": Format("audio/flac", "flac", "flac"),
    # Its header says that the length is not known, as OpenAI's does.
    "wav": Format("audio/wav", "wav", "pcm_s16le"),
    # 24 kHz, mono, 16 bit, little-endian; nothing else.
    "pcm": Format("audio/pcm", "s16le", "pcm_s16le"),
}


class Encoder:
    """Turns stretches of sound into stretches of a file. Blocks: never on the event loop."""

    def __init__(self, how: Format) -> None:
        """Begin a file."""
        import av  # noqa: PLC0415  # loads FFmpeg's libraries: 16 MB

        self._out = _Out()
        options = {**how.options, "flush_packets": "1"}  # none waits for a full buffer
        self._container = av.open(self._out, "w", format=how.container, options=options)
        stream = self._container.add_stream(how.codec, rate=SAMPLE_RATE_HZ)
        self._stream = cast("av.AudioStream", stream)  # as every codec above makes
        self._stream.layout = "mono"
        if not how.codec.startswith(("pcm", "flac")):
            self._stream.bit_rate = _BITS_PER_S

    def encode(self, samples: Samples) -> bytes:
        """Return what can be written of the file by now; may be empty."""
        if len(samples):
            import av  # noqa: PLC0415  # see above

            clipped = np.clip(samples, -1.0, 1.0)[np.newaxis]
            frame = av.AudioFrame.from_ndarray(clipped, format="flt", layout="mono")
            frame.sample_rate = SAMPLE_RATE_HZ
            self._container.mux(self._stream.encode(frame))
        return self._out.take()

    def finish(self) -> bytes:
        """Return the end of the file."""
        self._container.mux(self._stream.encode(None))
        self._container.close()
        return self._out.take()


class _Out:
    """A file that FFmpeg writes to and that can't be gone back in."""

    def __init__(self) -> None:
        self._written = bytearray()

    def write(self, part: bytes) -> int:
        self._written += part
        return len(part)

    def take(self) -> bytes:
        taken = bytes(self._written)
        self._written.clear()
        return taken


class Studio:
    """Makes files of sound for several clients at once, a chunk for each in turn."""

    def __init__(self, pipeline: SpeechPipeline) -> None:
        """Use the voice of *pipeline* whenever it can spare it."""
        self._pipeline = pipeline
        self._streams = 0

    async def speech(self, utterance: Utterance, how: Format) -> AsyncIterator[bytes]:
        """Return the file bit by bit; the first bit is awaited here.

        Raises:
            Refused: there is no sound to give, and why.
        """
        if self._streams >= MAX_STREAMS:
            why = f"{MAX_STREAMS} texts are being made into sound already. Try again in a while."
            raise Refused(429, "too_many", why)
        parts = self._parts(utterance, how)
        try:
            first = await anext(parts)
        except NothingToSpeakError as exc:
            raise Refused(422, "nothing_to_speak", f"input: {exc}") from exc
        except AudioError as exc:
            raise Refused(503, "no_sound", str(exc)) from exc
        return _with_first(first, parts)

    async def _parts(self, utterance: Utterance, how: Format) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        made: asyncio.Queue[Samples | AudioError | None] = asyncio.Queue()  # kept short by `taken`

        def on_sound(part: Samples | AudioError | None) -> None:  # on the audio thread
            loop.call_soon_threadsafe(made.put_nowait, part)

        self._streams += 1
        number = self._pipeline.stream(utterance, on_sound)
        try:
            encoder = await asyncio.to_thread(Encoder, how)
            while (part := await made.get()) is not None:
                if isinstance(part, AudioError):
                    raise part
                if encoded := await asyncio.to_thread(encoder.encode, part):
                    yield encoded
                self._pipeline.report_taken(number, len(part) / SAMPLE_RATE_HZ)
            yield await asyncio.to_thread(encoder.finish)
        finally:
            self._pipeline.close_stream(number)
            self._streams -= 1


async def _with_first(first: bytes, parts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for part in parts:
        yield part
