"""Crier as a device of Home Assistant: its topics, and the message by which it is discovered.

Source: home-assistant.io/integrations/mqtt (device discovery), and components/mqtt/schemas.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from audio.types import Status
from bot import __version__
from bot.core.output import LOUDEST_PERCENT

DEFAULT_DEVICE = "System default"
ONLINE, OFFLINE = "online", "offline"

_PREFIX = "homeassistant"  # Home Assistant's own default


class Doing(StrEnum):
    """What Crier is doing, as the sensor of its state has it."""

    IDLE = "idle"
    SPEAKING = "speaking"
    PAUSED = "paused"
    QUIET = "quiet"
    """Nothing is spoken now: quiet hours, or a mute."""
    HELD = "no loudspeaker"


def doing_of(status: Status, *, is_quiet: bool) -> Doing:
    """Return what Crier is doing."""
    if status.paused:
        return Doing.PAUSED
    if status.speaking:
        return Doing.SPEAKING
    if status.blocked:
        return Doing.HELD
    return Doing.QUIET if is_quiet else Doing.IDLE


class Command(StrEnum):
    """What can be asked of Crier; the last part of a topic."""

    SAY = "say"
    VOICE = "voice"
    DEVICE = "device"
    VOLUME = "volume"
    STOP = "stop"
    SKIP = "skip"
    PAUSE = "pause"
    RESUME = "resume"

    @property
    def is_button(self) -> bool:
        """Whether it means what happens at that moment, and nothing later."""
        return self in (Command.STOP, Command.SKIP, Command.PAUSE, Command.RESUME)


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics of one Crier."""

    name: str
    """Its name among several at one broker: letters, digits, ``_`` and ``-``."""

    @property
    def node(self) -> str:
        """The device's id in Home Assistant, and the name of the session at the broker."""
        return f"crier_{self.name}"

    @property
    def discovery(self) -> str:
        """Where Home Assistant finds the device."""
        return f"{_PREFIX}/device/{self.node}/config"

    @property
    def availability(self) -> str:
        """``online`` or ``offline``."""
        return f"crier/{self.name}/availability"

    @property
    def state(self) -> str:
        """What the entities show, as JSON."""
        return f"crier/{self.name}/state"

    def command(self, command: Command) -> str:
        """Where a command is published."""
        return f"crier/{self.name}/{command}"


def device_config(
    topics: Topics, voices: Sequence[str], devices: Sequence[str], *, show_text: bool
) -> dict[str, Any]:
    """Return the message by which Home Assistant discovers the device and its entities."""
    components = {
        "say": _notify(topics, "Say", urgent=False),
        "say_urgently": _notify(topics, "Say urgently", urgent=True),
        "voice": {
            **_setting(topics, Command.VOICE, "select", "Voice", "mdi:account-voice"),
            "options": list(voices),
        },
        "device": {
            **_setting(topics, Command.DEVICE, "select", "Output device", "mdi:speaker"),
            "options": [DEFAULT_DEVICE, *devices],
        },
        "volume": {
            **_setting(topics, Command.VOLUME, "number", "Volume", "mdi:volume-high"),
            "min": 0,
            "max": LOUDEST_PERCENT,
            "step": 1,
            "mode": "slider",
            "unit_of_measurement": "%",
        },
        "stop": _button(topics, Command.STOP, "Stop", "mdi:stop"),
        "skip": _button(topics, Command.SKIP, "Skip", "mdi:skip-next"),
        "pause": _button(topics, Command.PAUSE, "Pause", "mdi:pause"),
        "resume": _button(topics, Command.RESUME, "Resume", "mdi:play"),
        "state": {
            **_sensor(topics, "state", "State", "mdi:bullhorn"),
            "device_class": "enum",
            "options": list(Doing),
        },
        "sender": _sensor(topics, "sender", "Sender", "mdi:account"),
        "waiting": {
            **_sensor(topics, "waiting", "Waiting", "mdi:tray-full"),
            "state_class": "measurement",
        },
        "first_sound": {
            **_sensor(topics, "first_sound_ms", "Last first sound", "mdi:timer-outline"),
            "device_class": "duration",
            "unit_of_measurement": "ms",
            "state_class": "measurement",
            "entity_category": "diagnostic",
        },
        "last_error": {
            **_sensor(topics, "last_error", "Last error", "mdi:alert-circle-outline"),
            "entity_category": "diagnostic",
        },
    }
    if show_text:
        components["text"] = _sensor(topics, "text", "Saying", "mdi:text")
    for name, component in components.items():
        component["unique_id"] = f"{topics.node}_{name}"
        component["qos"] = 1
    return {
        "device": {
            "identifiers": [topics.node],
            "name": "Crier",
            "manufacturer": "Crier",
            "model": "Speaks messages aloud",
            "sw_version": __version__,
        },
        "origin": {"name": "Crier", "sw_version": __version__},
        "availability_topic": topics.availability,
        "payload_available": ONLINE,
        "payload_not_available": OFFLINE,
        "components": components,
    }


def _notify(topics: Topics, name: str, *, urgent: bool) -> dict[str, Any]:
    mark = ", 'urgent': true" if urgent else ""
    fields = f"'message': value, 'from': 'Home Assistant', 'at': now().timestamp(){mark}"
    return {
        "platform": "notify",
        "name": name,
        "icon": "mdi:bullhorn-outline",
        "command_topic": topics.command(Command.SAY),
        "command_template": f"{{{{ {{{fields}}} | tojson }}}}",
    }


def _setting(
    topics: Topics, command: Command, platform: str, name: str, icon: str
) -> dict[str, Any]:
    return {
        "platform": platform,
        "name": name,
        "icon": icon,
        "entity_category": "config",
        "command_topic": topics.command(command),
        "state_topic": topics.state,
        "value_template": f"{{{{ value_json.{command} }}}}",
    }


def _button(topics: Topics, command: Command, name: str, icon: str) -> dict[str, Any]:
    return {
        "platform": "button",
        "name": name,
        "icon": icon,
        "command_topic": topics.command(command),
    }


def _sensor(topics: Topics, field: str, name: str, icon: str) -> dict[str, Any]:
    return {
        "platform": "sensor",
        "name": name,
        "icon": icon,
        "state_topic": topics.state,
        "value_template": f"{{{{ value_json.{field} }}}}",
    }
