"""Wyoming, as its own client speaks it and as Home Assistant does."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncTcpClient
from wyoming.error import Error
from wyoming.event import Event
from wyoming.info import Describe, Info, TtsProgram
from wyoming.ping import Ping, Pong
from wyoming.tts import (
    Synthesize,
    SynthesizeChunk,
    SynthesizeStart,
    SynthesizeStop,
    SynthesizeStopped,
    SynthesizeVoice,
)

from audio.ports import Voice
from audio.types import SAMPLE_RATE_HZ, CancelToken, Chunk, Samples, Sound
from audio.voices import VOICES
from bot.home.wyoming import MAX_CONNECTIONS
from bot.settings import Settings, SettingsError
from bot.start.phases import Running
from tests.support.fake_voice import ToneVoice, find_tones
from tests.support.http_face import Face, serve


class Station:
    """A bot that serves Wyoming, and writes what it says to files."""

    def __init__(self, face: Face, port: int) -> None:
        self.face = face
        self.bot: Running = face.bot
        self.port = port

    @asynccontextmanager
    async def client(self) -> AsyncIterator[AsyncTcpClient]:
        """Connect wyoming's own client."""
        client = AsyncTcpClient("127.0.0.1", self.port, read_timeout=60)
        async with client:
            yield client


class NotingVoice(ToneVoice):
    """Notes with which voice each chunk is spoken."""

    def __init__(self) -> None:
        super().__init__()
        self.spoken: list[tuple[str, str]] = []

    def synthesize(
        self, chunk: Chunk, voice: str, speed: float, cancel_token: CancelToken
    ) -> Sound:
        """Return the tones of a chunk."""
        self.spoken.append((voice, chunk.text))
        return super().synthesize(chunk, voice, speed, cancel_token)


@pytest.fixture
def port() -> int:
    """Return a port that is free."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.fixture
def home_settings(settings: Settings, port: int, tmp_path: Path) -> Settings:
    """Return settings of a bot that serves Wyoming."""
    return settings.replaced(
        api_port=0,
        audio_device=f"file:{tmp_path / 'spoken'}",
        wyoming_port=port,
        wyoming_host="127.0.0.1",
    )


@pytest.fixture
def voice_used() -> NotingVoice:
    """Return the voice of the station."""
    return NotingVoice()


@pytest.fixture
async def station(home_settings: Settings, voice_used: Voice) -> AsyncIterator[Station]:
    """Run a bot that serves Wyoming."""
    async with serve(home_settings, voice_used) as face:
        yield Station(face, home_settings.wyoming_port)


async def read_until(client: AsyncTcpClient, kind: type) -> list[Event]:
    """Return the events up to the first of a kind."""
    events: list[Event] = []
    while True:
        event = await client.read_event()
        assert event is not None, f"disconnected after {[e.type for e in events]}"
        events.append(event)
        if kind.is_type(event.type):  # type: ignore[attr-defined]
            return events


def sound_in(events: list[Event]) -> Samples:
    """Return the sound of the chunks among events."""
    parts = [AudioChunk.from_event(event) for event in events if AudioChunk.is_type(event.type)]
    assert {(part.rate, part.width, part.channels) for part in parts} == {(SAMPLE_RATE_HZ, 2, 1)}
    numbers = np.frombuffer(b"".join(part.audio for part in parts), "<i2")
    return numbers.astype(np.float32) / np.float32(32768)


def codes_in(events: list[Event]) -> list[int]:
    """Return the numbers that were spoken."""
    return [tone.code for tone in find_tones(sound_in(events), SAMPLE_RATE_HZ)]


async def program_of(client: AsyncTcpClient) -> TtsProgram:
    """Return the program that the service describes."""
    await client.write_event(Describe().event())
    (program,) = Info.from_event((await read_until(client, Info))[-1]).tts
    return program


async def test_describe_lists_each_voice_with_its_language(station: Station) -> None:
    """All voices are there, with the codes that Home Assistant uses, and pieces are accepted."""
    async with station.client() as client:
        program = await program_of(client)

    languages = {voice.name: voice.languages for voice in program.voices}
    assert set(languages) == set(VOICES)
    assert languages["bf_emma"] == ["en-GB"]
    assert languages["zf_xiaobei"] == ["zh-CN"]
    assert program.installed
    assert program.supports_synthesize_streaming


async def test_ping_is_answered(station: Station) -> None:
    """A pong has the text of the ping."""
    async with station.client() as client:
        await client.write_event(Ping("still there?").event())
        pong = await client.read_event()

    assert pong is not None
    assert Pong.from_event(pong).text == "still there?"


async def test_synthesize_sends_the_sound_of_a_text(station: Station) -> None:
    """The sound begins and ends once, and has every word of the text."""
    async with station.client() as client:
        await client.write_event(Synthesize("Number 1. Number 2. Number 3.").event())
        events = await read_until(client, AudioStop)

    assert AudioStart.is_type(events[0].type)
    assert codes_in(events) == [1, 2, 3]


async def test_synthesize_serves_several_texts_on_a_connection(station: Station) -> None:
    """The second text is answered after the first."""
    async with station.client() as client:
        await client.write_event(Synthesize("Number 1.").event())
        await client.write_event(Synthesize("Number 2.").event())
        codes = [codes_in(await read_until(client, AudioStop)) for _ in range(2)]

    assert codes == [[1], [2]]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (None, "af_heart"),
        (SynthesizeVoice(name="bf_emma"), "bf_emma"),
        (SynthesizeVoice(language="fr-FR"), "ff_siwis"),
        (SynthesizeVoice(language="es_MX"), "ef_dora"),
        (SynthesizeVoice(language="en"), "af_heart"),
        (SynthesizeVoice(language="sv-SE"), "af_heart"),
    ],
)
async def test_synthesize_uses_the_voice_that_is_asked_for(
    station: Station, voice_used: NotingVoice, asked: SynthesizeVoice | None, expected: str
) -> None:
    """A voice by name, or one for a language, or else the usual one."""
    async with station.client() as client:
        await client.write_event(Synthesize("Number 1.", voice=asked).event())
        await read_until(client, AudioStop)

    assert {voice for voice, _ in voice_used.spoken} == {expected}


async def test_synthesize_reports_an_unknown_voice_and_disconnects(station: Station) -> None:
    """Home Assistant would wait for ever if the connection stayed."""
    async with station.client() as client:
        unknown = SynthesizeVoice(name="af_hart")
        await client.write_event(Synthesize("Number 1.", voice=unknown).event())
        error = await client.read_event()
        end = await client.read_event()

    assert error is not None
    assert "Did you mean af_heart" in Error.from_event(error).text
    assert end is None


async def test_synthesize_answers_a_mark_with_a_short_silence(station: Station) -> None:
    """Home Assistant tries a voice with a full stop."""
    async with station.client() as client:
        await client.write_event(Synthesize(".").event())
        sound = sound_in(await read_until(client, AudioStop))

    assert 0 < len(sound) < SAMPLE_RATE_HZ
    assert not sound.any()


def as_home_assistant_streams(pieces: list[str]) -> Iterator[Event]:
    """Yield the events of a text that arrives in pieces, as Home Assistant sends them."""
    yield SynthesizeStart().event()
    for piece in pieces:
        yield SynthesizeChunk(piece).event()
    yield Synthesize("".join(pieces)).event()
    yield SynthesizeStop().event()


async def test_stream_speaks_a_text_in_pieces_once(station: Station) -> None:
    """The whole text, which is repeated for older services, is not spoken again."""
    async with station.client() as client:
        for event in as_home_assistant_streams(["Num", "ber 1. Number", " 2. And then ", "3"]):
            await client.write_event(event)
        events = await read_until(client, SynthesizeStopped)

    assert codes_in(events) == [1, 2, 3]
    assert sum(AudioStart.is_type(event.type) for event in events) == 1
    assert sum(AudioStop.is_type(event.type) for event in events) == 1


async def test_stream_speaks_a_sentence_before_the_text_has_ended(station: Station) -> None:
    """The sound of the first sentence comes while the client still writes."""
    async with station.client() as client:
        await client.write_event(SynthesizeStart().event())
        await client.write_event(SynthesizeChunk("Number 1. Number").event())
        before = await read_until(client, AudioChunk)
        await client.write_event(SynthesizeChunk(" 2.").event())
        await client.write_event(SynthesizeStop().event())
        after = await read_until(client, SynthesizeStopped)

    assert codes_in(before + after) == [1, 2]


async def test_synthesize_gives_way_to_the_loudspeaker(station: Station) -> None:
    """A message is heard while a long text is made into sound, which is then complete."""
    async with station.client() as client:
        text = " ".join(f"Number {n}." for n in range(100, 200))
        await client.write_event(Synthesize(text).event())
        first = await read_until(client, AudioChunk)
        rest = asyncio.create_task(read_until(client, AudioStop))
        result = await station.face.speak("Number 1. Number 2.", wait=True)
        in_progress = not rest.done()
        events = first + await rest

    assert result["outcome"] == "heard"
    assert in_progress
    assert codes_in(events) == list(range(100, 200))


async def test_serve_stops_for_a_client_that_is_gone(station: Station) -> None:
    """Nothing more is made for clients that hang up, and their places are free."""
    text = " ".join(f"Number {n}." for n in range(200))
    for _ in range(6):
        async with station.client() as client:
            await client.write_event(Synthesize(text).event())
            await read_until(client, AudioChunk)
    async with station.client() as client:
        await client.write_event(Synthesize("Number 1.").event())
        events = await read_until(client, AudioStop)

    assert codes_in(events) == [1]


@pytest.mark.parametrize(
    "bytes_sent",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"{}\n",
        b"[]\n",
        b'{"type": "synthesize"}\n',
        b'{"type": "synthesize", "data": {"text": 5}}\n',
        b'{"type": "synthesize", "data": {"text": "", "voice": 5}}\n',
        b'{"type": "synthesize", "data_length": 99999999999}\n',
        b'{"type": "synthesize", "data_length": "many"}\n',
        b"x" * 200_000,
    ],
)
async def test_serve_disconnects_a_client_that_sends_nonsense(
    station: Station, bytes_sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """It is disconnected without a traceback, and others are served."""
    reader, writer = await asyncio.open_connection("127.0.0.1", station.port)
    writer.write(bytes_sent)
    answer = b""
    async with asyncio.timeout(20):
        with contextlib.suppress(ConnectionError):  # some of it was not read
            answer = await reader.read()
    writer.close()
    async with station.client() as client:
        await program_of(client)

    assert answer == b""
    assert not [record for record in caplog.records if record.exc_info]


async def test_serve_refuses_more_clients_than_it_can_serve(station: Station) -> None:
    """One more is disconnected; a place that becomes free is given to the next."""
    writers = []
    for _ in range(MAX_CONNECTIONS):
        _, writer = await asyncio.open_connection("127.0.0.1", station.port)
        writers.append(writer)
    is_served = await is_answered(station)
    for writer in writers:
        writer.close()

    assert not is_served
    async with asyncio.timeout(20):
        while not await is_answered(station):
            pass


async def is_answered(station: Station) -> bool:
    """Return whether another client is served."""
    with contextlib.suppress(ConnectionError):
        async with station.client() as client:
            await client.write_event(Ping("?").event())
            return await client.read_event() is not None
    return False


async def test_serving_names_the_setting_if_the_port_is_taken(
    home_settings: Settings, port: int
) -> None:
    """The error says which setting to change."""
    with socket.create_server(("127.0.0.1", port)), pytest.raises(SettingsError) as error:
        async with serve(home_settings, ToneVoice()):
            pass

    assert "WYOMING_PORT" in str(error.value)
