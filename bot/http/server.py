"""The sockets of the HTTP API: opened, published in api.json, served, and closed in time.

Runs on the event loop.
"""

import asyncio
import contextlib
import errno
import json
import logging
import os
import resource
import secrets
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, cast

import uvicorn
from starlette.types import ASGIApp

from bot.http.guard import MAX_BODY_BYTES, Connection
from bot.paths import write_private
from bot.settings import Settings, SettingsError

log = logging.getLogger(__name__)

_TOKEN_BYTES = 32
_BACKLOG = 64  # connections that the guard has not counted yet
_MAX_FILES = 1024
"""Open files. macOS allows 256 unless a process asks for more.
Source: setrlimit(2), launchd.plist(5)."""
_CLOSE_TIMEOUT_S = 0.7  # of the 3 s that a SIGTERM may take


def token_of(settings: Settings) -> str:
    """Return the token that authenticates clients; created and stored on first start.

    Raises:
        OSError: it can't be read or written.
    """
    if settings.api_token is not None:
        return settings.api_token.get_secret_value()
    path = settings.data_dir / "api-token"
    with contextlib.suppress(FileNotFoundError):
        path.chmod(0o600)
        if token := path.read_text(encoding="ascii", errors="replace").strip():
            return token
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    write_private(path, f"{token}\n")
    return token


@contextlib.contextmanager
def listening(settings: Settings) -> Iterator[list[socket.socket]]:
    """Open the TCP socket and the Unix socket, and publish both in DATA_DIR/api.json.

    Raises:
        SettingsError: the address can't be used; names API_HOST or API_PORT.
    """
    token_of(settings)  # clients that read api.json need it
    with contextlib.ExitStack() as stack:
        tcp = stack.enter_context(_tcp(settings.api_host, settings.api_port))
        sockets = [tcp]
        path = settings.data_dir / "api.sock"
        try:
            sockets.append(stack.enter_context(_unix(path)))
            stack.callback(path.unlink, missing_ok=True)
        except OSError as exc:  # for example, its path has more than 103 bytes
            log.warning("%s can't be opened (%s); only the port is served", path, exc)
        facts = {
            "host": settings.api_host,
            "port": tcp.getsockname()[1],
            "pid": os.getpid(),
            "socket": str(path) if len(sockets) > 1 else None,
        }
        published = settings.data_dir / "api.json"
        write_private(published, json.dumps(facts))
        stack.callback(published.unlink, missing_ok=True)
        yield sockets


def _tcp(host: str, port: int) -> socket.socket:
    try:
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = addresses[0]
    except (OSError, UnicodeError) as exc:
        raise SettingsError(
            f"API_HOST: {host!r} is no address of this computer ({exc}). Use 127.0.0.1."
        ) from exc
    tcp = socket.socket(family, kind, protocol)
    try:
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        tcp.bind(address)
        tcp.listen(_BACKLOG)
    except OSError as exc:
        tcp.close()
        if exc.errno in (errno.EADDRINUSE, errno.EACCES):
            raise SettingsError(
                f"API_PORT: {port} can't be had ({exc.strerror}): another program uses it. "
                "Set API_PORT to another one, or to 0 for any that is free."
            ) from exc
        raise SettingsError(
            f"API_HOST: Crier can't listen on {host!r} ({exc.strerror}). Use 127.0.0.1."
        ) from exc
    return tcp


def _unix(path: Path) -> socket.socket:
    path.unlink(missing_ok=True)  # left by a killed process: this one holds the folder's lock
    unix = socket.socket(socket.AF_UNIX)
    try:
        old_umask = os.umask(0o177)  # no other user may connect, even for a moment
        try:
            unix.bind(str(path))
        finally:
            os.umask(old_umask)
        unix.listen(_BACKLOG)
    except OSError:
        unix.close()
        raise
    return unix


class _EmbeddedServer(uvicorn.Server):
    """Installs no signal handlers: the bot handles signals."""

    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        yield


def _websocket(**given: Any) -> asyncio.Protocol:
    """Return uvicorn's protocol for a WebSocket, which is imported for the first one."""
    from uvicorn.protocols.websockets.wsproto_impl import WSProtocol  # noqa: PLC0415

    return WSProtocol(**given)


def _raise_file_limit() -> None:
    """Allow as many open files as the process needs, connections included."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    target = _MAX_FILES if hard == resource.RLIM_INFINITY else min(_MAX_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < target:
        # On failure the limit stays, and MAX_CONNECTIONS may exceed it.
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (target, hard))


@contextlib.asynccontextmanager
async def serving(app: ASGIApp, sockets: list[socket.socket]) -> AsyncIterator[None]:
    """Answer requests while the context is open; abort those still in progress at its end."""
    _raise_file_limit()
    server = _EmbeddedServer(
        uvicorn.Config(
            app,
            http=Connection,
            ws=cast("Any", _websocket),
            ws_max_size=MAX_BODY_BYTES,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            backlog=_BACKLOG,
            timeout_keep_alive=10,
        )
    )
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    task = asyncio.create_task(server.serve(sockets), name="http")
    try:
        yield
    finally:
        server.should_exit = True
        await asyncio.wait({task}, timeout=_CLOSE_TIMEOUT_S)
        for connection in list(server.server_state.connections):
            connection.transport.abort()
        for request in list(server.server_state.tasks):
            request.cancel()
        await asyncio.wait({task}, timeout=_CLOSE_TIMEOUT_S)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
