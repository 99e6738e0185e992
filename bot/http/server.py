"""The sockets behind the HTTP face: opened, told about in api.json, served, and closed in time.

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
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from bot.http.guard import Connection
from bot.paths import write_private
from bot.settings import Settings, SettingsError

log = logging.getLogger(__name__)

_TOKEN_BYTES = 32
_BACKLOG = 64  # that many files may be opened at once before the door counts them
_FILES = 1024
"""macOS allows 256 unless a process asks for more. Source: setrlimit(2), launchd.plist(5)."""
# Of the 3 s that a SIGTERM may take.
_CLOSE_TIMEOUT_S = 0.7


def token_of(settings: Settings) -> str:
    """Return what clients have to show; made and kept on first start.

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
    """Open the TCP socket and the Unix one, and say in DATA_DIR/api.json where they are.

    Raises:
        SettingsError: the address can't be had; names API_HOST or API_PORT.
    """
    token_of(settings)  # made before anybody is told where to come with it
    with contextlib.ExitStack() as stack:
        tcp = stack.enter_context(_tcp(settings.api_host, settings.api_port))
        sockets = [tcp]
        path = settings.data_dir / "api.sock"
        try:
            sockets.append(stack.enter_context(_unix(path)))
            stack.callback(path.unlink, missing_ok=True)
        except OSError as exc:  # such as a path of more than 103 bytes
            log.warning("%s can't be opened (%s); the port alone serves", path, exc)
        facts = {
            "host": settings.api_host,
            "port": tcp.getsockname()[1],
            "pid": os.getpid(),
            "socket": str(path) if len(sockets) > 1 else None,
        }
        told = settings.data_dir / "api.json"
        write_private(told, json.dumps(facts))
        stack.callback(told.unlink, missing_ok=True)
        yield sockets


def _tcp(host: str, port: int) -> socket.socket:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
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
    path.unlink(missing_ok=True)  # of a life that was killed; the data folder's lock is held
    unix = socket.socket(socket.AF_UNIX)
    try:
        before = os.umask(0o177)  # nobody else may connect, not even between bind and chmod
        try:
            unix.bind(str(path))
        finally:
            os.umask(before)
        unix.listen(_BACKLOG)
    except OSError:
        unix.close()
        raise
    return unix


class _QuietServer(uvicorn.Server):
    """Leaves the signals to the program that it is embedded in."""

    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        yield


def _allow_files() -> None:
    """Let the process open as many files as its connections need beside everything else."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):  # then the door is wider than the house
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


@contextlib.asynccontextmanager
async def serving(app: ASGIApp, sockets: list[socket.socket]) -> AsyncIterator[None]:
    """Answer requests as long as the context lasts; whatever is under way then is cut soon."""
    _allow_files()
    server = _QuietServer(
        uvicorn.Config(
            app,
            http=Connection,
            ws="none",
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
