"""A real MQTT broker, Debian's mosquitto, and a client that acts as Home Assistant."""

import asyncio
import contextlib
import json
import shutil
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import aiomqtt

USER, PASSWORD = "crier", "p@ss word"


class Mosquitto:
    """A broker in a process of its own; it can be killed and started again."""

    def __init__(
        self,
        folder: Path,
        *,
        anonymous: bool = False,
        tls: bool = False,
        users: Sequence[str] = (USER,),
        acl: str = "",
        config: str = "",
    ) -> None:
        """Start it, with its settings and what it stores in *folder*.

        Args:
            folder: is made.
            anonymous: whether it lets in everybody.
            tls: whether it speaks TLS only, with a certificate of its own.
            users: who may connect with the password.
            acl: who may do what, as in mosquitto.conf(5); empty: all may do everything.
            config: its configuration instead, with TLS on port 8883, in /etc/mosquitto; *folder*
                and a port of its own stand for these.
        """
        folder.mkdir()
        self.ca_file = folder / "ca.pem"
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port = int(listener.getsockname()[1])
        passwords = folder / "passwords"
        passwords.touch(mode=0o600)
        for user in users:
            command = ["mosquitto_passwd", "-b", str(passwords), user, PASSWORD]
            subprocess.run(command, check=True, capture_output=True)
        lines = [
            "user root",  # another could not read the folder
            f"listener {self.port}",
            f"allow_anonymous {str(anonymous).lower()}",
            f"password_file {passwords}",
            "persistence true",
            f"persistence_location {folder}/",
            "autosave_interval 1",
            "autosave_on_changes true",
        ]
        if acl:
            (folder / "acl").write_text(acl)
            lines.append(f"acl_file {folder / 'acl'}")
        if tls:
            key = folder / "key.pem"
            make_certificate(self.ca_file, key)
            lines += [f"certfile {self.ca_file}", f"keyfile {key}"]
        if config:
            (folder / "certs").mkdir()
            self.ca_file = folder / "certs" / "broker.pem"
            make_certificate(self.ca_file, folder / "certs" / "broker.key")
            assert "listener 8883\n" in config
            config = config.replace("listener 8883\n", f"listener {self.port}\n")
            lines = [lines[0], *config.replace("/etc/mosquitto", str(folder)).splitlines()]
        self._config = folder / "mosquitto.conf"
        self._config.write_text("\n".join(lines) + "\n")
        self.start()

    @staticmethod
    def path() -> str | None:
        """Return where the program is; Debian's folder of it is on the PATH of root only."""
        return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")

    def start(self) -> None:
        """Start it, and wait until it accepts connections."""
        self._process = subprocess.Popen(
            [str(self.path()), "-c", str(self._config)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline_s = time.monotonic() + 10
        while True:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            if time.monotonic() > deadline_s or self._process.poll() is not None:
                raise TimeoutError("mosquitto did not start")
            time.sleep(0.02)

    def kill(self) -> None:
        """End it without a chance to store anything."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(10)

    def close(self) -> None:
        """Stop it."""
        if self._process.poll() is None:
            self._process.terminate()
            self._process.wait(10)

    def url(self, host: str = "127.0.0.1", scheme: str = "mqtt", user: str = USER) -> str:
        """Return its URL with the password."""
        return f"{scheme}://{user}:p%40ss%20word@{host}:{self.port}"


def make_certificate(certificate: Path, key: Path) -> None:
    """Make a certificate of 127.0.0.1 that is signed by itself."""
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command += ["-nodes", "-days", "2", "-subj", "/CN=broker", "-addext"]
    command += ["subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)


class House:
    """A client that sees every topic and can publish, as Home Assistant does."""

    def __init__(self, client: aiomqtt.Client) -> None:
        self._client = client
        self.latest: dict[str, bytes] = {}
        self._changed = asyncio.Condition()

    @classmethod
    @contextlib.asynccontextmanager
    async def at(
        cls, broker: Mosquitto, ca_file: Path | None = None, user: str = USER
    ) -> AsyncIterator["House"]:
        """Connect while the context is open; with *ca_file*, by TLS."""
        tls = ssl.create_default_context(cafile=ca_file) if ca_file else None
        client = aiomqtt.Client(
            "127.0.0.1", broker.port, username=user, password=PASSWORD, tls_context=tls
        )
        async with client:
            await client.subscribe("#", qos=1)
            house = cls(client)
            collecting = asyncio.create_task(house._collect())
            try:
                yield house
            finally:
                collecting.cancel()
                await asyncio.gather(collecting, return_exceptions=True)

    async def _collect(self) -> None:
        async for message in self._client.messages:
            async with self._changed:
                self.latest[message.topic.value] = bytes(message.payload)
                self._changed.notify_all()

    async def publish(self, topic: str, payload: str | bytes = "PRESS", **options: Any) -> None:
        """Publish to a topic, and wait until the broker has it."""
        await self._client.publish(topic, payload, qos=1, **options)

    async def wait_for(
        self, topic: str, matches: Callable[[Any], bool] = lambda _: True, timeout_s: float = 30.0
    ) -> Any:
        """Wait until the latest payload of a topic *matches*; return it, read as JSON if it is."""

        def value() -> Any:
            payload = self.latest[topic].decode()
            return json.loads(payload) if payload.startswith("{") else payload

        async with asyncio.timeout(timeout_s), self._changed:
            await self._changed.wait_for(lambda: topic in self.latest and matches(value()))
            return value()
