"""/invite and /people: one more person, until removed."""

from bot.chat.sandbox import Person, Sandbox
from tests.chat.steps import (
    BOB,
    answer_to,
)
from tests.conftest import ALICE, STRANGER, StartBot, reaction_to, reply_with


async def test_invite_admits_a_person_until_removed(
    sandbox: Sandbox, start_toned: StartBot
) -> None:
    """A code admits one person, once; a removed person is a stranger again."""
    async with start_toned():
        invitation = await answer_to(sandbox, "/invite")
        pair = next(line for line in invitation.splitlines() if line.startswith("/pair"))
        assert "Paired" in await answer_to(sandbox, pair, BOB)
        sandbox.send(STRANGER, pair)
        message = sandbox.send(BOB, "This is number 1.")
        await sandbox.wait_for(reaction_to(message, "👍"))
        sandbox.send(ALICE, "/people")
        people = await sandbox.wait_for(reply_with("Bob"))
        sandbox.press(ALICE, people.message_id, dict(people.buttons)["Remove Bob"])
        await sandbox.wait_for(lambda e: e.kind == "edit" and "Removed" in e.text)
        gone = sandbox.send(BOB, "This is number 2.")
        last = sandbox.send(ALICE, "This is number 3.")
        await sandbox.wait_for(reaction_to(last, "👍"))

    assert not any(map(reaction_to(gone), sandbox.events))
    assert not any(e.chat_id == STRANGER.id for e in sandbox.events)


async def test_invite_sends_a_link_that_strangers_cannot_detect(
    sandbox: Sandbox, start_toned: StartBot
) -> None:
    """While one is open, a bare /start and a wrong code get no answer; the link pairs."""
    bob = Person(8, "Bob")
    async with start_toned():
        sandbox.send(ALICE, "/invite")
        invitation = await sandbox.wait_for(reply_with("within an hour"))
        link = next(line for line in invitation.text.splitlines() if line.startswith("https"))
        for text in ("/start", "/pair", "/start ABCD2345", "/pair ABCD2345", "Boo!"):
            sandbox.send(STRANGER, text)
        sandbox.send(bob, f"/start {link.partition('?start=')[2]}")
        await sandbox.wait_for(reply_with("Paired"))

    assert link.startswith("https://t.me/crier_bot?start=")
    assert not any(e.chat_id == STRANGER.id for e in sandbox.events)
