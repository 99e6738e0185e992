"""Access control: attackers and web pages are refused, and others are not affected."""

import asyncio
import contextlib
import json
import re
import shutil
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.responses import Response

from bot.chat.sandbox import Sandbox
from bot.http import guard
from bot.http.codes import Codes
from bot.http.server import listening
from bot.paths import CHECKOUT
from bot.settings import Settings, SettingsError
from tests.conftest import ALICE, reaction_to
from tests.support.fake_voice import ToneVoice
from tests.support.http_face import Face, serve

SPEAK = json.dumps({"input": "Number 1."}).encode()
TEXT = {"Content_Type": "text/plain"}


@pytest.fixture
async def face(settings: Settings, tmp_path: Path) -> AsyncIterator[Face]:
    """Run a bot that speaks tones into files, with the HTTP API."""
    quiet = settings.replaced(api_port=0, audio_device=f"file:{tmp_path / 'spoken'}")
    async with serve(quiet, ToneVoice()) as face:
        yield face


async def send(face: Face, *parts: bytes, wait_s: float = 5.0) -> tuple[int, dict[str, Any]]:
    """Send raw bytes; return the status and the body of the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", face.api_json["port"])
    try:
        with contextlib.suppress(ConnectionError):  # the server may close the connection first
            for part in parts:
                writer.write(part)
                await writer.drain()
        async with asyncio.timeout(wait_s):
            head = await reader.readuntil(b"\r\n\r\n")
            status = int(head.split(b" ", 2)[1])
            length = next(
                int(line.split(b":")[1])
                for line in head.lower().split(b"\r\n")
                if line.startswith(b"content-length:")
            )
            body = await reader.readexactly(length)
    finally:
        writer.close()
    return status, json.loads(body) if body.startswith(b"{") else {}


def request(
    face: Face, line: str = "POST /v1/audio/speak", body: bytes = SPEAK, **changes: str | None
) -> bytes:
    """Return a valid request with *changes* to its headers (None omits one)."""
    headers = {
        "Host": f"127.0.0.1:{face.api_json['port']}",
        "Authorization": f"Bearer {face.token}",
        "Content-Type": "application/json",
        "Content-Length": str(len(body)),
        **{name.replace("_", "-"): value for name, value in changes.items()},
    }
    lines = [f"{name}: {value}" for name, value in headers.items() if value is not None]
    return "\r\n".join([f"{line} HTTP/1.1", *lines, "", ""]).encode() + body


@pytest.mark.parametrize(
    ("attack", "status", "code"),
    [
        ({"Authorization": None}, 401, "invalid_api_key"),
        ({"Authorization": "Bearer wrong"}, 401, "invalid_api_key"),
        ({"Authorization": "Bearer "}, 401, "invalid_api_key"),
        ({"Authorization": "Basic Y3JpZXI6"}, 401, "invalid_api_key"),
        ({"Host": "evil.example", "Authorization": None}, 403, "wrong_host"),  # DNS rebinding
        ({"Host": "127.0.0.1.evil.example:80", "Authorization": None}, 403, "wrong_host"),
        ({"Host": "[::1", "Authorization": None}, 403, "wrong_host"),
        ({"Host": "", "Authorization": None}, 403, "wrong_host"),
        # A browser's, by a name that a page has bound to this address:
        ({"Host": "evil.example", "Origin": "http://evil.example"}, 403, "wrong_host"),
        ({"Origin": "https://evil.example"}, 403, "wrong_origin"),
        ({"Origin": "null"}, 403, "wrong_origin"),
        ({"Origin": "http://127.0.0.1:1"}, 403, "wrong_origin"),
        ({"Content_Type": "application/x-www-form-urlencoded"}, 415, "not_json"),  # an HTML form
        ({"line": "POST /v1/audio/speech", "body": SPEAK, **TEXT}, 415, "not_json"),
        ({"Content_Type": "text/plain", "Authorization": None}, 401, "invalid_api_key"),
        ({"Content_Type": None}, 415, "not_json"),
        ({"body": b"{"}, 422, "invalid_value"),
        ({"body": b"[" * 100_000}, 400, "http_error"),
        ({"body": b'{"input": "\\ud800"}'}, 422, "invalid_value"),
        ({"body": b'{"input": "a", "speed": NaN}'}, 422, "invalid_value"),
        ({"body": b'{"input": "a", "spped": 2}'}, 422, "invalid_value"),
        ({"body": b'{"input": "' + b"a" * 2_000_000 + b'"}'}, 413, "too_large"),
        ({"line": "GET /../../etc/passwd"}, 401, "invalid_api_key"),
        ({"line": "GET /%2e%2e/%2e%2e/etc/passwd"}, 401, "invalid_api_key"),
        ({"line": "GET //v1/status"}, 401, "invalid_api_key"),
        ({"line": "GET /v1/../v1/status"}, 401, "invalid_api_key"),
        ({"line": "GET /api-token"}, 401, "invalid_api_key"),
        ({"line": "TRACE /healthz"}, 401, "invalid_api_key"),
        ({"line": "OPTIONS /v1/audio/speak"}, 401, "invalid_api_key"),  # a page's preflight
    ],
)
async def test_guard_refuses_attacks(
    face: Face, attack: dict[str, Any], status: int, code: str
) -> None:
    """The answer has the shape of OpenAI's errors, and nothing is queued."""
    if "line" in attack:
        attack = {"body": b"", "Authorization": None, "Content_Type": None, **attack}
        if attack["body"]:
            del attack["Authorization"]
    actual_status, answer = await send(face, request(face, **attack))

    assert (actual_status, answer["error"]["code"]) == (status, code)
    assert (await face.get("/v1/queue"))["items"] == []
    assert (await face.get("/v1/history"))["items"] == []
    assert set(answer["error"]) == {"message", "type", "param", "code"}
    assert answer["error"]["message"].endswith(".")
    assert not answer["error"]["message"].endswith("..")
    assert face.token not in json.dumps(answer)


@pytest.mark.parametrize(
    "path", ["/../api-token", "/%2e%2e/settings.py", "/..%2fsettings.py", "/%00"]
)
async def test_page_paths_lead_to_no_other_file(face: Face, path: str) -> None:
    """With a token too, only the page's own files are served."""
    actual_status, _ = await send(
        face, request(face, line=f"GET {path}", body=b"", Content_Type=None)
    )

    assert actual_status in (400, 404)


async def test_guard_accepts_each_name_of_this_computer(face: Face) -> None:
    """localhost, 127.0.0.1 and ::1 are accepted, with the same origin."""
    port = face.api_json["port"]
    for name in ("localhost", "127.0.0.1", "[::1]", "LOCALHOST"):
        host = f"{name}:{port}"
        actual_status, _ = await send(
            face, request(face, "GET /v1/status", b"", Host=host, Origin=f"http://{host}")
        )
        assert actual_status == 200, name


@pytest.mark.parametrize("name", ["host.docker.internal", "mymac.lan", "mac.tail1234.ts.net"])
async def test_guard_accepts_any_name_with_the_token(face: Face, name: str) -> None:
    """A program with the token, such as one in a container, may use any name of this computer."""
    actual_status, _ = await send(face, request(face, Host=f"{name}:8779"))

    assert actual_status == 202


@pytest.mark.parametrize("header", ["api-key", "x-api-key"])
async def test_guard_accepts_the_token_as_api_key(face: Face, header: str) -> None:
    """Clients of Azure and others send it without a scheme; a wrong one is refused."""
    statuses = {}
    for name, key in {"right": face.token, "wrong": "wrong"}.items():
        with_key = f"\r\n{header}: {key}\r\n".encode()
        sent = request(face, Authorization=None).replace(b"\r\n", with_key, 1)
        statuses[name], _ = await send(face, sent)

    assert statuses == {"right": 202, "wrong": 401}


async def test_guard_shows_public_lists_by_any_name(face: Face) -> None:
    """The names of voices and models need no token; a foreign web page gets no answer."""
    answers = [
        await send(
            face,
            request(
                face,
                f"GET {path}",
                b"",
                Host="host.docker.internal",
                Authorization=None,
                Origin=origin,
            ),
        )
        for path in ("/v1/audio/voices", "/v1/audio/models", "/v1/models", "/v1/models/kokoro")
        for origin in (None, "https://evil.example")
    ]

    assert [status for status, _ in answers] == [200, 403] * 4


async def test_guard_adds_security_headers(face: Face) -> None:
    """Every answer, errors too, carries the headers that browsers obey, and no CORS header."""
    for path in ("/", "/healthz", "/v1/status", "/nowhere"):
        headers = (await face.client.get(path)).headers

        assert headers["content-security-policy"].startswith("default-src 'self'")
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["cache-control"] == "no-store"
        assert "access-control-allow-origin" not in headers


async def test_guard_refuses_a_gigabyte_before_it_is_sent(face: Face) -> None:
    """A declared gigabyte gets 413 at once; an undeclared one after a megabyte."""
    declared = await send(face, request(face, body=b"", Content_Length=str(1 << 30)))
    chunk = b"100000\r\n" + b" " * (1 << 20) + b"\r\n"
    head = request(face, body=b"", Content_Length=None, Transfer_Encoding="chunked")
    began_s = time.monotonic()
    streamed = await send(face, head, *[chunk] * 3)

    assert (declared[0], streamed[0]) == (413, 413)
    assert time.monotonic() - began_s < 5


async def test_guard_gives_up_on_a_slow_body(face: Face, monkeypatch: pytest.MonkeyPatch) -> None:
    """A body that does not come gets 408, and its connection is closed."""
    monkeypatch.setattr(guard, "_BODY_TIMEOUT_S", 0.3)
    actual_status, answer = await send(face, request(face, body=b"{", Content_Length="1000"))

    assert (actual_status, answer["error"]["code"]) == (408, "too_slow")


async def test_connection_without_a_request_is_closed(
    face: Face, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection that sends half a head, byte by byte, is closed."""
    monkeypatch.setattr(guard, "_HEAD_TIMEOUT_S", 0.5)
    reader, writer = await asyncio.open_connection("127.0.0.1", face.api_json["port"])
    with contextlib.suppress(ConnectionError):
        for part in b"GET /healthz HTTP/1.1\r\nHo":
            writer.write(bytes([part]))
            await asyncio.sleep(0.05)
    async with asyncio.timeout(5):
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
    writer.close()


async def test_connections_that_idle_keep_nobody_out(face: Face, sandbox: Sandbox) -> None:
    """2000 idle connections are replaced; Telegram, HTTP and sound keep working."""
    connections = []
    try:
        for _ in range(2000):
            idle = socket.socket()
            idle.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                idle.connect(("127.0.0.1", face.api_json["port"]))
            connections.append(idle)
            if len(connections) % 50 == 0:
                await asyncio.sleep(0)
        message = sandbox.send(ALICE, "Number 1.")
        result = await face.speak("Number 2.", wait=True)
        await sandbox.wait_for(reaction_to(message, "👍"))
        health = await face.get("/healthz")
    finally:
        for idle in connections:
            idle.close()

    assert result["outcome"] == "heard"
    assert health["ok"] is True


async def test_connection_over_the_cap_gets_503(
    face: Face, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If every connection is in use, one more gets 503; the others get their answers."""
    monkeypatch.setattr(guard, "MAX_CONNECTIONS", 3)
    body = json.dumps({"input": "Number 1.", "wait": True}).encode()
    waiting = [asyncio.create_task(send(face, request(face, body=body))) for _ in range(3)]
    await asyncio.sleep(0.2)
    extra, _ = await send(face, request(face, "GET /v1/status", b""))
    answers = await asyncio.gather(*waiting)

    assert extra == 503
    assert {answer["outcome"] for _, answer in answers} == {"heard"}


async def test_guard_limits_anonymous_requests(face: Face) -> None:
    """Endless requests without the token get 429; one with the token is still answered."""
    answers = []
    for _ in range(120):
        actual_status, _ = await send(
            face, request(face, "GET /v1/status", b"", Authorization="Bearer x")
        )
        answers.append(actual_status)

    assert set(answers) == {401, 429}
    assert (await face.get("/v1/status"))["speaking"] is False


async def test_guard_has_separate_budgets(face: Face) -> None:
    """However many requests open paths get, those with the token are answered."""

    async def flood_healthz() -> set[int]:
        async with httpx.AsyncClient(base_url=face.url, trust_env=False, verify=False) as page:
            return {(await page.get("/healthz")).status_code for _ in range(150)}

    flood = await asyncio.gather(*(flood_healthz() for _ in range(4)))
    answers = [(await face.client.get("/v1/status")).status_code for _ in range(20)]
    transport = httpx.AsyncHTTPTransport(uds=str(face.api_json["socket"]))
    async with face.named("tests", transport=transport) as client:
        answers += [(await client.get("/v1/status")).status_code for _ in range(20)]

    assert 429 in set().union(*flood)
    assert set(answers) == {200}


async def test_guard_reads_no_body_on_open_paths(
    face: Face, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A declared body that never comes delays no answer, and its connection is replaced."""
    monkeypatch.setattr(guard, "MAX_CONNECTIONS", 10)
    raw_request = request(face, "GET /healthz", b"", Authorization=None, Content_Length="100")
    connections = [
        await asyncio.open_connection("127.0.0.1", face.api_json["port"]) for _ in range(30)
    ]
    with contextlib.suppress(ConnectionError):
        for _, writer in connections:
            writer.write(raw_request)
            await writer.drain()
    authenticated = [await send(face, request(face, "GET /v1/status", b"")) for _ in range(5)]
    answered, _ = await send(face, raw_request)
    for _, writer in connections:
        writer.close()

    assert [status for status, _ in authenticated] == [200] * 5
    assert answered == 200


async def test_connections_of_the_unix_socket_are_counted_apart(
    face: Face, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the port is full, the Unix socket still answers."""
    monkeypatch.setattr(guard, "MAX_CONNECTIONS", 3)
    await face.client.post("/v1/audio/pause")
    await face.client.aclose()
    body = json.dumps({"input": "Number 1.", "wait": True}).encode()
    waiting = [asyncio.create_task(send(face, request(face, body=body), wait_s=60)) for _ in "123"]
    transport = httpx.AsyncHTTPTransport(uds=str(face.api_json["socket"]))
    async with face.named("tests", transport=transport) as client:
        async with asyncio.timeout(30):
            while len((await client.get("/v1/queue")).json()["items"]) < 3:  # noqa: ASYNC110  # as a program would
                await asyncio.sleep(0.05)
        full, _ = await send(face, request(face, "GET /v1/status", b""))
        status = (await client.get("/v1/status")).status_code
        await client.post("/v1/audio/resume")
    answers = await asyncio.gather(*waiting)

    assert (full, status) == (503, 200)
    assert {answer["outcome"] for _, answer in answers} == {"heard"}


async def test_guard_refusal_reaches_a_client_that_still_sends(face: Face, tmp_path: Path) -> None:
    """Real clients read the 413 or 401 while they are still sending a body."""
    big = b" " * (20 << 20)

    async def in_chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(big), 1 << 16):
            yield big[start : start + (1 << 16)]

    kind = {"Content-Type": "application/json"}
    answers = [
        await face.client.post("/v1/audio/speak", content=in_chunks(), headers=kind),
        await face.client.post("/v1/audio/speak", content=big, headers=kind),
        await face.client.request("GET", "/v1/status", content=b" " * 100_000),
    ]
    wrong = {"Authorization": "Bearer wrong", **kind}
    answers.append(await face.client.post("/v1/audio/speak", content=b" " * 500_000, headers=wrong))

    assert [answer.status_code for answer in answers] == [413, 413, 200, 401]
    if curl := shutil.which("curl"):
        (tmp_path / "big").write_bytes(big)
        with (tmp_path / "big").open("rb") as source:
            process = await asyncio.create_subprocess_exec(
                *(curl, "-s", "-T", "-", "-X", "POST", "-w", "%{http_code}", "-o", "/dev/null"),
                *(
                    "-H",
                    f"Authorization: Bearer {face.token}",
                    "-H",
                    "Content-Type: application/json",
                ),
                f"{face.url}/v1/audio/speak",
                stdin=source,
                stdout=asyncio.subprocess.PIPE,
            )
        out, _ = await process.communicate()
        assert (process.returncode, out) == (0, b"413")


@pytest.mark.parametrize("path", ["stop", "skip", "pause", "resume"])
async def test_guard_accepts_an_empty_body_of_any_type(face: Face, path: str) -> None:
    """`curl -X POST -d ''` declares its empty body as a form; that is accepted."""
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    empty = await face.client.post(f"/v1/audio/{path}", headers=form)
    full = await face.client.post(f"/v1/audio/{path}", headers=form, content=b"id=1")

    assert (empty.status_code, full.status_code) == (200, 415)


# ---- the page's code ----


async def test_page_code_is_exchanged_once(face: Face) -> None:
    """A code needs the token; it is exchanged once, and by the page alone."""
    async with httpx.AsyncClient(base_url=face.url, trust_env=False, verify=False) as page:
        refused = await page.post("/v1/page/code")
        code = (await face.client.post("/v1/page/code")).json()["code"]
        evil = {"Origin": "https://evil.example"}
        others = await page.post("/v1/page/token", json={"code": code}, headers=evil)
        answers = [await page.post("/v1/page/token", json={"code": code}) for _ in range(2)]

    assert (refused.status_code, others.status_code) == (401, 403)
    assert [answer.status_code for answer in answers] == [200, 403]
    assert answers[0].json() == {"token": face.token}
    assert face.token not in code


async def test_page_code_guesses_are_limited(face: Face) -> None:
    """Wrong codes all get the same answer, and soon 429; the token still works."""
    async with httpx.AsyncClient(base_url=face.url, trust_env=False, verify=False) as guesser:
        answers = [
            (await guesser.post("/v1/page/token", json={"code": code})).status_code
            for code in ["", "x", "\u00e9", "ä" * 100] * 30
        ]

    assert set(answers) == {403, 429}
    assert (await face.get("/v1/status"))["speaking"] is False


def test_codes_expire_by_age_and_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """A code is invalid after a minute, and when many newer ones exist."""
    codes = Codes()
    first, *others = [codes.make() for _ in range(17)]
    assert not codes.redeem(first)
    assert codes.redeem(others[-1])
    later_s = time.monotonic() + 61
    monkeypatch.setattr("time.monotonic", lambda: later_s)
    assert not codes.redeem(others[0])


@pytest.mark.parametrize(
    ("bound", "name", "known"),
    [
        ("127.0.0.1", "192.168.1.20", False),
        ("192.168.1.20", "192.168.1.20", True),
        ("192.168.1.20", "192.168.1.21", False),
        ("0.0.0.0", "192.168.1.20", True),  # noqa: S104  # an address can't be rebound
        ("0.0.0.0", "kitchen", True),  # noqa: S104  # its own name
        ("0.0.0.0", "kitchen.local", True),  # noqa: S104
        ("0.0.0.0", "evil.example", False),  # noqa: S104
        ("::", "[fd00::7]", True),
    ],
)
async def test_guard_accepts_names_by_the_bound_address(
    monkeypatch: pytest.MonkeyPatch, bound: str, name: str, known: bool
) -> None:
    """The names that are accepted depend on the address that the server is bound to."""
    monkeypatch.setattr(socket, "gethostname", lambda: "Kitchen.local")
    app = guard.AccessGuard(_answer_ok, "secret", bound, frozenset({"/"}))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport) as client:
        answer = await client.get(f"http://{name}:8779/")

    assert answer.status_code == (200 if known else 403)


async def _answer_ok(scope: Any, receive: Any, send: Any) -> None:
    await Response("fine")(scope, receive, send)


# ---- the sockets ----


def test_listening_names_a_port_in_use(settings: Settings) -> None:
    """If another program has the port, the error names API_PORT and what to do."""
    settings.data_dir.mkdir(parents=True)
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = settings.replaced(api_port=other.getsockname()[1])
        with pytest.raises(SettingsError, match=r"API_PORT: \d+ can't be had"), listening(taken):
            pass


@pytest.mark.parametrize("host", ["nowhere.invalid", "203.0.113.7"])
def test_listening_names_a_foreign_address(settings: Settings, host: str) -> None:
    """If the address is not this computer's, the error names API_HOST."""
    settings.data_dir.mkdir(parents=True)
    elsewhere = settings.replaced(api_port=0, api_host=host)
    with pytest.raises(SettingsError, match="API_HOST: "), listening(elsewhere):
        pass


GOOD = "8f14e45fceea167a5a36dedd4bea2543"


@pytest.mark.parametrize(
    ("host", "token", "fine"),
    [
        ("127.0.0.1", "", True),
        ("::1", "", True),
        ("localhost", GOOD, True),
        ("localhost", "b81a4f22-9c1e-7d", True),
        ("127.0.0.1", "x", False),
        ("localhost", "brief", False),
        ("127.0.0.1", "a" * 40, False),
        ("127.0.0.1", "abcabcabcabcabcabcabc", False),
        ("127.0.0.1", "YOUR_TOKEN_GOES_HERE", False),
        ("127.0.0.1", "make-one-with-openssl-rand-hex-32", False),
        ("127.0.0.1", "correct-horse-change-me", False),
        ("0.0.0.0", "", False),  # noqa: S104  # refused
        ("192.168.1.7", "brief", False),
        ("0.0.0.0", "long enough?", False),  # noqa: S104  # no: a space
        ("0.0.0.0", GOOD, True),  # noqa: S104
    ],
)
def test_settings_refuse_a_weak_api_token(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, host: str, token: str, fine: bool
) -> None:
    """A guessable API_TOKEN is refused, and a missing one if other computers can connect.

    The error names the variable, not its value, and how to make a good one.
    """
    from bot.settings import load

    monkeypatch.setenv("API_HOST", host)
    monkeypatch.setenv("API_TOKEN", token)
    if fine:
        assert load(tmp_path)[0].api_host == host
        return
    with pytest.raises(SettingsError, match="API_TOKEN: ") as caught:
        load(tmp_path)
    assert len(token) < 2 or token not in str(caught.value)
    assert " " in token or "openssl rand -hex 32" in str(caught.value)


def test_settings_refuse_the_api_tokens_of_the_docs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Tokens in examples of the docs are refused."""
    from bot.settings import load

    texts = [path.read_text() for path in (CHECKOUT / "docs").glob("*.md")]
    texts.append((CHECKOUT / "README.md").read_text())
    tokens = [token for text in texts for token in re.findall(r"API_TOKEN=(\S+)", text)]
    assert tokens
    for token in tokens:
        monkeypatch.setenv("API_TOKEN", token)
        with pytest.raises(SettingsError, match="API_TOKEN: "):
            load(tmp_path)
