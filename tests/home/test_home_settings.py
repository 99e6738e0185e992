"""The settings of Wyoming and MQTT."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bot import keychain
from bot.home.broker import Broker, broker_of
from bot.keychain import KeychainError
from bot.paths import CHECKOUT
from bot.room_names import slug_of
from bot.settings import Settings, SettingsError, load
from tests.conftest import TOKEN


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty checkout; the data folder is in it."""
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))
    return tmp_path


def loaded(checkout: Path, *lines: str) -> Settings:
    """Return the settings of a .env file."""
    (checkout / ".env").write_text("\n".join(lines) + "\n")
    return load(checkout)[0]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (
            ["MQTT_URL=mqtt://ann:p%40ss%20word@10.0.0.5"],
            Broker("10.0.0.5", 1883, tls=False, username="ann", password="p@ss word"),
        ),
        (
            ["MQTT_URL=mqtts://nas.local:8884", "MQTT_USERNAME=ann", "MQTT_PASSWORD=p@ss"],
            Broker("nas.local", 8884, tls=True, username="ann", password="p@ss"),
        ),
        (
            ["MQTT_URL=mqtts://ann:x@nas.local"],
            Broker("nas.local", 8883, tls=True, username="ann", password="x"),
        ),
        (
            ["MQTT_URL=mqtt://localhost"],
            Broker("localhost", 1883, tls=False, may_be_open=True),
        ),
        (
            ["MQTT_URL=mqtt://10.0.0.5", "MQTT_ANONYMOUS=true"],
            Broker("10.0.0.5", 1883, tls=False, may_be_open=True),
        ),
        (
            ["MQTT_URL=mqtt://[::1]:1884"],
            Broker("::1", 1884, tls=False, may_be_open=True),
        ),
    ],
)
def test_broker_of_reads_the_settings(checkout: Path, lines: list[str], expected: Broker) -> None:
    """Address, TLS and password are in the URL, or in settings of their own."""
    assert broker_of(loaded(checkout, *lines)) == expected


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["MQTT_URL=10.0.0.5"], "MQTT_URL: it must look like mqtt://"),
        (["MQTT_URL=http://u:p@10.0.0.5"], "MQTT_URL: it must look like mqtt://"),
        (["MQTT_URL=mqtt://u:p@10.0.0.5:99999"], "MQTT_URL: it must look like mqtt://"),
        (["MQTT_URL=mqtt://10.0.0.5"], "MQTT_URL: 10.0.0.5 is another computer and there is no"),
        (["MQTT_URL=mqtt://ann@nas"], "MQTT_ANONYMOUS=true"),
        (["MQTT_CA_FILE=/nowhere/ca.pem"], "MQTT_CA_FILE: there is no such file"),
        (["ROOM=everywhere"], "ROOM: a room is called neither that nor by marks alone"),
        (["ROOM=!?"], "ROOM: a room is called neither that nor by marks alone"),
        ([f"ROOM={'x' * 41}"], "ROOM: a room's name has at most 40 letters"),
        (["WYOMING_PORT=70000"], "WYOMING_PORT: Input should be less than or equal to 65535"),
    ],
)
def test_settings_say_what_is_wrong(checkout: Path, lines: list[str], message: str) -> None:
    """The error names the setting, and what would be right."""
    with pytest.raises(SettingsError) as error:
        loaded(checkout, *lines)

    assert message in str(error.value)


@pytest.mark.parametrize(
    ("lines", "is_room"),
    [
        (["ROOM=Study", "MQTT_URL=mqtt://localhost"], True),
        (["ROOM=Study", "MQTT_URL=mqtt://localhost", f"TELEGRAM_BOT_TOKEN={TOKEN}"], False),
        (["MQTT_URL=mqtt://localhost"], False),
        (["ROOM=Study"], False),
        ([], False),
    ],
)
def test_room_is_what_has_a_broker_and_no_token(
    checkout: Path, lines: list[str], *, is_room: bool
) -> None:
    """Without a name of its own, or without a broker, it is the demo."""
    assert loaded(checkout, *lines).is_room is is_room


def test_bot_whose_keychain_is_locked_is_no_room(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its ROOM and MQTT_URL are those of a bot, which waits for its token."""

    def locked(_: str) -> str:
        raise KeychainError("The Keychain is locked.")

    monkeypatch.setattr(keychain, "read", locked)
    lines = ["ROOM=Kitchen", "MQTT_URL=mqtt://localhost", "TELEGRAM_BOT_TOKEN=keychain"]

    assert not loaded(checkout, *lines).is_room


@pytest.mark.parametrize(
    ("name", "slug"),
    [("Study", "study"), (" Living  Room ", "living-room"), ("Küche #2", "küche-2"), ("+/#", "")],
)
def test_slug_of_can_be_part_of_a_topic(name: str, slug: str) -> None:
    """It has neither capitals nor what has a meaning in topics."""
    assert slug_of(name) == slug


def test_settings_do_not_quote_a_password(checkout: Path) -> None:
    """An error about the URL does not repeat it, and neither does the broker's representation."""
    with pytest.raises(SettingsError) as error:
        loaded(checkout, "MQTT_URL=mqtt://ann:hunter2@10.0.0.5:99999")
    settings = loaded(checkout, "MQTT_URL=mqtt://ann:hunter2@10.0.0.5")

    assert "hunter2" not in str(error.value)
    assert "hunter2" not in repr(settings)
    assert "hunter2" not in repr(broker_of(settings))


def test_what_is_off_is_not_imported() -> None:
    """Without WYOMING_PORT and MQTT_URL nothing of it is loaded at a start."""
    code = "import bot.app, sys; print({'wyoming', 'aiomqtt', 'bot.home'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(CHECKOUT), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.strip() == "set()"
