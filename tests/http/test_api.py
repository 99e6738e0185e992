"""The HTTP API: the effect and the answer of each route."""

import asyncio
import contextlib
import json
import sys
import time
import wave
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from audio.types import SAMPLE_RATE_HZ, NoOutputDeviceError
from bot.chat.sandbox import Fault, Sandbox
from bot.settings import Settings
from tests.conftest import ALICE, TOKEN
from tests.stress.load import failures, run_load
from tests.support import fork_server
from tests.support.commandline import Environment
from tests.support.fake_voice import HeardTone as Tone
from tests.support.fake_voice import ToneVoice, find_tones
from tests.support.http_face import Face, ServeBot, serve
from tests.support.loudspeaker import RATE_HZ, Ear, Loudspeakers


@pytest.fixture
def serve_toned(settings: Settings, loudspeakers: Loudspeakers) -> ServeBot:
    """Return a function that runs a bot with the tone voice and the HTTP API."""
    assert loudspeakers.alsa_config.exists()

    @asynccontextmanager
    async def start(**changes: Any) -> AsyncIterator[Face]:
        changed = settings.replaced(api_port=0, **changes)
        async with serve(changed, ToneVoice()) as face:
            yield face

    return start


def codes(ear: Ear) -> list[int]:
    """Return the numbers in a recording."""
    return [tone.code for tone in find_tones(*ear.recording()[:1], RATE_HZ)]


def numbers(*which: int) -> str:
    """Return a text of one sentence for each number."""
    return " ".join(f"Number {number}." for number in which)


async def test_speak_queues_a_text_at_once(serve_toned: ServeBot, ear_a: Ear) -> None:
    """The answer, 202 with id and position, precedes the sound; the history has the outcome."""
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


async def test_speak_with_wait_returns_the_outcome(serve_toned: ServeBot, ear_a: Ear) -> None:
    """200 with `heard` follows the last sound; after a stop the outcome is `stopped`."""
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


async def test_unix_socket_serves_the_same_api(serve_toned: ServeBot) -> None:
    """The API is also at DATA_DIR/api.sock, which no other user can open."""
    import tempfile

    with tempfile.TemporaryDirectory(prefix="crier") as folder:  # a short path
        data_dir = Path(folder) / "d"
        async with serve_toned(data_dir=data_dir) as face:
            transport = httpx.AsyncHTTPTransport(uds=face.api_json["socket"])
            async with face.named("tests", transport=transport) as client:
                status = (await client.get("/v1/status")).json()
            modes = {p.name: oct(p.stat().st_mode & 0o777) for p in data_dir.iterdir()}
        left = {path.name for path in data_dir.iterdir()}

    assert status["speaking"] is False
    assert {modes[name] for name in ("api.sock", "api.json", "api-token")} == {"0o600"}
    assert "api.sock" not in left
    assert "api.json" not in left
    assert "api-token" in left


# ---- without a recording: into files, at the speed of a loudspeaker ----


@pytest.fixture
def serve_quiet(settings: Settings, tmp_path: Path) -> ServeBot:
    """Return a function that runs a bot which speaks tones into files, with the HTTP API."""

    @asynccontextmanager
    async def start(**changes: Any) -> AsyncIterator[Face]:
        quiet = {"api_port": 0, "audio_device": f"file:{tmp_path / 'spoken'}", **changes}
        async with serve(settings.replaced(**quiet), ToneVoice()) as face:
            yield face

    return start


async def test_events_follow_a_message_to_its_end(serve_quiet: ServeBot) -> None:
    """queued, each sentence, ended, in this order, as in the history; status in between."""
    async with serve_quiet() as face, face.listening() as heard:
        queued = await face.speak(numbers(1, 2))
        ended = await heard.wait_for(lambda name, _: name == "ended")
        names = [name for name, _ in heard.events if name not in ("status", "sounding")]
        sounding = [data for name, data in heard.events if name == "sounding"]
        (item,) = (await face.get("/v1/history"))["items"]
        first = heard.events[0]

    assert names == ["queued", "sentence", "sentence", "ended"]
    assert ended["id"] == queued["id"]
    assert all(item[name] == ended[name] for name in ("outcome", "reason", "device", "audio_s"))
    assert " ".join(data["text"] for data in sounding) == numbers(1, 2)
    assert all(0 <= time.time() - data["at"] < 10 for data in sounding)
    assert first[0] == "status"
    assert first[1]["polling"].keys() == {"source", "ok", "age_s", "warning"}


async def test_queue_can_be_reordered_and_shortened(serve_quiet: ServeBot, tmp_path: Path) -> None:
    """Messages are heard in the selected order, without the removed one."""
    async with serve_quiet() as face:
        # First: a tone that the pause cuts off would be heard twice.
        await face.client.post("/v1/audio/pause")
        ids = [(await face.speak(numbers(n, n + 1)))["id"] for n in (10, 20, 30, 40)]
        moved = await face.client.post(f"/v1/queue/{ids[3]}/move", json={"before": ids[1]})
        await face.client.post(f"/v1/queue/{ids[1]}/move", json={"before": None})
        removed = await face.client.delete(f"/v1/queue/{ids[2]}")
        async with face.listening() as heard:
            await face.client.post("/v1/audio/resume")
            await heard.wait_for(lambda name, data: name == "ended" and data["id"] == ids[1])
        history = (await face.get("/v1/history"))["items"]
        removed_twice = await face.client.delete(f"/v1/queue/{ids[2]}")

    assert [item["id"] for item in moved.json()["items"]] == [ids[0], ids[3], ids[1], ids[2]]
    assert [item["position"] for item in moved.json()["items"]] == [1, 2, 3, 4]
    assert removed.json() == {"skipped": True}
    assert removed_twice.status_code == 404
    heard_ids = [item["id"] for item in reversed(history) if item["outcome"] == "heard"]
    assert heard_ids == [ids[0], ids[3], ids[1]]
    assert [tone.code for tone in spoken(tmp_path)] == [10, 11, 40, 41, 20, 21]


async def test_queue_order_survives_a_restart(serve_quiet: ServeBot) -> None:
    """A moved message keeps its new place in the next process."""
    async with serve_quiet() as face:
        await face.client.post("/v1/audio/pause")
        ids = [(await face.speak(numbers(n)))["id"] for n in (1, 2, 3)]
        await face.client.post(f"/v1/queue/{ids[2]}/move", json={"before": ids[0]})
    async with serve_quiet() as face:
        async with face.listening() as heard:
            await face.client.post("/v1/audio/resume")
            await heard.wait_for(lambda name, data: name == "ended" and data["id"] == ids[1])
        history = (await face.get("/v1/history"))["items"]

    assert [item["id"] for item in reversed(history)] == [ids[2], ids[0], ids[1]]


def spoken(tmp_path: Path) -> list[Tone]:
    """Return the tones in the files, in the order of the files."""
    tones = []
    for path in sorted((tmp_path / "spoken").glob("*.wav")):
        with wave.open(str(path)) as file:
            raw = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        tones += find_tones((raw / 32768).astype(np.float32), SAMPLE_RATE_HZ)
    return tones


async def test_speak_puts_an_urgent_text_next(serve_quiet: ServeBot) -> None:
    """An urgent text precedes all waiting ones, and its position says so."""
    async with serve_quiet() as face, face.listening() as heard:
        first = await face.speak(numbers(*range(10, 16)))
        await heard.wait_for(lambda name, _: name == "sentence")
        last = await face.speak(numbers(20))
        urgent = await face.speak(numbers(30), priority="urgent")
        await heard.wait_for(lambda name, data: name == "ended" and data["id"] == last["id"])
        ended = [data["id"] for name, data in heard.events if name == "ended"]

    assert urgent["position"] == 2
    assert ended == [urgent["id"], first["id"], last["id"]]


async def test_speak_with_the_same_idempotency_key_speaks_once(
    serve_quiet: ServeBot, tmp_path: Path
) -> None:
    """A text that the same program sends again with its key is spoken once."""
    async with serve_quiet() as face:
        key = {"Idempotency-Key": "door-7"}
        body = {"input": numbers(7), "wait": True}
        answers = await asyncio.gather(
            *(face.client.post("/v1/audio/speak", json=body, headers=key) for _ in range(5))
        )
        again = await face.client.post("/v1/audio/speak", json=body, headers=key)
        async with face.named("other") as other:
            await other.post("/v1/audio/speak", json=body, headers=key)

    results = {answer.json()["id"] for answer in [*answers, again]}
    assert len(results) == 1
    assert {answer.json()["outcome"] for answer in [*answers, again]} == {"heard"}
    assert [tone.code for tone in spoken(tmp_path)] == [7, 7]


async def test_speak_is_held_while_muted(serve_quiet: ServeBot) -> None:
    """With wait the answer is `held` and the reason; after the mute the text is heard."""
    async with serve_quiet() as face, face.listening() as heard:
        await face.bot.delivery.mute(time.time() + 3600)
        held = await face.speak(numbers(1), wait=True)
        (item,) = (await face.get("/v1/queue"))["items"]
        await face.bot.delivery.mute(0)
        await heard.wait_for(lambda name, data: name == "ended" and data["outcome"] == "heard")

    assert held["outcome"] == "held"
    assert held["reason"].startswith("Muted until")
    assert (item["state"], item["estimate_s"]) == ("held", None)


async def test_limits_count_per_program(serve_quiet: ServeBot) -> None:
    """A program over the limit gets 429 with the reason; others are not affected."""
    async with serve_quiet(limit_per_minute=3) as face:
        body = {"input": numbers(1)}
        codes = [
            (await face.client.post("/v1/audio/speak", json=body)).status_code for _ in range(5)
        ]
        async with face.named("other") as other:
            fine = await other.post("/v1/audio/speak", json=body)

    assert codes == [202, 202, 202, 429, 429]
    assert fine.status_code == 202


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"voice": "nobody"}, "voice: There is no voice 'nobody'"),
        ({"speed": 2.5}, "speed: "),
        ({"lang": "xx"}, "lang: there is no language 'xx'"),
        ({"priority": "high"}, "priority: "),
        ({"input": "..."}, "There is no word or number in it"),
        ({"input": 7}, "input: "),
        ({"text": "a"}, "text: "),
    ],
)
async def test_speak_names_the_invalid_field(
    serve_quiet: ServeBot, fields: dict[str, Any], message: str
) -> None:
    """422 with a message that names the field; nothing is queued."""
    async with serve_quiet() as face:
        answer = await face.client.post("/v1/audio/speak", json={"input": "Number 1.", **fields})
        items = (await face.get("/v1/queue"))["items"]

    assert answer.status_code == 422
    assert answer.json()["error"]["message"].startswith(message)
    assert items == []


async def test_volume_is_remembered_and_unknown_devices_are_refused(serve_quiet: ServeBot) -> None:
    """The volume survives a restart; a device that does not exist is 404."""
    async with serve_quiet() as face:
        await face.client.put("/v1/volume", json={"percent": 50})
        wrong = await face.client.put("/v1/volume", json={"percent": 151})
        nowhere = await face.client.put("/v1/device", json={"name": "no such device"})
    async with serve_quiet() as face:
        status = await face.get("/v1/status")
        voices = await face.get("/v1/voices")
        devices = await face.get("/v1/devices")

    assert status["volume"] == 50
    assert wrong.status_code == 422
    assert nowhere.status_code == 404
    assert len(voices["voices"]) == 54
    assert voices["default"] == "af_heart"
    assert devices["outputs"][0]["is_default"] is not None


async def test_health_fails_when_telegram_refuses(serve_quiet: ServeBot, sandbox: Sandbox) -> None:
    """Another poller with the same token makes /healthz 503 with the reason; it needs no token."""
    async with serve_quiet() as face:
        healthy = await face.client.get("/healthz", headers={"Authorization": ""})
        sandbox.faults["getupdates"] = Fault(
            status=409, description="Conflict: terminated by other getUpdates request"
        )
        assert face.bot.watch._polling is not None
        face.bot.watch._polling.poke()
        async with face.listening() as heard:
            await heard.wait_for(lambda name, data: name == "status" and not data["polling"]["ok"])
        failing = await face.client.get("/healthz", headers={"Authorization": ""})

    assert (healthy.status_code, healthy.json()["ok"]) == (200, True)
    assert (failing.status_code, failing.json()["polling"], failing.json()["sound"]) == (
        503,
        False,
        True,
    )
    assert "same bot token" in failing.json()["reasons"][0]


async def test_health_fails_without_a_loudspeaker(
    serve_quiet: ServeBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the device does not open, a waiting program gets the reason, and /healthz is 503."""

    def broken(_: object) -> None:
        raise NoOutputDeviceError("There is no output device. Connect one.")

    monkeypatch.setattr("audio.output.wavfile.WavSpeaker.open", broken)
    async with serve_quiet() as face:
        held = await face.speak(numbers(1), wait=True)
        failing = await face.client.get("/healthz")

    assert held == {**held, "outcome": "held", "reason": "There is no output device. Connect one."}
    assert (failing.status_code, failing.json()["sound"]) == (503, False)


async def test_late_message_of_a_program_is_skipped_after_a_restart(
    serve_quiet: ServeBot,
) -> None:
    """A program can't be asked whether to speak a late text; the outcome says why."""
    async with serve_quiet() as face:
        await face.client.post("/v1/audio/pause")
        await face.speak(numbers(1))
    async with serve_quiet(late_after_s=0.001) as face, face.listening() as heard:
        ended = await heard.wait_for(lambda name, _: name == "ended")

    assert (ended["outcome"], ended["reason"][:14]) == ("skipped", "It was too old")


@pytest.mark.realtime
async def test_shutdown_does_not_wait_for_open_streams(serve_quiet: ServeBot) -> None:
    """With listeners, waiters and open files the bot stops within 3 s; a waiter gets 503."""
    async with AsyncExitStack() as stack:
        face = await stack.enter_async_context(serve_quiet())
        heard = await stack.enter_async_context(face.listening())
        waiting = asyncio.create_task(
            face.client.post("/v1/audio/speak", json={"input": numbers(*range(99)), "wait": True})
        )
        body = {"model": "kokoro", "voice": "nova", "input": numbers(*range(250)) * 10}
        stream = face.client.stream("POST", "/v1/audio/speech", json=body)
        answer = await stream.__aenter__()
        await heard.wait_for(lambda name, _: name == "sentence")
        began_s = time.monotonic()
    took_s = time.monotonic() - began_s
    answer_at_stop = await waiting
    with contextlib.suppress(httpx.HTTPError):
        await answer.aclose()

    assert took_s < 3
    assert answer_at_stop.status_code == 503
    assert "will be said after its start" in answer_at_stop.json()["error"]["message"]


async def test_events_accept_32_listeners(serve_quiet: ServeBot) -> None:
    """Of 80 simultaneous requests for the events 32 succeed; closed ones make room."""
    async with serve_quiet() as face, contextlib.AsyncExitStack() as stack:

        async def ask() -> httpx.Response:
            return await stack.enter_async_context(face.client.stream("GET", "/v1/events"))

        answers = await asyncio.gather(*(ask() for _ in range(80)))
        statuses = Counter(answer.status_code for answer in answers)
        await stack.aclose()
        async with asyncio.timeout(30):
            while (await ask()).status_code != 200:  # noqa: ASYNC110  # as a program would
                await asyncio.sleep(0.1)

    assert statuses == {200: 32, 429: 48}


async def test_speak_with_the_same_key_at_once_stores_one_message(
    serve_quiet: ServeBot,
) -> None:
    """Simultaneous requests with one key all get its position; the limit counts it once."""
    async with serve_quiet(limit_per_minute=1) as face:
        await face.client.post("/v1/audio/pause")
        body, key = {"input": "Number 1."}, {"Idempotency-Key": "one"}
        answers = await asyncio.gather(
            *(face.client.post("/v1/audio/speak", json=body, headers=key) for _ in range(8))
        )
        items = (await face.get("/v1/queue"))["items"]

    assert [answer.status_code for answer in answers] == [202] * 8
    assert {answer.json()["position"] for answer in answers} == {1}
    assert len(items) == 1


async def test_openapi_description_matches_the_answers(
    serve_quiet: ServeBot, tmp_path: Path
) -> None:
    """Generated requests cause no 5xx, and the answers match /openapi.json."""
    async with serve_quiet(limit_per_minute=0, limit_waiting=0) as face:
        command = [sys.executable, "-m", "schemathesis.cli", "run", f"{face.url}/openapi.json"]
        command += ["-H", f"Authorization: Bearer {face.token}", "--max-examples", "15"]
        command += ["--exclude-path", "/v1/events", "--seed", "1", "--rate-limit", "40/s"]
        command += ["--exclude-checks", "positive_data_acceptance,unsupported_method"]
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=tmp_path,  # it writes its findings there
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            out, _ = await asyncio.wait_for(process.communicate(), 300)
        finally:
            if process.returncode is None:
                process.kill()
                await process.communicate()
        health = await face.get("/healthz")

    assert process.returncode == 0, out.decode()[-5000:]
    assert health["ok"] is True


@pytest.mark.realtime
async def test_metrics_agree_with_the_recording(serve_toned: ServeBot, ear_a: Ear) -> None:
    """Counts, first sound and seconds of sound are those of the recording."""
    async with serve_toned(stream_idle_s=0.0) as face:
        ordered_s = time.monotonic()
        await face.speak(numbers(1, 2, 3), wait=True)
        waiting = asyncio.create_task(face.speak(numbers(*range(10, 60)), wait=True))
        await asyncio.to_thread(ear_a.wait_for_sound, time.monotonic())
        stopped_s = time.monotonic()
        await face.client.post("/v1/audio/stop")
        await waiting
        await asyncio.to_thread(ear_a.wait_for_silence)
        answer = await face.client.get("/metrics")
    families = {f.name: f for f in text_string_to_metric_families(answer.text)}

    def value(family: str, sample: str = "", **labels: str) -> float:
        name = sample or f"{family}_total"
        return next(
            s.value
            for s in families[family].samples
            if s.name == name and labels.items() <= s.labels.items()
        )

    first = value("crier_first_sound_seconds", "crier_first_sound_seconds_sum")
    stop = value("crier_stop_seconds", "crier_stop_seconds_sum")
    spans = ear_a.spans(ordered_s, gap_s=0.5)
    tones_s = sum(t.end_s - t.start_s for t in find_tones(*ear_a.recording()[:1], RATE_HZ))
    assert value("crier_messages", outcome="heard", source="http") == 1
    assert value("crier_messages", outcome="stopped", source="http") == 1
    assert value("crier_first_sound_seconds", "crier_first_sound_seconds_count") == 2
    assert spans[0][0] - ordered_s == pytest.approx(first / 2, abs=0.4)
    assert 0 < stop < 0.3
    assert spans[-1][1] - stopped_s < 0.3
    assert value("crier_spoken_seconds") == pytest.approx(tones_s, abs=0.7)
    assert value("crier_underruns") == 0


async def test_speak_serves_many_clients_in_turn(
    serve_toned: ServeBot, sandbox: Sandbox, ear_a: Ear
) -> None:
    """Telegram, command line, programs: nothing overlaps or is lost; all get the true outcome."""
    async with serve_toned(limit_per_minute=0, limit_waiting=0) as face:
        sent = await run_load(face, sandbox, ALICE, clients=5, requests=25)
        await asyncio.to_thread(ear_a.wait_for_silence)

    assert failures(sent, find_tones(*ear_a.recording()[:1], RATE_HZ)) == []


async def test_messages_of_programs_survive_a_kill(
    environment: Environment, sandbox: Sandbox, tmp_path: Path
) -> None:
    """After kill -9 the waiting texts are spoken, each once."""
    environment = {
        **environment,
        "TELEGRAM_BOT_TOKEN": TOKEN,
        "TELEGRAM_ALLOWED_USERS": str(ALICE.id),
        "TELEGRAM_API_URL": sandbox.url,
        "AUDIO_DEVICE": f"file:{tmp_path / 'spoken'}",
    }
    data_dir = Path(environment["DATA_DIR"])

    async def start() -> asyncio.subprocess.Process:
        return await fork_server.start("tests.support.fake_voice", environment=environment)

    async def client() -> httpx.AsyncClient:
        async with asyncio.timeout(30):
            await sandbox.wait_for_call("getupdates")
        port = json.loads((data_dir / "api.json").read_text())["port"]
        token = (data_dir / "api-token").read_text().strip()
        return httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}",
            headers={"Authorization": f"Bearer {token}"},
            trust_env=False,
            verify=False,
        )

    process = await start()
    try:
        async with await client() as first:
            await first.post("/v1/audio/pause")
            for number in (1, 2, 3):
                answer = await first.post("/v1/audio/speak", json={"input": numbers(number)})
                assert answer.status_code == 202
        process.kill()
        await process.wait()
        sandbox.calls.clear()
        process = await start()
        async with await client() as second:
            await second.post("/v1/audio/resume")  # a pause survives, too
            async with asyncio.timeout(30):
                while len((await second.get("/v1/history")).json()["items"]) < 3:  # noqa: ASYNC110  # another process
                    await asyncio.sleep(0.2)
            items = (await second.get("/v1/history")).json()["items"]
    finally:
        process.terminate()
        await process.wait()

    assert [item["outcome"] for item in items] == ["heard"] * 3
    assert [tone.code for tone in spoken(tmp_path)] == [1, 2, 3]
