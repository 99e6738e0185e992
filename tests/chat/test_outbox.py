"""The outbox: limits, pauses and refusals of Telegram, moved groups, topics and long replies."""

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from telegram import Bot, InlineKeyboardButton, InlineKeyboardMarkup
from telegram.request import HTTPXRequest

from bot.chat import outbox as outbox_module
from bot.chat import reactions as receipts
from bot.chat.fitting import split
from bot.chat.outbox import Outbox
from bot.chat.reactions import NO_REACTIONS
from bot.chat.sandbox import Fault, Json, Sandbox
from bot.core.inbox import Inbox
from bot.core.message import QueuedMessage, StatusMessageId
from bot.core.store import Store
from bot.settings import Settings
from tests.conftest import ALICE, TOKEN, StartBot, reaction_to, reply_with

GROUP: Json = {"id": -100, "type": "group", "title": "Family"}
FORUM: Json = {"id": -(10**12) - 5, "type": "supergroup", "title": "House", "is_forum": True}
TOO_MANY = "Too Many Requests: retry after 3"


@pytest.fixture
async def inbox(tmp_path: Path) -> AsyncIterator[Inbox]:
    """Return an open inbox."""
    inbox = await Inbox.open(tmp_path / "crier.db")
    yield inbox
    await inbox.close()


@pytest.fixture
async def outbox(sandbox: Sandbox, inbox: Inbox) -> AsyncIterator[Outbox]:
    """Return an outbox in the sandbox, in which Alice and a group have written."""
    sandbox.send(ALICE, "Hello.")
    sandbox.send(ALICE, "Hello.", GROUP)
    http = HTTPXRequest(httpx_kwargs={"trust_env": False, "verify": False})
    async with Bot(TOKEN, f"{sandbox.url}/bot", request=http) as bot:
        outbox = Outbox(bot, inbox, Store(inbox.database), sandbox.bot_id)
        yield outbox
        await outbox.close(0.0)


class Answers:
    """A callback for *then* that collects its arguments."""

    def __init__(self) -> None:
        self.given: asyncio.Queue[Any] = asyncio.Queue()

    async def __call__(self, answer: Any) -> None:
        """Store an answer."""
        self.given.put_nowait(answer)

    async def next(self) -> Any:
        """Wait for the next answer and return it."""
        async with asyncio.timeout(60):
            return await self.given.get()


def calls_of(sandbox: Sandbox, method: str) -> list[float]:
    """Return when a method was called."""
    return [at_s for at_s, called, _ in sandbox.calls if called == method]


# ---- pauses ----


async def test_outbox_probes_once_per_pause_and_sends_all_receipts(
    sandbox: Sandbox, outbox: Outbox
) -> None:
    """While Telegram asks to wait, 120 receipts cost one request per pause; then all are sent."""
    sandbox.faults["setmessagereaction"] = Fault(
        status=429, description=TOO_MANY, retry_after_s=1, times=3
    )
    messages = [sandbox.send(ALICE, f"Number {n}.") for n in range(120)]
    given = Answers()
    for message in messages:
        outbox.react(ALICE.id, message, receipts.HEARD, given)
    for _ in messages:
        assert await given.next() is True
    times = calls_of(sandbox, "setmessagereaction")

    assert len(times) == 120 + 3
    assert all(later - earlier >= 1 for earlier, later in itertools.pairwise(times[:4]))
    counts = Counter(e.message_id for e in sandbox.events if e.kind == "reaction")
    assert counts == dict.fromkeys(messages, 1)


async def test_outbox_separates_kinds_of_requests(sandbox: Sandbox, outbox: Outbox) -> None:
    """A long pause requested for edits delays no reaction, no reply and no button's answer."""
    message = sandbox.send(ALICE, "Hello.")
    sent = Answers()
    outbox.reply(ALICE.id, "Status.", on_answer=sent)
    status = await sent.next()
    sandbox.faults["editmessagetext"] = Fault(status=429, description=TOO_MANY, retry_after_s=600)
    outbox.edit(ALICE.id, status.message_id, "New status.", None)
    await sandbox.wait_for_call("editmessagetext")
    sandbox.press(ALICE, status.message_id, "x")
    query_id = next(iter(sandbox._queries))
    outbox.react(ALICE.id, message, receipts.CUT)
    outbox.reply(ALICE.id, "Silent.")
    outbox.answer(ALICE.id, query_id, "Silent.")
    await sandbox.wait_for(reaction_to(message, "🙊"))
    await sandbox.wait_for(reply_with("Silent."))
    await sandbox.wait_for(lambda e: e.kind == "answer")

    assert len(calls_of(sandbox, "editmessagetext")) == 1


async def test_outbox_sends_requested_answers_first(sandbox: Sandbox, outbox: Outbox) -> None:
    """After a pause, the answer to a command is sent before reasons that wait."""
    sandbox.faults["sendmessage"] = Fault(
        status=429, description=TOO_MANY, retry_after_s=1, times=1
    )
    last = Answers()
    for number in range(5):
        outbox.reply(ALICE.id, f"Reason {number}.", on_answer=last)
    await sandbox.wait_for_call("sendmessage")
    outbox.reply(ALICE.id, "Silent.", asked_for=True)
    for _ in range(5):
        await last.next()
    texts = [e.text for e in sandbox.events if e.kind == "message"]

    assert texts == ["Silent.", *(f"Reason {n}." for n in range(5))]


async def test_outbox_separates_chats(sandbox: Sandbox, outbox: Outbox) -> None:
    """While one chat has a long pause, another gets its replies."""
    sandbox.faults["sendmessage"] = Fault(
        status=429, description=TOO_MANY, retry_after_s=600, times=1
    )
    outbox.reply(ALICE.id, "One.")
    await sandbox.wait_for_call("sendmessage")
    outbox.reply(GROUP["id"], "Two.")

    assert (await sandbox.wait_for(reply_with("Two."))).chat_id == GROUP["id"]


# ---- refusals ----


async def test_outbox_distinguishes_a_refusal_from_an_answer(
    sandbox: Sandbox, outbox: Outbox
) -> None:
    """The callback gets the answer, or None if Telegram refused."""
    given = Answers()
    outbox.react(ALICE.id, 10**6, receipts.HEARD, given)  # there is no such message
    assert await given.next() is None
    outbox.reply(ALICE.id, "Hello.", on_answer=given)
    answer = await given.next()
    assert answer.text == "Hello."
    for _ in range(2):  # the second changes nothing, which is no refusal
        outbox.edit(ALICE.id, answer.message_id, "Bye.", None, given)
        assert await given.next()
    sandbox.faults["sendvoice"] = Fault(
        status=400, description="Bad Request: VOICE_MESSAGES_FORBIDDEN"
    )
    outbox.voice(ALICE.id, b"sound", given)
    assert await given.next() is None


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=502, description="Bad Gateway", times=1),
        Fault(raw=b"<html>Please sign in to this network</html>", times=1),
        Fault(status=401, description="Unauthorized", times=1),
    ],
)
async def test_outbox_retries_if_telegram_did_not_refuse(
    sandbox: Sandbox, outbox: Outbox, fault: Fault
) -> None:
    """A gateway, a hotel's sign-in page or a revoked token: the reply stays owed."""
    sandbox.faults["sendmessage"] = fault
    given = Answers()
    outbox.reply(ALICE.id, "Hello.", on_answer=given)

    assert (await given.next()).text == "Hello."


async def test_outbox_sends_others_past_a_request_that_keeps_failing(
    sandbox: Sandbox, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reaction that always fails on the server delays nothing and is finally given up."""
    monkeypatch.setattr(outbox_module, "_BACK_OFF_S", (0.0, 0.1))
    monkeypatch.setattr(outbox_module, "_MAX_FAILURES", 2)
    sandbox.faults["setmessagereaction"] = Fault(status=500, description="Internal Server Error")
    given, replied = Answers(), Answers()
    message = sandbox.send(ALICE, "Hello.")
    outbox.react(ALICE.id, message, receipts.HEARD, given)
    while given.given.empty():
        outbox.reply(ALICE.id, "Hello.", on_answer=replied)
        assert (await replied.next()).text == "Hello."

    assert await given.next() is None


async def test_outbox_drops_what_is_owed_to_a_lost_chat(
    sandbox: Sandbox, outbox: Outbox, inbox: Inbox
) -> None:
    """Blocked by a person, it tries once, and no start tries again; other chats are unaffected."""
    for number, chat_id in enumerate((ALICE.id, ALICE.id, GROUP["id"]), 1):
        message = QueuedMessage(0, chat_id, number, "Hello.")
        stored = await inbox.accept(sandbox.bot_id, number, message)
        assert stored is not None
        await inbox.store_end(stored.id, "failed", "💔", "The reason.")
    sandbox.blocked.add(ALICE.id)
    given = Answers()
    for number in range(10):
        outbox.reply(ALICE.id, f"Reason {number}.", on_answer=given)
    for _ in range(10):
        assert await given.next() is None

    assert len(calls_of(sandbox, "sendmessage")) == 1
    assert [message.chat_id for message, _, _ in await inbox.list_owed(sandbox.bot_id)] == [
        GROUP["id"]
    ]


async def test_outbox_reports_once_that_a_chat_allows_no_reactions(
    sandbox: Sandbox, outbox: Outbox
) -> None:
    """The people of a restricted chat are told once what they miss, not at each message."""
    sandbox.without_reactions.add(GROUP["id"])
    given = Answers()
    for _ in range(2):
        message = sandbox.send(ALICE, "Hello.", GROUP)
        outbox.react(GROUP["id"], message, receipts.CUT, given)
        assert await given.next() is None
    outbox.reply(GROUP["id"], "Last.", on_answer=given)
    await given.next()

    assert [e.text for e in sandbox.events if e.kind == "message"] == [NO_REACTIONS, "Last."]


async def test_delivery_records_a_refused_receipt(
    sandbox: Sandbox, start_toned: StartBot, settings: Settings
) -> None:
    """If a chat accepts no thumb, the record says so instead of counting it as sent."""
    sandbox.without_reactions.add(ALICE.id)
    async with start_toned():
        message = sandbox.send(ALICE, "This is number 1.")
        await sandbox.wait_for(reply_with("Reactions are not allowed here"))
        await sandbox.wait_for_call("setmessagereaction", 2)
    inbox = await Inbox.open(settings.data_dir / "crier.db")
    (record,) = await inbox.list_history(sandbox.bot_id, 1)
    owed = await inbox.list_owed(sandbox.bot_id)
    await inbox.close()

    assert (record.outcome, record.reason) == ("heard", "Telegram refused 👍.")
    assert owed == []
    assert not any(map(reaction_to(message), sandbox.events))


# ---- a group that becomes a supergroup ----


async def test_outbox_follows_a_group_that_becomes_a_supergroup(
    sandbox: Sandbox, outbox: Outbox, inbox: Inbox
) -> None:
    """Replies arrive in the new chat, in order; reactions are dropped with their messages."""
    message = sandbox.send(ALICE, "Hello.", GROUP)
    stored = await inbox.accept(sandbox.bot_id, 1, QueuedMessage(0, GROUP["id"], message, "Hello."))
    assert stored is not None
    await inbox.store_end(stored.id, "failed", "💔", "The reason.")
    await inbox.store_status_message(sandbox.bot_id, StatusMessageId(GROUP["id"], 5, None))
    supergroup = sandbox.migrate(GROUP)
    given, reacted = Answers(), Answers()
    for number in range(3):
        outbox.reply(GROUP["id"], f"Reply {number}.", to=message, on_answer=given)
    outbox.react(GROUP["id"], message, receipts.HEARD, reacted)
    for number in range(3):
        answer = await given.next()
        assert (answer.chat_id, answer.text) == (supergroup["id"], f"Reply {number}.")
    assert await reacted.next() is None
    outbox.react(GROUP["id"], message, receipts.HEARD, reacted)
    assert await reacted.next() is None
    ((owed, reaction, reason),) = await inbox.list_owed(sandbox.bot_id)

    assert (owed.chat_id, owed.message_id, reaction) == (supergroup["id"], 0, "")
    assert reason == "The reason."
    assert await inbox.list_status_messages(sandbox.bot_id) == []
    assert not any(e.kind == "reaction" for e in sandbox.events)
    assert all(e.reply_to == 0 for e in sandbox.events)


async def test_outbox_follows_the_service_message_of_a_move(
    sandbox: Sandbox, start_toned: StartBot, settings: Settings
) -> None:
    """After it, what is owed to the group is sent to the supergroup."""
    inbox = await Inbox.open(settings.data_dir / "crier.db")
    stored = await inbox.accept(
        sandbox.bot_id, 1, QueuedMessage(0, GROUP["id"], 5, "Hello."), "asked"
    )
    await inbox.close()
    assert stored is not None
    supergroup = sandbox.migrate(GROUP)
    async with start_toned() as bot:
        sandbox.send_fields(ALICE, {"migrate_from_chat_id": GROUP["id"]}, supergroup)
        sandbox.send(ALICE, "/help")
        await sandbox.wait_for(reply_with("Send me a text"))
        moved = await bot.delivery._inbox.find_undecided_file(stored.id, supergroup["id"])

    assert moved is not None
    assert not any(e.chat_id == supergroup["id"] for e in sandbox.events)


# ---- topics ----


async def test_outbox_replies_in_the_topic_of_a_message(
    sandbox: Sandbox, start_toned: StartBot
) -> None:
    """Answers, reasons, questions, notes and status messages come in the message's own topic."""
    topic: Json = {"message_thread_id": 77, "is_topic_message": True}

    def send(text: str, **fields: Any) -> int:
        length = len(text.split(maxsplit=1)[0]) if text.startswith("/") else 0
        command = [{"type": "bot_command", "offset": 0, "length": length}] if length else []
        return sandbox.send_fields(ALICE, {"text": text, "entities": command, **topic, **fields})

    async with start_toned():
        send("/status")
        send("/note This is number 1.")
        send("...")
        send("Hello there.", date=1_700_000_000)
        send(" ".join(f"This is number {n}." for n in range(1, 25)))
        status = await sandbox.wait_for(reply_with("Voice:"))
        note = await sandbox.wait_for(lambda e: e.kind == "voice")
        reason = await sandbox.wait_for(reply_with("nothing to say"))
        question = await sandbox.wait_for(reply_with("Shall I say it?"))
        speaking = await sandbox.wait_for(reply_with("Speaking 1 of 1"))
        sandbox.send(ALICE, "/help")
        outside = await sandbox.wait_for(reply_with("Send me a text"))

    assert [e.thread_id for e in (status, note, reason, question, speaking)] == [77] * 5
    assert outside.thread_id == 0


async def test_outbox_replies_in_the_chat_if_a_topic_is_gone(
    sandbox: Sandbox, outbox: Outbox
) -> None:
    """A reply to a deleted topic is sent to the chat itself."""
    sandbox.faults["sendmessage"] = Fault(
        status=400, description="Bad Request: message thread not found", times=1
    )
    outbox.reply(ALICE.id, "Hello.", thread_id=77)

    assert (await sandbox.wait_for(reply_with("Hello."))).thread_id == 0


# ---- lengths ----


@pytest.mark.parametrize(
    "text",
    [
        "short",
        "a" * 9000,
        "😀" * 5000,
        "\n".join(f"word{n} = said{n}" for n in range(600)),
        "word " * 2000,
        "\n" * 5000 + "end",
    ],
)
def test_split_keeps_every_word_within_the_limit(text: str) -> None:
    """Each part has at most 4,096 UTF-16 code units and is not empty; nothing is lost."""
    parts = split(text, 4096)

    assert all(len(part.encode("utf-16-le")) // 2 <= 4096 for part in parts)
    assert all(part.strip() for part in parts)
    assert "".join("".join(parts).split()) == "".join(text.split())


async def test_outbox_splits_a_long_reply_at_its_lines(sandbox: Sandbox, outbox: Outbox) -> None:
    """The parts come in order, the first as the answer, the last with the buttons."""
    lines = [f"word{n} = said{n}" for n in range(600)]
    message = sandbox.send(ALICE, "/pronounce")
    keyboard = InlineKeyboardMarkup([[InlineKeyboardButton("One", callback_data="x")]])
    given = Answers()
    outbox.reply(ALICE.id, "\n".join(lines), to=message, keyboard=keyboard, on_answer=given)
    await given.next()
    parts = [e for e in sandbox.events if e.kind == "message"]

    assert "\n".join(part.text for part in parts).split("\n") == lines
    assert [part.reply_to for part in parts] == [message] + [0] * (len(parts) - 1)
    assert [bool(part.buttons) for part in parts] == [False] * (len(parts) - 1) + [True]


async def test_outbox_sends_no_part_twice_if_a_later_one_is_delayed(
    sandbox: Sandbox, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a failure within a long reply, it continues with the missing part."""
    sent = outbox._bot.send_message
    tries = 0

    async def once_broken(*args: Any, **kwargs: Any) -> Any:
        nonlocal tries
        tries += 1
        if tries == 2:
            sandbox.faults["sendmessage"] = Fault(
                status=429, description=TOO_MANY, retry_after_s=1, times=1
            )
        return await sent(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(type(outbox._bot), "send_message", lambda _, *a, **k: once_broken(*a, **k))
        given = Answers()
        outbox.reply(ALICE.id, "a" * 4096 + "b" * 4096 + "c", on_answer=given)
        await given.next()

    assert [e.text[0] for e in sandbox.events if e.kind == "message"] == ["a", "b", "c"]


async def test_outbox_keeps_labels_and_answers_within_limits(
    sandbox: Sandbox, outbox: Outbox
) -> None:
    """A device with an endless name, or none, still gets a button, and its press an answer."""
    buttons = [
        [InlineKeyboardButton(label, callback_data="x")] for label in ("n" * 5000, " ", "Two")
    ]
    outbox.reply(ALICE.id, "Devices.", keyboard=InlineKeyboardMarkup(buttons))
    listing = await sandbox.wait_for(reply_with("Devices."))
    sandbox.press(ALICE, listing.message_id, "x")
    outbox.answer(ALICE.id, next(iter(sandbox._queries)), "Using " + "😀" * 300)
    await sandbox.wait_for(lambda e: e.kind == "answer")

    assert [len(label) for label, _ in listing.buttons] == [64, 1, 3]
