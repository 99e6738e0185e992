"""POST /v1/audio/phonemes, and what clients see of texts with sounds and pauses."""

import wave
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from audio.types import SAMPLE_RATE_HZ
from bot.core.store import Store
from bot.settings import Settings
from tests.support.fake_voice import ToneVoice, find_tones
from tests.support.http_face import Face, serve

MARKED = "Ask [Nguyen](/wˈɪn/) [pause:1.5s] now."
SHOWN = "Ask Nguyen now."

Serve = Callable[[], AbstractAsyncContextManager[Face]]


@pytest.fixture
def serve_quiet(settings: Settings, tmp_path: Path) -> Serve:
    """Return a function that runs a bot which speaks tones into files, with the HTTP API."""

    @asynccontextmanager
    async def start() -> AsyncIterator[Face]:
        quiet = settings.replaced(api_port=0, audio_device=f"file:{tmp_path / 'spoken'}")
        async with serve(quiet, ToneVoice()) as face:
            yield face

    return start


async def ask(face: Face, text: str, **fields: Any) -> httpx.Response:
    return await face.client.post("/v1/audio/phonemes", json={"input": text, **fields})


async def test_phonemes_shows_how_a_text_is_read(serve_quiet: Serve, tmp_path: Path) -> None:
    """Rules, taught pronunciations, sounds and pauses are in it; nothing is played or stored."""
    async with serve_quiet() as face:
        await Store(face.bot.delivery._inbox.database).pronounce("SQL", "/sˈikwəl/")
        answer = await ask(face, f"{MARKED} SQL costs $5.\n```\ncode\n```")
        history = (await face.get("/v1/history"))["items"]
        queue = (await face.get("/v1/queue"))["items"]
    reading = answer.json()
    first, second = reading["sentences"]

    assert answer.status_code == 200
    assert (reading["voice"], reading["lang"]) == ("af_heart", "en-us")
    assert reading["skipped"] == "1 code block"
    assert (first["text"], second["text"]) == (SHOWN, "SQL costs 5 dollars.")
    assert first["words"][1] == {
        "text": "Nguyen",
        "phonemes": "wˈɪn",
        "source": "sender",
        "pause_s": 1.5,
    }
    assert [word["source"] == "sender" for word in second["words"]] == [True, False, False, False]
    assert all(word["phonemes"] for word in second["words"])
    assert (history, queue) == ([], [])
    assert not (tmp_path / "spoken").exists()


async def test_phonemes_reads_in_the_language_of_the_voice(serve_quiet: Serve) -> None:
    """The voice decides, or the language that is given; OpenAI's names of voices are known."""
    async with serve_quiet() as face:
        french, english, given = [
            (await ask(face, "Chat", **fields)).json()
            for fields in ({"voice": "ff_siwis"}, {"voice": "nova"}, {"lang": "fr-fr"})
        ]

    assert (french["voice"], french["lang"]) == ("ff_siwis", "fr-fr")
    assert (english["voice"], english["lang"]) == ("af_nova", "en-us")
    assert given["sentences"] == french["sentences"] != english["sentences"]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"input": ""}, "input"),
        ({"input": "[pause:1s]"}, "input: There is no word or number in it"),
        ({"input": "x" * 60_001}, "input"),
        ({"input": "Hello.", "voice": "nobody"}, "voice"),
        ({"input": "Hello.", "lang": "xx"}, "lang"),
        ({"input": "Hello.", "speed": 1.0}, "speed"),
    ],
)
async def test_phonemes_names_the_invalid_field(
    serve_quiet: Serve, fields: dict[str, Any], reason: str
) -> None:
    """Each refusal is a 422 that begins with the field."""
    async with serve_quiet() as face:
        answer = await face.client.post("/v1/audio/phonemes", json=fields)

    assert answer.status_code == 422
    assert answer.json()["error"]["message"].startswith(reason)


async def test_phonemes_needs_the_token(serve_quiet: Serve) -> None:
    """Without it there is no answer."""
    async with serve_quiet() as face, httpx.AsyncClient(trust_env=False) as stranger:
        answer = await stranger.post(f"{face.url}/v1/audio/phonemes", json={"input": "Hello."})

    assert answer.status_code == 401


async def test_clients_see_words_without_sounds(serve_quiet: Serve) -> None:
    """Queue, events and history show the words; the marks stay stored, also over a restart."""
    async with serve_quiet() as face:
        await face.client.post("/v1/audio/pause")
        async with face.listening() as heard:
            await face.speak(MARKED)
            queued = await heard.wait_for(lambda name, _: name == "queued")
    async with serve_quiet() as face:
        (waiting,) = (await face.get("/v1/queue"))["items"]
        rows = await face.bot.delivery._inbox._database.execute_fetchall("SELECT text FROM message")
        async with face.listening() as heard:
            await face.client.post("/v1/audio/resume")
            await heard.wait_for(lambda name, _: name == "ended")
            sounding = [data for name, data in heard.events if name == "sounding"]
        (item,) = (await face.get("/v1/history"))["items"]

    assert [*rows] == [(MARKED,)]
    assert [seen["text"] for seen in (queued, waiting, item)] == [SHOWN] * 3
    assert " ".join(data["text"] for data in sounding) == SHOWN
    assert [word["text"] for data in sounding for word in data["words"]] == SHOWN.split()


async def test_pauses_are_heard(serve_quiet: Serve, tmp_path: Path) -> None:
    """They are between the words where they were written, inside a sentence too."""
    text = "[pause:1s] Number 1. [pause:2s]\nNumber 2 [pause:3s] and 3, [pause:0.5s] 4"
    async with serve_quiet() as face:
        await face.speak(text, wait=True)
    (path,) = (tmp_path / "spoken").glob("*.wav")
    with wave.open(str(path)) as file:
        raw = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    tones = find_tones((raw / 32768).astype(np.float32), SAMPLE_RATE_HZ)
    ends = [0.0, *(tone.end_s for tone in tones)]
    gaps = [tone.start_s - end for tone, end in zip(tones, ends, strict=False)]

    assert [tone.code for tone in tones] == [1, 2, 3, 4]
    assert gaps == pytest.approx([1.0, 2.0, 3.0, 0.5], abs=0.2)
