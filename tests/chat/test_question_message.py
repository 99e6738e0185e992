"""Questions of programs in chats: buttons, replies in words, and what becomes of both."""

import asyncio
import json
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bot.chat.sandbox import Event, Fault, Json, Person, Sandbox
from bot.cli.ask import ask_people
from bot.cli.main import main
from bot.settings import Settings
from tests.chat.steps import BOB, PEOPLE
from tests.conftest import ALICE, reaction_to, reply_with
from tests.support.fake_voice import ToneVoice
from tests.support.http_face import Face, serve

ServeFamily = Callable[..., AbstractAsyncContextManager[Face]]
ASK: Json = {"input": "Deploy now?", "options": ["yes", "no"], "timeout_s": 60}


@pytest.fixture
def serve_family(settings: Settings, tmp_path: Path, sandbox: Sandbox) -> ServeFamily:
    """Return a function that runs a bot which Alice and Bob may use, speaking into files."""

    @asynccontextmanager
    async def start() -> AsyncIterator[Face]:
        changed = settings.replaced(
            api_port=0,
            audio_device=f"file:{tmp_path / 'spoken'}",
            telegram_allowed_users=PEOPLE,
        )
        async with serve(changed, ToneVoice()) as face:
            for person in (ALICE, BOB):  # a bot can only write to people who wrote to it
                seen = len(sandbox.events)
                sandbox.send(person, "/start")
                await sandbox.wait_for(reply_with("Hello"), since=seen)
            yield face

    return start


def asked_in(person: Person, text: str = "Deploy now?") -> Callable[[Event], bool]:
    """Return a matcher of a question in a person's chat."""
    return lambda e: e.kind == "message" and e.chat_id == person.id and f"❓ {text}" in e.text


def end_in(person: Person, part: str) -> Callable[[Event], bool]:
    """Return a matcher of a question in a person's chat that shows its end."""
    return lambda e: e.kind == "edit" and e.chat_id == person.id and part in e.text


def edit_of(copy: Event) -> Callable[[Event], bool]:
    """Return a matcher of an edit of a message."""
    return lambda e: e.kind == "edit" and e.message_id == copy.message_id


def answered_with(part: str) -> Callable[[Event], bool]:
    """Return a matcher of the answer to a pressed button."""
    return lambda e: e.kind == "answer" and part in e.text


def ask(face: Face, **fields: Any) -> "asyncio.Task[Any]":
    """Ask over HTTP; return the task that waits for the answer."""

    async def request() -> Any:
        response = await face.client.post("/v1/ask", json={**ASK, **fields})
        return response.json()

    return asyncio.create_task(request())


def press(sandbox: Sandbox, person: Person, question: Event, label: str) -> None:
    """Press a button of a question."""
    data = next(data for text, data in question.buttons if text == label)
    sandbox.press(person, question.message_id, data)


def reply(sandbox: Sandbox, person: Person, question: Event, text: str) -> int:
    """Reply to a question in words; return the number of the reply."""
    asked = sandbox._messages[person.id, question.message_id]
    return sandbox.send_fields(person, {"text": text, "reply_to_message": asked})


async def test_question_is_answered_by_a_button(
    sandbox: Sandbox, serve_family: ServeFamily
) -> None:
    """The first tap goes to the program; both chats show whose it was, without buttons."""
    async with serve_family() as face, face.listening() as heard:
        waiting = ask(face)
        first, second = [await sandbox.wait_for(asked_in(person)) for person in (ALICE, BOB)]
        press(sandbox, BOB, second, "no")
        answer = await waiting
        ends = [await sandbox.wait_for(end_in(person, "✅ Bob: no")) for person in (ALICE, BOB)]
        press(sandbox, ALICE, first, "yes")
        await sandbox.wait_for(answered_with("Bob answered before: no"))
        await heard.wait_for(lambda name, _: name == "ended")
        history = await face.get("/v1/history")

    assert [label for label, _ in first.buttons] == ["yes", "no"]
    assert (answer["status"], answer["answer"], answer["by"]) == ("answered", "no", "Bob")
    assert 0 < answer["after_s"] < 60
    assert [end.buttons for end in ends] == [(), ()]
    assert [item["text"] for item in history["items"]] == ["Deploy now?"]


async def test_question_is_answered_in_words(sandbox: Sandbox, serve_family: ServeFamily) -> None:
    """A reply is the answer, and is not spoken; a later one is told so."""
    async with serve_family() as face:
        waiting = ask(face, input="When do you come?", options=[])
        question = await sandbox.wait_for(asked_in(ALICE, "When do you come?"))
        other = await sandbox.wait_for(asked_in(BOB, "When do you come?"))
        message = reply(sandbox, ALICE, question, "At half past six.")
        answer = await waiting
        await sandbox.wait_for(reaction_to(message, "👌"))
        late = reply(sandbox, BOB, other, "At seven.")
        await sandbox.wait_for(reply_with("Alice answered before: At half past six.", to=late))
        items = (await face.get("/v1/queue"))["items"]

    assert "Reply to this message" in question.text
    assert answer["answer"] == "At half past six."
    assert all("seven" not in item["text"] and "half" not in item["text"] for item in items)
    assert not any(reaction_to(late)(event) for event in sandbox.events)


async def test_question_with_options_takes_one_of_them_in_words(
    sandbox: Sandbox, serve_family: ServeFamily
) -> None:
    """Other words are no answer, and their sender learns which there are."""
    async with serve_family() as face:
        waiting = ask(face)
        question = await sandbox.wait_for(asked_in(ALICE))
        wrong = reply(sandbox, ALICE, question, "Perhaps")
        await sandbox.wait_for(reply_with("There are: yes, no.", to=wrong))
        reply(sandbox, ALICE, question, "Yes!")
        answer = await waiting

    assert answer["answer"] == "yes"


async def test_question_that_is_over_says_so(sandbox: Sandbox, serve_family: ServeFamily) -> None:
    """When the time is over the buttons go, and a tap on one that is still seen is too late."""
    async with serve_family() as face:
        waiting = ask(face, timeout_s=0.5)
        question = await sandbox.wait_for(asked_in(ALICE))
        answer = await waiting
        end = await sandbox.wait_for(end_in(ALICE, "Nobody answered in time."))
        press(sandbox, ALICE, question, "yes")
        await sandbox.wait_for(answered_with("Too late"))
        message = reply(sandbox, ALICE, question, "yes")
        await sandbox.wait_for(reply_with("Too late", to=message))

    assert answer["status"] == "timeout"
    assert answer["answer"] is None
    assert end.buttons == ()


async def test_question_survives_a_restart(sandbox: Sandbox, serve_family: ServeFamily) -> None:
    """Its request ends with 503; afterwards the buttons work, and the program asks again."""
    async with serve_family() as face:
        key = {"Idempotency-Key": "one"}
        waiting = asyncio.create_task(face.client.post("/v1/ask", json=ASK, headers=key))
        question = await sandbox.wait_for(asked_in(ALICE))
        await sandbox.wait_for(asked_in(BOB))
    stopped = await waiting
    asked_before = sum(map(asked_in(ALICE), sandbox.events))
    async with serve_family() as face:
        again = asyncio.create_task(face.client.post("/v1/ask", json=ASK, headers=key))
        press(sandbox, ALICE, question, "yes")
        answer = (await again).json()
        by_id = await face.get(f"/v1/ask/{answer['id']}?wait_s=60")

    assert stopped.status_code == 503
    assert "stays open" in stopped.text
    assert (answer["status"], answer["answer"]) == ("answered", "yes")
    assert by_id == answer
    assert sum(map(asked_in(ALICE), sandbox.events)) == asked_before


async def test_question_of_the_command_line_survives_a_restart(
    sandbox: Sandbox, serve_family: ServeFamily, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`crier ask`, and an agent's tool, go on waiting while the bot is started again."""
    monkeypatch.setenv("DATA_DIR", str(settings.data_dir))
    away = asyncio.Event()
    loop = asyncio.get_running_loop()

    def wait(_: float) -> None:
        loop.call_soon_threadsafe(away.set)
        time.sleep(0.05)

    async with serve_family():
        asking = asyncio.create_task(asyncio.to_thread(ask_people, "tests", ASK, sleep=wait))
        question = await sandbox.wait_for(asked_in(ALICE))
        await sandbox.wait_for(asked_in(BOB))
    await away.wait()
    async with serve_family():
        press(sandbox, ALICE, question, "yes")
        answer = await asking

    assert (answer["status"], answer["answer"], answer["by"]) == ("answered", "yes", "Alice")


async def test_answer_that_is_received_twice_counts(
    sandbox: Sandbox, serve_family: ServeFamily
) -> None:
    """A tap that Telegram sends again, since a crash came, is answered as the first time."""
    async with serve_family() as face:
        waiting = ask(face, chat=ALICE.id)
        question = await sandbox.wait_for(asked_in(ALICE))
        press(sandbox, ALICE, question, "yes")
        update = dict(sandbox._updates[0])
        answer = await waiting
        seen = len(sandbox.events)
        update["update_id"] += 1000
        sandbox._updates.append(update)
        sandbox._arrived.set()
        await sandbox.wait_for(answered_with("Your answer: yes"), since=seen)

    assert answer["answer"] == "yes"


async def test_question_is_answered_once_by_a_tap_and_a_word(
    sandbox: Sandbox, serve_family: ServeFamily
) -> None:
    """Of answers that come together, the first that Telegram hands over counts."""
    async with serve_family() as face:
        waiting = ask(face)
        first, second = [await sandbox.wait_for(asked_in(person)) for person in (ALICE, BOB)]
        message = reply(sandbox, ALICE, first, "no")
        press(sandbox, BOB, second, "yes")
        press(sandbox, ALICE, first, "no")
        answer = await waiting
        await sandbox.wait_for(answered_with("Alice answered before: no"))
        await sandbox.wait_for(answered_with("Your answer: no"))
        await sandbox.wait_for(reaction_to(message, "👌"))

    assert (answer["answer"], answer["by"]) == ("no", "Alice")


async def test_question_that_was_sent_twice_works_in_both_copies(
    sandbox: Sandbox, serve_family: ServeFamily, settings: Settings
) -> None:
    """Telegram's answer to the first may be lost; a tap there counts, and removes its buttons."""
    async with serve_family() as face:
        waiting = ask(face, chat=ALICE.id)
        first = await sandbox.wait_for(asked_in(ALICE))
    assert (await waiting)["error"]["code"] == "stopping"
    # As after a crash: the number of its message was not stored.
    with sqlite3.connect(settings.data_dir / "crier.db") as database:
        database.execute("UPDATE question SET copies = json_set(copies, '$.\"7\"', 0)")
    database.close()
    async with serve_family():
        second = await sandbox.wait_for(asked_in(ALICE), since=sandbox.events.index(first) + 1)
        press(sandbox, ALICE, first, "yes")
        ends = [await sandbox.wait_for(edit_of(copy)) for copy in (first, second)]

    assert [end.buttons for end in ends] == [(), ()]
    assert {end.text for end in ends} == {"❓ Deploy now?\n\n✅ Alice: yes"}


async def test_button_of_an_unknown_question_is_out_of_date(
    sandbox: Sandbox, serve_family: ServeFamily
) -> None:
    """A made-up button, and one of an older question of the same number, answer nothing."""
    async with serve_family() as face:
        waiting = ask(face)
        question = await sandbox.wait_for(asked_in(ALICE))
        data = question.buttons[0][1]
        for made_up in (
            f"{data}9",
            "ask:999:0:0",
            "ask:x",
            "ask::",
            f"ask:{data.split(':')[1]}:1:0",
        ):
            seen = len(sandbox.events)
            sandbox.press(ALICE, question.message_id, made_up)
            await sandbox.wait_for(answered_with("out of date"), since=seen)
        press(sandbox, ALICE, question, "yes")
        answer = await waiting

    assert answer["answer"] == "yes"


async def test_question_is_not_for_strangers(sandbox: Sandbox, serve_family: ServeFamily) -> None:
    """Who may answer is who may speak: the tap of somebody else has no effect."""
    stranger = Person(666, "Mallory")
    group: Json = {"id": -100, "type": "group", "title": "Family"}
    async with serve_family() as face:
        sandbox.send(ALICE, "/help@crier_bot", group)
        await sandbox.wait_for(lambda e: e.kind == "message" and e.chat_id == -100)
        waiting = ask(face, chat=-100)
        question = await sandbox.wait_for(
            lambda e: e.kind == "message" and e.chat_id == -100 and "Deploy" in e.text
        )
        data = question.buttons[0][1]
        sandbox.press(stranger, question.message_id, data, group)
        sandbox.press(BOB, question.message_id, question.buttons[1][1], group)
        answer = await waiting

    assert (answer["answer"], answer["by"]) == ("no", "Bob")


async def test_question_to_somebody_unreachable_is_stopped(
    settings: Settings, tmp_path: Path
) -> None:
    """A person who never wrote to the bot can't be asked, and the program learns why."""
    quiet = settings.replaced(api_port=0, audio_device=f"file:{tmp_path / 'spoken'}")
    async with serve(quiet, ToneVoice()) as face:
        answer = await ask(face)

    assert answer["status"] == "stopped"
    assert "Telegram delivers it to nobody" in answer["reason"]


async def test_question_waits_for_the_network(sandbox: Sandbox, serve_family: ServeFamily) -> None:
    """A question that Telegram does not take yet is sent later."""
    async with serve_family() as face:
        sandbox.faults["sendmessage"] = Fault(status=502, times=1)
        waiting = ask(face, chat=ALICE.id)
        press(sandbox, ALICE, await sandbox.wait_for(asked_in(ALICE)), "yes")
        answer = await waiting

    assert answer["answer"] == "yes"


async def test_rest_of_an_agents_message_is_one_tap_away(
    sandbox: Sandbox, serve_family: ServeFamily, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`crier hook` has the first sentences said; the rest is in the chat, and said after a tap."""
    monkeypatch.setenv("DATA_DIR", str(settings.data_dir))
    text = " ".join(f"Number {number}." for number in range(10, 15))
    payload = {"type": "message", "cwd": "/p/my-project", "message": f"{text}\n```\nls\n```"}
    async with serve_family() as face, face.listening() as heard:
        command = ["hook", "--max-seconds", "4", json.dumps(payload)]
        code = await asyncio.to_thread(main, command)
        offer = await sandbox.wait_for(lambda e: e.kind == "message" and "🔈" in e.text)
        first = await heard.wait_for(lambda name, _: name == "ended")
        [(label, data)] = offer.buttons
        sandbox.press(offer_owner(offer), offer.message_id, data)
        await heard.wait_for(lambda name, event: name == "ended" and event["id"] != first["id"])
        rest, said = [item["text"] for item in (await face.get("/v1/history"))["items"]]
        await sandbox.wait_for(answered_with("Reading on."))

    assert code == 0
    assert first["reason"] == "Skipped: 1 code block."
    assert label == "Read on"
    assert said.startswith("my project:")
    assert f"{said} {rest}".split()[2:] == text.split()
    assert offer.text == f"🔈 {rest}"


def offer_owner(offer: Event) -> Person:
    """Return the person whose chat an event is in."""
    return ALICE if offer.chat_id == ALICE.id else BOB
