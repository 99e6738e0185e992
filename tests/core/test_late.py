"""Late messages: the question, and the decision."""

import time

import pytest

from bot.chat.receipts import LATE_ALL, LATE_LAST, LATE_NONE
from bot.chat.sandbox import Sandbox
from bot.core.inbox import Inbox
from bot.core.message import QueuedMessage
from bot.settings import Settings
from tests.chat.steps import count_replies, last_reaction
from tests.conftest import ALICE, StartBot, reaction_to, reply_with


def send_late(sandbox: Sandbox, *texts: str) -> list[int]:
    """Send messages as of an hour ago."""
    date = int(time.time()) - 3600
    return [sandbox.send_fields(ALICE, {"text": text, "date": date}) for text in texts]


@pytest.mark.parametrize(
    ("choice", "ends"),
    [(LATE_ALL, "👍👍👍"), (LATE_LAST, "🙊🙊👍"), (LATE_NONE, "🙊🙊🙊")],
)
async def test_late_waits_for_a_decision(
    sandbox: Sandbox, start_toned: StartBot, choice: str, ends: str
) -> None:
    """Messages an hour late are held, asked about once, and then said or not, as decided."""
    messages = send_late(sandbox, "Number 1.", "Number 2.", "Number 3.")
    async with start_toned():
        question = await sandbox.wait_for(reply_with("3 messages came while I was away"))
        assert [last_reaction(sandbox, m) for m in messages] == ["😴"] * 3
        sandbox.press(ALICE, question.message_id, choice)
        for message, end in zip(messages, ends, strict=True):
            await sandbox.wait_for(reaction_to(message, end))
        await sandbox.wait_for(lambda e: e.kind == "edit")
    questions = [e for e in sandbox.events if reply_with("while I was away")(e)]

    assert len(questions) == 1


async def test_late_question_survives_a_restart(sandbox: Sandbox, start_toned: StartBot) -> None:
    """Its buttons still work after a restart, once; pressed again, they say that it is over."""
    (message,) = send_late(sandbox, "Number 1.")
    async with start_toned():
        question = await sandbox.wait_for(reply_with("1 message came"))
    async with start_toned():
        for _ in range(2):
            sandbox.press(ALICE, question.message_id, LATE_ALL)
        await sandbox.wait_for(reaction_to(message, "👍"))
        await sandbox.wait_for(lambda e: e.kind == "answer" and "any more" in e.text)


async def test_late_includes_what_waited_for_a_start(
    sandbox: Sandbox, start_toned: StartBot, settings: Settings
) -> None:
    """Messages accepted hours before the restart are asked about, not spoken."""
    inbox = await Inbox.open(settings.data_dir / "crier.db")
    message = sandbox.send(ALICE, "Number 1.")
    await inbox.accept(sandbox.bot_id, 1, QueuedMessage(0, ALICE.id, message, "Number 1."))
    await inbox._database.execute("UPDATE message SET changed_at = changed_at - 7200")
    await inbox.close()
    async with start_toned():
        await sandbox.wait_for(reply_with("1 message came while I was away"))


async def test_late_can_be_switched_off(sandbox: Sandbox, start_toned: StartBot) -> None:
    """With LATE_AFTER_S=0 nothing is late."""
    (message,) = send_late(sandbox, "Number 1.")
    async with start_toned(late_after_s=0.0):
        await sandbox.wait_for(reaction_to(message, "👍"))


async def test_late_counts_from_the_decision(
    sandbox: Sandbox, start_toned: StartBot, settings: Settings
) -> None:
    """A late message that is to be said is not asked about again, even after a mute."""
    inbox = await Inbox.open(settings.data_dir / "crier.db")
    number = sandbox.send_fields(ALICE, {"text": "Number 1."})
    sandbox._updates.clear()
    stored = await inbox.accept(
        sandbox.bot_id, 1, QueuedMessage(0, ALICE.id, number, "Number 1.", fresh_at=1.0), "late"
    )
    assert stored is not None
    await inbox.close()
    async with start_toned():
        question = await sandbox.wait_for(reply_with("1 message came"))
        sandbox.send(ALICE, "/mute")
        await sandbox.wait_for(reply_with("Muted"))
        sandbox.press(ALICE, question.message_id, "late:all")
        await sandbox.wait_for(lambda e: e.kind == "answer")
        sandbox.send(ALICE, "/unmute")
        await sandbox.wait_for(reaction_to(number, "👍"))

    assert count_replies(sandbox, "came while I was away") == 1
