"""The status message: true, calm, and never left behind."""

import asyncio
import itertools
from typing import Any

import pytest

from bot.chat.sandbox import Event, Fault, Json, Sandbox
from bot.chat.status_message import roughly
from bot.core.inbox import Inbox
from bot.settings import Settings
from tests.conftest import ALICE, StartBot, reaction_to, reply_with
from tests.support.commandline import Environment, crier

LONG = " ".join(f"This is number {n}." for n in range(1, 31))
LONGER = " ".join(f"This is number {n}." for n in range(1, 61))


def is_edit(part: str) -> Any:
    """Match an edit that holds *part*."""
    return lambda event: event.kind == "edit" and part in event.text


def edits(sandbox: Sandbox) -> list[Event]:
    """Return what was edited."""
    return [event for event in sandbox.events if event.kind == "edit"]


async def test_strip_is_edited_calmly_where_only_time_goes_by(
    sandbox: Sandbox, start_toned: StartBot
) -> None:
    """A countdown is no reason for an edit each second, which Telegram answers with long pauses."""
    async with start_toned():
        message = sandbox.send(ALICE, LONG)
        await sandbox.wait_for(reaction_to(message, "👍"))
        await sandbox.wait_for(is_edit("Heard 1 message"))
    countdown = [edit for edit in edits(sandbox) if "Speaking" in edit.text]

    assert all(b.at_s - a.at_s > 3.0 for a, b in itertools.pairwise(countdown))
    assert all("about" in e.text or "a few" in e.text for e in countdown)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (3.0, "a few seconds"),
        (10.0, "a few seconds"),
        (10.1, "about 20 s"),
        (61.0, "about 70 s"),
        (100.0, "about 2 min"),
        (600.0, "about 10 min"),
    ],
)
def test_roughly_rounds_a_countdown(seconds: float, said: str) -> None:
    """What changes each second would have to be edited each second."""
    assert roughly(seconds) == said


async def test_strip_held_up_by_telegram_holds_up_nothing_else(
    sandbox: Sandbox, start_toned: StartBot
) -> None:
    """Where edits have to wait for minutes, /stop is answered and its receipts are given."""
    async with start_toned():
        messages = [sandbox.send(ALICE, LONG) for _ in range(2)]
        await sandbox.wait_for(reply_with("Speaking 1 of 2"))
        sandbox.faults["editmessagetext"] = Fault(
            status=429, description="Too Many Requests: retry after 600", retry_after_s=600
        )
        await sandbox.wait_for_call("editmessagetext")
        sandbox.send(ALICE, "/stop")
        await sandbox.wait_for(reply_with("Silent."))
        for message in messages:
            await sandbox.wait_for(reaction_to(message, "🙊"))
    tries = [call for call in sandbox.calls if call[1] == "editmessagetext"]

    assert len(tries) == 1


async def test_strip_says_that_speech_is_paused(sandbox: Sandbox, start_toned: StartBot) -> None:
    """A pause is told, with the way out of it, after a restart too."""
    async with start_toned():
        message = sandbox.send(ALICE, LONG)
        strip = await sandbox.wait_for(reply_with("Speaking 1 of 1"))
        sandbox.press(ALICE, strip.message_id, dict(strip.buttons)["Pause"])
        await sandbox.wait_for(is_edit("Paused at 1 of 1."))
    seen = len(sandbox.events)
    async with start_toned():
        paused = await sandbox.wait_for(is_edit("Paused at 1 of 1."), since=seen)
        sandbox.press(ALICE, strip.message_id, dict(paused.buttons)["Resume"])
        await sandbox.wait_for(is_edit("Speaking 1 of 1"), since=seen)
        await sandbox.wait_for(reaction_to(message, "👍"))


async def test_strip_that_was_deleted_is_left_alone(
    sandbox: Sandbox, start_toned: StartBot
) -> None:
    """Once Telegram says that it is gone, it is not edited any more."""
    gone = Fault(status=400, description="Bad Request: message to edit not found")
    sandbox.faults["editmessagetext"] = gone
    async with start_toned():
        message = sandbox.send(ALICE, LONG)
        await sandbox.wait_for(reaction_to(message, "👍"))
    tries = [call for call in sandbox.calls if call[1] == "editmessagetext"]

    assert len(tries) == 1


async def test_strip_is_one_in_each_topic(sandbox: Sandbox, start_toned: StartBot) -> None:
    """Two topics of a chat are two conversations: each has its own status message, in itself."""
    async with start_toned():
        for thread_id in (11, 22):
            topic = {"message_thread_id": thread_id, "is_topic_message": True}
            sandbox.send_fields(ALICE, {"text": LONG, **topic})
        speaking = await sandbox.wait_for(reply_with("Speaking 1 of 1"))
        waiting = await sandbox.wait_for(reply_with("1 waiting for their turn."))

    assert (speaking.thread_id, waiting.thread_id) == (11, 22)


# ---- over the end of the process ----


async def test_strip_goes_on_after_a_kill(bot_environment: Environment, sandbox: Sandbox) -> None:
    """The next life edits the message of the one that was killed, to its true end."""
    bot_environment["LOG_LEVEL"] = "INFO"  # nobody reads it
    options: dict[str, Any] = {
        "environment": bot_environment,
        "module": "tests.support.run_with_fake_voice",
    }
    async with crier("run", **options) as process:
        message = sandbox.send(ALICE, LONGER)
        strip = await sandbox.wait_for(reply_with("Speaking 1 of 1"))
        await sandbox.wait_for(is_edit("Speaking 1 of 1"))  # by then it is stored
        process.kill()
        await process.wait()
        seen = len(sandbox.events)
    async with crier("run", **options):
        again = await sandbox.wait_for(is_edit("Speaking 1 of 1"), since=seen)
        await sandbox.wait_for(reaction_to(message, "👍"))
        end = await sandbox.wait_for(is_edit("Heard 1 message."))

    assert again.message_id == end.message_id == strip.message_id
    assert len([e for e in sandbox.events if reply_with("Speaking")(e)]) == 1


async def test_strip_ends_after_a_kill_where_nothing_goes_on(
    bot_environment: Environment, sandbox: Sandbox, settings: Settings
) -> None:
    """Where its messages are over, it says so, without buttons that nobody obeys; once only."""
    bot_environment["LOG_LEVEL"] = "INFO"  # nobody reads it
    options: dict[str, Any] = {
        "environment": bot_environment,
        "module": "tests.support.run_with_fake_voice",
    }
    async with crier("run", **options) as process:
        sandbox.send(ALICE, LONGER)
        strip = await sandbox.wait_for(reply_with("Speaking 1 of 1"))
        await sandbox.wait_for(is_edit("Speaking 1 of 1"))
        process.kill()
        await process.wait()
    inbox = await Inbox.open(settings.data_dir / "crier.db")
    await inbox.end_all(sandbox.bot_id, "stopped", "🙊")
    await inbox.close()
    async with crier("run", **options):
        over = await sandbox.wait_for(is_edit("Over. I was restarted"))
        last = sandbox.send(ALICE, "This is number 1.")
        await sandbox.wait_for(reaction_to(last, "👍"))  # by then the end is stored
    inbox = await Inbox.open(settings.data_dir / "crier.db")
    left = await inbox.status_messages(sandbox.bot_id)
    await inbox.close()

    assert (over.message_id, over.buttons) == (strip.message_id, ())
    assert left == []


@pytest.mark.parametrize("answer_s", [0.0, 0.3])
async def test_strip_loses_its_buttons_at_the_end_and_finds_them_at_the_start(
    sandbox: Sandbox, start_toned: StartBot, monkeypatch: pytest.MonkeyPatch, answer_s: float
) -> None:
    """While the program is away no button promises anything; its next start goes on there.

    Also where the program ends before it has heard from Telegram that there is such a message.
    """
    send = sandbox._do_sendmessage

    async def slowly(parameters: Json) -> Json:
        message = await send(parameters)
        await asyncio.sleep(answer_s)
        return message

    monkeypatch.setattr(sandbox, "_do_sendmessage", slowly)
    async with start_toned():
        message = sandbox.send(ALICE, LONG)
        strip = await sandbox.wait_for(reply_with("Speaking 1 of 1"))
    interrupted = edits(sandbox)[-1]
    async with start_toned():
        again = await sandbox.wait_for(is_edit("Speaking 1 of 1"), since=len(sandbox.events))
        await sandbox.wait_for(reaction_to(message, "👍"))

    assert "Interrupted" in interrupted.text
    assert interrupted.buttons == ()
    assert again.message_id == strip.message_id
    assert dict(again.buttons).keys() >= {"Pause", "Stop"}
