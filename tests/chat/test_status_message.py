"""The status message: correct, edited rarely, and never abandoned."""

import asyncio
import itertools
from typing import Any

import pytest

from bot.chat.sandbox import Event, Fault, Json, Sandbox
from bot.chat.status_message import roughly
from bot.core.inbox import Inbox
from bot.settings import Settings
from tests.chat.samples import TWELVE_SENTENCES
from tests.conftest import ALICE, StartBot, reaction_to, reply_with
from tests.support.commandline import WITH_TONES, Environment, crier

LONG = " ".join(f"This is number {n}." for n in range(1, 31))
LONGER = " ".join(f"This is number {n}." for n in range(1, 61))


def is_edit(part: str) -> Any:
    """Match an edit that contains *part*."""
    return lambda event: event.kind == "edit" and part in event.text


def styles(event: Event) -> dict[str, str]:
    """Return the buttons that are not as the app likes, and their styles."""
    shown = zip(event.buttons, event.styles, strict=True)
    return {label: style for (label, _), style in shown if style}


def edits(sandbox: Sandbox) -> list[Event]:
    """Return all edits."""
    return [event for event in sandbox.events if event.kind == "edit"]


async def test_status_message_is_rarely_edited_if_only_time_passes(
    sandbox: Sandbox, start_toned: StartBot
) -> None:
    """A countdown is not edited each second, which Telegram answers with long pauses."""
    async with start_toned():
        message = sandbox.send(ALICE, LONG)
        await sandbox.wait_for(reaction_to(message, "👍"))
        await sandbox.wait_for(is_edit("Heard 1 message"))
    countdown = [edit for edit in edits(sandbox) if "Speaking" in edit.text]

    assert all(b.at_s - a.at_s > 3.0 for a, b in itertools.pairwise(countdown))
    assert all("about" in e.text or "a few" in e.text for e in countdown)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (3.0, "a few seconds"),
        (10.0, "a few seconds"),
        (10.1, "about 20 s"),
        (61.0, "about 70 s"),
        (100.0, "about 2 min"),
        (600.0, "about 10 min"),
    ],
)
def test_roughly_rounds_a_countdown(seconds: float, expected: str) -> None:
    """A text that changes each second would have to be edited each second."""
    assert roughly(seconds) == expected


async def test_status_message_delayed_by_telegram_delays_nothing_else(
    sandbox: Sandbox, start_toned: StartBot
) -> None:
    """While edits have to wait for minutes, /stop is answered and its receipts are sent."""
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


async def test_status_message_shows_a_pause(sandbox: Sandbox, start_toned: StartBot) -> None:
    """A pause is shown with a button that ends it, in green, after a restart too."""
    async with start_toned():
        message = sandbox.send(ALICE, LONG)
        status = await sandbox.wait_for(reply_with("Speaking 1 of 1"))
        sandbox.press(ALICE, status.message_id, dict(status.buttons)["Pause"])
        pause = await sandbox.wait_for(is_edit("Paused at 1 of 1."))
    seen = len(sandbox.events)
    async with start_toned():
        paused = await sandbox.wait_for(is_edit("Paused at 1 of 1."), since=seen)
        sandbox.press(ALICE, status.message_id, dict(paused.buttons)["Resume"])
        await sandbox.wait_for(is_edit("Speaking 1 of 1"), since=seen)
        await sandbox.wait_for(reaction_to(message, "👍"))

    assert styles(status) == {"Stop": "danger"}
    assert styles(pause) == {"Resume": "success", "Stop": "danger"}


async def test_status_message_that_was_deleted_is_not_edited_again(
    sandbox: Sandbox, start_toned: StartBot
) -> None:
    """Once Telegram reports that it is gone, it is not edited any more."""
    gone = Fault(status=400, description="Bad Request: message to edit not found")
    sandbox.faults["editmessagetext"] = gone
    async with start_toned():
        message = sandbox.send(ALICE, LONG)
        await sandbox.wait_for(reaction_to(message, "👍"))
    tries = [call for call in sandbox.calls if call[1] == "editmessagetext"]

    assert len(tries) == 1


async def test_status_message_is_one_per_topic(sandbox: Sandbox, start_toned: StartBot) -> None:
    """Two topics of a chat are two conversations, each with its own status message."""
    async with start_toned():
        for thread_id in (11, 22):
            topic = {"message_thread_id": thread_id, "is_topic_message": True}
            sandbox.send_fields(ALICE, {"text": LONG, **topic})
        speaking = await sandbox.wait_for(reply_with("Speaking 1 of 1"))
        waiting = await sandbox.wait_for(reply_with("1 waiting for their turn."))

    assert (speaking.thread_id, waiting.thread_id) == (11, 22)


async def test_status_message_is_one_for_a_long_burst(
    sandbox: Sandbox, start_toned: StartBot
) -> None:
    """It shows what is spoken where, is edited once a second at most, and ends as a summary."""
    async with start_toned():
        messages = [sandbox.send(ALICE, TWELVE_SENTENCES) for _ in range(2)]
        status = await sandbox.wait_for(reply_with("Speaking 1 of 2"))
        assert "on speaker_a" in status.text
        assert {label for label, _ in status.buttons} >= {"Pause", "Skip", "Stop", "Louder"}
        sandbox.press(ALICE, status.message_id, dict(status.buttons)["Skip"])
        await sandbox.wait_for(reaction_to(messages[0], "🙊"))
        await sandbox.wait_for(lambda e: e.kind == "edit" and "Speaking 2 of 2" in e.text)
        for label in ("Pause", "Softer", "Louder", "Slower", "Faster"):
            sandbox.press(ALICE, status.message_id, dict(status.buttons)[label])
        paused = await sandbox.wait_for(lambda e: e.kind == "edit" and "Paused at 2" in e.text)
        sandbox.press(ALICE, status.message_id, dict(paused.buttons)["Resume"])
        await sandbox.wait_for(reaction_to(messages[1], "👍"))
        done = await sandbox.wait_for(lambda e: e.kind == "edit" and "Heard 1 message" in e.text)
        assert [label for label, _ in done.buttons] == ["Say it again"]
    edits = [e for e in sandbox.events if e.kind == "edit"]
    texts = [edit.text for edit in edits]

    assert all(first != second for first, second in itertools.pairwise(texts))
    assert len([e for e in sandbox.events if reply_with("Speaking 1 of")(e)]) == 1
    assert all(b.at_s - a.at_s > 0.8 for a, b in itertools.pairwise(edits))
    assert "not to the end" in done.text


async def test_status_message_waits_for_retry_after(
    sandbox: Sandbox, start_toned: StartBot
) -> None:
    """After a 429 only the newest state is sent, not every state that was missed."""
    async with start_toned():
        message = sandbox.send(ALICE, f"{TWELVE_SENTENCES} {TWELVE_SENTENCES}")
        await sandbox.wait_for(reply_with("Speaking 1 of 1"))
        sandbox.faults["editmessagetext"] = Fault(
            status=429, description="Too Many Requests", retry_after_s=3, times=1
        )
        seen = len(sandbox.calls)
        await sandbox.wait_for(lambda e: e.kind == "edit")
        await sandbox.wait_for(reaction_to(message, "👍"))
        await sandbox.wait_for(lambda e: e.kind == "edit" and "Heard 1 message" in e.text)
    edits = [at_s for at_s, method, _ in sandbox.calls[seen:] if method == "editmessagetext"]

    assert edits[1] - edits[0] >= 3
    assert all(later - earlier > 0.9 for earlier, later in itertools.pairwise(edits))


# ---- restarts ----


async def test_status_message_is_continued_after_a_kill(
    bot_environment: Environment, sandbox: Sandbox
) -> None:
    """The next process edits the message of the one that was killed, until its true end."""
    bot_environment["LOG_LEVEL"] = "INFO"  # the test reads no log
    options: dict[str, Any] = {
        "environment": bot_environment,
        "module": WITH_TONES,
    }
    async with crier("run", **options) as process:
        message = sandbox.send(ALICE, LONGER)
        status = await sandbox.wait_for(reply_with("Speaking 1 of 1"))
        await sandbox.wait_for(is_edit("Speaking 1 of 1"))  # by then it is stored
        process.kill()
        await process.wait()
        seen = len(sandbox.events)
    async with crier("run", **options):
        again = await sandbox.wait_for(is_edit("Speaking 1 of 1"), since=seen)
        await sandbox.wait_for(reaction_to(message, "👍"))
        end = await sandbox.wait_for(is_edit("Heard 1 message."))

    assert again.message_id == end.message_id == status.message_id
    assert len([e for e in sandbox.events if reply_with("Speaking")(e)]) == 1


async def test_status_message_is_closed_after_a_kill_if_nothing_continues(
    bot_environment: Environment, sandbox: Sandbox, settings: Settings
) -> None:
    """If its messages are over, it reports that, without buttons, and only once."""
    bot_environment["LOG_LEVEL"] = "INFO"  # the test reads no log
    options: dict[str, Any] = {
        "environment": bot_environment,
        "module": WITH_TONES,
    }
    async with crier("run", **options) as process:
        sandbox.send(ALICE, LONGER)
        status = await sandbox.wait_for(reply_with("Speaking 1 of 1"))
        await sandbox.wait_for(is_edit("Speaking 1 of 1"))
        process.kill()
        await process.wait()
    inbox = await Inbox.open(settings.data_dir / "crier.db")
    await inbox.store_end_of_all(sandbox.bot_id, "stopped", "🙊")
    await inbox.close()
    async with crier("run", **options):
        over = await sandbox.wait_for(is_edit("Over. I was restarted"))
        last = sandbox.send(ALICE, "This is number 1.")
        await sandbox.wait_for(reaction_to(last, "👍"))  # by then the end is stored
    inbox = await Inbox.open(settings.data_dir / "crier.db")
    left = await inbox.list_status_messages(sandbox.bot_id)
    await inbox.close()

    assert (over.message_id, over.buttons) == (status.message_id, ())
    assert left == []


@pytest.mark.parametrize("answer_s", [0.0, 0.3])
async def test_status_message_has_no_buttons_while_the_bot_is_stopped(
    sandbox: Sandbox, start_toned: StartBot, monkeypatch: pytest.MonkeyPatch, answer_s: float
) -> None:
    """They are removed at the end and restored by the next start.

    Also if the bot stops before Telegram has confirmed the message.
    """
    send = sandbox._do_sendmessage

    async def slowly(parameters: Json) -> Json:
        message = await send(parameters)
        await asyncio.sleep(answer_s)
        return message

    monkeypatch.setattr(sandbox, "_do_sendmessage", slowly)
    async with start_toned():
        message = sandbox.send(ALICE, LONG)
        status = await sandbox.wait_for(reply_with("Speaking 1 of 1"))
    interrupted = edits(sandbox)[-1]
    async with start_toned():
        again = await sandbox.wait_for(is_edit("Speaking 1 of 1"), since=len(sandbox.events))
        await sandbox.wait_for(reaction_to(message, "👍"))

    assert "Interrupted" in interrupted.text
    assert interrupted.buttons == ()
    assert again.message_id == status.message_id
    assert dict(again.buttons).keys() >= {"Pause", "Stop"}
