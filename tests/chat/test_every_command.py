"""Every command and every button: by two people and in a group, twice, idle and while speaking."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from bot.chat import status_message
from bot.chat.attachments import ALL, FIRST, NO, NOTE
from bot.chat.menu import COMMANDS
from bot.chat.sandbox import Event, Fault, Json, Person, Sandbox
from bot.core import delivery
from tests.conftest import ALICE, StartBot, reply_with
from tests.support.loudspeaker import Ear
from tests.support.stopwatch import Stopwatch

BOB = Person(8, "Bob")
GROUP: Json = {"id": -100, "type": "group", "title": "Family"}
LONG = " ".join(f"This is number {n}." for n in range(1, 13))
MISTAKE = "I made a mistake"

# Who asks, and where: each of them in turn.
ASKING: tuple[tuple[Person, Json | None], ...] = (
    (ALICE, None),
    (ALICE, None),
    (BOB, None),
    (BOB, GROUP),
)

# What each is answered while something sounds and more waits. A first answer may differ from those
# that follow.
ANSWERS: dict[str, tuple[str, ...]] = {
    "/start": ("Hello",),
    "/help": ("Send me a text",),
    "/pair ABCD2345": ("You are paired already",),
    "/status": ("Voice:",),
    "/queue": (*["This is number 1"] * 3, "6 messages from other people, chats or programs."),
    "/devices": ("speaker_a",),
    "/volume": ("The volume is",),
    "/volume 100": ("Volume 100 %",),
    "/volume loud": ("such as: /volume 80",),
    "/volume 999": ("such as: /volume 80",),
    "/speed": ("The speed is",),
    "/speed 1": ("Speed 1",),
    "/speed 9": ("such as: /speed 1.2",),
    "/speed fast": ("such as: /speed 1.2",),
    "/voice": ("Your voice",),
    "/voice nobody": ("There is no voice",),
    "/voice af_heart:170": ("/voice af_heart:70",),
    "/voice af_heart:70,af_bella:30": ("speaks for you",),
    "/mute": ("Muted until /unmute",),
    "/mute 2h": ("Muted until",),
    "/mute ages": ("Such as: /mute 2h",),
    "/mute 99999999d": ("Muted until /unmute",),
    "/unmute": ("Unmuted",),
    "/pronounce": ("Teach me like this",),
    "/pronounce nonsense": ("Like this: /pronounce Nguyen = win",),
    "/pronounce Nguyen = win": ("I say Nguyen",),
    "/pronounce Nguyen =": ("Forgot Nguyen",),
    "/people": ("/invite",),
    "/invite": ("/pair", "/pair", "/pair", "private chat"),
    "/urgent": ("such as: /urgent The bath is full",),
    "/note": ("such as: /note Good night",),
    "/replay": ("nothing to say again",),
    "/resume": ("I was not paused",),
    "/pause": ("Paused",),
    "/skip": ("Skipped",),
    "/stop": ("Silent", "Nothing was waiting"),
    "/nonsense@crier_bot": ("I don't know /nonsense",),
}
# ... and what otherwise, where nothing sounds.
IDLE = {
    "/queue": ("Nothing waits",),
    "/skip": ("Nothing is being said",),
    "/stop": ("Nothing was waiting",),
}

# What a pressed button answers while something sounds; an empty text only ends its spinning.
BUTTONS: dict[str, str] = {
    status_message.PAUSE: "Paused",
    status_message.RESUME: "Going on",
    status_message.SKIP: "Skipped",
    status_message.STOP: "Silent",
    status_message.LOUDER: "Volume 1",
    status_message.SOFTER: "Volume",
    status_message.SLOWER: "Speed ",
    status_message.FASTER: "Speed ",
    status_message.REPLAY: "nothing to say again",
    "voice:languages": "",
    "voice:page:af:0": "",
    "voice:page:af:1": "",
    "voice:page:xx:0": "out of date",
    "voice:page:af:x": "out of date",
    "voice:one:bm_george": "listen to the voice note",
    "voice:one:nobody": "out of date",
    "voice:set:bm_george": "bm_george speaks for you now",
    "voice:set:jf_alpha": "jf_alpha speaks for you now",
    "voice:set:nobody": "out of date",
    "voice:follow": "oice",
    "device:0123456789abcdef": "not there any more",
    "device=": "Following the system",
    "device-": "Following the setting",
    delivery.LATE_ALL: "Nothing waits for a decision",
    delivery.LATE_LAST: "Nothing waits for a decision",
    delivery.LATE_NONE: "Nothing waits for a decision",
    f"{ALL}1": "decided already",
    f"{FIRST}1": "decided already",
    f"{NOTE}1": "decided already",
    f"{NO}x": "decided already",
    "person:remove:999": "gone already",
    "person:remove:x": "gone already",
    "of an earlier version": "out of date",
}


def is_answer(event: Event) -> bool:
    """Match what a pressed button is answered."""
    return event.kind == "answer"


@asynccontextmanager
async def household(
    sandbox: Sandbox, start_toned: StartBot, ear: Ear, *, speaking: bool
) -> AsyncIterator[None]:
    """Run a bot of two people, idle or in the middle of six long messages; look for mistakes."""
    async with start_toned(telegram_allowed_users=frozenset({ALICE.id, BOB.id})):
        if speaking:
            for who in (ALICE, BOB, ALICE, BOB, ALICE, BOB):
                sandbox.send(who, LONG)
            await asyncio.to_thread(ear.wait_for_sound, 0.0)
        yield
        seen = len(sandbox.events)
        sandbox.send(ALICE, "/stop")
        await sandbox.wait_for(reply_with("Silent"), since=seen)

    assert not [e for e in sandbox.events if e.text == "💔" or MISTAKE in e.text]


async def ask(sandbox: Sandbox, command: str, answers: tuple[str, ...]) -> None:
    """Have everybody send a command, and see that each is answered rightly where it was sent."""
    for number, (who, chat) in enumerate(ASKING):
        seen, asked = len(sandbox.events), Stopwatch()
        sandbox.send(who, command, chat)
        part = answers[min(number, len(answers) - 1)]
        where = GROUP["id"] if chat else who.id

        def is_right(event: Event, part: str = part, where: int = where) -> bool:
            return reply_with(part)(event) and event.chat_id == where

        try:
            await sandbox.wait_for(is_right, since=seen)
        except TimeoutError:
            said = [event.text for event in sandbox.events[seen:] if event.text]
            pytest.fail(f"{command} by {who.name} was answered {said}")
        assert asked.elapsed_s < 1, command


async def press(sandbox: Sandbox, data: str) -> None:
    """Have everybody press a button, and see that each is answered rightly."""
    for who, chat in ASKING:
        seen = len(sandbox.events)
        sandbox.send(who, "/voice", chat)
        own = await sandbox.wait_for(reply_with("Your voice"), since=seen)
        seen, asked = len(sandbox.events), Stopwatch()
        sandbox.press(who, own.message_id, data, chat)
        answer = await sandbox.wait_for(is_answer, since=seen)
        assert BUTTONS[data] in answer.text, data
        assert asked.elapsed_s < 1, data


@pytest.mark.parametrize("command", ANSWERS)
async def test_a_command_is_answered_while_something_sounds(
    sandbox: Sandbox, start_toned: StartBot, ear_a: Ear, command: str
) -> None:
    """Whoever sends it, wherever: the right answer, in the chat where it was sent."""
    async with household(sandbox, start_toned, ear_a, speaking=True):
        await ask(sandbox, command, ANSWERS[command])


async def test_every_command_is_answered_where_nothing_sounds(
    sandbox: Sandbox, start_toned: StartBot, ear_a: Ear
) -> None:
    """One after another, each is answered as in the table."""
    async with household(sandbox, start_toned, ear_a, speaking=False):
        for command, answers in {**ANSWERS, **IDLE}.items():
            sandbox._tokens.clear()  # this is no test of Telegram's limits
            await ask(sandbox, command, answers)


def test_no_command_of_the_menu_is_left_out() -> None:
    """The table above has them all."""
    tried = {command.split()[0] for command in ANSWERS}

    assert {f"/{known.command}" for known in COMMANDS} - tried == set()


@pytest.mark.parametrize("data", BUTTONS)
async def test_a_button_is_answered_while_something_sounds(
    sandbox: Sandbox, start_toned: StartBot, ear_a: Ear, data: str
) -> None:
    """Whoever presses it, wherever: it stops spinning, with the right words."""
    async with household(sandbox, start_toned, ear_a, speaking=True):
        await press(sandbox, data)


async def test_every_button_is_answered_where_nothing_sounds(
    sandbox: Sandbox, start_toned: StartBot, ear_a: Ear
) -> None:
    """One after another, each is answered as in the table."""
    async with household(sandbox, start_toned, ear_a, speaking=False):
        for data in BUTTONS:
            sandbox._tokens.clear()
            await press(sandbox, data)


def test_no_button_of_the_status_message_is_left_out() -> None:
    """The table above has them all."""
    buttons = {
        value for name, value in vars(status_message).items() if str(value).startswith("strip:")
    }

    assert buttons - set(BUTTONS) == set()


async def test_status_answers_whatever_happens(
    sandbox: Sandbox, start_toned: StartBot, ear_a: Ear
) -> None:
    """Speech, files on their way, voice notes, a flood of edits: within a second all the same."""
    sandbox.faults["getfile"] = Fault(delay_s=2)
    async with household(sandbox, start_toned, ear_a, speaking=True):
        file: Json = {
            "file_id": sandbox.add_file(b"x"),
            "file_unique_id": "d",
            "file_name": "a.txt",
        }
        edited = sandbox.send(ALICE, "This is number 50.")
        for number in range(8):
            sandbox.send_fields(ALICE, {"document": file})
            sandbox.send(BOB, f"/note {LONG}")
            sandbox.edit(ALICE, edited, f"This is number {number}.")
            sandbox.send(ALICE, "/pause" if number % 2 else "/resume")
            seen, asked = len(sandbox.events), Stopwatch()
            sandbox.send(BOB, "/status", GROUP)
            await sandbox.wait_for(reply_with("Voice:"), since=seen)
            assert asked.elapsed_s < 1
