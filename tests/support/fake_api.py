"""Something that listens where the bot would and answers as it is told, to see what becomes of it.

What the bot itself answers is tested with the bot; this is for what it does not do when all is
well: to answer late, wrongly, or to end in the middle.
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
class Answerer:
    """What it answers, and what it was asked."""

    data_dir: Path
    answers: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    """By method and path, such as ``GET /v1/status``: the status and the body."""
    asked: list[tuple[str, dict[str, str], Any]] = field(default_factory=list)
    """Method and path, headers, and the body."""

    def answer(self, what: str, body: Any, status: int = 200) -> None:
        """Set the answer to a request."""
        self.answers[what] = (
            status,
            body if isinstance(body, bytes) else json.dumps(body).encode(),
        )


@contextmanager
def answering(data_dir: Path, socket: Path) -> Iterator[Answerer]:
    """Listen on a Unix socket, and leave in *data_dir* what tells where."""
    answerer = Answerer(data_dir)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.0"  # the end of the connection is the end of the answer

        def _answer(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            what = f"{self.command} {self.path}"
            body = json.loads(self.rfile.read(length)) if length else None
            answerer.asked.append((what, dict(self.headers), body))
            status, answer = answerer.answers.get(what, (404, b"not json"))
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
        where = {"host": "127.0.0.1", "port": 1, "pid": os.getpid(), "socket": str(socket)}
        (data_dir / "api.json").write_text(json.dumps(where))
        (data_dir / "api-token").write_text(f"{TOKEN}\n")
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        try:
            yield answerer
        finally:
            server.shutdown()


def events(*facts: tuple[str, dict[str, Any]]) -> bytes:
    """Return the body of an event stream."""
    parts = [
        f"id: {number}\nevent: {name}\ndata: {json.dumps(data)}\n\n"
        for number, (name, data) in enumerate(facts, 1)
    ]
    return (": still here\n\n" + "".join(parts)).encode()
