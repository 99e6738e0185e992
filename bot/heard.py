"""Reports what was heard, cut or held to another program: a webhook, and a command.

Reports are kept in memory, a bounded number of them, and not over a restart; `/v1/history` has what
was missed. Each target has a task of its own, which sends one report at a time, in order. Runs on
the event loop.
"""

import asyncio
import base64
import contextlib
import hmac
import json
import logging
import os
import secrets
import shlex
import signal
import sqlite3
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import httpx

from audio.certificates import tls_context
from bot import __version__
from bot.core.events import Events
from bot.core.inbox import Inbox
from bot.core.message import State
from bot.settings import Settings, is_loopback

log = logging.getLogger(__name__)

_MAX_WAITING = 1000
"""How many reports may wait for a target; the oldest are dropped."""

_RETRY_AFTER_S = (1.0, 5.0, 25.0, 125.0)
_ANSWER_TIMEOUT_S = 15.0
_COMMAND_TIMEOUT_S = 10.0
_SECRET_PREFIX = "whsec_"  # noqa: S105  # what a secret of Standard Webhooks begins with

_Send = Callable[[bytes], Awaitable[None]]


@asynccontextmanager
async def reporting(
    settings: Settings, events: Events, inbox: Inbox, bot_id: int
) -> AsyncIterator[None]:
    """Report to HEARD_URL and HEARD_COMMAND while the context is open."""
    async with AsyncExitStack() as stack:
        targets: list[_Send] = []
        if settings.heard_url is not None:
            url = settings.heard_url.get_secret_value()
            # A proxy from the environment is not meant for a program on this computer.
            local = is_loopback(urlsplit(url).hostname or "")
            client = httpx.AsyncClient(
                verify=tls_context(),
                trust_env=not local,
                timeout=_ANSWER_TIMEOUT_S,
                follow_redirects=False,
                headers={"User-Agent": f"Crier/{__version__}"},
            )
            targets.append(Webhook(await stack.enter_async_context(client), url, settings).send)
        if settings.heard_command:
            targets.append(Command(shlex.split(settings.heard_command)).send)
        for send in targets:
            reports = _Reports(send, inbox, bot_id, with_text=settings.heard_text)
            events.watch(reports.watch)
            task = asyncio.create_task(reports.run(), name="heard")
            stack.push_async_callback(_cancel, task)
        yield


class _Reports:
    """The reports that wait for one target."""

    def __init__(self, send: _Send, inbox: Inbox, bot_id: int, *, with_text: bool) -> None:
        self._send = send
        self._inbox = inbox
        self._bot_id = bot_id
        self._with_text = with_text
        self._waiting: deque[dict[str, Any]] = deque()
        self._added = asyncio.Event()
        self._is_dropping = False

    def watch(self, name: str, data: dict[str, Any]) -> None:
        """Add a report about an event, if it is one to report."""
        if name not in ("ended", "held"):
            return
        if len(self._waiting) >= _MAX_WAITING:
            self._waiting.popleft()
            if not self._is_dropping:
                log.warning("Reports of what was heard are dropped: %d wait already", _MAX_WAITING)
            self._is_dropping = True
        outcome = data.get("outcome", State.HELD)
        self._waiting.append({**data, "outcome": outcome, "at": time.time()})
        self._added.set()

    async def run(self) -> None:
        """Send reports until cancelled."""
        while True:
            while self._waiting:
                report = await self._complete(self._waiting.popleft())
                if report is None:
                    continue
                try:
                    await self._send(json.dumps(report, ensure_ascii=False).encode())
                except Exception:  # one report must not affect the next
                    log.exception("Unexpected error in a report of what was heard")
            self._is_dropping = False
            self._added.clear()
            await self._added.wait()

    async def _complete(self, data: dict[str, Any]) -> dict[str, Any] | None:
        """Return a report with all its fields; its text only if that is wanted.

        None: it is about this computer's part of a message for everywhere, which is reported.
        """
        record = None
        with contextlib.suppress(sqlite3.Error):  # the rest is true anyway
            if await self._inbox.is_part(self._bot_id, data["id"]):
                return None
            record = await self._inbox.find_record_of(data["id"])
        report = {
            "type": f"message.{data['outcome']}",
            "id": data["id"],
            "source": record.source if record else data.get("source", ""),
            "outcome": str(data["outcome"]),
            "reason": data["reason"],
            "device": data.get("device", ""),
            "audio_s": data.get("audio_s", 0.0),
            "first_sound_ms": data.get("first_sound_ms"),
            "at": data["at"],
        }
        if self._with_text:
            report["text"] = record.text if record else ""
        return report


class Webhook:
    """Posts reports, signed as Standard Webhooks specifies, and again if they are not accepted."""

    def __init__(self, client: httpx.AsyncClient, url: str, settings: Settings) -> None:
        """Post to *url*, signed if HEARD_SECRET is set."""
        self._client = client
        self._url = url
        self._key = settings.heard_secret and key_of(settings.heard_secret.get_secret_value())
        self._is_failing = False

    async def send(self, body: bytes) -> None:
        """Post a report, several times if necessary."""
        id_ = f"msg_{secrets.token_hex(16)}"  # the same each time, so that it counts once
        for retry_after_s in (*_RETRY_AFTER_S, None):
            reason = await self._post(id_, body)
            if not reason:
                self._is_failing = False
                return
            if not self._is_failing:  # the address is a secret
                log.warning("HEARD_URL does not accept a report, trying again: %s", reason)
            self._is_failing = True
            if retry_after_s is not None:
                await asyncio.sleep(retry_after_s)
        log.warning("A report is given up; HEARD_URL did not accept it: %s", reason)

    async def _post(self, id_: str, body: bytes) -> str:
        """Post a report once; return why it was not accepted, empty if it was."""
        timestamp = int(time.time())
        headers = {
            "Content-Type": "application/json",
            "webhook-id": id_,
            "webhook-timestamp": str(timestamp),
        }
        if self._key:
            headers["webhook-signature"] = signature(self._key, id_, timestamp, body)
        request = self._client.stream("POST", self._url, content=body, headers=headers)
        try:
            # The body of the answer is not read: it may be long.
            async with asyncio.timeout(_ANSWER_TIMEOUT_S), request as answer:
                if answer.is_success:
                    return ""
                return f"the answer is {answer.status_code}" + (
                    ", and redirects are not followed" if answer.is_redirect else ""
                )
        except (TimeoutError, httpx.TimeoutException):
            return "no answer in time"
        except httpx.HTTPError as exc:
            return str(exc) or type(exc).__name__


def key_of(secret: str) -> bytes:
    """Return the key of a secret: base64, with or without ``whsec_`` in front.

    Raises:
        ValueError: it is not base64.
    """
    return base64.b64decode(secret.removeprefix(_SECRET_PREFIX), validate=True)


def signature(key: bytes, id_: str, timestamp: int, body: bytes) -> str:
    """Return the header `webhook-signature`.

    Source: "Signature scheme" in standard-webhooks.md of github.com/standard-webhooks.
    """
    signed = b".".join((id_.encode(), str(timestamp).encode(), body))
    return f"v1,{base64.b64encode(hmac.digest(key, signed, 'sha256')).decode()}"


class Command:
    """Runs a program for each report, which it gets as JSON on stdin; one at a time."""

    def __init__(self, arguments: list[str]) -> None:
        """Run *arguments*, without a shell."""
        self._arguments = arguments
        self._is_failing = False

    async def send(self, body: bytes) -> None:
        """Run the program, and end it if it takes too long."""
        reason = await self._run(body)
        if reason and not self._is_failing:
            log.warning("HEARD_COMMAND failed: %s", reason)
        self._is_failing = bool(reason)

    async def _run(self, body: bytes) -> str:
        """Run the program once; return what went wrong, empty if nothing did."""
        try:
            process = await asyncio.create_subprocess_exec(
                *self._arguments,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
                env=_without_secrets(),
                start_new_session=True,
            )
        except OSError as exc:
            return str(exc)
        try:
            async with asyncio.timeout(_COMMAND_TIMEOUT_S):
                await process.communicate(body)
        except TimeoutError:
            return f"it took longer than {_COMMAND_TIMEOUT_S:.0f} s, so it was ended"
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)  # and what it has started
                await process.wait()
        return f"exit code {process.returncode}" if process.returncode else ""


def _without_secrets() -> dict[str, str]:
    """Return the environment without Crier's own secrets."""
    fields = Settings.model_fields.items()
    hidden = {name.upper() for name, field in fields if "SecretStr" in str(field.annotation)}
    return {name: value for name, value in os.environ.items() if name.upper() not in hidden}


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
