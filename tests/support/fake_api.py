"""A fake of the bot's API, which gives the answers that a test sets.

Correct answers are tested with the bot itself; these are wrong, late or incomplete.
"""

import json
import os
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

TOKEN = "a-token-that-nobody-may-see"


@dataclass(slots=True)
class FakeApi:
    """The answers to give, and the requests received."""

    data_dir: Path
    answers: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    """By method and path, for example ``GET /v1/status``: the status and the body."""
    requests: list[tuple[str, dict[str, str], Any]] = field(default_factory=list)
    """Method and path, headers, and the body."""

    def answer(self, request: str, body: Any, status: int = 200) -> None:
        """Set the answer to a request."""
        self.answers[request] = (
            status,
            body if isinstance(body, bytes) else json.dumps(body).encode(),
        )


@contextmanager
def serve_fake_api(data_dir: Path, socket: Path) -> Iterator[FakeApi]:
    """Listen on a Unix socket; write its address and the token to *data_dir*."""
    fake_api = FakeApi(data_dir)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.0"  # the end of the connection is the end of the answer

        def _answer(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            request = f"{self.command} {self.path}"
            body = json.loads(self.rfile.read(length)) if length else None
            fake_api.requests.append((request, dict(self.headers), body))
            status, answer = fake_api.answers.get(request, (404, b"not json"))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(answer)

        do_GET = do_POST = do_PUT = _answer  # noqa: N815  # as http.server wants it

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Log nothing."""

        def address_string(self) -> str:
            return "socket"

    data_dir.mkdir(exist_ok=True)
    with socketserver.ThreadingUnixStreamServer(str(socket), Handler) as server:
        address = {"host": "127.0.0.1", "port": 1, "pid": os.getpid(), "socket": str(socket)}
        (data_dir / "api.json").write_text(json.dumps(address))
        (data_dir / "api-token").write_text(f"{TOKEN}\n")
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        try:
            yield fake_api
        finally:
            server.shutdown()


def events(*items: tuple[str, dict[str, Any]]) -> bytes:
    """Return the body of an event stream."""
    parts = [
        f"id: {number}\nevent: {name}\ndata: {json.dumps(data)}\n\n"
        for number, (name, data) in enumerate(items, 1)
    ]
    return (": still here\n\n" + "".join(parts)).encode()
