"""The HTTP face: what a program can ask for, and that it is true."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from bot.settings import Settings
from tests.http_face import Face, ServeBot, serve
from tests.loudspeaker import RATE_HZ, Ear, Loudspeakers
from tests.tones import ToneVoice, tell


@pytest.fixture
def serve_toned(settings: Settings, loudspeakers: Loudspeakers) -> ServeBot:
    """Return a function that runs a bot with a voice of tones and an HTTP face."""
    assert loudspeakers.alsa_config.exists()

    @asynccontextmanager
    async def start(**changes: Any) -> AsyncIterator[Face]:
        changed = settings.replaced(api_port=0, **changes)
        async with serve(changed, ToneVoice()) as face:
            yield face

    return start


def codes(ear: Ear) -> list[int]:
    """Return the numbers that were heard."""
    return [tone.code for tone in tell(*ear.recording()[:1], RATE_HZ)]


def numbers(*which: int) -> str:
    """Return a text of one sentence for each number."""
    return " ".join(f"Number {number}." for number in which)


async def test_a_text_is_queued_at_once_and_heard(serve_toned: ServeBot, ear_a: Ear) -> None:
    """202 comes before the sound, with an id and a place; the history then knows how it ended."""
    async with serve_toned() as face:
        answer = await face.client.post("/v1/audio/speak", json={"input": numbers(1, 2)})
        queued = answer.json()
        async with face.listening() as heard:
            await heard.wait_for(lambda name, data: name == "ended" and data["id"] == queued["id"])
        (item,) = (await face.get("/v1/history"))["items"]
        await asyncio.to_thread(ear_a.wait_for_silence)

    assert answer.status_code == 202
    assert queued == {"id": queued["id"], "position": 1}
    assert codes(ear_a) == [1, 2]
    assert (item["outcome"], item["source"], item["device"]) == ("heard", "tests", "speaker_a")
    assert item["audio_s"] == pytest.approx(0.6, abs=0.2)
    assert item["first_sound_ms"] > 0


async def test_with_wait_the_answer_is_the_receipt(serve_toned: ServeBot, ear_a: Ear) -> None:
    """200 with `heard` comes after the last sound; after a stop it is `stopped`."""
    async with serve_toned() as face:
        first = await face.speak(numbers(1), wait=True)
        await asyncio.to_thread(ear_a.wait_for_silence)
        waiting = asyncio.create_task(face.speak(numbers(*range(10, 40)), wait=True))
        await asyncio.to_thread(ear_a.wait_for_sound, ear_a.spans()[-1][1] + 0.1)
        stopped = (await face.client.post("/v1/audio/stop")).json()
        second = await waiting

    assert first["outcome"] == "heard"
    assert stopped == {"stopped": 1}
    assert second["outcome"] == "stopped"


async def test_the_unix_socket_serves_too(serve_toned: ServeBot) -> None:
    """The same face is at DATA_DIR/api.sock, which nobody else can open."""
    import tempfile

    with tempfile.TemporaryDirectory(prefix="crier") as folder:  # a short path
        data_dir = Path(folder) / "d"
        async with serve_toned(data_dir=data_dir) as face:
            transport = httpx.AsyncHTTPTransport(uds=face.facts["socket"])
            async with face.named("tests", transport=transport) as client:
                status = (await client.get("/v1/status")).json()
            modes = {p.name: oct(p.stat().st_mode & 0o777) for p in data_dir.iterdir()}
        left = {path.name for path in data_dir.iterdir()}

    assert status["speaking"] is False
    assert {modes[name] for name in ("api.sock", "api.json", "api-token")} == {"0o600"}
    assert "api.sock" not in left
    assert "api.json" not in left
    assert "api-token" in left
