"""The MQTT broker: its address, a connection to it, and what is wrong if there is none."""

import asyncio
import contextlib
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import aiomqtt
import paho.mqtt.client as paho

from audio.certificates import tls_context
from bot.settings import Settings, is_loopback

_PORTS = {"mqtt": 1883, "mqtts": 8883}
_TIMEOUT_S = 5.0
_KEEPALIVE_S = 30
# Of MQTT 3.1.1 (4, 5) and of paho, which translates them to those of MQTT 5.
_WRONG_PASSWORD = frozenset({4, 5, 134, 135})

BrokerLostError = aiomqtt.MqttError
"""There is no connection to the broker (any more)."""


class BrokerError(Exception):
    """The broker can't be used; the message says why, and what to do."""

    def __init__(self, found: str, fix: str) -> None:
        super().__init__(f"{found} {fix}")
        self.found = found
        self.fix = fix


@dataclass(frozen=True, slots=True)
class Broker:
    """Where the broker is, and who Crier is there."""

    host: str
    port: int
    tls: bool
    username: str = ""
    password: str = field(default="", repr=False)
    ca_file: Path | None = None
    """The certificate of the authority that signed the broker's; None: one that is known to all."""
    may_be_open: bool = False
    """Whether it may let in everybody."""

    @property
    def address(self) -> str:
        """Host and port, without the password."""
        return f"{self.host}:{self.port}"


def broker_of(settings: Settings) -> Broker:
    """Return the broker of the settings, in which there must be one."""
    if settings.mqtt_url is None:
        raise ValueError("there is no MQTT_URL")
    url = urlsplit(settings.mqtt_url.get_secret_value())
    host = url.hostname or ""
    password = settings.mqtt_password
    return Broker(
        host=host,
        port=url.port or _PORTS[url.scheme],
        tls=url.scheme == "mqtts",
        username=unquote(url.username or "") or settings.mqtt_username,
        password=unquote(url.password or "") or (password.get_secret_value() if password else ""),
        ca_file=settings.mqtt_ca_file,
        may_be_open=settings.mqtt_anonymous or is_loopback(host),
    )


class BrokerClient(aiomqtt.Client):
    """A client that acknowledges a message only when it is told to, so that none is lost.

    aiomqtt has no such mode yet, but paho, on which it is built, does.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._client.manual_ack_set(True)
        self._sent_again: set[int] = set()

    def _on_message(self, client: paho.Client, userdata: Any, message: paho.MQTTMessage) -> None:
        if message.dup:
            self._sent_again.add(message.mid)
        super()._on_message(client, userdata, message)

    def is_sent_again(self, message: aiomqtt.Message) -> bool:
        """Whether the broker has sent a message before, and did not get an acknowledgement."""
        return message.mid in self._sent_again

    def acknowledge(self, message: aiomqtt.Message) -> None:
        """Report to the broker that a message is stored."""
        self._sent_again.discard(message.mid)
        self._client.ack(message.mid, message.qos)


async def make_client(
    broker: Broker, *, identifier: str = "", will: aiomqtt.Will | None = None
) -> BrokerClient:
    """Return a client that is not connected yet.

    Args:
        broker: the broker.
        identifier: the name of a session that the broker keeps while Crier is away; empty: none.
        will: what the broker publishes when Crier is gone.
    """
    return BrokerClient(
        broker.host,
        broker.port,
        username=broker.username or None,
        password=broker.password or None,
        identifier=identifier or None,
        clean_session=not identifier,
        will=will,
        timeout=_TIMEOUT_S,
        keepalive=_KEEPALIVE_S,
        tls_context=await asyncio.to_thread(_tls_context, broker.ca_file) if broker.tls else None,
    )


def _tls_context(ca_file: Path | None) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=ca_file) if ca_file else tls_context()


async def check_broker(broker: Broker) -> None:
    """Connect to the broker, and once without a password if it must not allow that.

    Raises:
        BrokerError: it can't be used.
    """
    try:
        async with await make_client(broker):
            pass
    except (aiomqtt.MqttError, OSError, ValueError) as exc:
        raise explained(exc, broker) from exc
    await refuse_open(broker)


async def refuse_open(broker: Broker) -> None:
    """Raise BrokerError if the broker lets in everybody, and may not.

    Raises:
        BrokerError: it does.
    """
    if broker.may_be_open:
        return
    stranger = Broker(broker.host, broker.port, broker.tls, ca_file=broker.ca_file)
    with contextlib.suppress(aiomqtt.MqttError, OSError):  # as it should be
        async with await make_client(stranger):
            raise BrokerError(
                f"The broker on {broker.address} lets in everybody, without a password, so that "
                "everybody in its network could speak.",
                "Set `allow_anonymous false` there, or MQTT_ANONYMOUS=true here if you want that.",
            )


def explained(error: Exception, broker: Broker) -> BrokerError:
    """Return why there is no connection to a broker, and what to do."""
    code = getattr(error, "rc", None)
    is_refusal = isinstance(error, aiomqtt.MqttCodeError)
    if is_refusal and getattr(code, "value", code) in _WRONG_PASSWORD:
        return BrokerError(
            f"The broker on {broker.address} refuses this user name and password.",
            "Correct MQTT_URL, or MQTT_USERNAME and MQTT_PASSWORD.",
        )
    reason = str(error)
    if "certificate" in reason.lower():
        return BrokerError(
            f"The certificate of the broker on {broker.address} is not trusted ({reason}).",
            "Set MQTT_CA_FILE to the certificate of its authority, and use the name that is in it.",
        )
    return BrokerError(
        f"There is no connection to the broker on {broker.address} ({reason}).",
        "Check MQTT_URL, and that the broker runs; with TLS the URL begins with mqtts://.",
    )
