"""Wyoming: the protocol by which Home Assistant has its answers spoken elsewhere.

A text becomes sound for the device that asked; nothing is played here, and the loudspeaker has
priority. The protocol has no password: whoever reaches the port can have texts synthesized, and
nothing else. Runs on the event loop.

Source of the order of events: Home Assistant's components/wyoming/tts.py, and wyoming's tts.py.
"""

import asyncio
import contextlib
import functools
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import cast

import numpy as np
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.error import Error
from wyoming.event import Event, Eventable, async_read_event, async_write_event
from wyoming.info import Attribution, Describe, Info, TtsProgram, TtsVoice
from wyoming.ping import Ping, Pong
from wyoming.tts import (
    Synthesize,
    SynthesizeChunk,
    SynthesizeStart,
    SynthesizeStop,
    SynthesizeStopped,
    SynthesizeVoice,
)

from audio.pipeline import SpeechPipeline
from audio.planner import SENTENCE_PAUSE_S
from audio.text.scripts import language_by_script
from audio.types import (
    SAMPLE_RATE_HZ,
    AudioError,
    NothingToSpeakError,
    Samples,
    Utterance,
    silence,
)
from audio.voices import VOICES, check_voice, describe, language_of
from bot import __version__
from bot.core.growing import SentenceBuffer
from bot.core.intake import Intake, RefusedError
from bot.core.preferences import lang_of
from bot.core.sound_stream import sound_of
from bot.home.announce import announced
from bot.home.tasks import until_one_ends
from bot.settings import Settings, SettingsError

log = logging.getLogger(__name__)

MAX_CONNECTIONS = 32
_MAX_STREAMS = 4
"""Texts that are made into sound at a time; others wait."""
_MAX_EVENT_BYTES = 1_000_000
_MAX_TEXT_CHARS = 60_000  # as over HTTP
_IDLE_S = 300.0
_WRITE_TIMEOUT_S = 60.0
_MAX_BEHIND = 256
"""Events of a client that wait for an answer; then no more are read."""
_BYTES_PER_SAMPLE = 2
_SILENCE_S = 0.1
_TOO_LONG = f"A text has at most {_MAX_TEXT_CHARS} characters. Send it in parts."

# Home Assistant's codes (BCP 47) of the voices' languages.
_LANGUAGES = {
    "en-us": "en-US",
    "en-gb": "en-GB",
    "es": "es-ES",
    "fr-fr": "fr-FR",
    "hi": "hi-IN",
    "it": "it-IT",
    "ja": "ja-JP",
    "pt-br": "pt-BR",
    "cmn": "zh-CN",
}
_KOKORO = Attribution("hexgrad", "https://huggingface.co/hexgrad/Kokoro-82M")


@functools.cache
def _info() -> Info:
    """Return what clients are told of this service."""
    return Info(
        tts=[
            TtsProgram(
                name="Crier",
                attribution=_KOKORO,
                installed=True,
                description="Kokoro, on the computer that runs Crier",
                version=__version__,
                supports_synthesize_streaming=True,
                voices=[
                    TtsVoice(
                        name=name,
                        attribution=_KOKORO,
                        installed=True,
                        description=f"{name[3:].capitalize()} ({describe(name)})",
                        version=None,
                        languages=[_LANGUAGES[language_of(name)]],
                    )
                    for name in VOICES
                ],
            )
        ]
    )


@dataclass(frozen=True, slots=True)
class _Bounded:
    """A reader that refuses events of a size that no text has."""

    reader: asyncio.StreamReader

    async def readline(self) -> bytes:
        return await self.reader.readline()

    async def readexactly(self, count: int) -> bytes:
        if count > _MAX_EVENT_BYTES:
            raise ValueError(f"{count} bytes are too many for an event")
        return await self.reader.readexactly(count)


@dataclass(frozen=True, slots=True)
class WyomingService:
    """Makes the sound of texts for clients of the Wyoming protocol."""

    settings: Settings
    pipeline: SpeechPipeline
    intake: Intake
    streams: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_MAX_STREAMS))
    connections: set[asyncio.Task[None]] = field(default_factory=set)

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one more client in a task of its own, or disconnect it if there are too many."""
        if len(self.connections) >= MAX_CONNECTIONS:
            log.warning("%d Wyoming clients are connected; one more is refused", MAX_CONNECTIONS)
            writer.close()
            return
        task = asyncio.create_task(self._serve(reader, writer), name="wyoming")
        self.connections.add(task)
        task.add_done_callback(self.connections.discard)
        task.add_done_callback(lambda _: writer.close())

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one client until it goes."""
        try:
            await _Connection(self, reader, writer).run()
        except (OSError, EOFError, TimeoutError) as exc:
            log.debug("A Wyoming client is gone (%s)", type(exc).__name__)
        except (LookupError, TypeError, AttributeError):
            log.warning("A Wyoming client sent an event that can't be read; it is disconnected")

    def style(self, voice: SynthesizeVoice | None, text: str) -> tuple[str, str]:
        """Return voice and language of a text.

        Raises:
            UnknownVoiceError: there is no such voice.
        """
        name = self.settings.kokoro_voice
        if voice is not None and voice.name:
            name = check_voice(voice.name)
        elif voice is not None and voice.language:
            name = _voice_for(voice.language, name)
        return name, language_by_script(text, lang_of(name, self.settings))

    async def sound(self, text: str, voice: SynthesizeVoice | None) -> AsyncIterator[Samples]:
        """Yield the sound of a text; nothing if there is no word in it.

        Raises:
            AudioError: it can't be made, or there is no such voice.
        """
        name, lang = self.style(voice, text)
        try:
            composed = await self.intake.compose_unstored(text, name, lang)
        except RefusedError:
            return  # a piece of punctuation, such as Home Assistant's "." when it tries a voice
        utterance = Utterance(0, composed.text, name, self.settings.kokoro_speed, lang)
        log.info("Synthesizing %d characters for a Wyoming client", len(composed.text))
        with contextlib.suppress(NothingToSpeakError):
            async with self.streams:
                async for samples, _ in sound_of(self.pipeline, utterance):
                    yield samples


def _voice_for(language: str, usual: str) -> str:
    """Return the usual voice if it speaks a language, or else the first that does."""
    wanted = language.replace("_", "-").casefold()
    for exact in (True, False):
        for name in (usual, *VOICES):
            code = _LANGUAGES[language_of(name)].casefold()
            if code == wanted or (not exact and code[:2] == wanted[:2]):
                return name
    return usual


@dataclass(slots=True)
class _Stream:
    """A text on its way in, and its sound on its way out."""

    voice: SynthesizeVoice | None
    sentences: SentenceBuffer = field(default_factory=SentenceBuffer)
    """Has what has arrived and is not a whole sentence yet."""
    chars: int = 0
    sounds: bool = False
    """Whether some of its sound was sent."""

    def feed(self, piece: str) -> str:
        """Add a piece; return the sentences that have ended since the last call."""
        self.chars += len(_checked(piece))
        if self.chars > _MAX_TEXT_CHARS:
            raise AudioError(_TOO_LONG)
        return self.sentences.feed(piece)


def _checked(text: object) -> str:
    """Return a text that a client sent.

    Raises:
        TypeError: it is none.
        AudioError: it is too long.
    """
    if not isinstance(text, str):
        raise TypeError("a text is a string")
    if len(text) > _MAX_TEXT_CHARS:
        raise AudioError(_TOO_LONG)
    return text


class _Connection:
    """The events of one client: read by one task, and answered in order by another.

    A client whose text is written by a model sends the next pieces while it gets the sound of the
    first ones.
    """

    def __init__(
        self, service: WyomingService, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._service = service
        self._reader = cast("asyncio.StreamReader", _Bounded(reader))
        self._writer = writer
        self._received: asyncio.Queue[Event] = asyncio.Queue(_MAX_BEHIND)
        self._is_answering = False
        self._stream: _Stream | None = None

    async def run(self) -> None:
        """Answer events until the client goes, or one of them fails."""
        await until_one_ends(self._read(), self._answer())

    async def _read(self) -> None:
        """Queue what the client sends, until it goes or has been idle for too long."""
        while True:
            reading = asyncio.create_task(async_read_event(self._reader))
            try:
                while not (await asyncio.wait({reading}, timeout=_IDLE_S))[0]:
                    if not self._is_answering:
                        return
            finally:
                reading.cancel()
            event = await reading
            if event is None:
                return
            await self._received.put(event)

    async def _answer(self) -> None:
        while True:
            event = await self._received.get()
            self._is_answering = True
            try:
                await self._handle(event)
            except AudioError as exc:
                # Home Assistant waits for the sound until the connection ends.
                await self._write(Error(str(exc)))
                return
            finally:
                self._is_answering = False

    async def _handle(self, event: Event) -> None:
        if Describe.is_type(event.type):
            await self._write(_info())
        elif Ping.is_type(event.type):
            await self._write(Pong(Ping.from_event(event).text))
        elif SynthesizeStart.is_type(event.type):
            start = SynthesizeStart.from_event(event)
            self._stream = _Stream(start.voice)
        elif SynthesizeChunk.is_type(event.type) and self._stream is not None:
            ended = self._stream.feed(SynthesizeChunk.from_event(event).text)
            await self._play(self._stream, ended)
        elif SynthesizeStop.is_type(event.type) and self._stream is not None:
            stream, self._stream = self._stream, None
            await self._play(stream, stream.sentences.finish())
            await self._stop(stream)
            await self._write(SynthesizeStopped())
        elif Synthesize.is_type(event.type) and self._stream is None:
            # Within a stream it repeats the whole text, for services that can't do pieces.
            whole = Synthesize.from_event(event)
            stream = _Stream(whole.voice)
            await self._play(stream, _checked(whole.text))
            await self._stop(stream)

    async def _play(self, stream: _Stream, text: str) -> None:
        """Send the sound of a part of a text, after a breath if there was one before it."""
        if not text.strip():
            return
        is_first = not stream.sounds
        async for samples in self._service.sound(text, stream.voice):
            if not is_first:
                await self._send(stream, silence(SENTENCE_PAUSE_S))
                is_first = True
            await self._send(stream, samples)

    async def _stop(self, stream: _Stream) -> None:
        """End the sound; a file without any would be an error to Home Assistant."""
        if not stream.sounds:
            await self._send(stream, silence(_SILENCE_S))
        await self._write(AudioStop())

    async def _send(self, stream: _Stream, samples: Samples) -> None:
        form = {"rate": SAMPLE_RATE_HZ, "width": _BYTES_PER_SAMPLE, "channels": 1}
        if not stream.sounds:
            stream.sounds = True
            await self._write(AudioStart(**form))
        numbers = (np.clip(samples, -1.0, 1.0) * 32767).astype("<i2")
        await self._write(AudioChunk(**form, audio=numbers.tobytes()))

    async def _write(self, event: Eventable) -> None:
        async with asyncio.timeout(_WRITE_TIMEOUT_S):  # a client that does not read is gone
            await async_write_event(event.event(), self._writer)


@contextlib.asynccontextmanager
async def serving(
    settings: Settings, pipeline: SpeechPipeline, intake: Intake
) -> AsyncIterator[int]:
    """Serve Wyoming while the context is open; yield the port.

    Raises:
        SettingsError: the address can't be used; names WYOMING_HOST or WYOMING_PORT.
    """
    service = WyomingService(settings, pipeline, intake)
    host, port = settings.wyoming_host, settings.wyoming_port
    try:
        server = await asyncio.start_server(service.accept, host, port)
    except (OSError, UnicodeError) as exc:
        raise SettingsError(
            f"WYOMING_PORT: Crier can't listen on port {port} of {host!r} ({exc}). Set it to one "
            "that no other program uses, and WYOMING_HOST to an address of this computer."
        ) from exc
    log.info("Home Assistant can use this voice: Wyoming, port %d", port)
    async with server, announced(host, port):
        try:
            yield port
        finally:
            server.close()
            for task in service.connections:
                task.cancel()
            await asyncio.gather(*service.connections, return_exceptions=True)
