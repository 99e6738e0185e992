"""Crier at a real broker, driven as Home Assistant does."""

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from bot.core.expiry import TOO_LATE
from bot.home import connection
from bot.home.broker import BrokerClient, BrokerLostError
from bot.home.discovery import DEFAULT_DEVICE, Command, Topics
from bot.settings import Settings
from tests.conftest import TOKEN
from tests.support.broker import House, Mosquitto
from tests.support.fake_voice import ToneVoice
from tests.support.http_face import Face, serve

TOPICS = Topics(TOKEN.partition(":")[0])
SAY = TOPICS.command(Command.SAY)


@pytest.fixture
def home_settings(settings: Settings, broker: Mosquitto, tmp_path: Path) -> Settings:
    """Return settings of a bot at the broker, which writes what it says to files."""
    return settings.replaced(
        api_port=0,
        audio_device=f"file:{tmp_path / 'spoken'}",
        mqtt_url=SecretStr(broker.url()),
    )


@asynccontextmanager
async def connected(settings: Settings, house: House) -> AsyncIterator[Face]:
    """Run a bot that is connected to the broker while the context is open."""
    async with serve(settings, ToneVoice(1.0)) as face:
        await house.wait_for(TOPICS.availability, lambda payload: payload == "online")
        yield face
    await house.wait_for(TOPICS.availability, lambda payload: payload == "offline")


@pytest.fixture
async def face(home_settings: Settings, house: House) -> AsyncIterator[Face]:
    """Run a bot that is connected to the broker."""
    async with connected(home_settings, house) as face:
        yield face


def notification(text: str, **fields: Any) -> str:
    """Return what Home Assistant makes of the template for a notification."""
    return json.dumps({"message": text, "from": "Home Assistant", "at": time.time(), **fields})


async def history(face: Face) -> list[tuple[str, str, str]]:
    """Return source, text and outcome of what has ended, the latest first."""
    items = (await face.get("/v1/history"))["items"]
    return [(item["source"], item["text"], item["outcome"]) for item in items]


async def state_with(house: House, **fields: Any) -> dict[str, Any]:
    """Wait for a state with these fields, and return it."""
    state: dict[str, Any] = await house.wait_for(
        TOPICS.state, lambda state: fields.items() <= state.items()
    )
    return state


async def test_say_speaks_a_notification_of_home_assistant(face: Face, house: House) -> None:
    """It is a message like any other, with its sender's name."""
    async with face.listening() as events:
        await house.publish(SAY, notification("Number 1."))
        await events.wait_for(lambda name, _: name == "ended")

    assert await history(face) == [("Home Assistant", "Number 1.", "heard")]


async def test_say_speaks_a_plain_text(face: Face, house: House) -> None:
    """Whoever publishes words without JSON is called mqtt."""
    async with face.listening() as events:
        await house.publish(SAY, "Number 1.")
        await events.wait_for(lambda name, _: name == "ended")

    assert await history(face) == [("mqtt", "Number 1.", "heard")]


async def test_say_speaks_what_came_while_the_bot_was_away(
    home_settings: Settings, house: House
) -> None:
    """The broker keeps it, also while Crier is restarted."""
    async with connected(home_settings, house):
        pass
    await house.publish(SAY, notification("Number 1."))
    async with connected(home_settings, house) as face, face.listening() as events:
        await house.publish(SAY, notification("Number 2."))
        await events.wait_for(
            lambda name, data: name == "ended" and data["source"] == "Home Assistant"
        )
        await events.wait_for(lambda *_: len([n for n, _ in events.events if n == "ended"]) == 2)
        said = await history(face)

    assert [text for _, text, _ in reversed(said)] == ["Number 1.", "Number 2."]


async def test_say_does_not_speak_what_is_late(home_settings: Settings, house: House) -> None:
    """A notification that waited at the broker for an hour is skipped, with the reason."""
    async with connected(home_settings, house):
        pass
    await house.publish(SAY, notification("Number 1.", at=time.time() - 3600))
    async with connected(home_settings, house) as face, face.listening() as events:
        ended = await events.wait_for(lambda name, _: name == "ended")
        said = await history(face)

    assert ended["outcome"] == "skipped"
    assert said == [("Home Assistant", "Number 1.", "skipped")]


async def test_say_counts_the_expiry_of_a_text_from_when_it_was_sent(
    home_settings: Settings, house: House
) -> None:
    """However long the broker kept it."""
    async with connected(home_settings, house) as face, face.listening() as events:
        await house.publish(SAY, notification("Number 1.", at=time.time() - 60, expires_s=30))
        ended = await events.wait_for(lambda name, _: name == "ended")

    assert (ended["outcome"], ended["reason"]) == ("skipped", TOO_LATE)


async def test_say_speaks_once_what_the_broker_sends_again(
    face: Face, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A text whose acknowledgement is lost with the connection is not said twice."""
    acknowledge = BrokerClient.acknowledge
    lost: list[int] = []

    def lose_first(client: BrokerClient, message: Any) -> None:
        if lost:
            acknowledge(client, message)
            return
        lost.append(message.mid)
        raise BrokerLostError("lost before the acknowledgement")

    monkeypatch.setattr(BrokerClient, "acknowledge", lose_first)
    async with face.listening() as events:
        await house.publish(SAY, notification("Number 1."))
        await house.wait_for(TOPICS.availability, lambda payload: payload == "offline")
        await house.wait_for(TOPICS.availability, lambda payload: payload == "online")
        await house.publish(SAY, notification("Number 2."))
        await events.wait_for(lambda *_: len([n for n, _ in events.events if n == "ended"]) >= 2)

    assert lost
    assert [text for _, text, _ in await history(face)] == ["Number 2.", "Number 1."]


async def test_say_speaks_the_same_text_again(face: Face, house: House) -> None:
    """Only what the broker sends again is left out, not what somebody says again."""
    async with face.listening() as events:
        for _ in range(2):
            await house.publish(SAY, "Number 1.")
        await events.wait_for(lambda *_: len([n for n, _ in events.events if n == "ended"]) == 2)

    assert [text for _, text, _ in await history(face)] == ["Number 1.", "Number 1."]


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"\xff\xfe", "This is no text in UTF-8"),
        (json.dumps({"message": "Number 1.", "voice": "af_hart"}), "Did you mean af_heart"),
        (json.dumps({"message": "Number 1.", "lang": "xx"}), "there is no language 'xx'"),
        ("🙂", "There is no word or number in it"),
        ("a" * 60_001, "A text has at most 60000 characters"),
    ],
)
async def test_say_reports_what_it_refuses(
    face: Face, house: House, payload: str | bytes, reason: str
) -> None:
    """The sensor of the last error has the reason; what comes next is said."""
    await house.publish(SAY, payload)
    await house.wait_for(TOPICS.state, lambda state: reason in (state["last_error"] or ""))
    async with face.listening() as events:
        await house.publish(SAY, "Number 2.")
        await events.wait_for(lambda name, _: name == "ended")

    assert [text for _, text, _ in await history(face)] == ["Number 2."]


async def test_voice_is_that_of_texts_from_then_on(
    home_settings: Settings, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is shown, used for texts without a voice of their own, and kept over a restart."""
    spoken: list[str] = []
    synthesize = ToneVoice.synthesize

    def noting(self: ToneVoice, chunk: Any, voice: str, *rest: Any) -> Any:
        spoken.append(voice)
        return synthesize(self, chunk, voice, *rest)

    monkeypatch.setattr(ToneVoice, "synthesize", noting)
    async with connected(home_settings, house):
        await house.publish(TOPICS.command(Command.VOICE), "bf_emma")
        await state_with(house, voice="bf_emma")
    house.latest.clear()
    async with connected(home_settings, house) as face, face.listening() as events:
        await state_with(house, voice="bf_emma")
        await house.publish(SAY, "Number 1.")
        await events.wait_for(lambda name, _: name == "ended")

    assert set(spoken) == {"bf_emma"}


async def test_volume_is_set_and_shown(face: Face, house: House) -> None:
    """The number that Home Assistant sends is the volume, also as the HTTP API shows it."""
    await house.publish(TOPICS.command(Command.VOLUME), "40.0")
    await state_with(house, volume=40)

    assert (await face.get("/v1/status"))["volume"] == 40


async def test_volume_follows_other_front_ends(face: Face, house: House) -> None:
    """What the page sets is shown in Home Assistant."""
    await face.client.put("/v1/volume", json={"percent": 70})

    await state_with(house, volume=70)


@pytest.mark.usefixtures("face")
async def test_device_is_selected_by_its_name(house: House) -> None:
    """Those that can be chosen are options; the system's default is one of them."""
    config = await house.wait_for(TOPICS.discovery)
    default, name, *_ = config["components"]["device"]["options"]
    await state_with(house, device=name)
    await house.publish(TOPICS.command(Command.DEVICE), "No such device")
    state = await house.wait_for(TOPICS.state, lambda state: state["last_error"])

    assert default == DEFAULT_DEVICE
    assert "There is no device" in state["last_error"]


async def test_buttons_control_what_is_said(face: Face, house: House) -> None:
    """Pause, resume, skip and stop do what they say, and the sensors show it."""
    for number in (1, 2, 3):
        await house.publish(SAY, " ".join(["Number 7."] * 30) + f" Number {number}.")
    await state_with(house, state="speaking", sender="mqtt", waiting=2)
    await house.publish(TOPICS.command(Command.PAUSE))
    await state_with(house, state="paused")
    await house.publish(TOPICS.command(Command.RESUME))
    await state_with(house, state="speaking", waiting=2)
    await house.publish(TOPICS.command(Command.SKIP))
    await state_with(house, state="speaking", waiting=1)
    await house.publish(TOPICS.command(Command.STOP))
    state = await state_with(house, state="idle", sender=None, waiting=0)

    assert isinstance(state["first_sound_ms"], int)
    assert [outcome for _, _, outcome in await history(face)] == ["stopped", "stopped", "skipped"]


@pytest.mark.parametrize("is_wanted", [False, True])
async def test_state_has_the_text_only_if_that_is_wanted(
    home_settings: Settings, house: House, *, is_wanted: bool
) -> None:
    """Nothing at the broker has a word of it, unless MQTT_SHOW_TEXT is set."""
    changed = home_settings.replaced(mqtt_show_text=is_wanted)
    async with connected(changed, house) as face:
        await face.speak("Number 1. Secret. " + "Number 2. " * 20)
        state = await state_with(house, state="speaking")

    assert state["sender"] == "tests"
    assert state.get("text", "").startswith("Number 1. Secret.") == is_wanted
    assert any(b"Secret" in payload for payload in house.latest.values()) == is_wanted


async def test_retained_command_is_ignored(
    home_settings: Settings, house: House, caplog: pytest.LogCaptureFixture
) -> None:
    """It would be said again at each connection."""
    await house.publish(SAY, "Number 1.", retain=True)
    async with connected(home_settings, house) as face, face.listening() as events:
        await house.publish(SAY, "Number 2.")
        await events.wait_for(lambda name, _: name == "ended")
        said = await history(face)

    assert [text for _, text, _ in said] == ["Number 2."]
    assert "A retained 'say' at the broker is ignored" in caplog.text


async def test_run_connects_again_to_a_broker_that_was_killed(
    home_settings: Settings, broker: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The device is there again, with its state, and what is published is said."""
    monkeypatch.setattr(connection, "FIRST_RETRY_S", 0.2)
    async with serve(home_settings, ToneVoice()) as face, face.listening() as events:
        async with House.at(broker) as house:
            await house.wait_for(TOPICS.availability, lambda payload: payload == "online")
        broker.kill()
        broker.start()
        async with House.at(broker) as house:
            await house.wait_for(TOPICS.availability, lambda payload: payload == "online")
            await house.wait_for(TOPICS.discovery)
            await house.publish(SAY, "Number 1.")
            await events.wait_for(lambda name, _: name == "ended")
        said = await history(face)

    assert [text for _, text, _ in said] == ["Number 1."]
