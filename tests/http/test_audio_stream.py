"""OpenAI's speech endpoint: files for the official client; the loudspeaker has priority."""

import asyncio
import io
import itertools
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import av
import numpy as np
import pytest

from audio.kokoro.voice import KokoroVoice
from audio.types import (
    SAMPLE_RATE_HZ,
    CancelToken,
    Chunk,
    Samples,
    Sound,
    SynthesisError,
)
from bot.http import audio_stream
from bot.http.audio_stream import FORMATS, MAX_STREAMS
from bot.settings import Settings
from tests.support.fake_voice import TONE_S, ToneVoice, find_tones
from tests.support.http_face import Face, serve
from tests.support.loudspeaker import Loudspeakers

if TYPE_CHECKING:
    import openai

TONES = 20
NUMBERS = " ".join(f"Number {number}." for number in range(1, TONES + 1))


@pytest.fixture
async def face(
    settings: Settings, voice: KokoroVoice, loudspeakers: Loudspeakers
) -> AsyncIterator[Face]:
    """Run a bot with the real voice and the HTTP API."""
    assert loudspeakers.alsa_config.exists()
    async with serve(settings.replaced(api_port=0), voice) as face:
        yield face


@pytest.fixture
async def toned(settings: Settings, tmp_path: Path) -> AsyncIterator[Face]:
    """Run a bot that speaks tones into files, with the HTTP API."""
    quiet = settings.replaced(api_port=0, audio_device=f"file:{tmp_path / 'spoken'}")
    async with serve(quiet, ToneVoice()) as face:
        yield face


def official(face: Face) -> "openai.AsyncOpenAI":
    """Return OpenAI's own client, connected to the bot."""
    import openai  # slow to import

    return openai.AsyncOpenAI(
        api_key=face.token,
        base_url=f"{face.url}/v1",
        http_client=openai.DefaultAsyncHttpxClient(trust_env=False, verify=False),
        max_retries=0,
    )


def decoded(sound: bytes, audio_format: str) -> Any:
    """Return the samples of a file, at its own rate: (samples, rate in Hz)."""
    if audio_format == "pcm":
        return np.frombuffer(sound, "<i2").astype(np.float32) / 32768, SAMPLE_RATE_HZ
    with av.open(io.BytesIO(sound), "r") as file:
        parts, rate_hz = [], 0
        for frame in file.decode(audio=0):
            rate_hz = frame.sample_rate
            part = frame.to_ndarray().reshape(-1)
            parts.append(part / 32768 if part.dtype.kind == "i" else part)
    return np.concatenate(parts).astype(np.float32), rate_hz


async def test_speech_makes_each_format_at_the_right_length(
    toned: Face, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files of each format last as long as the synthesized sound, within 2 %."""
    encoded_frames: list[int] = []
    encode = audio_stream.Encoder.encode

    def counting(encoder: audio_stream.Encoder, samples: Samples) -> bytes:
        encoded_frames.append(len(samples))
        return encode(encoder, samples)

    monkeypatch.setattr(audio_stream.Encoder, "encode", counting)
    async with official(toned) as client:
        for audio_format, expected in FORMATS.items():
            encoded_frames.clear()
            answer = await client.audio.speech.create(
                model="tts-1",
                voice="alloy",
                input=NUMBERS,
                response_format=cast("Any", audio_format),
            )
            samples, rate_hz = decoded(answer.content, audio_format)
            made_s = sum(encoded_frames) / SAMPLE_RATE_HZ

            assert answer.response.headers["content-type"] == expected.media_type
            assert made_s > TONES * TONE_S
            assert len(samples) / rate_hz == pytest.approx(made_s, rel=0.02), audio_format
            assert np.abs(samples).max() > 0.1


async def test_speech_is_made_by_the_voice(face: Face) -> None:
    """The sound of a sentence lasts as long as a person would take for it."""
    async with official(face) as client:
        answer = await client.audio.speech.create(
            model="tts-1", voice="alloy", input="The ferry leaves at seven.", response_format="wav"
        )
    samples, rate_hz = decoded(answer.content, "wav")

    assert 1 < len(samples) / rate_hz < 3
    assert np.abs(samples).max() > 0.1


class GatedVoice(ToneVoice):
    """Waits before the second chunk until the gate is opened."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()
        self._calls = itertools.count()

    def synthesize(
        self, chunk: Chunk, voice: str, speed: float, cancel_token: CancelToken
    ) -> Sound:
        """Return the tones of a chunk."""
        if next(self._calls) and not self.gate.wait(60):
            raise SynthesisError("The gate was not opened.")
        return super().synthesize(chunk, voice, speed, cancel_token)


async def test_speech_streams_during_synthesis(settings: Settings, tmp_path: Path) -> None:
    """The first bytes arrive before the second chunk is made."""
    voice = GatedVoice()
    quiet = settings.replaced(api_port=0, audio_device=f"file:{tmp_path / 'spoken'}")
    async with (
        serve(quiet, voice) as face,
        official(face) as client,
        client.audio.speech.with_streaming_response.create(
            model="kokoro", voice="af_heart", input=NUMBERS, response_format="pcm"
        ) as answer,
    ):
        parts = answer.iter_bytes(4096)
        first = await anext(parts)
        voice.gate.set()
        rest = [part async for part in parts]

    tones = find_tones(decoded(b"".join([first, *rest]), "pcm")[0], SAMPLE_RATE_HZ)
    assert [heard.code for heard in tones] == list(range(1, TONES + 1))


async def test_speech_clamps_the_speed(toned: Face) -> None:
    """0.25 to 4 is accepted, and X-Speed has the speed used; outside is 422 and names the field."""
    body = {"model": "tts-1", "voice": "nova", "input": "Number 1.", "speed": 4}
    fast = await toned.client.post("/v1/audio/speech", json=body)
    wrong = await toned.client.post("/v1/audio/speech", json={**body, "speed": 5})

    assert (fast.status_code, fast.headers["x-speed"]) == (200, "2")
    assert wrong.status_code == 422
    assert wrong.json()["error"]["message"].startswith("speed: ")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"voice": "nobody"}, "voice: There is no voice 'nobody'"),
        ({"input": ""}, "input: "),
        ({"input": "🙂"}, "input: There is no word or number in it"),
        ({"input": "a" * 60_001}, "input: "),
        ({"response_format": "midi"}, "response_format: "),
        ({"voice": "af_heart:70,af_bella:300"}, "voice: '300' is no share"),
    ],
)
async def test_speech_names_the_invalid_field(
    toned: Face, fields: dict[str, Any], message: str
) -> None:
    """422 with a message that begins with the field, in OpenAI's shape."""
    body = {"model": "tts-1", "voice": "nova", "input": "Number 1.", **fields}
    answer = await toned.client.post("/v1/audio/speech", json=body)

    assert answer.status_code == 422
    assert set(answer.json()["error"]) == {"message", "type", "param", "code"}
    assert answer.json()["error"]["message"].startswith(message)
    assert answer.json()["error"]["param"] == message.partition(":")[0]


async def test_speech_makes_several_files_in_turn(toned: Face) -> None:
    """Each of several long texts starts before any is finished, and each is complete."""
    texts = [" ".join(f"Number {n}." for n in range(i * 30, i * 30 + 30)) for i in range(4)]
    started_s: list[float] = []
    ended_s: list[float] = []

    async def get(text: str) -> list[int]:
        body = {"model": "kokoro", "voice": "nova", "input": text, "response_format": "pcm"}
        sound = b""
        async with toned.client.stream("POST", "/v1/audio/speech", json=body) as answer:
            async for part in answer.aiter_bytes():
                if not sound:
                    started_s.append(time.monotonic())
                sound += part
        ended_s.append(time.monotonic())
        return [tone.code for tone in find_tones(decoded(sound, "pcm")[0], SAMPLE_RATE_HZ)]

    codes = await asyncio.gather(*map(get, texts))

    assert max(started_s) < min(ended_s)
    assert codes == [list(range(i * 30, i * 30 + 30)) for i in range(4)]


async def test_speech_gives_way_to_the_loudspeaker(toned: Face, tmp_path: Path) -> None:
    """While a long file is synthesized, a message is heard completely; so is the file."""
    text = " ".join(f"Number {n}." for n in range(100, 200))
    body = {"model": "kokoro", "voice": "nova", "input": text, "response_format": "pcm"}
    request = asyncio.create_task(toned.client.post("/v1/audio/speech", json=body))
    result = await toned.speak("Number 1. Number 2. Number 3.", wait=True)
    in_progress = not request.done()
    sound = (await request).content
    (spoken,) = (tmp_path / "spoken").glob("*.wav")

    assert result["outcome"] == "heard"
    assert in_progress
    assert [tone.code for tone in find_tones(*decoded(spoken.read_bytes(), "wav"))] == [1, 2, 3]
    assert [tone.code for tone in find_tones(decoded(sound, "pcm")[0], SAMPLE_RATE_HZ)] == [
        *range(100, 200)
    ]


async def test_speech_stops_when_the_client_disconnects(toned: Face) -> None:
    """No more is synthesized for a disconnected client, and its place is free."""
    text = " ".join(f"Number {n}." for n in range(200))
    body = {"model": "kokoro", "voice": "nova", "input": text * 20, "response_format": "pcm"}
    for _ in range(MAX_STREAMS + 2):
        async with toned.client.stream("POST", "/v1/audio/speech", json=body) as answer:
            assert answer.status_code == 200
            await anext(answer.aiter_bytes())
    async with asyncio.timeout(5):
        while toned.bot.pipeline._synthesis.renderings._waiting:  # noqa: ASYNC110  # the audio thread's own
            await asyncio.sleep(0.05)


async def test_speech_for_a_stalled_client_is_bounded(toned: Face) -> None:
    """The sound for a client that does not read is bounded, whatever the text."""
    text = " ".join(f"Number {n}." for n in range(250)) * 10
    body = {"model": "kokoro", "voice": "nova", "input": text, "response_format": "pcm"}
    async with toned.client.stream("POST", "/v1/audio/speech", json=body) as answer:
        assert answer.status_code == 200
        (rendering,) = toned.bot.pipeline._synthesis.renderings._waiting
        made_s = -1.0
        while rendering.synthesized_s > made_s:  # until it stops growing
            made_s = rendering.synthesized_s
            await asyncio.sleep(1.0)
        full_s = 0.3 * 2500

    assert made_s < full_s / 3
    assert rendering.stored_s < 30


async def test_speech_is_not_stopped_by_stop(toned: Face) -> None:
    """A stop of the loudspeaker does not affect files."""
    text = " ".join(f"Number {n}." for n in range(100))
    body = {"model": "kokoro", "voice": "nova", "input": text, "response_format": "pcm"}
    request = asyncio.create_task(toned.client.post("/v1/audio/speech", json=body))
    await asyncio.sleep(0.2)
    await toned.client.post("/v1/audio/stop")
    sound = (await request).content

    assert len(find_tones(decoded(sound, "pcm")[0], SAMPLE_RATE_HZ)) == 100


async def test_models_are_listed_in_openais_shape(toned: Face) -> None:
    """The official client finds the model under OpenAI's names and ours."""
    async with official(toned) as client:
        models = [model.id async for model in client.models.list()]

    assert models == ["kokoro", "tts-1", "tts-1-hd", "gpt-4o-mini-tts"]
