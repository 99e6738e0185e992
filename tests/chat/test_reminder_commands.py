"""/at, /in, /every and /reminders: what is answered, and what is said."""

import pytest

from bot.chat.sandbox import Json, Sandbox
from tests.chat.steps import BOB, PEOPLE, answer_to, count_replies, edit
from tests.conftest import ALICE, StartBot, reaction_to, reply_with

GROUP: Json = {"id": -100, "type": "group", "title": "Family"}


def command(text: str) -> Json:
    """Return the fields of a message that is a command."""
    entity = {"type": "bot_command", "offset": 0, "length": len(text.split(maxsplit=1)[0])}
    return {"text": text, "entities": [entity]}


async def test_in_says_a_text_after_a_while(sandbox: Sandbox, start_toned: StartBot) -> None:
    """The answer says when; the command gets its receipts when the text is said."""
    async with start_toned():
        message = sandbox.send(ALICE, "/in 1s Number 5.")
        await sandbox.wait_for(reply_with(": Number 5."))
        before = [event for event in sandbox.events if reaction_to(message)(event)]
        await sandbox.wait_for(reaction_to(message, "👍"))

    assert before == []
    assert count_replies(sandbox, ": Number 5.") == 1


async def test_in_says_the_message_that_it_answers(sandbox: Sandbox, start_toned: StartBot) -> None:
    """Without words of its own; of a quoted message, the quoted part."""
    answered: Json = {
        "message_id": 900,
        "date": 1,
        "chat": ALICE.as_chat(),
        "from": ALICE.as_user(),
        "text": "Number 5. Number 6.",
    }
    async with start_toned():
        sandbox.send_fields(ALICE, {**command("/in 3h"), "reply_to_message": answered})
        whole = await sandbox.wait_for(reply_with("Number 5."))
        quote = {"text": "Number 6.", "position": 10}
        sandbox.send_fields(
            ALICE, {**command("/in 3h"), "reply_to_message": answered, "quote": quote}
        )
        part = await sandbox.wait_for(reply_with(": Number 6."))

    assert whole.text.endswith(": Number 5. Number 6.")
    assert part.text.endswith(": Number 6.")


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("/at", "Like this: /at 18:30 Dinner"),
        ("/in", "Like this: /in 20m Turn the oven off"),
        ("/every", "Like this: /every weekday 7:15 Good morning"),
        ("/at 18:30", "What shall I say then? Such as: /at 18:30 Dinner"),
        ("/at six Dinner", "I see no time in “six Dinner”. Such as: 18:30"),
        ("/in 20 eggs", "I don't see how long in “in 20 eggs”"),
        ("/every day Up!", "I see no time of day in “every day Up!”"),
        ("/in 20m …", "so there is nothing to say"),
        ("/in 20m !The bath", ": !The bath"),
        ("/every weekday 7:15 Up!", "At 07:15 on Monday through Friday, next "),
        ("/reminders", "No reminders. Such as: /at 18:30 Dinner"),
    ],
)
async def test_command_is_answered(
    sandbox: Sandbox, start_toned: StartBot, text: str, answer: str
) -> None:
    """What is understood, or one sentence with an example."""
    async with start_toned():
        assert answer in await answer_to(sandbox, text)


async def test_reminders_are_paused_and_deleted_by_buttons(
    sandbox: Sandbox, start_toned: StartBot
) -> None:
    """The list shows what each button has done; the next one comes first."""
    async with start_toned():
        await answer_to(sandbox, "/every 2 hours Drink")
        await answer_to(sandbox, "/in 1h Tea")
        sandbox.send(ALICE, "/reminders")
        shown = await sandbox.wait_for(reply_with("1. "))
        buttons = dict(shown.buttons)
        sandbox.press(ALICE, shown.message_id, buttons["Pause 2"])
        paused = await sandbox.wait_for(lambda e: e.kind == "edit" and "(paused)" in e.text)
        sandbox.press(ALICE, shown.message_id, dict(paused.buttons)["Resume 2"])
        await sandbox.wait_for(lambda e: e.kind == "edit" and "(paused)" not in e.text)
        seen = len(sandbox.events)
        sandbox.press(ALICE, shown.message_id, buttons["Delete 1"])
        left = await sandbox.wait_for(lambda e: e.kind == "edit", since=seen)
        sandbox.press(ALICE, shown.message_id, buttons["Delete 1"])
        await sandbox.wait_for(lambda e: e.kind == "answer" and "already" in e.text)
        sandbox.press(ALICE, shown.message_id, buttons["Delete 2"])
        await sandbox.wait_for(lambda e: e.kind == "edit" and "No reminders" in e.text)

    assert [line.rpartition(": ")[2] for line in shown.text.splitlines()] == ["Tea", "Drink"]
    assert "Pause 1" not in buttons
    assert left.text.endswith("Drink")


async def test_reminders_are_for_the_person_who_set_them(
    sandbox: Sandbox, start_toned: StartBot
) -> None:
    """Nobody else sees or deletes them; a group sees those that were set in it."""
    async with start_toned(telegram_allowed_users=PEOPLE):
        await answer_to(sandbox, "/in 1h A secret")
        sandbox.send(ALICE, "/in 1h Dinner", GROUP)
        await sandbox.wait_for(reply_with(": Dinner"))
        bobs = await answer_to(sandbox, "/reminders", BOB)
        own = await answer_to(sandbox, "/reminders")
        seen = len(sandbox.events)
        sandbox.send(ALICE, "/reminders", GROUP)
        shown = await sandbox.wait_for(reply_with("1. "), since=seen)
        sandbox.press(BOB, shown.message_id, dict(shown.buttons)["Delete 1"], GROUP)
        await sandbox.wait_for(lambda e: e.kind == "answer" and "Only the person" in e.text)
        after = await answer_to(sandbox, "/reminders")

    assert "No reminders" in bobs
    assert "A secret" not in shown.text
    for shown_to_alice in (own, after):
        texts = [line.rpartition(": ")[2] for line in shown_to_alice.splitlines()]
        assert texts == ["A secret", "Dinner"]


async def test_edit_changes_or_deletes_a_reminder(sandbox: Sandbox, start_toned: StartBot) -> None:
    """An edited command counts from the edit; a wrong one changes nothing, a dot deletes it."""
    async with start_toned():
        message = sandbox.send(ALICE, "/in 5h Tea")
        await sandbox.wait_for(reply_with(": Tea"))
        edit(sandbox, message, command("/every 3 hours Coffee"))
        await sandbox.wait_for(reply_with(": Coffee"))
        changed = await answer_to(sandbox, "/reminders")
        edit(sandbox, message, command("/at noonish Coffee"))
        await sandbox.wait_for(reply_with("I see no time"))
        unchanged = await answer_to(sandbox, "/reminders")
        edit(sandbox, message, {"text": "."})
        await sandbox.wait_for(reply_with("Deleted."))
        deleted = await answer_to(sandbox, "/reminders")

    for listed in (changed, unchanged):
        assert listed.startswith("1. Every 3 hours, next ")
        assert listed.endswith(": Coffee")
    assert "No reminders" in deleted
