"""Crier at an MQTT broker: a device of Home Assistant, and a way in for whoever may publish.

A text is acknowledged when it is on the disk, and the broker keeps those that come while Crier is
away, so none is lost; one that the broker sends again is said once. Runs on the event loop.
"""

import asyncio
import contextlib
import hashlib
import json
import logging
import math
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import aiomqtt

from audio.pipeline import SpeechPipeline
from audio.types import AudioError, Devices, Status
from audio.voices import VOICES, check_voice
from bot.core.delivery import Delivery
from bot.core.draft import Draft
from bot.core.events import Events, until_idle
from bot.core.intake import Intake, RefusedError
from bot.core.output import SoundOutput
from bot.core.store import Store
from bot.home.broker import Broker, BrokerClient, BrokerLostError, broker_of, make_client
from bot.home.connection import BrokerConnection
from bot.home.discovery import (
    DEFAULT_DEVICE,
    OFFLINE,
    ONLINE,
    Command,
    Topics,
    device_config,
    doing_of,
)
from bot.home.said import parse_said
from bot.home.tasks import until_one_ends
from bot.settings import Settings

log = logging.getLogger(__name__)

_QOS = 1
_CLOSE_TIMEOUT_S = 0.5
"""Of the 3 s that a SIGTERM may take."""
_STATE_EVERY_S = 1.0
_DEVICES_EVERY_S = 300.0
"""How often devices are listed while nothing is spoken; at once if the one in use changes."""
_DEVICES_TIMEOUT_S = 2.0
_MAX_STATE_CHARS = 255
"""Longer states are refused. Source: Home Assistant's MAX_LENGTH_STATE_STATE."""
_REMEMBERED = 20
"""Texts that may be sent again: as many as a broker sends without an acknowledgement.
Source: max_inflight_messages in mosquitto.conf(5)."""

_VOICE, _TAKEN = "mqtt_voice", "mqtt_taken"


@dataclass(frozen=True, slots=True)
class HomeDevice:
    """Crier, as Home Assistant shows and controls it."""

    settings: Settings
    broker: Broker
    pipeline: SpeechPipeline
    delivery: Delivery
    events: Events
    intake: Intake
    output: SoundOutput
    store: Store
    bot_id: int
    refusals: list[str] = field(default_factory=list)
    """Why the last text was refused; at most one."""

    @property
    def topics(self) -> Topics:
        """The topics of this Crier."""
        return Topics(str(self.bot_id))

    async def run(self) -> None:
        """Stay connected until cancelled."""
        await BrokerConnection(self.broker, self._connect).run()

    async def _connect(self) -> None:
        """Connect, and work until the connection is lost."""
        topics = self.topics
        will = aiomqtt.Will(topics.availability, OFFLINE, qos=_QOS, retain=True)
        client = await make_client(self.broker, identifier=topics.node, will=will)
        async with client:
            # A button that was pressed while Crier was away means nothing any more.
            await client.subscribe(
                [(topics.command(command), 0 if command.is_button else _QOS) for command in Command]
            )
            log.info("Connected to the broker on %s", self.broker.address)
            reporter = _StateReporter(self, client)
            await reporter.publish_device()
            await reporter.publish_state()
            await _publish(client, topics.availability, ONLINE)
            try:
                await until_one_ends(
                    self._handle_all(client), reporter.run(), reporter.list_devices()
                )
            finally:
                # If the connection is lost, the broker publishes the will.
                with contextlib.suppress(BrokerLostError, TimeoutError):
                    async with asyncio.timeout(_CLOSE_TIMEOUT_S):
                        await _publish(client, topics.availability, OFFLINE)

    # ---- commands ----

    async def _handle_all(self, client: BrokerClient) -> None:
        commands = {self.topics.command(command): command for command in Command}
        async for message in client.messages:
            command = commands[message.topic.value]
            if message.retain:
                # It would be obeyed again at each connection.
                log.warning("A retained %r at the broker is ignored", command.value)
            else:
                again = client.is_sent_again(message)
                await self._handle(command, _payload(message), message.mid, again=again)
            client.acknowledge(message)

    async def _handle(  # noqa: C901  # a table
        self, command: Command, payload: bytes, mid: int, *, again: bool
    ) -> None:
        try:
            match command:
                case Command.SAY:
                    await self._say(payload, mid, again=again)
                case Command.VOICE:
                    await self._choose_voice(payload.decode())
                case Command.DEVICE:
                    await self._choose_device(payload.decode())
                case Command.VOLUME:
                    await self._set_volume(payload.decode())
                case Command.STOP:
                    await self.delivery.stop()
                case Command.SKIP:
                    self.pipeline.skip()
                case Command.PAUSE:
                    await self.delivery.pause()
                case Command.RESUME:
                    await self.delivery.resume()
        except RefusedError as exc:
            self._refused(str(exc))
        except UnicodeDecodeError:
            self._refused(f"{command.value}: this is no text in UTF-8.")

    def _refused(self, reason: str) -> None:
        log.info("A message of the broker is refused")
        self.refusals[:] = [reason]

    async def _say(self, payload: bytes, mid: int, *, again: bool) -> None:
        said = parse_said(payload)
        sent_at = said.at or self.intake.now()
        draft = Draft(
            update_id=await self._update_id(payload, mid, again=again),
            text=said.text,
            client=said.sender,
            voice=said.voice or await self.voice(),
            lang=said.lang,
            urgent=said.urgent,
            sent_at=said.at,
            expires_at=sent_at + said.expires_s if said.expires_s else 0.0,
            replace_key=said.replace_key,
            volume=said.volume,
        )
        await self.intake.accept(draft)

    async def _update_id(self, payload: bytes, mid: int, *, again: bool) -> int:
        """Return what identifies a text: the same if the broker sends it again.

        It is stored before the text is, so a crash between the two loses nothing.
        """
        key = f"{mid}:{hashlib.sha256(payload).hexdigest()}"
        taken: dict[str, int] = json.loads(await self.store.choice(_TAKEN) or "{}")
        if again and key in taken:
            return taken[key]
        taken.pop(key, None)
        update_id = -1 - secrets.randbits(62)
        latest = [*taken.items(), (key, update_id)][-_REMEMBERED:]
        await self.store.choose(_TAKEN, json.dumps(dict(latest)))
        return update_id

    async def voice(self) -> str:
        """Return the voice of texts without one."""
        chosen = await self.store.choice(_VOICE, self.settings.kokoro_voice)
        return chosen or self.settings.kokoro_voice

    def voices(self) -> list[str]:
        """Return the voices to choose from; the usual one may be a blend."""
        return list(dict.fromkeys([*VOICES, self.settings.kokoro_voice]))

    async def _choose_voice(self, name: str) -> None:
        try:
            check_voice(name)
        except AudioError as exc:
            raise RefusedError(str(exc)) from exc
        await self.store.choose(_VOICE, name, self.settings.kokoro_voice)

    async def _choose_device(self, name: str) -> None:
        if name == DEFAULT_DEVICE:
            await self.output.select_device("")
            return
        present = await self.devices()
        if present is None or name not in [device.name for device in present.outputs]:
            raise RefusedError(f"There is no device {name!r} now.")
        await self.output.select_device(name)

    async def devices(self) -> Devices | None:
        """Return where sound can go; None if that can't be known now."""
        try:
            return await self.output.devices(_DEVICES_TIMEOUT_S)
        except (AudioError, TimeoutError):
            return None

    async def _set_volume(self, percent: str) -> None:
        try:
            volume = round(float(percent))
        except (ValueError, OverflowError):
            raise RefusedError(f"{percent[:20]!r} is no volume. Publish a number.") from None
        await self.output.set_volume(volume)


class _StateReporter:
    """Publishes what the entities show, when it changes."""

    def __init__(self, device: HomeDevice, client: BrokerClient) -> None:
        self._device = device
        self._client = client
        self._names: dict[int, str] = {}
        self._devices: Devices | None = None
        self._output: tuple[str, ...] = ()
        self._state: dict[str, Any] = {}
        self._config: dict[str, Any] = {}

    async def run(self) -> None:
        """Publish the state when it changes."""
        with self._device.events.listen() as listener:
            async for _ in until_idle(listener, _STATE_EVERY_S):
                await self.publish_state()
        await asyncio.Event().wait()  # the bot is stopping

    async def list_devices(self) -> None:
        """Publish the device again when other outputs can be chosen."""
        listed_s = asyncio.get_running_loop().time()
        while True:
            await asyncio.sleep(_STATE_EVERY_S)
            status = self._device.pipeline.status()
            age_s = asyncio.get_running_loop().time() - listed_s
            is_due = age_s >= _DEVICES_EVERY_S and not (status.speaking or status.waiting)
            if is_due or _output_of(status) != self._output:
                await self.publish_device()
                listed_s = asyncio.get_running_loop().time()

    async def publish_device(self) -> None:
        """List the devices, and publish the device of Home Assistant if anything has changed."""
        self._output = _output_of(self._device.pipeline.status())
        self._devices = await self._device.devices() or self._devices
        names = [device.name for device in self._devices.outputs] if self._devices else []
        config = device_config(
            self._device.topics,
            self._device.voices(),
            list(dict.fromkeys(names)),
            show_text=self._device.settings.mqtt_show_text,
        )
        if config != self._config:
            self._config = config
            await _publish(self._client, self._device.topics.discovery, json.dumps(config))

    async def publish_state(self) -> None:
        """Publish the state if it has changed."""
        state = await self._snapshot()
        if state != self._state:
            self._state = state
            await _publish(self._client, self._device.topics.state, json.dumps(state))

    async def _snapshot(self) -> dict[str, Any]:
        device = self._device
        status = device.pipeline.status()
        entry = device.delivery.queue.get(status.speaking_id) if status.speaking_id else None
        message = entry.message if entry else None
        errors = (*device.refusals, status.last_error)
        state: dict[str, Any] = {
            "state": doing_of(status, is_quiet=bool(device.delivery.quiet_reason())),
            "sender": await self._sender(message) if message else None,
            "waiting": max(0, device.delivery.under_way_count - status.speaking),
            "first_sound_ms": status.first_sound_ms,
            "last_error": next((_shortened(error) for error in errors if error), None),
            "voice": await device.voice(),
            "device": self._wanted_device(),
            "volume": round(100 * math.sqrt(status.gain)),
        }
        if device.settings.mqtt_show_text:
            state["text"] = _shortened(message.shown_text) if message else None
        return state

    async def _sender(self, message: Any) -> str:
        """Return whose text it is: a person's name, or a program's."""
        if message.client:
            return str(message.client)
        if message.user_id not in self._names:
            self._names = await self._device.store.names()
        return self._names.get(message.user_id, str(message.source))

    def _wanted_device(self) -> str | None:
        """Return the selected device, as it is among the options; None if it is not."""
        if self._devices is None:
            return None
        wanted = self._devices.wanted
        if not wanted:
            return DEFAULT_DEVICE
        names = [device.name for device in self._devices.outputs]
        matching = [name for name in names if wanted.casefold() in name.casefold()]
        return wanted if wanted in names else next(iter(matching), None)


def _output_of(status: Status) -> tuple[str, ...]:
    """Return what changes when another device is used, or when one is missing."""
    return status.device, status.warning, status.blocked


def _shortened(text: str) -> str:
    return text if len(text) <= _MAX_STATE_CHARS else f"{text[: _MAX_STATE_CHARS - 1]}…"


def _payload(message: aiomqtt.Message) -> bytes:
    return bytes(message.payload)


async def _publish(client: BrokerClient, topic: str, payload: str) -> None:
    await client.publish(topic, payload, qos=_QOS, retain=True)


@contextlib.asynccontextmanager
async def at_broker(
    settings: Settings,
    *,
    pipeline: SpeechPipeline,
    delivery: Delivery,
    events: Events,
    intake: Intake,
    output: SoundOutput,
    store: Store,
    bot_id: int,
) -> AsyncIterator[None]:
    """Serve as a device at the broker of the settings while the context is open."""
    broker = broker_of(settings)
    device = HomeDevice(settings, broker, pipeline, delivery, events, intake, output, store, bot_id)
    task = asyncio.create_task(device.run(), name="mqtt")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task}, timeout=_CLOSE_TIMEOUT_S)
