"""Rooms: a bot and other computers at a real broker."""

import asyncio
import re
import textwrap
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr

from bot.chat.menu import ROOM_COMMANDS
from bot.chat.receipts import LATE_ALL
from bot.chat.sandbox import Event, Sandbox
from bot.home import connection, rooms
from bot.home.rooms_protocol import Answer, Presence, Request, RoomTopics
from bot.paths import CHECKOUT
from bot.settings import Settings
from tests.chat.steps import answer_to, count_replies, last_reaction
from tests.conftest import ALICE, TOKEN, reaction_to, reply_with
from tests.home.conftest import start_broker
from tests.support import fork_server
from tests.support.broker import House as Client
from tests.support.broker import Mosquitto
from tests.support.commandline import WITH_TONES, Environment, run
from tests.support.house import ATTIC, HERE, STUDY, House, house, seen, until
from tests.support.http_face import Face

BOT_ID = int(TOKEN.partition(":")[0])
LONG = " ".join(["Number 7."] * 30)


@pytest.fixture
def home(tmp_path: Path, settings: Settings, broker: Mosquitto) -> House:
    """Return a house at the broker."""
    return house(tmp_path, settings, broker.url())


@asynccontextmanager
async def bot_and_study(home: House) -> AsyncIterator[Face]:
    """Run a bot, and a room that it sees."""
    async with home.room(STUDY), home.bot(STUDY) as face:
        yield face


async def said_in(sandbox: Sandbox, room: str, text: str) -> int:
    """Send a text for a room, and wait until it was heard there; return its number."""
    message = sandbox.send(ALICE, f"/to {room} {text}")
    await sandbox.wait_for(reaction_to(message, "👍"))
    return message


async def test_to_says_a_text_in_its_room_only(home: House, sandbox: Sandbox) -> None:
    """It is stored, heard there to the end, and its sender sees both."""
    async with bot_and_study(home):
        message = await said_in(sandbox, "study", "Number 1. Number 2.")

    assert [e.text for e in sandbox.events if reaction_to(message)(e)] == ["👀", "👍"]
    assert (home.heard(STUDY), home.heard(HERE)) == ([1, 2], [])


async def test_to_everywhere_says_it_in_each_room(home: House, sandbox: Sandbox) -> None:
    """Each room says it once, the bot's own too; there is one thumb, when all have."""
    async with home.room(STUDY), home.room(ATTIC), home.bot(STUDY, ATTIC) as face:
        message = await said_in(sandbox, "everywhere", "Number 1.")
        history = (await face.get("/v1/history"))["items"]

    assert [e.text for e in sandbox.events if reaction_to(message)(e)] == ["👀", "👍"]
    assert [home.heard(name) for name in (HERE, STUDY, ATTIC)] == [[1], [1], [1]]
    assert [(item["source"], item["outcome"]) for item in history] == [("telegram", "heard")]


async def test_to_a_room_that_is_away_is_said_when_it_is_back(
    home: House, sandbox: Sandbox
) -> None:
    """Its sender is told once that it is away; nothing is lost, whoever restarts meanwhile."""
    async with bot_and_study(home):
        pass
    async with home.bot():
        first = sandbox.send(ALICE, "/to study Number 1.")
        await sandbox.wait_for(reply_with("Study is away. I'll say it there when it is back."))
        second = sandbox.send(ALICE, "/to study Number 2.")
        await sandbox.wait_for(reaction_to(second, "😴"))
        assert last_reaction(sandbox, first) == "😴"
        assert await answer_to(sandbox, "/queue") == "2 messages in other rooms: /rooms"
        assert "2 messages in other rooms" in await answer_to(sandbox, "/status")
        sandbox.edit(ALICE, second, "/to study Number 3.")
        await answer_to(sandbox, "/rooms")
    async with bot_and_study(home):
        for message in (first, second):
            await sandbox.wait_for(reaction_to(message, "👍"))

    assert home.heard(STUDY) == [1, 3]
    assert count_replies(sandbox, "Study is away") == 1


async def test_to_a_room_that_was_away_for_long_asks_first(home: House, sandbox: Sandbox) -> None:
    """The question about late messages comes when the room is back, and its answer is obeyed."""
    async with bot_and_study(home):
        pass
    async with home.bot() as face:
        message = sandbox.send(ALICE, "/to study Number 1.")
        await sandbox.wait_for(reaction_to(message, "😴"))
        late = face.bot.delivery.late
        late._late_after_s = 0.001  # as if it had been away for ten minutes
        async with home.room(STUDY):
            question = await sandbox.wait_for(reply_with("1 message came while a room was away"))
            assert home.heard(STUDY) == []
            late._late_after_s = 600.0
            sandbox.press(ALICE, question.message_id, LATE_ALL)
            await sandbox.wait_for(reaction_to(message, "👍"))

    assert home.heard(STUDY) == [1]


async def test_stop_silences_every_room(home: House, sandbox: Sandbox) -> None:
    """What sounds in another room is cut, what waits for it is dropped."""
    async with bot_and_study(home) as face:
        first = sandbox.send(ALICE, f"/to study {LONG}")
        second = sandbox.send(ALICE, "/to study Number 1.")
        await sandbox.wait_for(reaction_to(second, "👀"))
        await sounding(face, STUDY)
        assert await answer_to(sandbox, "/stop") == "Silent. 2 waiting messages dropped."
        for message in (first, second):
            await sandbox.wait_for(reaction_to(message, "🙊"))
        await said_in(sandbox, "study", "Number 2.")

    heard = home.heard(STUDY)
    assert len(heard) < 30
    assert heard[-1] == 2
    assert 1 not in heard


async def test_stop_of_one_room_leaves_the_others_speaking(home: House, sandbox: Sandbox) -> None:
    """The message is said to its end where it was not stopped, and its sender is told where not."""
    async with bot_and_study(home) as face:
        message = sandbox.send(ALICE, f"/to everywhere {'Number 7. ' * 6}")
        await sounding(face, STUDY)
        assert await answer_to(sandbox, "/stop study") == "Silent there. 1 message dropped."
        await sandbox.wait_for(reply_with("Study: stopped.", to=message))
        await sandbox.wait_for(reaction_to(message, "🙊"))

    assert len(home.heard(HERE)) == 6
    assert len(home.heard(STUDY)) < 6


async def test_stop_reaches_a_room_that_is_away_when_it_is_back(
    home: House, sandbox: Sandbox
) -> None:
    """What it had stored before it went is not said any more."""
    async with home.bot() as face:
        async with home.room(STUDY):
            await seen(face.bot, STUDY)
            message = sandbox.send(ALICE, f"/to study {LONG}")
            await sounding(face, STUDY)
        await seen(face.bot, STUDY, present=False)
        sandbox.send(ALICE, "/stop")
        await sandbox.wait_for(reaction_to(message, "🙊"))
        before = len(home.heard(STUDY))
        async with home.room(STUDY):
            await said_in(sandbox, "study", "Number 2.")

    assert home.heard(STUDY)[before:] == [2]


async def test_held_message_shows_why_its_room_is_quiet(home: House, sandbox: Sandbox) -> None:
    """A room's own quiet hours hold it; its sender is told which room and why."""
    async with home.room(STUDY) as study, home.bot(STUDY):
        await study.delivery.mute(time.time() + 600)
        message = sandbox.send(ALICE, "/to study Number 1.")
        await sandbox.wait_for(reply_with("Study: Muted until", to=message))
        await sandbox.wait_for(reaction_to(message, "😴"))
        await study.delivery.mute(0)
        await sandbox.wait_for(reaction_to(message, "👍"))

    assert home.heard(STUDY) == [1]


async def test_broker_that_is_killed_loses_and_repeats_nothing(
    home: House, sandbox: Sandbox, broker: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The room goes on without it, and reports the end when it is there again."""
    monkeypatch.setattr(connection, "FIRST_RETRY_S", 0.1)
    async with bot_and_study(home) as face:
        first = sandbox.send(ALICE, "/to study Number 1. Number 2. Number 3.")
        await sounding(face, STUDY)
        broker.kill()
        second = sandbox.send(ALICE, "/to study Number 4.")
        await sandbox.wait_for(reaction_to(second, "👀"))
        broker.start()
        for message in (first, second):
            await sandbox.wait_for(reaction_to(message, "👍"))

    assert home.heard(STUDY) == [1, 2, 3, 4]


async def test_request_that_comes_twice_is_said_once(
    home: House, broker: Mosquitto, settings: Settings
) -> None:
    """A room answers each time, from its database, also after a restart."""
    topics, ref = RoomTopics("study"), "0123456789abcdef"
    spoken = {"text": "Number 1.", "sender": "Alice"}
    request = Request.model_validate({"bot": 5, "do": "say", "ref": ref, "spoken": spoken})
    async with Client.at(broker) as client:
        for _ in range(2):
            async with home.room(STUDY):
                await client.wait_for(topics.presence, lambda state: state["present"])
                client.latest.pop(topics.answers(5), None)
                for _ in range(2):
                    await client.publish(topics.requests, request.model_dump_json())
                await client.wait_for(topics.answers(5), lambda answer: answer["state"] == "heard")

    assert settings.data_dir != home.folder
    assert home.heard(STUDY) == [1]


async def test_stop_that_comes_before_its_message_wins(home: House, broker: Mosquitto) -> None:
    """A request that was overtaken by its stop is not said."""
    topics, ref = RoomTopics("study"), "0123456789abcdef"
    spoken = {"text": "Number 1.", "sender": "Alice"}
    say = Request.model_validate({"bot": 5, "do": "say", "ref": ref, "spoken": spoken})
    async with Client.at(broker) as client, home.room(STUDY):
        await client.wait_for(topics.presence, lambda state: state["present"])
        for request in (Request(bot=5, do="stop", ref=ref), say):
            client.latest.pop(topics.answers(5), None)
            await client.publish(topics.requests, request.model_dump_json())
            answer = await client.wait_for(topics.answers(5))
            assert Answer.model_validate(answer).state == "stopped"

    assert home.heard(STUDY) == []


async def test_rooms_ignore_what_is_no_payload(
    home: House, sandbox: Sandbox, broker: Mosquitto
) -> None:
    """After invalid requests, answers and presences the next message is said."""
    async with bot_and_study(home), Client.at(broker) as client:
        for payload in ("", "{", '{"bot": 1}', '{"bot": "x", "do": "say"}', b"\xff"):
            await client.publish(RoomTopics("study").requests, payload)
            await client.publish(RoomTopics("study").answers(BOT_ID), payload)
            await client.publish(RoomTopics("cellar").presence, payload)
        await said_in(sandbox, "study", "Number 1.")


async def test_room_process_goes_on_after_a_kill(
    home: House, sandbox: Sandbox, environment: Environment, broker: Mosquitto, tmp_path: Path
) -> None:
    """Killed while it speaks, it ends what it had stored; the sender sees one thumb."""
    spoken = tmp_path / "process"
    room = {
        **environment,
        "DATA_DIR": str(tmp_path / "process-data"),
        "AUDIO_DEVICE": f"file:{spoken}",
        "MQTT_URL": broker.url(),
        "ROOM": "Cellar",
    }
    first = await fork_server.start(
        WITH_TONES, "run", environment=room, stderr=asyncio.subprocess.DEVNULL
    )
    async with home.bot("Cellar") as face:
        message = sandbox.send(ALICE, f"/to cellar {'Number 7. ' * 8}")
        await sounding(face, "Cellar")
        first.kill()
        await first.wait()
        second = await fork_server.start(
            WITH_TONES, "run", environment=room, stderr=asyncio.subprocess.DEVNULL
        )
        await sandbox.wait_for(reaction_to(message, "👍"))
        second.terminate()
        code = await second.wait()

    assert code == 0
    assert [e.text for e in sandbox.events if reaction_to(message)(e)][-1] == "👍"


@pytest.fixture
def documented_broker(tmp_path: Path) -> Iterator[Mosquitto]:
    """Start a broker with exactly the configuration and the acl of docs/rooms.md."""
    page = (CHECKOUT / "docs" / "rooms.md").read_text()
    blocks = re.findall(r"(?:^    \S.*\n|^\n(?=    ))+", page, flags=re.MULTILINE)
    config = textwrap.dedent(next(block for block in blocks if "listener" in block)).strip() + "\n"
    acl = textwrap.dedent(next(block for block in blocks if "user study" in block))
    users = re.findall(r"^user (\w+)$", acl, flags=re.MULTILINE)
    yield from start_broker(tmp_path / "documented", users=users, acl=acl, config=config)


async def test_documented_broker_lets_each_room_do_what_is_its_own(
    tmp_path: Path, settings: Settings, sandbox: Sandbox, documented_broker: Mosquitto
) -> None:
    """The bot reaches the study, with TLS; the study reaches no other room, and reads of none."""
    ca_file = documented_broker.ca_file
    own = settings.replaced(mqtt_ca_file=ca_file)
    home = house(tmp_path, own, documented_broker.url(scheme="mqtts"))
    study_url = SecretStr(documented_broker.url(scheme="mqtts", user="study"))
    async with (
        home.room(STUDY, mqtt_url=study_url),
        Client.at(documented_broker, ca_file, user="study") as study,
        home.bot(STUDY),
    ):
        silence = Request(bot=BOT_ID, do="silence").model_dump_json()
        await study.publish(RoomTopics("attic").requests, silence)
        presence = Presence(name="Attic", present=True, session="x").model_dump_json()
        await study.publish(RoomTopics("attic").presence, presence)
        await study.publish(f"crier/{BOT_ID}/say", "Number 3.")
        await said_in(sandbox, "study", "Number 1.")
        listed = await answer_to(sandbox, "/rooms")

    assert (home.heard(STUDY), home.heard(HERE)) == ([1], [])
    assert "Attic" not in listed
    assert set(study.latest) == {RoomTopics("study").presence, RoomTopics("study").requests}


# ---- chat ----


async def test_rooms_lists_the_rooms_and_what_they_say(home: House, sandbox: Sandbox) -> None:
    """A text is shown to its sender; a room that has gone is away."""
    async with home.bot() as face:
        async with home.room(STUDY):
            await seen(face.bot, STUDY)
            sandbox.send(ALICE, f"/to study {LONG}")
            await sounding(face, STUDY)
            delivery = face.bot.delivery.rooms
            assert delivery is not None
            # It shows so itself, a moment after it has told the bot.
            await until(lambda: any(view.doing == "speaking" for view in delivery.views()))
            listed = await answer_to(sandbox, "/rooms")
            assert f"• {HERE} (here): idle" in listed
            assert "• Study: speaking: Number 7. Number 7." in listed
        await seen(face.bot, STUDY, present=False)

        assert "• Study: away, 1 waits for it" in await answer_to(sandbox, "/rooms")


async def test_usual_room_is_where_a_person_is_heard(home: House, sandbox: Sandbox) -> None:
    """A button of /rooms makes it so, another undoes it."""
    async with bot_and_study(home):
        await press(sandbox, f"Usually: {STUDY}")
        first = sandbox.send(ALICE, "Number 1.")
        await sandbox.wait_for(reaction_to(first, "👍"))
        await press(sandbox, f"Usually: {HERE}")
        second = sandbox.send(ALICE, "Number 2.")
        await sandbox.wait_for(reaction_to(second, "👍"))

    assert (home.heard(STUDY), home.heard(HERE)) == ([1], [2])


async def test_reminder_is_said_in_the_usual_room(home: House, sandbox: Sandbox) -> None:
    """In that of the person who set it, as the answer and the list of programs say."""
    async with bot_and_study(home) as face:
        await press(sandbox, f"Usually: {STUDY}")
        reminder = sandbox.send(ALICE, "/in 1s Number 1.")
        await sandbox.wait_for(reply_with(": Number 1. (study)"))
        await sandbox.wait_for(reaction_to(reminder, "👍"))
        await answer_to(sandbox, "/in 3h Number 2.")
        listed = (await face.get("/v1/reminders"))["items"]

    assert (home.heard(STUDY), home.heard(HERE)) == ([1], [])
    assert [item["room"] for item in listed] == ["study"]


async def test_forgotten_room_is_left_out_until_it_is_back(home: House, sandbox: Sandbox) -> None:
    """What waited for it ends; everywhere is where the others are."""
    async with bot_and_study(home):
        pass
    async with home.bot() as face:
        waiting = sandbox.send(ALICE, "/to study Number 1.")
        await sandbox.wait_for(reaction_to(waiting, "😴"))
        await press(sandbox, f"Forget {STUDY}")
        await sandbox.wait_for(reply_with("Study: it was forgotten.", to=waiting))
        await said_in(sandbox, "everywhere", "Number 2.")
        assert "There is no room 'study'" in await answer_to(sandbox, "/to study Number 3.")
        async with home.room(STUDY):
            await seen(face.bot, STUDY)
            await said_in(sandbox, "study", "Number 4.")

    assert (home.heard(STUDY), home.heard(HERE)) == ([4], [2])


async def test_to_says_the_message_that_it_replies_to(home: House, sandbox: Sandbox) -> None:
    """Without words of its own."""
    async with bot_and_study(home):
        earlier = sandbox.send(ALICE, "Number 1.")
        await sandbox.wait_for(reaction_to(earlier, "👍"))
        reply = sandbox.send_fields(
            ALICE,
            {
                "text": "/to study",
                "entities": [{"type": "bot_command", "offset": 0, "length": 3}],
                "reply_to_message": {
                    "message_id": earlier,
                    "date": int(time.time()),
                    "chat": ALICE.as_chat(),
                    "from": ALICE.as_user(),
                    "text": "Number 5.",
                },
            },
        )
        await sandbox.wait_for(reaction_to(reply, "👍"))

    assert home.heard(STUDY) == [5]


ANSWERS = {
    "/to": "such as: /to study Dinner is ready",
    "/to cellar Number 1.": "There is no room 'cellar'. There are: Kitchen, Study, everywhere.",
    "/to study": "Send the words along",
    "/stop cellar": "Nothing is stopped. There is no room 'cellar'",
    "/stop here": "Silent there.",
    "/stop study": "Silent there.",
    "/stop everywhere": "Silent. Nothing was waiting.",
    "/rooms": f"• {HERE} (here): idle",
    "/help": "/to study Dinner is ready",
}


async def test_commands_of_rooms_are_answered(home: House, sandbox: Sandbox) -> None:
    """Wrong ones with the right form, or with the rooms that there are."""
    async with bot_and_study(home):
        for command, answer in ANSWERS.items():
            assert answer in await answer_to(sandbox, command), command


def test_menu_has_no_untested_command_of_rooms() -> None:
    """The table above covers them."""
    tested = {command.split()[0] for command in ANSWERS}

    assert {f"/{known.command}" for known in ROOM_COMMANDS} - tested == set()


async def test_menu_has_the_commands_of_rooms(home: House, sandbox: Sandbox) -> None:
    """With a broker only: elsewhere they mean nothing."""
    async with home.bot():
        menu = await sandbox.wait_for(lambda e: e.kind == "menu")
    async with home.bot(mqtt_url=None):
        seen_before = len([e for e in sandbox.events if e.kind == "menu"])
        without = await sandbox.wait_for(
            lambda e: e.kind == "menu" and len(menus(sandbox)) > seen_before
        )
        unknown = await answer_to(sandbox, "/rooms")

    assert menu.text.endswith("to, rooms")
    assert without is not menu
    assert "rooms" not in menus(sandbox)[-1].text
    assert "I don't know /rooms" in unknown


def menus(sandbox: Sandbox) -> list[Event]:
    """Return the menus that were registered."""
    return [event for event in sandbox.events if event.kind == "menu"]


# ---- HTTP ----


async def test_http_says_a_text_in_a_room(home: House) -> None:
    """With wait the answer comes when it was heard there; its name may have any capitals."""
    async with home.room(ATTIC), home.bot(ATTIC) as face:
        result = await face.speak("Number 1.", room="top ATTIC", wait=True)

    assert result["outcome"] == "heard"
    assert home.heard(ATTIC) == [1]


@pytest.mark.parametrize(
    ("changes", "room", "code", "reason"),
    [
        ({}, "cellar", "unknown_room", "There are: Kitchen, everywhere."),
        ({"mqtt_url": None}, "study", "no_rooms", "whose MQTT_URL is set"),
    ],
)
async def test_http_refuses_a_room_that_is_not_there(
    home: House, changes: dict[str, None], room: str, code: str, reason: str
) -> None:
    """The error names the rooms, or what makes some."""
    async with home.bot(**changes) as face:
        request = {"input": "Number 1.", "room": room}
        response = await face.client.post("/v1/audio/speak", json=request)

    assert response.status_code == 422
    assert response.json()["error"]["code"] == code
    assert reason in response.json()["error"]["message"]


async def test_http_refuses_a_room_for_a_text_bit_by_bit(home: House) -> None:
    """A sentence says what to do instead."""
    async with home.bot() as face:
        response = await face.client.post(
            "/v1/audio/speak?room=study", content="Hi.", headers={"Content-Type": "text/plain"}
        )

    assert "as a whole, as JSON" in response.json()["error"]["message"]


async def test_say_room_says_it_there(home: House, environment: Environment) -> None:
    """The command waits for the end there; a pipe is read to its end first."""
    own = {**environment, "DATA_DIR": str(home.bot_settings().data_dir)}
    async with bot_and_study(home):
        done = await run(*("say", "--room", "study", "--wait"), environment=own, stdin=b"Number 1.")
        code, _, error = await run("say", "--room", "cellar", "Number 2.", environment=own)

    assert done == (0, "", "")
    assert (code, "There is no room 'cellar'" in error) == (2, True)
    assert home.heard(STUDY) == [1]


# ---- steps ----


async def sounding(face: Face, name: str) -> None:
    """Wait until a bot knows that a room says one of its messages."""
    delivery = face.bot.delivery.rooms
    assert isinstance(delivery, rooms.RoomDelivery)
    await until(lambda: any(v.saying and v.name == name for v in delivery.views()))


async def press(sandbox: Sandbox, label: str) -> None:
    """Send /rooms, press the button with this label, and wait for the answer."""
    since = len(sandbox.events)
    sandbox.send(ALICE, "/rooms")
    menu = await sandbox.wait_for(lambda e: label in dict(e.buttons), since=since)
    sandbox.press(ALICE, menu.message_id, dict(menu.buttons)[label])
    await sandbox.wait_for(lambda e: e.kind == "answer", since=since)
