"""Drafts that are accepted once, refused with a reason, or replayed."""

from dataclasses import replace

import pytest

from bot.chat.sandbox import Sandbox
from bot.core.draft import Draft
from bot.core.intake import RefusedError
from bot.core.limits import Limits
from bot.core.plain_text import Composed
from bot.core.preferences import Preferences, SpeechStyle
from tests.chat.steps import Confirmations, count_replies
from tests.conftest import ALICE, StartBot, reaction_to, reply_with
from tests.core.lab import BOT, CHAT, Lab


async def test_intake_decides_the_style_of_a_message_once(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The language in which a text is composed is the one in which it is said."""
    asked: list[str] = []
    style = Preferences.style

    async def counted(self: Preferences, user_id: int, text: str = "") -> SpeechStyle:
        asked.append(text)
        return await style(self, user_id, text)

    monkeypatch.setattr(Preferences, "style", counted)
    stored = await lab.intake().accept(
        Draft(update_id=5, text="See https://example.com", chat_id=CHAT, message_id=1, user_id=1)
    )

    assert asked == ["See https://example.com"]
    assert stored is not None
    assert "example dot com" in stored.text


async def test_intake_accepts_a_draft_once(lab: Lab) -> None:
    """The same key again is the same message again, from a person or a program."""
    intake = lab.intake()
    for draft in (
        Draft(update_id=5, text="Hello.", chat_id=CHAT, message_id=1, user_id=1),
        Draft(update_id=-5, text="Hello.", client="door"),
    ):
        assert await intake.accept(draft) is not None
        assert await intake.accept(draft) is None

    assert len(await lab.inbox.list_to_speak(BOT)) == 2


async def test_intake_reads_a_programs_text_in_the_language_of_its_script(lab: Lab) -> None:
    """A program that names no language need not know that there are several scripts."""
    intake = lab.intake()
    texts = {"Привет, как дела?": "ru", "Καλημέρα, τι κάνεις;": "el", "Hello.": ""}
    for number, (text, lang) in enumerate(texts.items(), start=1):
        stored = await intake.accept(Draft(update_id=-number, text=text, client="door"))

        assert stored is not None
        assert stored.lang == lang


async def test_intake_refuses_more_than_an_hour_of_digits(lab: Lab) -> None:
    """What waits is measured by how long it takes to say: a digit is a word, not a letter."""
    intake = replace(lab.intake(), limits=Limits(0, 100))
    drafts = [
        Draft(update_id=-number, text="", composer=lambda _: Composed("7 " * 8000), client="door")
        for number in range(1, 4)
    ]
    for draft in drafts[:2]:
        await intake.accept(draft)
    with pytest.raises(RefusedError, match="An hour of speech"):
        await intake.accept(drafts[2])


async def test_intake_recognizes_a_duplicate_before_it_counts(
    sandbox: Sandbox, start_toned: StartBot
) -> None:
    """With the queue at its limit, an accepted message that is sent again is not refused."""
    confirmations = Confirmations(sandbox)
    async with start_toned():
        sandbox.send(ALICE, "/mute")
        await sandbox.wait_for(reply_with("Muted"))
    messages = [sandbox.send(ALICE, f"Number {n}.") for n in range(3)]
    confirmations.record()
    async with start_toned(limit_waiting=3):
        for message in messages:
            await sandbox.wait_for(reaction_to(message, "😴"))
    confirmations.lose()
    async with start_toned(limit_waiting=3):
        sandbox.send(ALICE, "/unmute")
        for message in messages:
            await sandbox.wait_for(reaction_to(message, "👍"))

    assert not any(e.text == "💔" for e in sandbox.events)


async def test_intake_refuses_on_a_full_disk(sandbox: Sandbox, start_toned: StartBot) -> None:
    """A text that can't be stored is refused with the reason; /stop and polling still work."""
    async with start_toned() as bot:
        database = bot.delivery._inbox._database
        await database.execute("PRAGMA max_page_count = 1")
        message = [sandbox.send(ALICE, "word " * 800) for _ in range(4)][-1]
        await sandbox.wait_for(reaction_to(message, "💔"))
        await sandbox.wait_for(reply_with("disk is full", to=message))
        sandbox.send(ALICE, "/stop")
        await sandbox.wait_for(reply_with("Silent"))
        await database.execute("PRAGMA max_page_count = 100000")
        message = sandbox.send(ALICE, "Number 1.")
        await sandbox.wait_for(reaction_to(message, "👍"))


async def test_replay_ignores_what_never_sounded(sandbox: Sandbox, start_toned: StartBot) -> None:
    """A message that was stopped before it started can't be said again."""
    async with start_toned():
        sandbox.send(ALICE, "/pause")
        message = sandbox.send(ALICE, "Number 1.")
        sandbox.send(ALICE, "/stop")
        await sandbox.wait_for(reaction_to(message, "🙊"))
        sandbox.send(ALICE, "/replay")
        await sandbox.wait_for(reply_with("There is nothing to say again."))


async def test_replay_is_never_late(sandbox: Sandbox, start_toned: StartBot) -> None:
    """An old message that is replayed while muted is said after the mute, without a question."""
    async with start_toned() as bot:
        message = sandbox.send(ALICE, "Number 1.")
        await sandbox.wait_for(reaction_to(message, "👍"))
        await bot.delivery._inbox._database.execute("UPDATE message SET fresh_at = 1")
        sandbox.send(ALICE, "/mute")
        await sandbox.wait_for(reply_with("Muted"))
        sandbox.send(ALICE, "/replay")
        await sandbox.wait_for(reaction_to(message, "😴"))
        since = len(sandbox.events)
        sandbox.send(ALICE, "/unmute")
        await sandbox.wait_for(reaction_to(message, "👍"), since=since)

    assert count_replies(sandbox, "came while I was away") == 0
