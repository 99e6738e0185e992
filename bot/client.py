"""HTTP client of the running bot, for the command line and for agents.

Imports only the standard library and modules that need no more. Every call blocks.
"""

import http.client
import json
import os
import select
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from bot.errors import FAILED, WRONG_USAGE, CommandError, UsageError
from bot.paths import CHECKOUT, data_dir, find_setting

_ANSWER_TIMEOUT_S = 10.0
# Sound is sent while it is made, and waits while the loudspeaker needs the voice. An event stream
# has at least a ping every 15 s.
_STREAM_TIMEOUT_S = 60.0
_READ_BYTES = 1 << 16
_MAX_NAME_CHARS = 40
# Errors of the request itself, unlike a full queue or a bot that can't speak now.
_USAGE_ERRORS = frozenset({400, 401, 403, 404, 413, 415, 422})

_START = "Start it with `make run` or, at login, `crier install`."


class ClientError(CommandError):
    """The running bot can't be reached, or refused a request."""

    def __init__(self, message: str, code: int = FAILED, status: int = 0, kind: str = "") -> None:
        """Store the message, its exit code, and what the answer was."""
        super().__init__(message)
        self.exit_code = code
        self.status = status
        """The status of a refusal; 0: there was no answer."""
        self.kind = kind
        """The refusal's own code, such as ``nothing_to_speak``."""

    @property
    def may_pass(self) -> bool:
        """Whether the same request may work soon, because the bot is starting or stopping."""
        return self.status in (0, http.HTTPStatus.SERVICE_UNAVAILABLE)


class NotRunningError(ClientError):
    """No bot is running."""


class Client:
    """Sends requests to this user's running bot."""

    def __init__(self, name: str = "command line", folder: Path | None = None) -> None:
        """Read the bot's address from api.json.

        Args:
            name: shown in queue and history as the source of messages.
            folder: the bot's data folder; the default is DATA_DIR.

        Raises:
            NotRunningError: the bot has left no api.json there.
            ClientError: its api.json can't be read.
            UsageError: the name can't be sent.
        """
        # http.client encodes headers as Latin-1.
        if not (name.isprintable() and 0 < len(name) <= _MAX_NAME_CHARS and max(name) < "\u0100"):
            raise UsageError(
                f"--client {name!r}: a name has 1 to {_MAX_NAME_CHARS} letters, digits and spaces."
            )
        self._name = name
        self._folder = data_dir() if folder is None else folder
        self._path = self._folder / "api.json"
        try:
            facts = json.loads(self._path.read_text(encoding="utf-8"))
            self._host, self._port = str(facts["host"]), int(facts["port"])
            self._pid, self._socket = int(facts["pid"]), str(facts.get("socket") or "")
        except FileNotFoundError:
            raise NotRunningError(f"Crier is not running. {_START}") from None
        except PermissionError as exc:
            raise ClientError(
                f"{self._path} can't be read: it is another user's Crier. Start one of your own.",
                WRONG_USAGE,
            ) from exc
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as exc:
            raise ClientError(
                f"{self._path} can't be understood ({exc!r}). Start Crier again; it writes another."
            ) from exc

    @property
    def pid(self) -> int:
        """The bot's process id; it may have exited."""
        return self._pid

    @property
    def port(self) -> int:
        """The port that the bot listens on; it may have exited."""
        return self._port

    def get(self, path: str) -> dict[str, Any]:
        """Return the JSON of a GET.

        Raises:
            ClientError: the bot is not running, does not answer, or refuses.
        """
        return self.call("GET", path)

    def call(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        timeout_s: float | None = _ANSWER_TIMEOUT_S,
        key: str = "",
    ) -> dict[str, Any]:
        """Send a request; return the JSON of the answer.

        Args:
            method: for example ``POST``.
            path: for example ``/v1/audio/stop``.
            body: sent as JSON.
            timeout_s: how long the answer may take; None: as long as the bot runs.
            key: the Idempotency-Key, with which the request may be sent again.

        Raises:
            ClientError: the bot is not running, does not answer, or refuses.
        """
        with self._open(method, path, body, timeout_s, key) as response:
            with self._translated():
                answer = response.read()
            try:
                return dict(json.loads(answer or b"{}"))
            except ValueError as exc:
                raise ClientError(f"What answers for Crier is not Crier ({path}).") from exc

    def send_text(self, path: str, begun: bytes, source: int) -> dict[str, Any]:
        """Send a text while it is written; return the JSON of the answer.

        The answer may come before the end of the text, for example after a stop.

        Args:
            path: of a route that takes a plain text.
            begun: the beginning of the text.
            source: the file descriptor of the rest.

        Raises:
            ClientError: the bot is not running, or refuses.
        """
        with self._connected(None) as connection:
            with self._translated(), suppress(BrokenPipeError, ConnectionResetError):
                connection.putrequest("POST", path)
                headers = {"Content-Type": "text/plain", "Transfer-Encoding": "chunked"}
                for name, value in (self._headers() | headers).items():
                    connection.putheader(name, value)
                connection.endheaders()
                _send_chunks(connection, begun, source)
            with self._response(connection) as response, self._translated():
                return dict(json.loads(response.read()))

    def sound(self, body: dict[str, Any]) -> Iterator[bytes]:
        """Yield the parts of a sound file while it is made; *body* is /v1/audio/speech's.

        Raises:
            ClientError: the bot is not running, does not answer, or refuses.
        """
        with self._open("POST", "/v1/audio/speech", body, _STREAM_TIMEOUT_S) as response:
            while True:
                with self._translated():
                    part = response.read1(_READ_BYTES)
                if not part:
                    return
                yield part

    @contextmanager
    def events(self) -> Iterator[Iterator[tuple[str, dict[str, Any]]]]:
        """Subscribe to events; yield an iterator over (name, data).

        Raises:
            ClientError: the bot is not running, does not answer, or stopped.
        """
        with self._open("GET", "/v1/events", None, _STREAM_TIMEOUT_S) as response:
            yield self._read_events(response)

    def _read_events(
        self, response: http.client.HTTPResponse
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        # The part of https://html.spec.whatwg.org/multipage/server-sent-events.html that our server
        # uses: an event ends at an empty line, a comment begins with a colon.
        name, data = "", ""
        while True:
            with self._translated():
                line = response.readline().decode()
            if not line:
                raise ClientError(f"Crier ended meanwhile. {_START}")
            field, _, value = line.strip().partition(":")
            if field == "event":
                name = value.strip()
            elif field == "data":
                data += value
            elif not (field or value):
                if data:
                    yield name, json.loads(data)
                name, data = "", ""

    def page_url(self) -> str:
        """Return an address that opens the page, once and within a minute.

        Every user who lists processes can read it, so it contains a code instead of the token. The
        code follows the #, so that it is in no request line.

        Raises:
            ClientError: the bot is not running, does not answer, or refuses.
        """
        code = self.call("POST", "/v1/page/code")["code"]
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self._host, self._host)  # noqa: S104
        host = f"[{host}]" if ":" in host else host
        return f"http://{host}:{self._port}/#code={code}"

    def _token(self) -> str:
        if token := find_setting("API_TOKEN", CHECKOUT, self._folder):
            return token
        path = self._folder / "api-token"
        try:
            return path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as exc:
            raise ClientError(
                f"{path} can't be read ({exc}). Start Crier again; it makes a new one.", WRONG_USAGE
            ) from exc

    @contextmanager
    def _open(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None,
        timeout_s: float | None,
        key: str = "",
    ) -> Iterator[http.client.HTTPResponse]:
        """Send a request; yield the response, or raise ClientError if it is a refusal."""
        headers = self._headers()
        if body is not None:
            headers["Content-Type"] = "application/json"
        if key:
            headers["Idempotency-Key"] = key
        with self._connected(timeout_s) as connection:
            with self._translated():
                payload = None if body is None else json.dumps(body).encode()
                with suppress(BrokenPipeError):  # a refusal may come before all is sent
                    connection.request(method, path, payload, headers)
            with self._response(connection) as response:
                yield response

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token()}", "X-Client": self._name}

    @contextmanager
    def _connected(self, timeout_s: float | None) -> Iterator[http.client.HTTPConnection]:
        connection = self._connect(timeout_s)
        try:
            yield connection
        finally:
            connection.close()

    @contextmanager
    def _response(
        self, connection: http.client.HTTPConnection
    ) -> Iterator[http.client.HTTPResponse]:
        """Yield the response, or raise ClientError if it is a refusal."""
        with self._translated():
            response = connection.getresponse()
        with response:
            if response.status >= http.HTTPStatus.BAD_REQUEST:
                with self._translated():
                    refusal = self._refusal(response)
                raise refusal
            yield response

    def _connect(self, timeout_s: float | None) -> http.client.HTTPConnection:
        if self._socket:
            connection: http.client.HTTPConnection = _SocketConnection(self._socket, timeout_s)
        else:
            # Only the bot may get the token: another program may have its port by now.
            self._check_process()
            connection = http.client.HTTPConnection(self._host, self._port, timeout=timeout_s)
        try:
            connection.connect()
        except OSError as exc:
            connection.close()
            raise self._not_running() from exc
        return connection

    def _check_process(self) -> None:
        try:
            os.kill(self._pid, 0)
        except OSError as exc:
            raise self._not_running() from exc

    def _not_running(self) -> NotRunningError:
        return NotRunningError(
            f"Crier is not running; it exited uncleanly and left {self._path} behind. {_START}"
        )

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Translate transport errors into ClientError."""
        try:
            yield
        except TimeoutError as exc:
            raise ClientError(
                "Crier does not answer. `crier doctor` looks for the reason."
            ) from exc
        except (OSError, http.client.HTTPException) as exc:
            raise ClientError(
                f"The connection to Crier broke ({str(exc) or type(exc).__name__}). Is it running?"
            ) from exc

    def _refusal(self, response: http.client.HTTPResponse) -> ClientError:
        if response.status == http.HTTPStatus.UNAUTHORIZED:
            return ClientError(
                f"Crier does not take the token in {self._folder / 'api-token'}. "
                "If you have changed API_TOKEN, start Crier again.",
                WRONG_USAGE,
                response.status,
            )
        kind = ""
        try:
            error = json.loads(response.read())["error"]
            message, kind = str(error["message"]), str(error.get("code", ""))
        except (ValueError, KeyError, TypeError, AttributeError):
            message = f"Crier said no: {response.status} {response.reason}."
        code = WRONG_USAGE if response.status in _USAGE_ERRORS else FAILED
        return ClientError(message, code, response.status, kind)


def _send_chunks(connection: http.client.HTTPConnection, begun: bytes, source: int) -> None:
    """Send a body in chunks until its end, or until there is an answer."""
    part = begun
    while part:
        connection.send(b"%x\r\n%b\r\n" % (len(part), part))
        ready, _, _ = select.select([source, connection.sock], [], [])
        if connection.sock in ready:
            return
        part = os.read(source, _READ_BYTES)
    connection.send(b"0\r\n\r\n")


class _SocketConnection(http.client.HTTPConnection):
    """A connection through the Unix socket, which only this user can open."""

    def __init__(self, path: str, timeout_s: float | None) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        """Connect to the socket."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)
