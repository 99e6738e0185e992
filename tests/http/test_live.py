"""Texts that arrive bit by bit: a chunked POST and a WebSocket."""

import asyncio
import contextlib
import json
import socket as sockets
import sqlite3
import struct
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import websocket

from audio.types import Outcome
from bot.chat.sandbox import Sandbox
from bot.core.inbox import Inbox
from bot.http import guard, live
from bot.settings import Settings
from tests.http.test_audio_stream import decoded
from tests.support.fake_voice import ToneVoice, find_tones
from tests.support.http_face import Face, serve

TEXT = {"Content-Type": "text/plain; charset=utf-8"}
SPEAK = "/v1/audio/speak"


@pytest.fixture
async def face(settings: Settings, tmp_path: Path) -> AsyncIterator[Face]:
    """Run a bot that speaks tones into files, with the HTTP API."""
    quiet = settings.replaced(api_port=0, audio_device=f"file:{tmp_path / 'spoken'}")
    async with serve(quiet, ToneVoice()) as face:
        yield face


def files(folder: Path) -> list[list[int]]:
    """Return the numbers in each file that was spoken."""
    paths = sorted((folder / "spoken").glob("*.wav"))
    return [
        [tone.code for tone in find_tones(*decoded(path.read_bytes(), "wav"))] for path in paths
    ]


class Writer:
    """A body that is still being written."""

    def __init__(self) -> None:
        self._pieces: asyncio.Queue[bytes | None] = asyncio.Queue()

    def write(self, text: str) -> None:
        """Add a piece."""
        self._pieces.put_nowait(text.encode())

    def end(self) -> None:
        """End the body."""
        self._pieces.put_nowait(None)

    async def body(self) -> AsyncIterator[bytes]:
        """Yield the pieces."""
        while (piece := await self._pieces.get()) is not None:
            yield piece


def start(face: Face, writer: Writer, **query: Any) -> "asyncio.Task[httpx.Response]":
    """Start a request whose body is written meanwhile."""
    return asyncio.create_task(
        face.client.post(SPEAK, params=query, content=writer.body(), headers=TEXT)
    )


async def test_speak_begins_before_the_text_has_ended(face: Face, tmp_path: Path) -> None:
    """The first sentence is heard while the second is written: one message, one outcome."""
    writer = Writer()
    async with face.listening() as heard:
        request = start(face, writer, wait=True)
        writer.write("Number 1. Num")
        await heard.wait_for(lambda name, data: name == "sentence" and data["sentence"] == 0)
        in_progress = not request.done()
        for piece in ("ber 2.", " Number", " 3"):
            writer.write(piece)
        writer.end()
        answer = await request
        names = [name for name, _ in heard.events if name in ("queued", "ended", "sentence")]
    (item,) = (await face.get("/v1/history"))["items"]

    assert in_progress
    assert answer.status_code == 200
    assert answer.json() == {"id": item["id"], "outcome": "heard", "reason": ""}
    assert item["text"].split() == "Number 1. Number 2. Number 3".split()
    assert names == ["queued", "sentence", "sentence", "sentence", "ended"]
    assert files(tmp_path) == [[1, 2, 3]]


async def test_speak_takes_a_whole_text_and_its_options(face: Face) -> None:
    """A text that comes at once is spoken as such; the fields are in the address."""
    answer = await face.client.post(
        SPEAK,
        params={"voice": "bf_emma", "speed": "1.5", "wait": "true"},
        content="Number 1.",
        headers=TEXT,
    )
    (item,) = (await face.get("/v1/history"))["items"]
    once = {**TEXT, "Idempotency-Key": "a"}
    ids = [
        (await face.client.post(SPEAK, content="Number 2.", headers=once)).json()["id"]
        for _ in range(2)
    ]

    assert (answer.status_code, answer.json()["outcome"]) == (200, "heard")
    assert item["outcome"] == "heard"
    assert ids[0] == ids[1]


@pytest.mark.parametrize(
    ("query", "text", "message"),
    [
        ({"voice": "nobody"}, "Number 1.", "voice: There is no voice 'nobody'"),
        ({"speed": "fast"}, "Number 1.", "speed: "),
        ({"sped": "1"}, "Number 1.", "sped: "),
        ({}, "...", "There is no word or number in it"),
        ({}, "", "There is no word or number in it"),
    ],
)
async def test_speak_names_what_is_wrong_with_a_text(
    face: Face, query: dict[str, str], text: str, message: str
) -> None:
    """422 with the reason; nothing is queued."""
    answer = await face.client.post(SPEAK, params=query, content=text, headers=TEXT)

    assert answer.status_code == 422
    assert answer.json()["error"]["message"].startswith(message)
    assert (await face.get("/v1/queue"))["items"] == []


async def begun(face: Face) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Send the head of a request that waits, whose body is written in chunks."""
    reader, writer = await asyncio.open_connection("127.0.0.1", face.api_json["port"])
    head = (
        f"POST {SPEAK}?wait=true HTTP/1.1",
        f"Host: 127.0.0.1:{face.api_json['port']}",
        f"Authorization: Bearer {face.token}",
        "Content-Type: text/plain",
        "Transfer-Encoding: chunked",
        "",
        "",
    )
    writer.write("\r\n".join(head).encode())
    return reader, writer


async def test_stop_ends_a_text_that_is_still_written(face: Face) -> None:
    """The answer comes at once, although the body has not ended; what follows is not said."""
    reader, writer = await begun(face)
    async with face.listening() as heard:
        writer.write(b"17\r\nNumber 1. Number 2. Num\r\n")
        await heard.wait_for(lambda name, _: name == "sentence")
        await face.client.post("/v1/audio/stop")
        async with asyncio.timeout(20):
            answer = await reader.readuntil(b"}")
        writer.close()
    items = (await face.get("/v1/history"))["items"]

    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b'"outcome":"stopped"' in answer
    assert [item["outcome"] for item in items] == [Outcome.STOPPED]


async def test_client_that_breaks_off_is_heard_so_far(face: Face, tmp_path: Path) -> None:
    """The sentences that had ended are spoken, and the message ends."""
    writer = Writer()
    async with face.listening() as heard:
        request = start(face, writer)
        writer.write("Number 1. Number 2. Num")
        await heard.wait_for(lambda name, _: name == "sentence")
        request.cancel()
        ended = await heard.wait_for(lambda name, _: name == "ended")

    assert ended["outcome"] == "heard"
    assert files(tmp_path) == [[1, 2]]


async def test_break_in_a_text_is_the_end_of_its_message(
    face: Face, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others are spoken meanwhile; what follows the break is another message."""
    monkeypatch.setattr(live, "BREAK_S", 0.2)
    writer = Writer()
    async with face.listening() as heard:
        request = start(face, writer, wait=True)
        writer.write("Number 1. ")
        first = await heard.wait_for(lambda name, _: name == "ended")
        await face.speak("Number 2.")
        writer.write("Number 3. ")
        writer.end()
        answer = (await request).json()

    assert answer["outcome"] == "heard"
    assert answer["id"] > first["id"]
    assert files(tmp_path) == [[1], [2], [3]]


async def test_text_that_is_very_long_is_several_messages(
    face: Face, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of it is spoken, in order; the answer is about the last message."""
    monkeypatch.setattr(live, "MAX_INPUT_CHARS", 15)
    writer = Writer()
    async with face.listening() as heard:
        request = start(face, writer, wait=True)
        writer.write("Number 1.\nNumber 2.\n")
        first = await heard.wait_for(lambda name, _: name == "ended")
        writer.write("Number 3.\nNumber 4.\n")
        await heard.wait_for(lambda name, data: name == "queued" and data["id"] != first["id"])
        writer.write("Number 5.\n")
        writer.end()
        answer = (await request).json()
    items = (await face.get("/v1/history"))["items"]

    assert answer["id"] == items[0]["id"]
    assert len(items) > 1
    assert [code for file in files(tmp_path) for code in file] == [1, 2, 3, 4, 5]


async def test_message_that_does_not_grow_ends_although_pieces_come(
    face: Face, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others are spoken while minutes of code arrive; what follows it is another message."""
    monkeypatch.setattr(live, "BREAK_S", 0.3)
    others = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield b"Number 1.\n```\n"
        while not others.is_set():
            yield b"x = 1\n"
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(others.wait(), 0.05)
        yield b"```\nNumber 3.\n"

    request = asyncio.create_task(
        face.client.post(SPEAK, params={"wait": True}, content=body(), headers=TEXT)
    )
    async with face.listening() as heard:
        await heard.wait_for(lambda name, _: name == "ended")
    await face.speak("Number 2.", wait=True)
    others.set()
    answer = (await request).json()

    assert answer["outcome"] == "heard"
    assert files(tmp_path) == [[1], [2], [3]]


async def test_text_of_which_nothing_comes_keeps_no_place(
    face: Face, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that is gone without a word is given up; what it sent is spoken."""
    monkeypatch.setattr(live, "_MAX_TEXTS", 1)
    monkeypatch.setattr(live, "GONE_S", 0.5)
    reader, writer = await begun(face)
    writer.write(b"d\r\nNumber 1.\nNum\r\n")
    async with asyncio.timeout(20):
        refused = await reader.readuntil(b"}")
    writer.close()
    other = await face.client.post(SPEAK, params={"wait": True}, content="Number 2.", headers=TEXT)

    assert refused.startswith(b"HTTP/1.1 408 ")
    assert other.json()["outcome"] == "heard"
    assert files(tmp_path) == [[1], [2]]


# ---- keys ----


def keyed(face: Face, content: Any) -> "asyncio.Task[httpx.Response]":
    """Start a request with a key."""
    headers = {**TEXT, "Idempotency-Key": "story"}
    return asyncio.create_task(face.client.post(SPEAK, content=content, headers=headers))


async def test_key_of_a_text_that_broke_off_hides_nothing(
    settings: Settings, tmp_path: Path, sandbox: Sandbox
) -> None:
    """Sent again, also after a restart, it gets 409 instead of the outcome of a part."""
    assert sandbox.url
    quiet = settings.replaced(api_port=0, audio_device=f"file:{tmp_path / 'spoken'}")
    writer = Writer()
    async with serve(quiet, ToneVoice()) as face, face.listening() as heard:
        request = keyed(face, writer.body())
        writer.write("Number 1. Number 2. Num")
        await heard.wait_for(lambda name, _: name == "queued")
        meanwhile = await keyed(face, "Number 1. Number 2. Number 3.")
        request.cancel()
        await heard.wait_for(lambda name, _: name == "ended")
        again = await keyed(face, "Number 1. Number 2. Number 3.")
    async with serve(quiet, ToneVoice()) as face:
        later = await keyed(face, "Number 1. Number 2. Number 3.")

    for answer in (meanwhile, again, later):
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "broken_off")
    assert files(tmp_path) == [[1, 2]]


async def test_key_of_a_text_without_a_sentence_yet_keeps_nobody_waiting(
    face: Face, tmp_path: Path
) -> None:
    """A client that sends its text again is heard, whatever became of its first connection."""
    has_begun, is_said = asyncio.Event(), asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        yield b"Num"
        has_begun.set()
        await is_said.wait()
        yield b"ber 1."

    first = keyed(face, body())
    await has_begun.wait()
    second = await keyed(face, "Number 1.")
    async with face.listening() as heard:
        if not files(tmp_path):
            await heard.wait_for(lambda name, _: name == "ended")
    is_said.set()

    assert second.status_code == (await first).status_code == 202
    assert second.json()["id"] == (await first).json()["id"]
    assert files(tmp_path) == [[1]]


@pytest.mark.parametrize(
    ("header", "value"), [("X-Client", "x" * 41), ("Idempotency-Key", "x" * 256)]
)
async def test_speak_refuses_long_headers_of_a_text(face: Face, header: str, value: str) -> None:
    """They have the same limits as with JSON."""
    answers = [
        await face.client.post(SPEAK, headers={header: value}, json={"input": "Number 1."}),
        await face.client.post(SPEAK, headers={**TEXT, header: value}, content="Number 1."),
    ]

    assert [answer.status_code for answer in answers] == [422, 422]
    assert answers[0].json() == answers[1].json()


async def test_text_survives_a_restart_of_the_bot(
    settings: Settings, tmp_path: Path, sandbox: Sandbox
) -> None:
    """What was stored before is said once after it, even if nothing had sounded."""
    assert sandbox.url
    quiet = settings.replaced(api_port=0, audio_device=f"file:{tmp_path / 'spoken'}")
    writer = Writer()
    async with serve(quiet, ToneVoice()) as face:
        await face.client.post("/v1/audio/pause")
        async with face.listening() as heard:
            request = start(face, writer)
            writer.write("Number 1. Num")
            await heard.wait_for(lambda name, _: name == "queued")
            writer.write("ber 2. Num")
            await heard.wait_for(lambda name, _: name == "queue")
    request.cancel()
    async with serve(quiet, ToneVoice()) as face, face.listening() as heard:
        await face.client.post("/v1/audio/resume")
        ended = await heard.wait_for(lambda name, _: name == "ended")

    assert ended["outcome"] == "heard"
    assert files(tmp_path) == [[1, 2]]


# ---- the WebSocket ----


@contextlib.contextmanager
def connected(face: Face, query: str = "") -> Iterator[websocket.WebSocket]:
    """Open a WebSocket. Blocks."""
    socket = connect(face, query)
    try:
        yield socket
    finally:
        socket.shutdown()  # type: ignore[no-untyped-call]  # its `close` leaves the socket open if the server was first


def connect(face: Face, query: str = "", **headers: str) -> websocket.WebSocket:
    """Open a WebSocket, which the caller closes. Blocks."""
    given = {"Authorization": f"Bearer {face.token}", **headers}
    origin, host = given.pop("Origin", None), given.pop("Host", None)
    return websocket.create_connection(
        f"{face.url.replace('http', 'ws')}{SPEAK}{query}",
        header=[f"{name}: {value}" for name, value in given.items()],
        origin=origin,
        host=host,
        suppress_origin=origin is None,
        timeout=30,
    )


async def test_websocket_speaks_pieces_of_text(face: Face, tmp_path: Path) -> None:
    """Each sentence is heard as it ends; the socket gets the id and the outcome."""

    def talk() -> list[dict[str, Any]]:
        with connected(face, "?voice=af_bella") as socket:
            socket.send("Number 1.")
            socket.send(" Number 2")
            events = [json.loads(socket.recv())]
            socket.send(".")
            socket.send("")
            events.append(json.loads(socket.recv()))
            assert socket.recv() == ""  # it is closed
        return events

    events = await asyncio.to_thread(talk)
    id_ = events[0]["id"]

    assert events == [
        {"event": "queued", "id": id_, "position": 1},
        {"event": "ended", "id": id_, "outcome": "heard", "reason": ""},
    ]
    assert files(tmp_path) == [[1, 2]]


async def test_websocket_that_is_closed_ends_its_text(face: Face, tmp_path: Path) -> None:
    """An ordinary close counts as the end: the rest is said, too."""

    def talk() -> None:
        with connected(face) as socket:
            socket.send("Number 1. Number 2")
            socket.close()

    async with face.listening() as heard:
        await asyncio.to_thread(talk)
        await heard.wait_for(lambda name, _: name == "ended")

    assert files(tmp_path) == [[1, 2]]


async def test_websocket_lasts_longer_than_a_request_may_take_to_begin(
    face: Face, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not closed as a connection on which no request came."""
    monkeypatch.setattr(guard, "_HEAD_TIMEOUT_S", 0.3)
    socket = await asyncio.to_thread(connect, face)
    for _ in range(2):  # two of those are closed meanwhile
        reader, writer = await asyncio.open_connection("127.0.0.1", face.api_json["port"])
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()

    def talk() -> Any:
        socket.send("Number 1.")
        socket.send("")
        event = json.loads(socket.recv())
        socket.shutdown()  # type: ignore[no-untyped-call]
        return event

    assert (await asyncio.to_thread(talk))["event"] == "queued"


async def test_websocket_that_is_lost_is_heard_so_far(face: Face, tmp_path: Path) -> None:
    """A reset in a sentence is no end of it: only the sentences before are spoken."""
    socket = await asyncio.to_thread(connect, face)
    async with face.listening() as heard:
        await asyncio.to_thread(socket.send, "Number 1. Num")
        await heard.wait_for(lambda name, _: name == "queued")
        await asyncio.to_thread(socket.send, "ber 2. Number 3")
        await heard.wait_for(lambda name, _: name == "queue")
        no_linger = struct.pack("ii", 1, 0)
        assert socket.sock is not None
        socket.sock.setsockopt(sockets.SOL_SOCKET, sockets.SO_LINGER, no_linger)
        socket.shutdown()  # type: ignore[no-untyped-call]
        await heard.wait_for(lambda name, _: name == "ended")

    assert files(tmp_path) == [[1, 2]]


async def test_websocket_ignores_empty_pieces_before_the_text(face: Face, tmp_path: Path) -> None:
    """The first piece of many models is empty; only after a text it is the end."""

    def talk() -> list[dict[str, Any]]:
        with connected(face) as socket:
            for piece in ("", " ", "", "Number 1.", ""):
                socket.send(piece)
            return [json.loads(socket.recv()) for _ in range(2)]

    events = await asyncio.to_thread(talk)

    assert [event["event"] for event in events] == ["queued", "ended"]
    assert files(tmp_path) == [[1]]


async def test_websocket_joins_letters_that_are_cut(face: Face) -> None:
    """A letter may be in two frames of bytes."""

    def talk() -> None:
        with connected(face) as socket:
            for byte in "Café ☕ here.".encode():
                socket.send_binary(bytes([byte]))
            socket.send("")
            socket.recv()

    await asyncio.to_thread(talk)
    items = [*(await face.get("/v1/queue"))["items"], *(await face.get("/v1/history"))["items"]]

    assert items[0]["text"].split() == ["Café", "here."]


async def test_websocket_names_a_storage_that_fails(
    face: Face, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It gets the reason, as a request gets 503, and the code of a server that can't."""

    async def extend(*_: object) -> bool:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(Inbox, "extend", extend)

    def talk() -> tuple[list[dict[str, Any]], int]:
        with connected(face) as socket:
            socket.send("Number 1.\n")
            events = [json.loads(socket.recv())]
            socket.send("Number 2.\n")
            events.append(json.loads(socket.recv()))
            _, closed = socket.recv_data()
            return events, int.from_bytes(closed[:2])

    (queued, refused), code = await asyncio.to_thread(talk)

    assert (queued["event"], refused["event"]) == ("queued", "refused")
    assert "database or disk is full" in refused["reason"]
    assert code == 1011


@pytest.mark.parametrize(
    ("query", "headers", "status"),
    [
        ("", {"Authorization": "Bearer wrong"}, 401),
        ("", {"Origin": "https://evil.example"}, 403),
        ("", {"Host": "evil.example", "Authorization": "Bearer wrong"}, 403),
        ("?voice=nobody", {}, 422),
        ("", {"X-Client": "x" * 41}, 422),
    ],
)
async def test_websocket_refuses_before_it_opens(
    face: Face, query: str, headers: dict[str, str], status: int
) -> None:
    """The handshake is guarded as any request is, and the options are checked."""
    with pytest.raises(websocket.WebSocketBadStatusException) as refused:
        await asyncio.to_thread(connect, face, query, **headers)

    assert refused.value.status_code == status


async def test_websocket_names_why_a_text_is_refused(face: Face) -> None:
    """A text without words gets the reason, and the socket is closed."""

    def talk() -> list[dict[str, Any]]:
        with connected(face) as socket:
            socket.send("...")
            socket.send("")
            return [json.loads(socket.recv())]

    (event,) = await asyncio.to_thread(talk)

    assert event["event"] == "refused"
    assert "no word or number" in event["reason"]
