"""Who may come in by HTTP, and with how much: before any route sees a request.

The order is that of the cost: name of the host, origin, token, rate, size and kind of the body.
Who has the token, who reads what is open to all, and who does neither have a budget each, and the
Unix socket, which only this user can open, has its own: none of them can use up another's.

A web page that is open in a browser can neither read an answer nor make the computer speak: it has
no token, its Origin is another, and by a name of its own (DNS rebinding) it is not let in.
Runs on the event loop.
"""

import asyncio
import contextlib
import ipaddress
import secrets
import socket
import time
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from bot.settings import is_loopback

MAX_BODY_BYTES = 1 << 20
MAX_CONNECTIONS = 256
"""Of the files that a process may open; Telegram, the database and the loudspeaker need theirs.
The Unix socket may have as many again."""

_BODY_TIMEOUT_S = 10.0
_HEAD_TIMEOUT_S = 10.0
_BURST, _PER_S = 400.0, 100.0
_OPEN_BURST, _OPEN_PER_S = 100.0, 50.0
_STRANGERS_BURST, _STRANGERS_PER_S = 50.0, 20.0
# A body that is refused, or that nobody asked for, is read on for a while and thrown away: where a
# connection is closed with bytes unread, the client gets a reset and no answer (RFC 9112, 9.6).
_LINGER_S, _LINGER_IDLE_S = 10.0, 1.0
_LINGER_BYTES, _STRANGERS_LINGER_BYTES = 64 << 20, MAX_BODY_BYTES

_TRUSTED = "crier.trusted"  # in a request's scope: it showed the token

_FULL = b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"

# Nothing from elsewhere, in no frame, in no cache.
_HEADERS = (
    (
        b"content-security-policy",
        b"default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)


class Refused(Exception):  # noqa: N818  # it is an answer
    """What a request gets instead of what it asked for."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


def refusal(status: int, code: str, message: str) -> JSONResponse:
    """Return an error in OpenAI's form."""
    kind = "server_error" if status >= 500 else "invalid_request_error"  # noqa: PLR2004
    headers = {401: {"WWW-Authenticate": "Bearer"}, 429: {"Retry-After": "1"}}.get(status)
    content = {"error": {"message": message, "type": kind, "code": code}}
    return JSONResponse(content, status, headers)


class Bucket:
    """Lets so many pass at once, and so many a second."""

    def __init__(self, burst: float, per_s: float) -> None:
        """Begin full."""
        self._burst, self._per_s = burst, per_s
        self._left, self._since_s = burst, time.monotonic()

    def take(self) -> bool:
        """Say whether one more may pass."""
        now_s = time.monotonic()
        self._left = min(self._burst, self._left + (now_s - self._since_s) * self._per_s)
        self._since_s = now_s
        if self._left < 1:
            return False
        self._left -= 1
        return True


class AccessGuard:
    """Wraps the application."""

    def __init__(
        self,
        app: ASGIApp,
        token: str,
        host: str,
        open_paths: frozenset[str],
        open_posts: frozenset[str] = frozenset(),
    ) -> None:
        """Stand before *app*.

        Args:
            app: answers those who are let in.
            token: what they have to show.
            host: what the server is bound to.
            open_paths: what may be read without a token.
            open_posts: where something may be tried without a token; as rare as wrong tokens.
        """
        self._app = app
        self._open = open_paths
        self._open_posts = open_posts
        self._token = token.encode()
        self._hosts = _names(host)
        self._any_address = host in ("0.0.0.0", "::")  # noqa: S104  # compared, not bound
        self._friends = Bucket(_BURST, _PER_S)
        self._readers = Bucket(_OPEN_BURST, _OPEN_PER_S)
        self._strangers = Bucket(_STRANGERS_BURST, _STRANGERS_PER_S)
        self._on_socket = Bucket(_BURST, _PER_S)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or have it answered."""
        if scope["type"] != "http":
            return

        complete = not _has_body(scope)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message.get("headers", ()))
                given = {name for name, _ in headers}
                headers += [(name, value) for name, value in _HEADERS if name not in given]
                if b"cache-control" not in given:
                    headers.append((b"cache-control", b"no-store"))
                if not complete:  # it is not worth reading
                    headers.append((b"connection", b"close"))
                message = {**message, "headers": headers}
            elif not complete and not message.get("more_body", False):
                await send({**message, "more_body": True})
                await _linger(receive, trusted=_TRUSTED in scope)
                message = {"type": "http.response.body"}
            await send(message)

        try:
            self._check(scope)
            body = b""
            if scope["method"] not in ("GET", "HEAD"):  # theirs means nothing: RFC 9110, 9.3.1
                body = await _body(scope, receive)
                complete = True
        except Refused as exc:
            await refusal(exc.status, exc.code, str(exc))(scope, receive, send_with_headers)
            return
        await self._app(scope, _replayed(body, receive), send_with_headers)

    def _check(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        self._check_host(scope, headers)
        open_ = scope["path"] in self._open and scope["method"] in ("GET", "HEAD")
        tries = scope["path"] in self._open_posts and scope["method"] == "POST"
        if self._has_token(headers):
            scope[_TRUSTED] = True
            budget = self._on_socket if _is_local(scope) else self._friends
        elif _is_local(scope):
            budget = self._on_socket
        else:
            budget = self._readers if open_ else self._strangers
        if not budget.take():
            raise Refused(429, "too_many_requests", "Too many requests at once. Try again soon.")
        if not (_TRUSTED in scope or open_ or tries):
            raise Refused(
                401,
                "invalid_api_key",
                "Authorization: Bearer TOKEN is missing or wrong. The token is in api-token in "
                "Crier's data folder, or what API_TOKEN says.",
            )

    def _check_host(self, scope: Scope, headers: Headers) -> None:
        if _is_local(scope):
            return  # no browser gets there
        host = _host_of(headers.get("host", ""))
        if not (host in self._hosts or (self._any_address and _is_address(host))):
            raise Refused(
                403,
                "wrong_host",
                f"Crier is not known as {host[:80]!r} here. Use 127.0.0.1, or set API_HOST.",
            )
        origin = headers.get("origin")
        if origin is not None and origin != f"{scope['scheme']}://{headers.get('host', '')}":
            raise Refused(
                403, "wrong_origin", "Web pages from elsewhere can't use Crier; its own page can."
            )

    def _has_token(self, headers: Headers) -> bool:
        kind, _, given = headers.get("authorization", "").partition(" ")
        return kind.lower() == "bearer" and secrets.compare_digest(
            given.strip().encode("latin-1", "replace"), self._token
        )


async def _body(scope: Scope, receive: Receive) -> bytes:
    """Return the body of a request.

    Raises:
        Refused: it is too large, too slow, or of another kind.
    """
    headers = Headers(scope=scope)
    length = headers.get("content-length", "")
    if length.isdigit() and int(length) > MAX_BODY_BYTES:
        raise Refused(413, "too_large", f"A body has at most {MAX_BODY_BYTES >> 20} MB.")
    body = bytearray()
    try:
        async with asyncio.timeout(_BODY_TIMEOUT_S):
            more = True
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    break
                body += message.get("body", b"")
                if len(body) > MAX_BODY_BYTES:
                    raise Refused(
                        413, "too_large", f"A body has at most {MAX_BODY_BYTES >> 20} MB."
                    )
                more = message.get("more_body", False)
    except TimeoutError:
        raise Refused(
            408, "too_slow", f"The body did not arrive within {_BODY_TIMEOUT_S:.0f} s."
        ) from None
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if body and kind != "application/json":  # an empty one is of no kind, whatever curl says
        raise Refused(415, "not_json", "The body has to be JSON: Content-Type: application/json.")
    return bytes(body)


async def _linger(receive: Receive, *, trusted: bool) -> None:
    """Read on after an answer, so that its client gets it, but not for ever."""
    left_bytes = _LINGER_BYTES if trusted else _STRANGERS_LINGER_BYTES
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_LINGER_S):
            while left_bytes > 0:
                async with asyncio.timeout(_LINGER_IDLE_S):
                    message = await receive()
                if message["type"] == "http.disconnect" or not message.get("more_body", False):
                    return
                left_bytes -= len(message.get("body", b""))


def _is_local(scope: Scope) -> bool:
    """Whether a request came by the Unix socket."""
    return bool(scope["server"]) and scope["server"][1] is None


def _has_body(scope: Scope) -> bool:
    headers = Headers(scope=scope)
    return "transfer-encoding" in headers or headers.get("content-length", "0") != "0"


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that gives the *body* first; after it, how the client fares."""
    given = False

    async def replay() -> Message:
        nonlocal given
        if not given:
            given = True
            return {"type": "http.request", "body": body, "more_body": False}
        return await receive()

    return replay


def _names(host: str) -> frozenset[str]:
    """Return the names by which a server that is bound to *host* may be called."""
    names = {"localhost", "127.0.0.1", "::1", host.lower()}
    if not is_loopback(host):
        own = socket.gethostname().lower().removesuffix(".local")
        names |= {own, f"{own}.local"}
    return frozenset(names)


def _host_of(header: str) -> str:
    """Return the name in a Host header, without its port; empty where it can't be one."""
    try:
        return (urlsplit(f"//{header}").hostname or "").lower()
    except ValueError:
        return ""


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


class Connection(H11Protocol):
    """uvicorn's connection, of which there are only so many, and none for ever without a request.

    Where there are too many, the oldest that has not shown the token makes room, whether it waits
    for a request or for the rest of an answer, so that those who only hold connections open keep
    nobody out. Those of the Unix socket are counted by themselves.
    """

    since_s = 0.0
    """When it began to wait for a request, in the loop's time."""

    local = False
    """Whether it is one of the Unix socket's."""

    @property
    def gives_way(self) -> bool:
        """Whether it makes room for others: nobody who has the token waits for an answer on it."""
        return self.idle or _TRUSTED not in self.cycle.scope

    @property
    def idle(self) -> bool:
        """Whether it waits for a request."""
        cycle: Any = self.cycle  # None before the first request, whatever uvicorn says of it
        return cycle is None or bool(cycle.response_complete)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, or close it at once."""
        self.local = transport.get_extra_info("socket").family == socket.AF_UNIX
        others = [
            one
            for one in self.connections
            if isinstance(one, Connection) and one.local == self.local
        ]
        if len(others) >= MAX_CONNECTIONS:
            there = [one for one in others if one.gives_way]
            if not there:
                self.transport = transport
                transport.write(_FULL)
                transport.close()
                return
            oldest = min(there, key=lambda one: one.since_s)
            oldest.transport.abort()
            self.connections.discard(oldest)
        super().connection_made(transport)
        self.since_s = self.loop.time()
        self.loop.call_later(_HEAD_TIMEOUT_S, self._expect_request)

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP; where an answer is under way already, just close."""
        cycle: Any = self.cycle
        if cycle is not None and cycle.response_started and not cycle.response_complete:
            self.transport.abort()
        else:
            super().send_400_response(msg)

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        self.since_s = self.loop.time()
        super().on_response_complete()

    def _expect_request(self) -> None:
        """Close where none has come in time, or only part of one."""
        if self.transport.is_closing():
            return
        left_s = _HEAD_TIMEOUT_S
        if self.idle:
            left_s -= self.loop.time() - self.since_s
            if left_s <= 0:
                self.transport.abort()
                return
        self.loop.call_later(left_s, self._expect_request)
