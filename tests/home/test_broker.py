"""Which brokers are used, and what is seen there of a Crier that is gone."""

import asyncio
import gc
import logging
import re
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from bot.home import connection, mqtt
from bot.home.broker import BrokerError, broker_of, check_broker, make_client
from bot.home.discovery import Command, Topics
from bot.paths import CHECKOUT
from bot.settings import Settings
from tests.conftest import TOKEN
from tests.home.conftest import start_broker
from tests.support import fork_server
from tests.support.broker import PASSWORD, USER, House, Mosquitto
from tests.support.commandline import Environment
from tests.support.fake_voice import ToneVoice
from tests.support.http_face import serve

TOPICS = Topics(TOKEN.partition(":")[0])
ELSEWHERE = "0.0.0.0"  # noqa: S104  # this computer, by an address that is not the loopback's


@pytest.fixture
def home_settings(settings: Settings, tmp_path: Path) -> Settings:
    """Return settings of a bot that writes what it says to files."""
    return settings.replaced(api_port=0, audio_device=f"file:{tmp_path / 'spoken'}")


@contextmanager
def logged(text: str) -> Iterator[asyncio.Event]:
    """Yield an event that is set when a line of the log has *text*."""
    event = asyncio.Event()

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if text in record.getMessage():
                event.set()

    handler = Handler()
    logging.getLogger("bot.home").addHandler(handler)
    try:
        yield event
    finally:
        logging.getLogger("bot.home").removeHandler(handler)


@pytest.fixture
def open_broker(tmp_path: Path) -> Iterator[Mosquitto]:
    """Start a broker that lets in everybody."""
    yield from start_broker(tmp_path / "open", anonymous=True)


@pytest.fixture
def tls_broker(tmp_path: Path) -> Iterator[Mosquitto]:
    """Start a broker with a certificate of its own."""
    yield from start_broker(tmp_path / "tls", tls=True)


async def test_run_refuses_a_broker_that_lets_in_everybody(
    home_settings: Settings, open_broker: Mosquitto
) -> None:
    """Although Crier has a password: whoever has none could speak."""
    url = SecretStr(open_broker.url(ELSEWHERE))
    async with House.at(open_broker) as house:
        with logged("lets in everybody") as refused:
            async with serve(home_settings.replaced(mqtt_url=url), ToneVoice()):
                await asyncio.wait_for(refused.wait(), 30)

        assert house.latest == {}


async def test_run_uses_an_open_broker_if_that_is_wanted(
    home_settings: Settings, open_broker: Mosquitto
) -> None:
    """MQTT_ANONYMOUS=true says so."""
    changed = home_settings.replaced(
        mqtt_url=SecretStr(f"mqtt://{ELSEWHERE}:{open_broker.port}"), mqtt_anonymous=True
    )
    async with House.at(open_broker) as house, serve(changed, ToneVoice()):
        await house.wait_for(TOPICS.availability, lambda payload: payload == "online")


async def test_run_says_once_that_the_password_is_wrong(
    home_settings: Settings,
    broker: Mosquitto,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The log has the reason once, however often Crier tries; the bot works without it."""
    monkeypatch.setattr(connection, "FIRST_RETRY_S", 0.01)
    monkeypatch.setattr(connection, "LONGEST_RETRY_S", 0.01)
    tries: list[object] = []
    tried_often = asyncio.Event()

    async def counted(*args: Any, **options: Any) -> Any:
        tries.append(args)
        if len(tries) > 3:
            tried_often.set()
        return await make_client(*args, **options)

    monkeypatch.setattr(mqtt, "make_client", counted)
    url = SecretStr(f"mqtt://{USER}:wrong@127.0.0.1:{broker.port}")
    with caplog.at_level(logging.WARNING):
        async with serve(home_settings.replaced(mqtt_url=url), ToneVoice()) as face:
            await asyncio.wait_for(tried_often.wait(), 30)
            result = await face.speak("Number 1.", wait=True)

    assert result["outcome"] == "heard"
    assert caplog.text.count("refuses this user name and password") == 1
    assert "wrong@" not in caplog.text


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_check_broker_trusts_the_authority_of_the_settings(
    home_settings: Settings, tls_broker: Mosquitto
) -> None:
    """With MQTT_CA_FILE the broker's certificate is trusted; without it, it is not."""
    plain = home_settings.replaced(mqtt_url=SecretStr(tls_broker.url(scheme="mqtts")))
    await check_broker(broker_of(plain.replaced(mqtt_ca_file=tls_broker.ca_file)))
    with pytest.raises(BrokerError, match="MQTT_CA_FILE"):
        await check_broker(broker_of(plain))
    gc.collect()  # paho leaves the socket of a refused certificate to it


async def test_run_uses_tls_and_a_password_of_its_own(
    home_settings: Settings, tls_broker: Mosquitto
) -> None:
    """A URL without credentials and MQTT_PASSWORD work together, with TLS."""
    changed = home_settings.replaced(
        mqtt_url=SecretStr(f"mqtts://127.0.0.1:{tls_broker.port}"),
        mqtt_username=USER,
        mqtt_password=SecretStr(PASSWORD),
        mqtt_ca_file=tls_broker.ca_file,
    )
    async with (
        serve(changed, ToneVoice()),
        House.at(tls_broker, tls_broker.ca_file) as house,
    ):
        await house.wait_for(TOPICS.availability, lambda payload: payload == "online")


@pytest.fixture
def documented_broker(tmp_path: Path) -> Iterator[Mosquitto]:
    """Start a broker with the users and the acl of docs/home-assistant.md."""
    page = (CHECKOUT / "docs" / "home-assistant.md").read_text()
    blocks = re.findall(r"(?:^    \S.*\n|^\n(?=    ))+", page, flags=re.MULTILINE)
    acl = textwrap.dedent(next(block for block in blocks if "user script" in block))
    users = re.findall(r"^user (\w+)$", acl, flags=re.MULTILINE)
    yield from start_broker(tmp_path / "documented", users=users, acl=acl)


async def test_documented_acl_lets_a_script_speak_and_nothing_else(
    home_settings: Settings, documented_broker: Mosquitto
) -> None:
    """Home Assistant and Crier can do what they need; a script can say something."""
    url = SecretStr(documented_broker.url())
    async with (
        House.at(documented_broker, user="homeassistant") as house,
        House.at(documented_broker, user="script") as script,
        serve(home_settings.replaced(mqtt_url=url), ToneVoice()),
    ):
        await house.wait_for(TOPICS.availability, lambda payload: payload == "online")
        await house.wait_for(TOPICS.discovery)
        await script.publish(TOPICS.command(Command.VOLUME), "10")
        await script.publish(TOPICS.command(Command.SAY), "Number 1. Number 2.")
        await house.wait_for(TOPICS.state, lambda state: state["state"] == "speaking")
        volume = (await house.wait_for(TOPICS.state))["volume"]
        await house.publish(TOPICS.command(Command.VOLUME), "20")
        await house.wait_for(TOPICS.state, lambda state: state["volume"] == 20)

    assert volume == 100
    assert script.latest == {}


async def test_availability_is_offline_after_a_kill(
    bot_environment: Environment, broker: Mosquitto, house: House, tmp_path: Path
) -> None:
    """The broker says so for a Crier that can't any more; the next one goes on with its text."""
    environment = {
        **bot_environment,
        "AUDIO_DEVICE": f"file:{tmp_path / 'spoken'}",
        "MQTT_URL": broker.url(),
    }
    first = await fork_server.start("tests.support.fake_voice", environment=environment)
    await house.wait_for(TOPICS.availability, lambda payload: payload == "online")
    await house.publish(TOPICS.command(Command.SAY), "Number 1. " * 40)
    await house.wait_for(TOPICS.state, lambda state: state["state"] == "speaking")
    first.kill()
    await first.wait()
    await house.wait_for(TOPICS.availability, lambda payload: payload == "offline")
    del house.latest[TOPICS.state]
    second = await fork_server.start("tests.support.fake_voice", environment=environment)
    state = await house.wait_for(TOPICS.state, lambda state: state["state"] == "speaking")
    second.kill()
    await second.wait()

    assert (state["sender"], state["waiting"]) == ("mqtt", 0)
