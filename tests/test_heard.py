"""Reports of what was heard: the webhook, its signature and retries, and the command."""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
import logging
import os
import shlex
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest
from pydantic import SecretStr

from audio.types import Outcome
from bot import heard
from bot.core.inbox import Inbox
from bot.heard import Command, key_of, reporting, signature
from bot.settings import Settings, SettingsError, load
from tests.chat.steps import wait_for_exit
from tests.core.lab import BOT, Lab

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@dataclass(slots=True)
class Receiver:
    """A server that keeps what is posted to it, and gives the answers that a test sets."""

    port: int = 0
    statuses: list[int] = field(default_factory=list)
    """Of the next answers; afterwards 204."""
    posts: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    arrived: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}/hooks/secret-path"

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
        raw = {line.split(": ", 1)[0].lower(): line.split(": ", 1)[1] for line in head[1:] if line}
        body = await reader.readexactly(int(headers["content-length"]))
        status = self.statuses.pop(0) if self.statuses else 204
        more = "Location: http://127.0.0.1:1/\r\n" if status == 301 else ""
        writer.write(f"HTTP/1.1 {status} X\r\n{more}Content-Length: 0\r\n\r\n".encode())
        await writer.drain()
        writer.close()
        async with self.arrived:
            self.posts.append((raw, body))
            self.arrived.notify_all()

    async def wait(self, count: int) -> list[dict[str, Any]]:
        """Wait for that many posts, and return their JSON."""
        async with asyncio.timeout(20), self.arrived:
            await self.arrived.wait_for(lambda: len(self.posts) >= count)
        return [json.loads(body) for _, body in self.posts]


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """Run a receiver."""
    receiver = Receiver()
    server = await asyncio.start_server(receiver.handle, "127.0.0.1", 0)
    receiver.port = server.sockets[0].getsockname()[1]
    yield receiver
    server.close()


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[Lab]:
    """Return a delivery whose events are reported."""
    inbox = await Inbox.open(tmp_path / "crier.db")
    yield Lab(inbox, tmp_path)
    await inbox.close()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heard, "_RETRY_AFTER_S", (0.01, 0.01))


def settings(**fields: Any) -> Settings:
    """Return settings with these reports."""
    return Settings(**fields)


def to(receiver: Receiver, lab: Lab, **fields: Any) -> AbstractAsyncContextManager[None]:
    """Report to a receiver while the context is open."""
    changed = settings(heard_url=SecretStr(receiver.url), **fields)
    return reporting(changed, lab.events, lab.inbox, BOT)


async def end(lab: Lab, outcome: Outcome = Outcome.HEARD, text: str = "A secret.") -> int:
    """Submit a message and end it; return its id."""
    message = await lab.submit(text, client="tests")
    await lab.delivery.end_message(message, outcome, "why")
    return message.id


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("HEARD_URL=example.org/hunter2", "HEARD_URL: it must look like https://"),
        ("HEARD_URL=ftp://example.org/hunter2", "HEARD_URL: it must look like https://"),
        ("HEARD_SECRET=hunter2", "HEARD_SECRET: it must be base64 of 24 to 64 bytes"),
        ("HEARD_SECRET=whsec_aHVudGVyMg==", "HEARD_SECRET: it must be base64 of 24 to 64 bytes"),
        ("HEARD_COMMAND=say 'it", "HEARD_COMMAND: a quote is open"),
    ],
)
def test_settings_refuse_what_can_not_work(
    line: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong setting is named, and a secret is not quoted."""
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    (tmp_path / ".env").write_text(f"{line}\n")
    with pytest.raises(SettingsError) as error:
        load(tmp_path)

    assert str(error.value).startswith(reason)
    assert "hunter2" not in str(error.value)
    assert "aHVudGVy" not in str(error.value)


def test_signature_is_that_of_the_standard() -> None:
    """The test vector of the reference libraries gives their signature."""
    key = key_of(SECRET)
    id_, timestamp = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330
    expected = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="

    assert signature(key, id_, timestamp, b'{"test": 2432232314}') == expected
    assert key_of(SECRET.removeprefix("whsec_")) == key


async def test_webhook_reports_the_outcome(receiver: Receiver, lab: Lab) -> None:
    """What was heard, cut or held is posted, signed, without its text."""
    async with to(receiver, lab, heard_secret=SecretStr(SECRET)):
        ids = [await end(lab, outcome) for outcome in (Outcome.HEARD, Outcome.STOPPED)]
        lab.events.held(await lab.submit("A secret."), "There is no loudspeaker.")
        first, second, third = await receiver.wait(3)
    headers, body = receiver.posts[0]
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    digest = hmac.digest(key_of(SECRET), signed, hashlib.sha256)

    assert first.pop("at") == pytest.approx(second["at"], abs=10)
    assert first == {
        "type": "message.heard",
        "id": ids[0],
        "source": "tests",
        "outcome": "heard",
        "reason": "why",
        "device": "",
        "audio_s": 0.0,
        "first_sound_ms": None,
    }
    assert (second["outcome"], second["id"]) == ("stopped", ids[1])
    assert (third["type"], third["reason"]) == ("message.held", "There is no loudspeaker.")
    assert third["source"] == "telegram"
    assert headers["webhook-signature"] == f"v1,{base64.b64encode(digest).decode()}"
    assert headers["content-type"] == "application/json"
    assert not any(b"secret" in posted for _, posted in receiver.posts)


async def test_webhook_has_the_text_only_if_that_is_wanted(receiver: Receiver, lab: Lab) -> None:
    """HEARD_TEXT adds it; without a secret nothing is signed."""
    async with to(receiver, lab, heard_text=True):
        await end(lab, text="It is [pause:1s] late.")
        [report] = await receiver.wait(1)

    assert report["text"] == "It is late."
    assert "webhook-signature" not in receiver.posts[0][0]


async def test_webhook_sends_a_report_again(
    receiver: Receiver, lab: Lab, caplog: pytest.LogCaptureFixture
) -> None:
    """The same id comes until it is accepted; the log says so once, without the address."""
    receiver.statuses = [500, 301]
    async with to(receiver, lab):
        await end(lab)
        await end(lab)
        reports = await receiver.wait(4)
    ids = [headers["webhook-id"] for headers, _ in receiver.posts]

    assert len(set(ids[:3])) == 1
    assert ids[3] != ids[0]
    assert [report["id"] for report in reports] == [reports[0]["id"]] * 3 + [reports[3]["id"]]
    assert caplog.text.count("does not accept a report") == 1
    assert "secret-path" not in caplog.text


async def test_webhook_gives_a_report_up(
    receiver: Receiver, lab: Lab, caplog: pytest.LogCaptureFixture
) -> None:
    """After the last try the next report follows; redirects are not followed."""
    receiver.statuses = [301, 301, 301]
    async with to(receiver, lab):
        first, second = await end(lab), await end(lab)
        reports = await receiver.wait(4)

    assert [report["id"] for report in reports] == [first] * 3 + [second]
    assert "given up" in caplog.text
    assert "redirects are not followed" in caplog.text


async def test_webhook_survives_a_receiver_that_is_away(
    lab: Lab, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing else waits for a report, and the oldest are dropped; the log says so once."""
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    heard_url = SecretStr(f"http://127.0.0.1:{port}/")
    caplog.set_level(logging.WARNING)
    async with reporting(settings(heard_url=heard_url), lab.events, lab.inbox, BOT):
        message = await lab.submit()
        for _ in range(1003):
            lab.events.held(message, "why")

    assert caplog.text.count("are dropped") == 1


async def test_command_gets_reports_on_stdin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program gets the JSON as it is, without a shell and without Crier's secrets."""
    monkeypatch.setenv("API_TOKEN", "hidden")
    target = tmp_path / "the reports"
    script = f'cat >> "{target}"; echo "$API_TOKEN $1" >> "{target}"'
    command = Command(shlex.split(f"sh -c {shlex.quote(script)} sh '$HOME;x'"))
    await command.send(b'{"id": 1}')
    await command.send(b'{"id": 2}')

    assert target.read_text() == '{"id": 1} $HOME;x\n{"id": 2} $HOME;x\n'


async def test_command_is_run_for_reports(lab: Lab, tmp_path: Path) -> None:
    """HEARD_COMMAND gets what the webhook gets; a pipe shows when it has run."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    command = f"sh -c 'cat > \"{pipe}\"'"
    async with reporting(settings(heard_command=command), lab.events, lab.inbox, BOT):
        id_ = await end(lab)
        report = json.loads(await asyncio.to_thread(pipe.read_text))

    assert (report["id"], report["outcome"]) == (id_, "heard")


async def test_command_that_takes_too_long_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It and what it has started are killed; the log says so once."""
    monkeypatch.setattr(heard, "_COMMAND_TIMEOUT_S", 0.3)
    pid = tmp_path / "pid"
    command = Command(["sh", "-c", f"sleep 60 & echo $! > {pid}; wait"])
    await command.send(b"{}")
    await command.send(b"{}")

    assert caplog.text.count("it took longer than") == 1
    with contextlib.suppress(psutil.NoSuchProcess):
        await asyncio.wait_for(wait_for_exit(psutil.Process(int(pid.read_text()))), 10)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [(["/nowhere/program"], "No such file"), (["false"], "exit code 1"), (["true"], "")],
)
async def test_command_that_fails_is_logged(
    arguments: list[str], reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A program that is missing, or fails, affects nothing else."""
    await Command(arguments).send(b"{}" * 100_000)

    assert reason in caplog.text
    assert bool(caplog.text) == bool(reason)


async def test_message_for_everywhere_is_reported_once(receiver: Receiver, lab: Lab) -> None:
    """This computer's own part is not, unlike what it says for another bot."""
    async with to(receiver, lab):
        for origin in (f"{BOT}/0123456789abcdef", f"{BOT + 1}/0123456789abcdef"):
            message = await lab.submit("Dinner.", client="tests", origin=origin)
            await lab.delivery.end_message(message, Outcome.HEARD, origin)
        reports = await receiver.wait(1)

    assert [report["reason"] for report in reports] == [f"{BOT + 1}/0123456789abcdef"]
