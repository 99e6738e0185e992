"""The discovery message, as Home Assistant documents and checks it."""

import json
import re
from typing import Any

import pytest

from audio.voices import VOICES
from bot.home.discovery import Command, Doing, Topics, device_config

TOPICS = Topics("4217")

# Source: homeassistant/components/mqtt of 2026.2: schemas.py, and each platform's.
AVAILABILITY = {"availability_topic", "payload_available", "payload_not_available"}
ENTITY = {"platform", "name", "icon", "unique_id", "qos", "entity_category"}
READ = {"state_topic", "value_template"}
WRITTEN = {"command_topic", "command_template"}
ALLOWED = {
    "notify": ENTITY | WRITTEN,
    "select": ENTITY | WRITTEN | READ | {"options"},
    "number": ENTITY | WRITTEN | READ | {"min", "max", "step", "mode", "unit_of_measurement"},
    "button": ENTITY | WRITTEN,
    "sensor": ENTITY | READ | {"device_class", "options", "state_class", "unit_of_measurement"},
}
REQUIRED = {
    "notify": {"command_topic"},
    "select": {"command_topic", "options"},
    "number": {"command_topic"},
    "button": {"command_topic"},
    "sensor": {"state_topic"},
}
DEVICE = {"identifiers", "name", "manufacturer", "model", "sw_version"}


def config(*, show_text: bool = True) -> dict[str, Any]:
    """Return the message as it is published."""
    message = device_config(TOPICS, VOICES, ["AirPods", "TV"], show_text=show_text)
    return dict(json.loads(json.dumps(message)))


def test_device_config_has_the_fields_of_a_device() -> None:
    """Device and origin are required; nothing else than documented fields is there."""
    message = config()

    assert set(message) == {"device", "origin", "components", *AVAILABILITY}
    assert set(message["device"]) == DEVICE
    assert set(message["origin"]) == {"name", "sw_version"}


@pytest.mark.parametrize("name", config()["components"])
def test_component_has_the_fields_of_its_platform(name: str) -> None:
    """Each entity has what its platform requires, and nothing that it does not know."""
    component = config()["components"][name]
    platform = component["platform"]

    assert set(component) <= ALLOWED[platform]
    assert REQUIRED[platform] | {"unique_id"} <= set(component)
    assert component.get("entity_category") in (None, "config", "diagnostic")
    # Home Assistant's pattern of what may be read and set.
    assert re.fullmatch(r"[a-z0-9_]+", component["unique_id"])


def test_component_ids_are_unique() -> None:
    """Home Assistant ignores a second entity with the same id."""
    ids = [component["unique_id"] for component in config()["components"].values()]

    assert len(set(ids)) == len(ids)


def test_components_can_do_everything() -> None:
    """Each command has an entity that publishes it."""
    topics = {component.get("command_topic") for component in config()["components"].values()}

    assert topics - {None} == {TOPICS.command(command) for command in Command}


def test_enum_sensor_has_no_unit() -> None:
    """A sensor with options has the device class enum and no unit, or it is refused."""
    state = config()["components"]["state"]

    assert state["options"] == list(Doing)
    assert state["device_class"] == "enum"
    assert "unit_of_measurement" not in state
    assert "state_class" not in state


def test_text_is_an_entity_only_if_wanted() -> None:
    """Without MQTT_SHOW_TEXT there is no sensor that could show it."""
    assert "text" in config()["components"]
    assert "text" not in config(show_text=False)["components"]


def test_topics_of_several_criers_differ() -> None:
    """Two bots at one broker have nothing in common but the prefix."""
    other = Topics("17")

    assert other.discovery != TOPICS.discovery
    assert other.state != TOPICS.state
    assert other.command(Command.SAY) != TOPICS.command(Command.SAY)
    # Source: TOPIC_MATCHER of Home Assistant's discovery.py.
    pattern = r"homeassistant/\w+/(?:[a-zA-Z0-9_-]+/)?[a-zA-Z0-9_-]+/config"
    assert re.fullmatch(pattern, TOPICS.discovery)
