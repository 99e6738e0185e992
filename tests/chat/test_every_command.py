"""Every command and every button: by two people and in a group, twice, idle and while speaking."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from bot.chat import receipts, status_message
from bot.chat.attachments import ALL, FIRST, NO, NOTE
from bot.chat.menu import COMMANDS
from bot.chat.sandbox import Event, Fault, Json, Person, Sandbox
from bot.core.preferences import detect
from tests.conftest import ALICE, StartBot, reply_with
from tests.support.loudspeaker import Ear
from tests.support.stopwatch import Stopwatch

BOB = Person(8, "Bob")
GROUP: Json = {"id": -100, "type": "group", "title": "Family"}
LONG = " ".join(f"This is number {n}." for n in range(1, 13))
ERROR_REPLY = "I made a mistake"

# The senders of each command, and their chats.
SENDERS: tuple[tuple[Person, Json | None], ...] = (
    (ALICE, None),
    (ALICE, None),
    (BOB, None),
    (BOB, GROUP),
)

# Command -> the reply while something sounds and more waits. There are several where the first
# replies differ from the later ones.
ANSWERS: dict[str, tuple[str, ...]] = {
    "/start": ("Hello",),
    "/help": ("Send me a text",),
    "/help more": ("/every weekday 7:15",),
    "/help me": ("Send me a text",),
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
    "/mute until 7:00": ("Muted until",),
    "/mute ages": ("Such as: /mute 2h",),
    "/mute 99999999d": ("Muted until /unmute",),
    "/unmute": ("Unmuted",),
    "/pronounce": ("Teach me like this",),
    "/pronounce nonsense": ("Like this: /pronounce Nguyen = win",),
    "/pronounce Nguyen = win": ("I say Nguyen",),
    "/pronounce Nguyen = /wˈɪn/": ("I say Nguyen as /wˈɪn/.",),
    "/pronounce Nguyen =": ("Forgot Nguyen",),
    "/people": ("/invite",),
    "/invite": ("/pair", "/pair", "/pair", "private chat"),
    "/urgent": ("such as: /urgent The bath is full",),
    "/note": ("such as: /note Good night",),
    "/at": ("Like this: /at 18:30 Dinner",),
    "/in": ("Like this: /in 20m Turn the oven off",),
    "/in 20 eggs": ("Such as: in 20m",),
    "/in 90m Tea": (": Tea",),
    "/every": ("Like this: /every weekday 7:15",),
    "/every 9 hours Tea": ("Every 9 hours, next",),
    "/reminders": ("No reminders",),
    "/replay": ("nothing to say again",),
    "/resume": ("I was not paused",),
    "/pause": ("Paused",),
    "/skip": ("Skipped",),
    "/stop": ("Silent", "Nothing was waiting"),
    "/nonsense@crier_bot": ("I don't know /nonsense",),
}
# Replies that differ while the bot is idle.
IDLE = {
    "/queue": ("Nothing waits",),
    "/reminders": (*["3. Every 9 hours, next"] * 3, "2. Every 9 hours, next"),
    "/skip": ("Nothing is being said",),
    "/stop": ("Nothing was waiting",),
}

# Button -> its answer while something sounds; an empty text only stops its spinner.
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
    receipts.LATE_ALL: "Nothing waits for a decision",
    receipts.LATE_LAST: "Nothing waits for a decision",
    receipts.LATE_NONE: "Nothing waits for a decision",
    f"{ALL}1": "decided already",
    f"{FIRST}1": "decided already",
    f"{NOTE}1": "decided already",
    f"{NO}x": "decided already",
    "ask:1:0": "out of date",
    "ask:x": "out of date",
    "person:remove:999": "gone already",
    "person:remove:x": "gone already",
    "reminder:delete:999": "said, or deleted, already",
    "reminder:pause:x": "said, or deleted, already",
    "of an earlier version": "out of date",
}


def is_answer(event: Event) -> bool:
    """Match the answer to a pressed button."""
    return event.kind == "answer"


@asynccontextmanager
async def household(
    sandbox: Sandbox, start_toned: StartBot, ear: Ear, *, speaking: bool
) -> AsyncIterator[None]:
    """Run a bot for two people, idle or within six long messages; check for error replies."""
    detect(LONG)  # loads the detector, once in this process
    async with start_toned(telegram_allowed_users=frozenset({ALICE.id, BOB.id})):
        if speaking:
            for person in (ALICE, BOB, ALICE, BOB, ALICE, BOB):
                sandbox.send(person, LONG)
            await asyncio.to_thread(ear.wait_for_sound, 0.0)
        yield
        seen = len(sandbox.events)
        sandbox.send(ALICE, "/stop")
        await sandbox.wait_for(reply_with("Silent"), since=seen)

    assert not [e for e in sandbox.events if e.text == "💔" or ERROR_REPLY in e.text]


async def ask(sandbox: Sandbox, command: str, answers: tuple[str, ...]) -> None:
    """Send a command from each person and chat; check each reply and its chat."""
    for number, (person, chat) in enumerate(SENDERS):
        seen, stopwatch = len(sandbox.events), Stopwatch()
        sandbox.send(person, command, chat)
        part = answers[min(number, len(answers) - 1)]
        chat_id = GROUP["id"] if chat else person.id

        def is_right(event: Event, part: str = part, chat_id: int = chat_id) -> bool:
            return reply_with(part)(event) and event.chat_id == chat_id

        try:
            await sandbox.wait_for(is_right, since=seen)
        except TimeoutError:
            replies = [event.text for event in sandbox.events[seen:] if event.text]
            pytest.fail(f"{command} by {person.name} was answered {replies}")
        assert stopwatch.elapsed_s < 1, command


async def press(sandbox: Sandbox, data: str) -> None:
    """Press a button as each person in each chat; check each answer."""
    for person, chat in SENDERS:
        seen = len(sandbox.events)
        sandbox.send(person, "/voice", chat)
        menu = await sandbox.wait_for(reply_with("Your voice"), since=seen)
        seen, stopwatch = len(sandbox.events), Stopwatch()
        sandbox.press(person, menu.message_id, data, chat)
        answer = await sandbox.wait_for(is_answer, since=seen)
        assert BUTTONS[data] in answer.text, data
        assert stopwatch.elapsed_s < 1, data


@pytest.mark.parametrize("command", ANSWERS)
async def test_command_is_answered_while_speaking(
    sandbox: Sandbox, start_toned: StartBot, ear_a: Ear, command: str
) -> None:
    """Each sender gets the right answer, in the same chat."""
    async with household(sandbox, start_toned, ear_a, speaking=True):
        await ask(sandbox, command, ANSWERS[command])


async def test_commands_are_answered_while_idle(
    sandbox: Sandbox, start_toned: StartBot, ear_a: Ear
) -> None:
    """Each in turn is answered as in the table."""
    async with household(sandbox, start_toned, ear_a, speaking=False):
        for command, answers in {**ANSWERS, **IDLE}.items():
            sandbox._tokens.clear()  # Telegram's limits are not under test
            await ask(sandbox, command, answers)


def test_menu_has_no_untested_command() -> None:
    """The table above covers the menu."""
    tested = {command.split()[0] for command in ANSWERS}

    assert {f"/{known.command}" for known in COMMANDS} - tested == set()


@pytest.mark.parametrize("data", BUTTONS)
async def test_button_is_answered_while_speaking(
    sandbox: Sandbox, start_toned: StartBot, ear_a: Ear, data: str
) -> None:
    """Each person's press is answered with the right words."""
    async with household(sandbox, start_toned, ear_a, speaking=True):
        await press(sandbox, data)


async def test_buttons_are_answered_while_idle(
    sandbox: Sandbox, start_toned: StartBot, ear_a: Ear
) -> None:
    """Each in turn is answered as in the table."""
    async with household(sandbox, start_toned, ear_a, speaking=False):
        for data in BUTTONS:
            sandbox._tokens.clear()
            await press(sandbox, data)


def test_status_message_has_no_untested_button() -> None:
    """The table above covers the status message."""
    buttons = {
        value for name, value in vars(status_message).items() if str(value).startswith("status:")
    }

    assert buttons - set(BUTTONS) == set()


async def test_status_is_answered_under_load(
    sandbox: Sandbox, start_toned: StartBot, ear_a: Ear
) -> None:
    """Speech, files, voice notes and a flood of edits: still within a second."""
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
            seen, stopwatch = len(sandbox.events), Stopwatch()
            sandbox.send(BOB, "/status", GROUP)
            await sandbox.wait_for(reply_with("Voice:"), since=seen)
            assert stopwatch.elapsed_s < 1
