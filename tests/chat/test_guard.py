"""Who may speak: allowed people, the group messages they address to the bot, and pairing."""

import asyncio

import pytest
import segno
from telegram.constants import ChatID

from bot.chat.sandbox import Json, Person, Sandbox
from bot.console import qr_code
from bot.settings import NOT_PEOPLE
from tests.chat.samples import GROUP, SUPERGROUP, text_with_entity
from tests.chat.steps import BOB, PEOPLE, heard_codes
from tests.conftest import ALICE, STRANGER, StartBot, reaction_to, reply_with
from tests.support.loudspeaker import Ear


async def test_guard_ignores_strangers(sandbox: Sandbox, start_toned: StartBot, ear_a: Ear) -> None:
    """A stranger's texts and commands are confirmed to Telegram and otherwise ignored."""
    async with start_toned():
        for text in ("Number 9!", "/stop", "/pair ABCD2345", "/start"):
            sandbox.send(STRANGER, text)
        message = sandbox.send(ALICE, "Number 1.")
        await sandbox.wait_for(reaction_to(message, "👍"))
        await asyncio.to_thread(ear_a.wait_for_silence)

    assert {event.chat_id for event in sandbox.events if event.chat_id} == {ALICE.id}
    assert len(ear_a.spans()) == 1


async def test_guard_ignores_group_messages_to_others(
    sandbox: Sandbox, start_toned: StartBot
) -> None:
    """A group message that does not mention the bot is ignored, even from an allowed person."""
    async with start_toned():
        group = {"id": -5, "type": "group", "title": "Everybody"}
        sandbox.send(ALICE, "In the group", group)
        sandbox.send(ALICE, "/status")
        await sandbox.wait_for(reply_with("Idle"))

    assert -5 not in {event.chat_id for event in sandbox.events}


async def test_guard_accepts_group_messages_to_the_bot(
    sandbox: Sandbox, start_toned: StartBot, ear_a: Ear
) -> None:
    """In a group, allowed people's messages that mention the bot or reply to it are spoken."""
    mention = [{"type": "mention", "offset": 0, "length": 10}]

    def mentioning(person: Person, text: str) -> int:
        fields: Json = {"text": f"@crier_bot {text}", "entities": mention}
        return sandbox.send_fields(person, fields, GROUP)

    async with start_toned(telegram_allowed_users=PEOPLE):
        sandbox.send(ALICE, "This is number 1.", GROUP)
        stranger = mentioning(STRANGER, "This is number 2.")
        by_alice = mentioning(ALICE, "This is number 3.")
        by_bob = mentioning(BOB, "This is number 4.")
        for message in (by_alice, by_bob):
            await sandbox.wait_for(reaction_to(message, "👍"))
        sandbox.send(BOB, "/status", GROUP)
        status = await sandbox.wait_for(lambda e: e.chat_id == GROUP["id"] and "Voice:" in e.text)
        own = {"id": sandbox.bot_id, "is_bot": True, "first_name": "Crier"}
        answered = {"message_id": status.message_id, "date": 1, "chat": GROUP, "from": own}
        fields: Json = {"text": "This is number 5.", "reply_to_message": answered}
        answer = sandbox.send_fields(ALICE, fields, GROUP)
        await sandbox.wait_for(reaction_to(answer, "👍"))

    assert heard_codes(ear_a) == [3, 4, 5]
    assert not any(map(reaction_to(stranger), sandbox.events))


async def test_update_is_rejected_when_access_check_raises(
    sandbox: Sandbox, start_toned: StartBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error in the access check admits nobody and answers nobody."""

    def broken(*_: object) -> bool:
        raise ZeroDivisionError

    async with start_toned():
        await sandbox.wait_for(lambda event: event.kind == "menu")
        with monkeypatch.context() as patch:
            patch.setattr("bot.core.access.Access.allows", broken)
            sandbox.send(STRANGER, "Boo!")
            sandbox.send(STRANGER, "/start")
            await sandbox.wait_for_call("getupdates", 3)
        message = sandbox.send(ALICE, "Hello.")
        await sandbox.wait_for(reaction_to(message, "👍"))

    assert {event.chat_id for event in sandbox.events if event.chat_id} == {ALICE.id}


@pytest.mark.parametrize(
    "person", [ChatID.ANONYMOUS_ADMIN, ChatID.FAKE_CHANNEL, ChatID.SERVICE_CHAT]
)
async def test_guard_rejects_anonymous_senders(
    sandbox: Sandbox, start_toned: StartBot, caplog: pytest.LogCaptureFixture, person: int
) -> None:
    """Anonymous admins and channels are rejected even if their id is allowed; the log says so.

    All of them have the same id.
    """
    hidden = Person(int(person), "Group")
    mention = text_with_entity("mention", "@crier_bot This is number 1.", "@crier_bot")
    async with start_toned(telegram_allowed_users=frozenset({ALICE.id, hidden.id})):
        refused = sandbox.send_fields(hidden, {**mention, "sender_chat": SUPERGROUP}, SUPERGROUP)
        as_alice = sandbox.send_fields(ALICE, {**mention, "sender_chat": SUPERGROUP}, SUPERGROUP)
        without = sandbox.send_fields(hidden, mention, SUPERGROUP)
        message = sandbox.send(ALICE, "This is number 2.")
        await sandbox.wait_for(reaction_to(message, "👍"))

    reacted = {e.message_id for e in sandbox.events if e.kind == "reaction"}
    assert reacted.isdisjoint({refused, as_alice, without})
    assert "Remain anonymous" in caplog.text
    assert "TELEGRAM_ALLOWED_USERS" not in caplog.text


def test_not_people_lists_the_ids_of_telegram() -> None:
    """Every id that Telegram reserves is in the list."""
    assert set(NOT_PEOPLE) == {int(member) for member in ChatID}


# ---- pairing ----


async def test_pairing_admits_whoever_sends_the_code(
    sandbox: Sandbox, start_toned: StartBot
) -> None:
    """With nobody allowed, the code on the computer admits one person; wrong codes are refused."""
    codes: list[str] = []
    async with start_toned(show_code=codes.append, telegram_allowed_users=frozenset()):
        early = sandbox.send(ALICE, "Nobody may speak yet.")
        sandbox.send(ALICE, "/start")
        await sandbox.wait_for(reply_with("Nobody may speak here yet"))
        sandbox.send(ALICE, "/pair WRONG234")
        await sandbox.wait_for(reply_with("not the code"))
        sandbox.send(ALICE, f"/pair {codes[0].lower()}")
        await sandbox.wait_for(reply_with("Paired"))
        message = sandbox.send(ALICE, "Now I may.")
        await sandbox.wait_for(reaction_to(message, "👍"))
    async with start_toned(show_code=codes.append, telegram_allowed_users=frozenset()):
        message = sandbox.send(ALICE, "And after a restart.")
        await sandbox.wait_for(reaction_to(message, "👍"))

    assert codes[1:] == ["", ""]  # the code is closed
    assert not any(map(reaction_to(early), sandbox.events))


async def test_pairing_locks_a_person_out_after_five_wrong_codes(
    sandbox: Sandbox, start_toned: StartBot
) -> None:
    """After five wrong codes even the right one does not admit that person."""
    codes: list[str] = []
    async with start_toned(show_code=codes.append, telegram_allowed_users=frozenset()):
        for _ in range(5):
            sandbox.send(STRANGER, "/pair AAAAAAAA")
        sandbox.send(STRANGER, f"/pair {codes[0]}")
        sandbox.send(ALICE, f"/pair {codes[0]}")
        await sandbox.wait_for(reply_with("Paired"))

    assert sum(map(reply_with("not the code"), sandbox.events)) == 5
    assert [e.chat_id for e in sandbox.events if "Paired" in e.text] == [ALICE.id]


async def test_pairing_link_admits_one_person(sandbox: Sandbox, start_toned: StartBot) -> None:
    """At the first start the link contains the code, and opening it admits one person."""
    links: list[str] = []
    async with start_toned(
        show_link=links.append, telegram_allowed_users=frozenset(), show_code=lambda _: None
    ):
        await sandbox.wait_for(lambda e: e.kind == "menu")
        address, _, code = links[0].partition("?start=")
        sandbox.send(ALICE, f"/start {code}")
        await sandbox.wait_for(reply_with("Paired"))
        message = sandbox.send(ALICE, "Now I may.")
        await sandbox.wait_for(reaction_to(message, "👍"))

    assert address == "https://t.me/crier_bot"
    assert len(links) == 1


def test_qr_code_encodes_the_link() -> None:
    """Its half blocks are the modules of the code, within a quiet zone."""
    link = "https://t.me/crier_bot?start=ABCD2345"
    lines = qr_code(link).splitlines()
    modules = [
        [char in half for char in line] for line in lines for half in ("█▀", "█▄")
    ]  # the bright modules
    size = len(modules[0])
    drawn = segno.make_qr(link, error="l").matrix

    for y, row in enumerate(drawn):
        assert [not bright for bright in modules[y + 2][2 : size - 2]] == [bool(m) for m in row]
    assert all(modules[0])
    assert all(modules[1])
