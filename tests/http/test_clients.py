"""OpenAI-compatible clients, unchanged: each request of the table as its source sends it."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from bot.http.openai_request import Speech
from bot.settings import Settings
from tests.http.test_audio_stream import decoded, official
from tests.support.fake_voice import ToneVoice, find_tones
from tests.support.http_face import Face, serve

CLIENTS = json.loads((Path(__file__).parents[1] / "data/clients.json").read_text(encoding="utf-8"))


@pytest.fixture
async def face(settings: Settings, tmp_path: Path) -> AsyncIterator[Face]:
    """Run a bot that speaks tones into files, with the HTTP API."""
    quiet = settings.replaced(api_port=0, audio_device=f"file:{tmp_path / 'spoken'}")
    async with serve(quiet, ToneVoice()) as face:
        yield face


def codes(sound: bytes, audio_format: str) -> list[int]:
    """Return the numbers in a file."""
    return [tone.code for tone in find_tones(*decoded(sound, audio_format))]


async def test_clients_get_what_they_expect(face: Face) -> None:
    """Each gets a sound or a list, of its media type, and headers that name what was used."""
    expected, actual = {}, {}
    async with httpx.AsyncClient(base_url=face.url, trust_env=False, timeout=60) as client:
        for row in CLIENTS:
            name, request = f"{row['client']}: {row['source']}", row["request"]
            answer = await client.request(
                request["method"],
                request["path"],
                headers={
                    field: value.replace("TOKEN", face.token)
                    for field, value in request["headers"].items()
                },
                content=json.dumps(request["body"]) if "body" in request else None,
            )
            media_type = answer.headers["content-type"].partition(";")[0]
            headers = {field: answer.headers.get(field) for field in row["answer"]}
            expected[name] = (200, row["media_type"], row["answer"])
            actual[name] = (answer.status_code, media_type, headers)
            assert len(answer.content) > 50

    assert actual == expected


async def test_speech_as_events_is_the_same_sound(face: Face) -> None:
    """OpenAI's deltas add up to the file; the last event is done, with the usage."""
    body = {"input": "Number 1. Number 2.", "response_format": "pcm"}
    file = await face.client.post("/v1/audio/speech", json=body)
    answer = await face.client.post("/v1/audio/speech", json={**body, "stream_format": "sse"})
    events = [json.loads(line.removeprefix("data: ")) for line in answer.text.split("\n\n")[:-1]]
    *deltas, done = events

    assert {event["type"] for event in deltas} == {"speech.audio.delta"}
    assert b"".join(base64.b64decode(event["audio"]) for event in deltas) == file.content
    assert done["type"] == "speech.audio.done"
    assert set(done["usage"]) == {"input_tokens", "output_tokens", "total_tokens"}


@pytest.mark.parametrize("stream", [True, False])
async def test_captions_have_the_time_of_each_word(face: Face, stream: bool) -> None:
    """Kokoro-FastAPI's shape: the sound in base64 and its words, in parts or in one."""
    body = {"input": "Number 1. Number 2.", "response_format": "pcm", "stream": stream}
    answer = await face.client.post("/dev/captioned_speech", json=body)
    parts = [json.loads(line) for line in answer.text.splitlines()]
    sound = b"".join(base64.b64decode(part["audio"]) for part in parts)
    words = [word for part in parts for word in part["timestamps"]]
    heard = find_tones(*decoded(sound, "pcm"))

    assert (len(parts) == 1) is not stream
    assert [tone.code for tone in heard] == [1, 2]
    assert " ".join(word["word"] for word in words) == body["input"]
    # Each sentence is one tone, in which its two words are heard.
    for tone, word in zip(heard, words[::2], strict=True):
        assert word["start_time"] == pytest.approx(tone.start_s, abs=0.1)


async def test_speech_of_marks_is_a_short_silence(face: Face) -> None:
    """A probe and a piece of Markdown get a file with nothing to hear in it."""
    for text in (".", "**", " — ", "?!", "\n"):
        body = {"input": text, "response_format": "wav"}
        answer = await face.client.post("/v1/audio/speech", json=body)
        samples, rate_hz = decoded(answer.content, "wav")

        assert answer.status_code == 200, text
        assert 0 < len(samples) / rate_hz < 0.5
        assert not samples.any()


async def test_speech_gets_louder_by_its_multiplier(face: Face) -> None:
    """volume_multiplier is a factor of the samples."""
    body: dict[str, Any] = {"input": "Number 1.", "response_format": "pcm"}
    loud, quiet = [
        decoded((await face.client.post("/v1/audio/speech", json=fields)).content, "pcm")[0]
        for fields in (body, {**body, "volume_multiplier": 0.5})
    ]

    assert abs(quiet).max() == pytest.approx(0.5 * abs(loud).max(), rel=0.01)


async def test_speech_requests_wait_in_a_line(face: Face) -> None:
    """Twelve at once all get their own sound."""
    texts = [f"Number {number}." for number in range(12)]
    bodies = [{"input": text, "response_format": "pcm"} for text in texts]
    answers = await asyncio.gather(
        *(face.client.post("/v1/audio/speech", json=body) for body in bodies)
    )

    assert [answer.status_code for answer in answers] == [200] * 12
    assert [codes(answer.content, "pcm") for answer in answers] == [[n] for n in range(12)]


async def test_official_client_gets_models_and_errors(face: Face) -> None:
    """A model by its name; an unknown one and an invalid field as the client's own errors."""
    import openai  # slow to import

    async with official(face) as client:
        model = await client.models.retrieve("tts-1")
        with pytest.raises(openai.NotFoundError, match="There is no model 'gpt-5'"):
            await client.models.retrieve("gpt-5")
        with pytest.raises(openai.UnprocessableEntityError) as error:
            await client.audio.speech.create(model="tts-1", voice="af_hart", input="Number 1.")

    assert model.id == "tts-1"
    assert error.value.param == "voice"
    assert "Did you mean af_heart? " in error.value.message


async def test_voices_are_listed_with_their_languages(face: Face) -> None:
    """Each has what Open WebUI, Home Assistant and wyoming-openai read: id and name."""
    voices = (await face.get("/v1/audio/voices"))["voices"]

    assert len(voices) == 54
    assert voices[0] == {
        "id": "af_alloy",
        "name": "Alloy (American English, female)",
        "language": "en-us",
    }


@pytest.mark.parametrize(
    ("given", "voice"),
    [
        ("AF_Bella", "af_bella"),
        ({"id": "nova"}, "af_nova"),
        ("marin", "af_heart"),
        ("alloy+nova", "af_alloy:50,af_nova:50"),
        ("af_bella+af_sky", "af_bella:50,af_sky:50"),
        ("af_bella(2)+af_sky(1)", "af_bella:67,af_sky:33"),
        ("af_bella(1.5)", "af_bella"),
        ("af_bella:0.7, af_sky:0.3", "af_bella:70,af_sky:30"),
        ("af_heart:70,af_bella:30", "af_heart:70,af_bella:30"),
        (None, None),
    ],
)
def test_speech_reads_each_form_of_a_voice(given: object, voice: str | None) -> None:
    """Blends of Kokoro-FastAPI, custom voices of OpenAI, capitals, and OpenAI's names."""
    assert Speech.model_validate({"input": "a", "voice": given}).voice == voice


@pytest.mark.parametrize("share", ["nan", "inf", "-1.5"])
def test_speech_names_a_blend_that_is_none(share: str) -> None:
    """A share that is no number of parts is refused as a voice, with what is meant by one."""
    with pytest.raises(ValidationError, match=f"'{share}' is no share of a voice"):
        Speech.model_validate({"input": "a", "voice": f"af_bella:{share},af_sky:1.0"})


def test_speech_reads_empty_fields_as_left_out() -> None:
    """As forms send them; an empty text is still an error."""
    names = ("voice", "lang", "lang_code", "response_format", "stream_format", "speed")
    speech = Speech.model_validate({"input": "a", **dict.fromkeys(names, "")})

    assert speech == Speech(input="a")
    assert "X-Ignored" not in speech.headers("af_heart")
    with pytest.raises(ValidationError, match="input"):
        Speech.model_validate({"input": ""})


def test_speech_reads_formats_in_any_case() -> None:
    """Both of the sound and of the stream."""
    speech = Speech.model_validate({"input": "a", "response_format": "WAV", "stream_format": "SSE"})

    assert (speech.response_format, speech.stream_format) == ("wav", "sse")


@pytest.mark.parametrize(
    ("given", "lang"),
    [
        ("a", "en-us"),
        ("b", "en-gb"),
        ("z", "cmn"),
        ("en", "en-us"),
        ("pt_BR", "pt-br"),
        ("x", None),
    ],
)
def test_speech_reads_each_form_of_a_language(given: str, lang: str | None) -> None:
    """Kokoro's letters and usual codes; an unknown one leaves it to the voice."""
    speech = Speech.model_validate({"input": "a", "lang_code": given})

    assert speech.lang_code == lang
    assert ("X-Ignored" in speech.headers("af_heart")) is (lang is None)
