"""Access control and limits of the HTTP API, applied before any route sees a request.

Checks run from cheap to costly: host name, origin, token, rate, size and type of the body. There
are separate rate budgets for requests with the token, for open paths, for all others, and for the
Unix socket, which only this user can open; none can use up another's.

A web page in a browser can neither read an answer nor make the computer speak: it has no token, its
Origin differs, and its own host name (DNS rebinding) is refused. A program with the token may use
any name of this computer, such as a container's host.docker.internal. Runs on the event loop.
"""

import asyncio
import contextlib
import ipaddress
import secrets
import socket
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket
from uvicorn.protocols.http.h11_impl import H11Protocol

from bot.rate_limit import TokenBucket
from bot.settings import is_loopback

MAX_BODY_BYTES = 1 << 20
MAX_CONNECTIONS = 256
"""At the port, and the same number at the Unix socket. Each is an open file of the process;
Telegram, the database and the loudspeaker need some too."""

_BODY_TIMEOUT_S = 10.0
_HEAD_TIMEOUT_S = 10.0
_BURST, _PER_S = 400.0, 100.0
_OPEN_BURST, _OPEN_PER_S = 100.0, 50.0
_ANONYMOUS_BURST, _ANONYMOUS_PER_S = 50.0, 20.0
# After a refusal the rest of the body is read and discarded for a while: if a connection is closed
# with bytes unread, the client gets a reset instead of the answer (RFC 9112, 9.6).
_DRAIN_S, _DRAIN_IDLE_S = 10.0, 1.0
_DRAIN_BYTES, _ANONYMOUS_DRAIN_BYTES = 64 << 20, MAX_BODY_BYTES

_AUTHENTICATED = "crier.authenticated"  # in the scope of a request with the token
STREAMED = "crier.streamed"
"""In the scope of a request whose body is a text, which its route reads while it arrives."""

_FULL = b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"

# Nothing from other origins, no frames.
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
    """A request is refused; carries the answer."""

    def __init__(self, status: int, code: str, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.param = param
        """The field that is wrong, if it is one."""


def refusal(status: int, code: str, message: str, param: str | None = None) -> JSONResponse:
    """Return an error in OpenAI's shape."""
    kind = "server_error" if status >= 500 else "invalid_request_error"  # noqa: PLR2004
    headers = {401: {"WWW-Authenticate": "Bearer"}, 429: {"Retry-After": "1"}}.get(status)
    content = {"error": {"message": message, "type": kind, "param": param, "code": code}}
    return JSONResponse(content, status, headers)


class AccessGuard:
    """ASGI middleware that answers unwelcome requests itself."""

    def __init__(
        self,
        app: ASGIApp,
        token: str,
        host: str,
        open_paths: frozenset[str],
        open_posts: frozenset[str] = frozenset(),
        public_paths: frozenset[str] = frozenset(),
        text_paths: frozenset[str] = frozenset(),
    ) -> None:
        """Guard *app*.

        Args:
            app: answers the accepted requests.
            token: authenticates a request.
            host: the address that the server is bound to.
            open_paths: paths that may be read without a token.
            open_posts: paths that accept a POST without a token, at the rate of wrong tokens.
            public_paths: paths that may be read without a token, by any name of this computer.
            text_paths: paths that accept a plain text, which may arrive bit by bit.
        """
        self._app = app
        self._open_paths = open_paths
        self._open_post_paths = open_posts
        self._public_paths = public_paths
        self._text_paths = text_paths
        self._token = token.encode()
        self._hosts = _names(host)
        self._any_address = host in ("0.0.0.0", "::")  # noqa: S104  # compared, not bound
        self._authenticated_budget = TokenBucket(_BURST, _PER_S)
        self._open_budget = TokenBucket(_OPEN_BURST, _OPEN_PER_S)
        self._anonymous_budget = TokenBucket(_ANONYMOUS_BURST, _ANONYMOUS_PER_S)
        self._local_budget = TokenBucket(_BURST, _PER_S)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a request, or pass it on: with its whole body, or while a text arrives."""
        if scope["type"] == "websocket":
            await self._guard_websocket(scope, receive, send)
        elif scope["type"] == "http":
            await self._guard_request(scope, _Exchange(scope, receive, send))

    async def _guard_request(self, scope: Scope, exchange: "_Exchange") -> None:
        try:
            self._check(scope)
            body = b""
            if self._is_text(scope):
                scope[STREAMED] = True
            # The body of a GET or HEAD has no meaning: RFC 9110, 9.3.1.
            elif scope["method"] not in ("GET", "HEAD"):
                body = await _read_body(scope, exchange.receive)
        except Refused as exc:
            answer = refusal(exc.status, exc.code, str(exc))
            await answer(scope, exchange.receive, exchange.send)
            return
        receive = exchange.receive if STREAMED in scope else _replayed(body, exchange.receive)
        await self._app(scope, receive, exchange.send)

    async def _guard_websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse the handshake of a WebSocket, or pass it on."""
        try:
            self._check(scope)
        except Refused as exc:
            answer = refusal(exc.status, exc.code, str(exc))
            await WebSocket(scope, receive, send).send_denial_response(answer)
            return
        await self._app(scope, receive, send)

    def _is_text(self, scope: Scope) -> bool:
        """Return whether the body is a text that may arrive slowly."""
        media_type = Headers(scope=scope).get("content-type", "").partition(";")[0].strip().lower()
        is_post = scope["method"] == "POST" and scope["path"] in self._text_paths
        return is_post and media_type == "text/plain"

    def _check(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        has_token = self._has_token(headers)
        reads = scope.get("method") in ("GET", "HEAD")
        is_public = reads and scope["path"] in self._public_paths
        if not _is_local(scope):  # browsers can't connect to it
            self._check_origin(scope, headers, any_name=has_token or is_public)
        reads_open = is_public or (reads and scope["path"] in self._open_paths)
        posts_open = scope["path"] in self._open_post_paths and scope.get("method") == "POST"
        if has_token:
            scope[_AUTHENTICATED] = True
            budget = self._local_budget if _is_local(scope) else self._authenticated_budget
        elif _is_local(scope):
            budget = self._local_budget
        else:
            budget = self._open_budget if reads_open else self._anonymous_budget
        if not budget.take():
            raise Refused(429, "too_many_requests", "Too many requests at once. Try again soon.")
        if not (_AUTHENTICATED in scope or reads_open or posts_open):
            raise Refused(
                401,
                "invalid_api_key",
                "Authorization: Bearer TOKEN is missing or wrong. The token is in api-token in "
                "Crier's data folder, or the value of API_TOKEN.",
            )

    def _check_origin(self, scope: Scope, headers: Headers, *, any_name: bool) -> None:
        """Refuse what a browser sends for another page, or by a name that is not this computer's.

        A page that is bound to this address by DNS has no token, and sends no Origin with a GET.
        """
        origin = headers.get("origin")
        host = _host_of(headers.get("host", ""))
        is_known = host in self._hosts or (self._any_address and _is_address(host))
        if not (is_known or (any_name and origin is None)):
            raise Refused(
                403,
                "wrong_host",
                f"Crier is not known as {host[:80]!r} here. Programs with the token may use any "
                "name; a browser needs 127.0.0.1, or the name in API_HOST.",
            )
        scheme = {"ws": "http", "wss": "https"}.get(scope["scheme"], scope["scheme"])
        if origin is not None and origin != f"{scheme}://{headers.get('host', '')}":
            raise Refused(
                403, "wrong_origin", "Web pages from elsewhere can't use Crier; its own page can."
            )

    def _has_token(self, headers: Headers) -> bool:
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        given = [bearer] if scheme.lower() == "bearer" else []
        given += [headers.get(name, "") for name in ("api-key", "x-api-key")]  # as Azure has it
        matches = [
            secrets.compare_digest(token.strip().encode("latin-1", "replace"), self._token)
            for token in given
        ]
        return any(matches)


class _Exchange:
    """A request and its answer, with headers that browsers obey.

    The rest of a body that was not read is discarded before the end of the answer.
    """

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._body_is_read = not _has_body(scope)

    async def receive(self) -> Message:
        """Return the next part of the body."""
        message = await self._receive()
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            self._body_is_read = True
        return message

    async def send(self, message: Message) -> None:
        """Send a part of the answer."""
        if message["type"] == "http.response.start":
            headers = list(message.get("headers", ()))
            given = {name for name, _ in headers}
            headers += [(name, value) for name, value in _HEADERS if name not in given]
            if b"cache-control" not in given:
                headers.append((b"cache-control", b"no-store"))
            if not self._body_is_read:  # the rest is never read completely
                headers.append((b"connection", b"close"))
            message = {**message, "headers": headers}
        elif not self._body_is_read and not message.get("more_body", False):
            await self._send({**message, "more_body": True})
            await _drain(self._receive, authenticated=_AUTHENTICATED in self._scope)
            message = {"type": "http.response.body"}
        await self._send(message)


async def _read_body(scope: Scope, receive: Receive) -> bytes:
    """Return the body of a request.

    Raises:
        Refused: it is too large, too slow, or not declared as JSON.
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
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    if body and media_type != "application/json":  # curl declares an empty body as a form
        raise Refused(415, "not_json", "The body has to be JSON: Content-Type: application/json.")
    return bytes(body)


async def _drain(receive: Receive, *, authenticated: bool) -> None:
    """Discard the rest of a body for a limited time, so that the client gets its answer."""
    left_bytes = _DRAIN_BYTES if authenticated else _ANONYMOUS_DRAIN_BYTES
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_DRAIN_S):
            while left_bytes > 0:
                async with asyncio.timeout(_DRAIN_IDLE_S):
                    message = await receive()
                if message["type"] == "http.disconnect" or not message.get("more_body", False):
                    return
                left_bytes -= len(message.get("body", b""))


def _is_local(scope: Scope) -> bool:
    """Whether a request came through the Unix socket."""
    return bool(scope["server"]) and scope["server"][1] is None


def _has_body(scope: Scope) -> bool:
    headers = Headers(scope=scope)
    return "transfer-encoding" in headers or headers.get("content-length", "0") != "0"


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Return a `receive` that returns *body* first, and then further messages of the client."""
    replayed = False

    async def replay() -> Message:
        nonlocal replayed
        if not replayed:
            replayed = True
            return {"type": "http.request", "body": body, "more_body": False}
        return await receive()

    return replay


def _names(host: str) -> frozenset[str]:
    """Return the host names that are valid for a server bound to *host*."""
    names = {"localhost", "127.0.0.1", "::1", host.lower()}
    if not is_loopback(host):
        own = socket.gethostname().lower().removesuffix(".local")
        names |= {own, f"{own}.local"}
    return frozenset(names)


def _host_of(header: str) -> str:
    """Return the host name in a Host header, without its port; empty if it is invalid."""
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
    """Caps concurrent connections, and closes those that send no request in time.

    A new connection over the cap replaces the oldest that is idle or not authenticated, so that
    clients that only hold connections open lock nobody out. The port and the Unix socket are
    counted separately.
    """

    idle_since_s = 0.0
    """When it was opened or last completed a response, in the loop's time."""

    local = False
    """Whether it belongs to the Unix socket."""

    @property
    def is_replaceable(self) -> bool:
        """Whether no authenticated client waits for an answer on it."""
        return self.idle or _AUTHENTICATED not in self.cycle.scope

    @property
    def idle(self) -> bool:
        """Whether no request is in progress."""
        cycle: Any = self.cycle  # None before the first request, unlike its annotation
        return cycle is None or bool(cycle.response_complete)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Accept a connection, or answer 503 and close it."""
        self.local = transport.get_extra_info("socket").family == socket.AF_UNIX
        others = [
            connection
            for connection in self.connections
            if isinstance(connection, Connection) and connection.local == self.local
        ]
        if len(others) >= MAX_CONNECTIONS:
            replaceable = [connection for connection in others if connection.is_replaceable]
            if not replaceable:
                self.transport = transport
                transport.write(_FULL)
                transport.close()
                return
            oldest = min(replaceable, key=lambda connection: connection.idle_since_s)
            oldest.transport.abort()
            self.connections.discard(oldest)
        super().connection_made(transport)
        self.idle_since_s = self.loop.time()
        self.loop.call_later(_HEAD_TIMEOUT_S, self._expect_request)

    def send_400_response(self, msg: str) -> None:
        """Answer bytes that are not HTTP; if a response is in progress, just close."""
        cycle: Any = self.cycle
        if cycle is not None and cycle.response_started and not cycle.response_complete:
            self.transport.abort()
        else:
            super().send_400_response(msg)

    def on_response_complete(self) -> None:
        """Start waiting for the next request."""
        self.idle_since_s = self.loop.time()
        super().on_response_complete()

    def _expect_request(self) -> None:
        """Close if no complete request head has come in time."""
        if self.transport.is_closing() or self.transport.get_protocol() is not self:
            return  # in the latter case it has become a WebSocket
        left_s = _HEAD_TIMEOUT_S
        if self.idle:
            left_s -= self.loop.time() - self.idle_since_s
            if left_s <= 0:
                self.transport.abort()
                return
        self.loop.call_later(left_s, self._expect_request)
