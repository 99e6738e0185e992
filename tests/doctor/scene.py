"""A healthy machine for the doctor, in which a test breaks one thing."""

import asyncio
import fcntl
import http.server
import json
import os
import shutil
import socket
import sqlite3
import sys
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bot.core.inbox import Inbox
from bot.doctor.check import Context, Finding, load_context
from bot.doctor.command import CHECKS
from bot.doctor.runner import run_checks, run_checks_here
from bot.paths import CHECKOUT
from bot.settings import Settings
from tests.doctor import forked_checks

BY_NAME = {check.name: check for check in CHECKS}


class Scene:
    """A healthy machine, in which a test breaks one thing."""

    def __init__(self, settings: Settings, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.settings = settings
        self.folder = folder
        self.data = settings.data_dir
        self.data.mkdir(mode=0o700)
        self.checkout = folder / "checkout"
        self.checkout.mkdir()
        shutil.copy(CHECKOUT / "requirements.txt", self.checkout)
        self.monkeypatch = monkeypatch
        self.platform = sys.platform
        self.sound = False
        self.answer_timeout_s = 8.0
        self.open: list[Any] = []

    def change(self, **values: Any) -> None:
        """Change settings."""
        self.settings = self.settings.replaced(**values)

    def env(self, line: str) -> None:
        """Write the .env file, from which the settings are then read."""
        (self.checkout / ".env").write_text(line + "\n")
        (self.checkout / ".env").chmod(0o600)

    def tool(self, name: str, output: str, code: int = 0) -> None:
        """Put a program on the PATH that prints *output*."""
        tools = self.folder / "tools"
        tools.mkdir(exist_ok=True)
        program = tools / name
        program.write_text(f"#!/bin/sh\ncat <<'END'\n{output}\nEND\nexit {code}\n")
        program.chmod(0o755)
        self.monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")

    def mac(self) -> None:
        """Pretend to be a Mac; its tools are added by `tool`."""
        self.platform = "darwin"
        self.monkeypatch.setenv("HOME", str(self.folder))

    def hold_lock(self) -> None:
        """Hold the lock, as a running bot does."""
        lock = (self.data / "crier.lock").open("a")
        fcntl.flock(lock, fcntl.LOCK_EX)
        self.open.append(lock)

    def act_as_bot(self, answers: dict[str, Any] | None) -> None:
        """Hold the lock and answer HTTP requests; with None, never answer."""
        self.hold_lock()
        if answers is None:
            listener = socket.create_server(("127.0.0.1", 0))
            self.open.append(listener)
            port = listener.getsockname()[1]
        else:
            port = self.serve(answers)
        self.write_api_json(port, os.getpid())
        (self.data / "api-token").write_text("secret")

    def write_api_json(self, port: int, pid: int) -> None:
        """Write api.json, as a running bot does."""
        content = {"host": "127.0.0.1", "port": port, "pid": pid, "socket": ""}
        (self.data / "api.json").write_text(json.dumps(content))

    def serve(self, answers: dict[str, Any], date: str = "") -> int:
        """Answer GET requests by the end of their path; *date* replaces the time of the answer."""

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                answer = next((a for end, a in answers.items() if self.path.endswith(end)), None)
                content = json.dumps(answer).encode()
                self.send_response(200 if answer is not None else 404)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def date_time_string(self, timestamp: float | None = None) -> str:
                return date or super().date_time_string(timestamp)

            def log_message(self, *_: Any) -> None:
                pass

        server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.open.append(_Closing(server))
        return int(server.server_address[1])

    def database(self, *statements: str) -> Path:
        """Create a database as Crier does, then execute *statements* in it."""
        path = self.data / "crier.db"

        async def make() -> None:
            await (await Inbox.open(path)).close()

        asyncio.run(make())
        with closing(sqlite3.connect(path)) as connection, connection:
            for statement in statements:
                connection.execute(statement)
        return path

    def context(self) -> Context:
        """Return the context of the checks."""
        if (self.checkout / ".env").exists():
            context = load_context(self.checkout)
        else:
            context = Context(self.settings, checkout=self.checkout)
        context.platform, context.sound = self.platform, self.sound
        context.answer_timeout_s = self.answer_timeout_s
        return context

    def run(self, *names: str) -> Finding:
        """Run checks in this order, and return the finding of the last one."""
        return self.run_all(*names)[-1]

    def run_all(self, *names: str) -> list[Finding]:
        """Run checks in this order, and return their findings."""
        checks = [BY_NAME[name] for name in names]
        if not any(check.audio for check in checks):  # only PortAudio needs another process
            return [finding for _, finding in run_checks_here(self.context(), checks)]
        forked_checks.use(self.monkeypatch)
        return [finding for _, finding in run_checks(self.context(), checks)]


class _Closing:
    def __init__(self, server: http.server.HTTPServer) -> None:
        self._server = server

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
