"""The HTTP face: what a program can ask for, and that it is true."""

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
from bot.settings import CHECKOUT, Settings
from tests.conftest import ALICE, TOKEN
from tests.stress.load import crowd, wrong
from tests.support.commandline import Environment
from tests.support.fake_voice import Heard as Tone
from tests.support.fake_voice import ToneVoice, tell
from tests.support.http_face import Face, ServeBot, serve
from tests.support.loudspeaker import RATE_HZ, Ear, Loudspeakers


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


# ---- without an ear: into files, at a loudspeaker's pace ----


@pytest.fixture
def serve_quiet(settings: Settings, tmp_path: Path) -> ServeBot:
    """Return a function that runs a bot which speaks tones into files, with an HTTP face."""

    @asynccontextmanager
    async def start(**changes: Any) -> AsyncIterator[Face]:
        quiet = {"api_port": 0, "audio_device": f"file:{tmp_path / 'spoken'}", **changes}
        async with serve(settings.replaced(**quiet), ToneVoice()) as face:
            yield face

    return start


async def test_events_tell_a_message_s_whole_way(serve_quiet: ServeBot) -> None:
    """queued, each sentence, ended: in this order, with what the history says; status besides."""
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
    assert first[1]["polling"].keys() == {"ok", "age_s", "warning"}


async def test_what_waits_can_be_rearranged_and_removed(
    serve_quiet: ServeBot, tmp_path: Path
) -> None:
    """The order that was chosen is the order that is heard; what was removed is not."""
    async with serve_quiet() as face:
        ids = [(await face.speak(numbers(n, n + 1)))["id"] for n in (10, 20, 30, 40)]
        await face.client.post("/v1/audio/pause")
        moved = await face.client.post(f"/v1/queue/{ids[3]}/move", json={"before": ids[1]})
        await face.client.post(f"/v1/queue/{ids[1]}/move", json={"before": None})
        removed = await face.client.delete(f"/v1/queue/{ids[2]}")
        async with face.listening() as heard:
            await face.client.post("/v1/audio/resume")
            await heard.wait_for(lambda name, data: name == "ended" and data["id"] == ids[1])
        history = (await face.get("/v1/history"))["items"]
        gone = await face.client.delete(f"/v1/queue/{ids[2]}")

    assert [item["id"] for item in moved.json()["items"]] == [ids[0], ids[3], ids[1], ids[2]]
    assert [item["position"] for item in moved.json()["items"]] == [1, 2, 3, 4]
    assert removed.json() == {"skipped": True}
    assert gone.status_code == 404
    heard_ids = [item["id"] for item in reversed(history) if item["outcome"] == "heard"]
    assert heard_ids == [ids[0], ids[3], ids[1]]
    assert [one.code for one in spoken(tmp_path)] == [10, 11, 40, 41, 20, 21]


async def test_an_order_that_was_changed_survives_a_restart(serve_quiet: ServeBot) -> None:
    """What was moved is in its new place in the next life of the process."""
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
    found = []
    for path in sorted((tmp_path / "spoken").glob("*.wav")):
        with wave.open(str(path)) as file:
            raw = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        found += tell((raw / 32768).astype(np.float32), SAMPLE_RATE_HZ)
    return found


async def test_the_urgent_comes_next(serve_quiet: ServeBot) -> None:
    """An urgent text is first of those that wait, and says so in its place."""
    async with serve_quiet() as face, face.listening() as heard:
        first = await face.speak(numbers(*range(10, 16)))
        await heard.wait_for(lambda name, _: name == "sentence")
        last = await face.speak(numbers(20))
        urgent = await face.speak(numbers(30), priority="urgent")
        await heard.wait_for(lambda name, data: name == "ended" and data["id"] == last["id"])
        ended = [data["id"] for name, data in heard.events if name == "ended"]

    assert urgent["position"] == 2
    assert ended == [urgent["id"], first["id"], last["id"]]


async def test_the_same_key_is_the_same_message(serve_quiet: ServeBot, tmp_path: Path) -> None:
    """Sent again with its Idempotency-Key, by the same program, a text is said once."""
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
    assert [one.code for one in spoken(tmp_path)] == [7, 7]


async def test_a_muted_bot_holds_what_programs_send(serve_quiet: ServeBot) -> None:
    """With wait the answer is `held` and why; after the mute it is heard."""
    async with serve_quiet() as face, face.listening() as heard:
        await face.bot.delivery.mute(time.time() + 3600)
        held = await face.speak(numbers(1), wait=True)
        (item,) = (await face.get("/v1/queue"))["items"]
        await face.bot.delivery.mute(0)
        await heard.wait_for(lambda name, data: name == "ended" and data["outcome"] == "heard")

    assert held["outcome"] == "held"
    assert held["reason"].startswith("Muted until")
    assert (item["state"], item["estimate_s"]) == ("held", None)


async def test_limits_are_per_program(serve_quiet: ServeBot) -> None:
    """One that sends too much gets 429 with the reason; another is not concerned."""
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
    ("fields", "says"),
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
async def test_what_is_wrong_is_named(
    serve_quiet: ServeBot, fields: dict[str, Any], says: str
) -> None:
    """422 with a message that names the field; nothing is queued."""
    async with serve_quiet() as face:
        answer = await face.client.post("/v1/audio/speak", json={"input": "Number 1.", **fields})
        items = (await face.get("/v1/queue"))["items"]

    assert answer.status_code == 422
    assert answer.json()["error"]["message"].startswith(says)
    assert items == []


async def test_what_programs_may_choose_is_remembered(serve_quiet: ServeBot) -> None:
    """The volume holds after a restart; a device that is not there is 404."""
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


async def test_health_is_red_when_telegram_refuses(serve_quiet: ServeBot, sandbox: Sandbox) -> None:
    """Another poller on the same token turns /healthz red, with the reason; no token is needed."""
    async with serve_quiet() as face:
        green = await face.client.get("/healthz", headers={"Authorization": ""})
        sandbox.faults["getupdates"] = Fault(
            status=409, description="Conflict: terminated by other getUpdates request"
        )
        face.bot.watch._polling.poke()
        async with face.listening() as heard:
            await heard.wait_for(lambda name, data: name == "status" and not data["polling"]["ok"])
        red = await face.client.get("/healthz", headers={"Authorization": ""})

    assert (green.status_code, green.json()["ok"]) == (200, True)
    assert (red.status_code, red.json()["polling"], red.json()["sound"]) == (503, False, True)
    assert "same bot token" in red.json()["reasons"][0]


async def test_health_is_red_without_a_loudspeaker(
    serve_quiet: ServeBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the device will not open, a waiting program learns why and /healthz is red."""

    def broken(_: object) -> None:
        raise NoOutputDeviceError("There is no output device. Connect one.")

    monkeypatch.setattr("audio.output.wavfile.WavSpeaker.open", broken)
    async with serve_quiet() as face:
        held = await face.speak(numbers(1), wait=True)
        red = await face.client.get("/healthz")

    assert held == {**held, "outcome": "held", "reason": "There is no output device. Connect one."}
    assert (red.status_code, red.json()["sound"]) == (503, False)


async def test_too_old_after_a_restart_is_left_unsaid_and_told(
    serve_quiet: ServeBot,
) -> None:
    """A program can't be asked whether it still wants to be heard; the history says what was."""
    async with serve_quiet() as face:
        await face.client.post("/v1/audio/pause")
        await face.speak(numbers(1))
    async with serve_quiet(late_after_s=0.001) as face, face.listening() as heard:
        ended = await heard.wait_for(lambda name, _: name == "ended")

    assert (ended["outcome"], ended["reason"][:14]) == ("skipped", "It was too old")


@pytest.mark.realtime
async def test_open_streams_do_not_keep_the_process(serve_quiet: ServeBot) -> None:
    """With listeners, waiters and files under way it ends within 3 s; a waiter is told."""
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
    told = await waiting
    with contextlib.suppress(httpx.HTTPError):
        await answer.aclose()

    assert took_s < 3
    assert told.status_code == 503
    assert "will be said after its start" in told.json()["error"]["message"]


async def test_listeners_are_counted_as_they_come(serve_quiet: ServeBot) -> None:
    """Of 80 who ask for the events at the same time 32 get them, and their places come free."""
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


async def test_the_same_key_at_the_same_time_is_in_the_queue_for_all(
    serve_quiet: ServeBot,
) -> None:
    """Of several who send the same at once each is told its place, and it is counted once."""
    async with serve_quiet(limit_per_minute=1) as face:
        await face.client.post("/v1/audio/pause")
        body, once = {"input": "Number 1."}, {"Idempotency-Key": "one"}
        answers = await asyncio.gather(
            *(face.client.post("/v1/audio/speak", json=body, headers=once) for _ in range(8))
        )
        items = (await face.get("/v1/queue"))["items"]

    assert [answer.status_code for answer in answers] == [202] * 8
    assert {answer.json()["position"] for answer in answers} == {1}
    assert len(items) == 1


@pytest.mark.timeout(400)
async def test_the_description_is_kept(serve_quiet: ServeBot, tmp_path: Path) -> None:
    """Whatever is asked in the shape of /openapi.json, no 5xx comes back, and the shapes hold."""
    async with serve_quiet(limit_per_minute=0, limit_waiting=0) as face:
        command = [sys.executable, "-m", "schemathesis.cli", "run", f"{face.url}/openapi.json"]
        command += ["-H", f"Authorization: Bearer {face.token}", "--max-examples", "15"]
        command += ["--exclude-path", "/v1/events", "--seed", "1", "--rate-limit", "40/s"]
        command += ["--exclude-checks", "positive_data_acceptance,unsupported_method"]
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=tmp_path,  # where it leaves what it found
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
async def test_metrics_agree_with_what_was_heard(serve_toned: ServeBot, ear_a: Ear) -> None:
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
    tones_s = sum(t.end_s - t.start_s for t in tell(*ear_a.recording()[:1], RATE_HZ))
    assert value("crier_messages", outcome="heard", source="http") == 1
    assert value("crier_messages", outcome="stopped", source="http") == 1
    assert value("crier_first_sound_seconds", "crier_first_sound_seconds_count") == 2
    assert spans[0][0] - ordered_s == pytest.approx(first / 2, abs=0.4)
    assert 0 < stop < 0.3
    assert spans[-1][1] - stopped_s < 0.3
    assert value("crier_spoken_seconds") == pytest.approx(tones_s, abs=0.7)
    assert value("crier_underruns") == 0


async def test_many_at_once_are_heard_one_after_the_other(
    serve_toned: ServeBot, sandbox: Sandbox, ear_a: Ear
) -> None:
    """Telegram, command line, programs: nothing overlaps or is lost, each was told the truth."""
    async with serve_toned(limit_per_minute=0, limit_waiting=0) as face:
        sent = await crowd(face, sandbox, ALICE, clients=5, requests=25)
        await asyncio.to_thread(ear_a.wait_for_silence)

    assert wrong(sent, tell(*ear_a.recording()[:1], RATE_HZ)) == []


async def test_what_programs_sent_survives_a_kill(
    environment: Environment, sandbox: Sandbox, tmp_path: Path
) -> None:
    """After kill -9 what waited is said, each text once."""
    environment = {
        **environment,
        "TELEGRAM_BOT_TOKEN": TOKEN,
        "TELEGRAM_ALLOWED_USERS": str(ALICE.id),
        "TELEGRAM_API_URL": sandbox.url,
        "AUDIO_DEVICE": f"file:{tmp_path / 'spoken'}",
    }
    data_dir = Path(environment["DATA_DIR"])

    async def start() -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.support.fake_voice"), cwd=CHECKOUT, env=environment
        )

    async def client() -> httpx.AsyncClient:
        async with asyncio.timeout(30):
            await sandbox.wait_for_call("getupdates")
        port = json.loads((data_dir / "api.json").read_text())["port"]
        token = (data_dir / "api-token").read_text().strip()
        return httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}",
            headers={"Authorization": f"Bearer {token}"},
            trust_env=False,
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
            await second.post("/v1/audio/resume")  # a pause is kept, too
            async with asyncio.timeout(30):
                while len((await second.get("/v1/history")).json()["items"]) < 3:  # noqa: ASYNC110  # another process
                    await asyncio.sleep(0.2)
            items = (await second.get("/v1/history")).json()["items"]
    finally:
        process.terminate()
        await process.wait()

    assert [item["outcome"] for item in items] == ["heard"] * 3
    assert [one.code for one in spoken(tmp_path)] == [1, 2, 3]
