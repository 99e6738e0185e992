"""The bot's side of rooms, with rooms that only exist as requests and answers."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from audio.types import Ended, Outcome
from bot.core.events import WaitResult
from bot.core.expiry import TOO_LATE
from bot.core.message import QueuedMessage, State
from bot.core.queue import REPLACED
from bot.core.quiet_hours import FOR_GOOD
from bot.core.rooms import UnknownRoomError
from bot.home.rooms import RoomDelivery
from bot.home.rooms_protocol import Answer, Presence, Request
from bot.settings import Settings
from tests.core.lab import BOT, CHAT, Lab
from tests.support.house import until


class Rooms:
    """A bot's rooms without a broker: what it sends is recorded, what they answer is given."""

    def __init__(self, lab: Lab) -> None:
        self.sent: list[tuple[str, dict[str, Any]]] = []
        """Rooms and requests."""
        self.lab = lab
        pipeline: Any = lab.pipeline
        self.delivery = RoomDelivery(
            settings=Settings(room="Kitchen", mqtt_url=SecretStr("mqtt://127.0.0.1:1")),
            inbox=lab.inbox,
            store=lab.store,
            receipts=lab.receipts,
            delivery=lab.delivery,
            events=lab.events,
            pipeline=pipeline,
            bot_id=BOT,
            now=lambda: lab.now_s,
        )

    async def publish(self, topic: str, payload: str, *_: Any) -> None:
        """Record a request, as the client of the broker."""
        request = json.loads(payload)
        if request["do"] != "synced":
            self.sent.append((topic.split("/")[2], request))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run the delivery, as if connected, while the context is open."""
        await self.delivery.restore()
        await self.lab.delivery.restore()
        client: Any = self
        self.delivery._client = client
        tasks = [
            asyncio.create_task(work)
            for work in (self.delivery._pursue(), self.delivery._take_answers())
        ]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def come(self, *names: str, session: str = "1") -> None:
        """Show rooms as present."""
        for name in names:
            presence = Presence(name=name, present=True, session=session)
            await self.delivery._see(name.casefold(), presence)

    async def go(self, *names: str) -> None:
        """Show rooms as away, which were there."""
        await self.come(*names)
        for name in names:
            presence = Presence(name=name, present=False, session="1")
            await self.delivery._see(name.casefold(), presence)

    async def request(self, number: int = -1) -> tuple[str, dict[str, Any]]:
        """Wait for that many requests, by default one more than before; return the last."""
        count = number if number >= 0 else 1
        await until(lambda: len(self.sent) >= count)
        return self.sent[-1]

    async def answer(self, room: str, ref: str, state: str, reason: str = "") -> None:
        """Answer as a room, and wait until it is taken."""
        answer = Answer.model_validate({"ref": ref, "state": state, "reason": reason})
        await self.delivery._take(room, answer)


@pytest.fixture
def rooms(lab: Lab) -> Rooms:
    """Return the rooms of a bot."""
    return Rooms(lab)


async def said(rooms: Rooms, room: str, **fields: Any) -> tuple[QueuedMessage, dict[str, str]]:
    """Submit a message; return it, and the ref of each other room's part once it is sent."""
    rooms.sent.clear()
    message = await rooms.lab.submit(room=room, **fields)
    await until(lambda: bool(rooms.sent))
    await asyncio.sleep(0)
    return message, {slug: request["ref"] for slug, request in rooms.sent}


async def test_part_is_asked_for_until_it_has_ended(rooms: Rooms) -> None:
    """A room that has come back is asked for the state of what it has stored."""
    async with rooms.running():
        await rooms.come("Study")
        message, refs = await said(rooms, "study")
        await rooms.answer("study", refs["study"], "waiting")
        await rooms.come("Study", session="2")
        room, request = await rooms.request(2)
        await rooms.answer("study", refs["study"], "heard")

    assert (room, request["do"], request["ref"]) == ("study", "ask", refs["study"])
    assert rooms.lab.receipts.of(message.id) == ["stored", "heard"]


async def test_part_that_its_room_has_lost_is_sent_again(rooms: Rooms) -> None:
    """A room whose database is gone says that it does not know it."""
    async with rooms.running():
        await rooms.come("Study")
        _, refs = await said(rooms, "study")
        await rooms.answer("study", refs["study"], "waiting")
        await rooms.answer("study", refs["study"], "unknown")
        _, request = await rooms.request(2)

    assert (request["do"], request["ref"]) == ("say", refs["study"])


async def test_restart_sends_a_part_under_the_same_ref(
    rooms: Rooms, lab: Lab, tmp_path: Path
) -> None:
    """A room that has stored it, but whose answer was lost, recognizes it."""
    async with rooms.running():
        await rooms.come("Study")
        message, refs = await said(rooms, "study")
    again = Rooms(Lab(lab.inbox, tmp_path))
    async with again.running():
        await again.come("Study")
        _, request = await again.request()

    assert (request["do"], request["ref"]) == ("say", refs["study"])
    assert again.lab.receipts.of(message.id) == ["stored"]


async def test_restart_asks_nobody_about_a_late_part_that_was_heard(
    rooms: Rooms, lab: Lab, tmp_path: Path
) -> None:
    """The room is asked first; only what it does not have is a question for the sender."""
    async with rooms.running():
        await rooms.come("Study", "Attic")
        heard, refs = await said(rooms, "study")
        lost, more = await said(rooms, "attic")
    again = Rooms(Lab(lab.inbox, tmp_path))
    again.lab.now_s += 3600
    async with again.running():
        await again.come("Study", "Attic")
        await again.request(2)
        await again.answer("study", refs["study"], "heard")
        await again.answer("attic", more["attic"], "unknown")
        await until(lambda: "asked" in again.lab.receipts.of(lost.id))

    assert [request["do"] for _, request in again.sent] == ["ask", "ask"]
    assert "asked" not in again.lab.receipts.of(heard.id)
    assert again.lab.receipts.of(heard.id)[-1] == "heard"


async def test_restart_stops_the_parts_of_a_stopped_message(
    rooms: Rooms, lab: Lab, tmp_path: Path
) -> None:
    """Also if the process died before it could send the stop."""
    async with rooms.running():
        await rooms.come("Study")
        message, refs = await said(rooms, "study")
        await lab.inbox.store_end_of_all(BOT, "stopped", "")
    again = Rooms(Lab(lab.inbox, tmp_path))
    async with again.running():
        await again.come("Study")
        _, request = await again.request()
        await again.answer("study", refs["study"], "stopped")
        left = await again.delivery._store.parts()

    assert (request["do"], request["ref"]) == ("stop", refs["study"])
    assert left == []
    assert again.lab.receipts.of(message.id) == []


async def test_end_of_everywhere_names_the_room_that_has_not_heard_it(rooms: Rooms) -> None:
    """The worst outcome counts, and comes when the last room has ended."""
    async with rooms.running():
        await rooms.come("Study", "Attic")
        message, refs = await said(rooms, "everywhere")
        await until(lambda: len(rooms.sent) == 2)
        refs = {slug: request["ref"] for slug, request in rooms.sent}
        (local,) = await rooms.lab.inbox.list_of_bots(BOT)
        await rooms.answer("attic", refs["attic"], "failed", "The model is missing.")
        await rooms.answer("study", refs["study"], "heard")
        assert rooms.lab.receipts.of(message.id) == ["stored"]
        await rooms.answer("kitchen", local.origin.partition("/")[2], "skipped")
        record = await rooms.lab.inbox.find_record_of(message.id)

    assert rooms.lab.receipts.of(message.id) == ["stored", "failed"]
    assert record is not None
    assert record.reason == "Kitchen: skipped. Attic: The model is missing."


async def test_answer_about_a_forgotten_message_is_a_stop(rooms: Rooms) -> None:
    """What a room still has of a message that nobody here knows is not said."""
    async with rooms.running():
        await rooms.come("Study")
        await rooms.answer("study", "0123456789abcdef", "waiting")
        room, request = await rooms.request()

    assert (room, request["do"], request["ref"]) == ("study", "stop", "0123456789abcdef")


async def test_held_in_a_room_is_told_once_with_its_name(rooms: Rooms) -> None:
    """The second message of a chat that is held for the same reason gets a reaction only."""
    told: list[str] = []
    delayed = rooms.lab.receipts.delayed

    def note(message: QueuedMessage, reason: str = "") -> None:
        told.append(reason)
        delayed(message, reason)

    rooms.lab.receipts.delayed = note  # type: ignore[method-assign,assignment]
    async with rooms.running():
        await rooms.come("Study")
        for _ in range(2):
            _, refs = await said(rooms, "study")
            await rooms.answer("study", refs["study"], "held", "Quiet hours until 07:00.")

    assert told == ["Study: Quiet hours until 07:00.", ""]


@pytest.mark.parametrize(
    ("words", "room", "rest"),
    [
        ("study Dinner is ready", "study", " Dinner is ready"),
        ("Top Attic: dinner", "top-attic", " dinner"),
        ("EVERYWHERE dinner", "everywhere", " dinner"),
        ("kitchen dinner", "", " dinner"),
        ("here dinner", "", " dinner"),
        ("study", "study", ""),
    ],
)
async def test_split_finds_the_room_at_the_beginning(
    rooms: Rooms, words: str, room: str, rest: str
) -> None:
    """The longest name counts; capitals and marks do not."""
    await rooms.delivery._see("study", Presence(name="Study", present=True, session="1"))
    await rooms.delivery._see("top-attic", Presence(name="Top Attic", present=True, session="1"))
    found, length = rooms.delivery.split(words)

    assert (found, words[length:]) == (room, rest)


@pytest.mark.parametrize("words", ["", "  ", "cellar dinner", "top dinner"])
async def test_split_refuses_what_begins_with_no_room(rooms: Rooms, words: str) -> None:
    """The error names the rooms."""
    await rooms.delivery._see("top-attic", Presence(name="Top Attic", present=True, session="1"))
    with pytest.raises(UnknownRoomError, match="There are: Kitchen, Top Attic, everywhere"):
        rooms.delivery.split(words)


async def test_prune_removes_parts_with_their_message(rooms: Rooms, lab: Lab) -> None:
    """A stop that a room never came back for is forgotten with the message."""
    async with rooms.running():
        await rooms.come("Study")
        message, _ = await said(rooms, "study")
    await lab.inbox._database.execute("DELETE FROM message WHERE id = ?", (message.id,))
    await lab.inbox.prune()

    assert await rooms.delivery._store.parts() == []


@pytest.mark.parametrize(
    ("presence", "warning"),
    [
        (Presence(name="Kitchen", present=True, session="1"), "Another computer is Kitchen, too"),
        (Presence(name="Attic", present=True, session="1", protocol=2), "Update both"),
    ],
)
async def test_room_that_does_not_suit_is_left_out_with_one_warning(
    rooms: Rooms, presence: Presence, warning: str, caplog: pytest.LogCaptureFixture
) -> None:
    """One that has the name of this computer, or speaks another protocol."""
    for _ in range(2):
        await rooms.delivery._see(presence.name.casefold(), presence)

    assert [view.name for view in rooms.delivery.views()] == ["Kitchen"]
    assert caplog.text.count(warning) == 1


async def test_part_for_a_room_that_is_away_ends_when_it_expires(rooms: Rooms) -> None:
    """At its time, whether or not the room comes back."""
    async with rooms.running():
        await rooms.go("Study")
        lab = rooms.lab
        message = await lab.submit(room="study", expires_at=lab.now_s + 0.05)
        await until(lambda: "held" in lab.receipts.of(message.id))
        ended = lab.events.wait_result(message.id)
        lab.now_s += 1
        result = await asyncio.wait_for(ended, 10)

    assert result == WaitResult(Outcome.SKIPPED, f"Study: {TOO_LATE}")
    assert rooms.sent == []


async def test_part_that_expired_while_the_bot_was_away_ends_as_too_late(
    rooms: Rooms, lab: Lab, tmp_path: Path
) -> None:
    """Of a room that is back it is asked first, since that may have said it."""
    async with rooms.running():
        await rooms.come("Study", "Attic")
        heard, refs = await said(rooms, "study", expires_at=lab.now_s + 60)
        expired, more = await said(rooms, "attic", expires_at=lab.now_s + 60)
    again = Rooms(Lab(lab.inbox, tmp_path))
    again.lab.now_s += 61
    async with again.running():
        await again.come("Study", "Attic")
        await again.request(2)
        await again.answer("study", refs["study"], "heard")
        await again.answer("attic", more["attic"], "unknown")
        await until(lambda: "skipped" in again.lab.receipts.of(expired.id))

    assert [request["do"] for _, request in again.sent] == ["ask", "ask"]
    assert again.lab.receipts.of(heard.id)[-1] == "heard"


async def test_newer_message_replaces_one_that_waits_for_an_absent_room(rooms: Rooms) -> None:
    """When the room comes back, only the newest is sent."""
    async with rooms.running():
        await rooms.go("Study")
        older = await rooms.lab.submit("40 %.", client="ci", replace_key="build", room="study")
        newer = await rooms.lab.submit("41 %.", client="ci", replace_key="build", room="study")
        await until(lambda: "skipped" in rooms.lab.receipts.of(older.id))
        await rooms.come("Study")
        await rooms.request()
        record = await rooms.lab.inbox.find_record_of(older.id)

    assert [request["spoken"]["text"] for _, request in rooms.sent] == ["41 %."]
    assert record is not None
    assert record.reason == f"Study: {REPLACED}"
    assert rooms.lab.receipts.of(newer.id)[0] == "stored"


async def test_newer_message_replaces_the_older_in_its_room(rooms: Rooms, lab: Lab) -> None:
    """A room that has stored both says the newest of those of one sender."""
    async with rooms.running():
        older = await lab.submit("40 %.", client="ci", replace_key="build", room="everywhere")
        await until(lambda: len(lab.pipeline.said) == 1)
        await lab.submit("Other.", client="ci", replace_key="other", room="everywhere")
        await lab.submit("41 %.", client="ci", replace_key="build", room="everywhere")
        await until(lambda: lab.pipeline.withdrawn != [])
        lab.delivery.receive(Ended(lab.pipeline.said[0], Outcome.SKIPPED, reason=REPLACED))
        await until(lambda: "skipped" in lab.receipts.of(older.id))

    assert lab.pipeline.withdrawn == [(lab.pipeline.said[0], REPLACED)]


async def test_withdrawn_message_is_stopped_in_its_room(rooms: Rooms) -> None:
    """As that of a question which has been answered; one that sounds goes on, unless removed."""
    async with rooms.running():
        await rooms.come("Study")
        message, refs = await said(rooms, "study")
        sounding, others = await said(rooms, "study")
        await rooms.answer("study", refs["study"], "held", "Muted.")
        await rooms.answer("study", others["study"], "sounding")
        rooms.sent.clear()
        for id_ in (message.id, sounding.id):
            await rooms.lab.delivery.withdraw(id_, "It has ended.")
        room, request = await rooms.request()

        spared = "skipped" not in rooms.lab.receipts.of(sounding.id)
        removed = [await rooms.lab.delivery.remove(sounding.id) for _ in range(2)]

    assert (room, request["do"], request["ref"]) == ("study", "stop", refs["study"])
    assert rooms.lab.receipts.of(message.id)[-1] == "skipped"
    assert (spared, removed) == (True, [True, False])


async def test_replay_of_what_a_room_has_said_does_not_expire(rooms: Rooms, lab: Lab) -> None:
    """The time in which it had to begin, and its name, were those of the first time."""
    async with rooms.running():
        await rooms.come("Study")
        _, refs = await said(rooms, "study", expires_at=lab.now_s + 60, replace_key="build")
        await rooms.answer("study", refs["study"], "heard")
        lab.now_s += 61
        assert await lab.intake().replay(CHAT)
        _, request = await rooms.request(2)

    assert request["do"] == "say"
    assert not {"expires_in_s", "replaces"} & request["spoken"].keys()


async def test_edit_reaches_a_message_for_an_absent_room(rooms: Rooms, lab: Lab) -> None:
    """The room is sent the text as it is then."""
    async with rooms.running():
        await rooms.go("Study")
        message = await lab.submit("Diner.", room="study")
        await lab.delivery.revise(message.chat_id, message.message_id, "Dinner.", "")
        await rooms.come("Study")
        _, request = await rooms.request()

    assert request["spoken"]["text"] == "Dinner."


async def test_edit_without_words_takes_a_message_back_from_its_room(
    rooms: Rooms, lab: Lab
) -> None:
    """Also one that the room has, or is saying; its words are deleted here."""
    async with rooms.running():
        await rooms.come("Study")
        message, refs = await said(rooms, "study")
        await rooms.answer("study", refs["study"], "sounding")
        rooms.sent.clear()
        await lab.delivery.remove_edited(message.chat_id, message.message_id)
        _, request = await rooms.request()
        text = await lab.inbox.find_text(BOT, message.chat_id, message.message_id)

    assert (request["do"], request["ref"]) == ("stop", refs["study"])
    assert lab.receipts.of(message.id)[-1] == "skipped"
    assert text == ""


async def test_held_in_a_room_is_reported_once_however_often_it_is_asked(rooms: Rooms) -> None:
    """The room says so in the same words when it is asked, and a report follows a change only."""
    lab = rooms.lab
    held: list[str] = []
    lab.events.watch(lambda name, data: held.append(data["reason"]) if name == "held" else None)
    async with rooms.running():
        await lab.delivery.mute(FOR_GOOD)
        message = await lab.submit(room="everywhere")
        await until(lambda: "held" in lab.receipts.of(message.id))
        (part,) = rooms.delivery._entries[message.id].parts.values()
        await rooms.delivery._room.handle(Request(bot=BOT, do="ask", ref=part.stored.ref))
        await until(rooms.delivery._answers.empty)

    assert held == [
        f"{room}Muted until /unmute. I keep it until then." for room in ("", "Kitchen: ")
    ]
    assert lab.receipts.of(message.id) == ["stored", "held"]


async def test_part_that_its_room_has_got_after_all_is_left_to_it(rooms: Rooms, lab: Lab) -> None:
    """It had lost it, was sent it again, and begins in time: only the room knows."""
    async with rooms.running():
        await rooms.come("Study")
        message, refs = await said(rooms, "study", expires_at=lab.now_s + 60)
        await rooms.answer("study", refs["study"], "unknown")
        await rooms.request(2)
        await rooms.answer("study", refs["study"], "sounding")
        lab.now_s += 61
        await said(rooms, "study")  # which makes it look at all of them
        await rooms.answer("study", refs["study"], "heard")

    assert lab.receipts.of(message.id) == ["stored", "heard"]


async def test_stop_of_a_room_drops_the_file_that_is_fetched_for_it(rooms: Rooms, lab: Lab) -> None:
    """As a stop of everything does; those for other rooms are read."""
    async with rooms.running():
        await rooms.come("Study", "Attic")
        for number, room in enumerate(("study", "attic"), 1):
            message = QueuedMessage(0, CHAT, number, "", file="text", room=room)
            await lab.inbox.accept(BOT, -number, message, State.FETCHING)
        count = await rooms.delivery.stop("study")
        left = await lab.inbox.list_unfetched(BOT)

    assert count == 1
    assert [message.room for message in left] == ["attic"]
