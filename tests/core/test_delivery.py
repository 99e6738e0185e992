"""Delivery alone, with a pipeline that only records orders: stops, holding, and what ends once."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from audio.cost import SynthesisCost
from audio.types import Ended, Outcome, Status, Utterance
from bot.chat.receipts import ChatReceipts
from bot.core.access import Access
from bot.core.attempts import Attempts
from bot.core.delivery import Delivery
from bot.core.draft import Draft
from bot.core.events import Events
from bot.core.inbox import Inbox
from bot.core.intake import Intake
from bot.core.limits import Limits
from bot.core.message import NO_CHAT, QueuedMessage, State, attempt_key
from bot.core.preferences import Preferences, SpeechStyle
from bot.core.quiet_hours import FOR_GOOD
from bot.core.store import Store
from bot.settings import Settings

BOT, CHAT = 4217, 7


class RecordingPipeline:
    """Records what it is told to say; says nothing."""

    def __init__(self) -> None:
        self.said: list[int] = []
        self.skipped: list[int | None] = []
        self.aborts = 0

    def say(self, utterance: Utterance) -> None:
        """Record an utterance."""
        self.said.append(utterance.id)

    def skip(self, id_: int | None = None) -> None:
        """Record a skip."""
        self.skipped.append(id_)

    def abort(self) -> None:
        """Count an abort."""
        self.aborts += 1

    def reorder(self, ids: tuple[int, ...]) -> None:
        """Ignore the order."""

    def replace(self, utterance: Utterance) -> None:
        """Ignore the text."""

    def pause(self) -> None:
        """Ignore it."""

    def resume(self) -> None:
        """Ignore it."""

    def status(self) -> Status:
        """Return that nothing sounds."""
        return Status()

    def cost(self) -> SynthesisCost:
        """Return what a new machine is expected to do."""
        return SynthesisCost()


class RecordingReceipts:
    """Records what senders are told, by the id of their message."""

    def __init__(self) -> None:
        self.given: list[tuple[int, str]] = []

    def symbol(self, outcome: Outcome) -> str:
        """Return the outcome itself."""
        return outcome.value

    def stored(self, message: QueuedMessage) -> None:
        """Record it."""
        self.given.append((message.id, "stored"))

    def paused(self, message: QueuedMessage) -> None:
        """Record it."""
        self.given.append((message.id, "paused"))

    def delayed(self, message: QueuedMessage, _: str = "") -> None:
        """Record it."""
        self.given.append((message.id, "held"))

    def late(self, messages: Sequence[QueuedMessage]) -> None:
        """Record each."""
        self.given += [(message.id, "asked") for message in messages]

    def ended(self, message: QueuedMessage, symbol: str, _: str) -> None:
        """Record the outcome."""
        self.given.append((message.id, symbol))

    def refused(self, _: Draft, reason: str) -> None:
        """Record the reason."""
        self.given.append((0, reason))

    def warned(self, _: Draft, warning: str) -> None:
        """Record the warning."""
        self.given.append((0, warning))

    def of(self, id_: int) -> list[str]:
        """Return what was told about a message, in order."""
        return [what for message_id, what in self.given if message_id == id_]


class Lab:
    """A delivery with its collaborators, and nothing before or behind it."""

    def __init__(self, inbox: Inbox, folder: Path) -> None:
        self.inbox = inbox
        self.store = Store(inbox.database)
        self.pipeline = RecordingPipeline()
        self.receipts = RecordingReceipts()
        self.settings = Settings(data_dir=folder)
        self.attempts = Attempts(folder / "attempts.json")
        self.now_s = 1_800_000_000.0
        pipeline: Any = self.pipeline
        self.delivery = Delivery(
            pipeline=pipeline,
            inbox=inbox,
            store=self.store,
            receipts=self.receipts,
            events=Events(),
            attempts=self.attempts,
            settings=self.settings,
            bot_id=BOT,
            now=lambda: self.now_s,
        )
        self._numbers = iter(range(1, 1000))

    async def submit(self, text: str = "Hello.", **fields: Any) -> QueuedMessage:
        """Store and submit a message."""
        number = next(self._numbers)
        message = QueuedMessage(0, CHAT, 100 + number, text, fresh_at=self.now_s, **fields)
        stored = await self.inbox.accept(BOT, number, message)
        assert stored is not None
        await self.delivery.submit(stored)
        return stored

    async def state_of(self, message: QueuedMessage) -> str:
        """Return the state of a message on the disk."""
        rows = await self.inbox._database.execute_fetchall(
            "SELECT state FROM message WHERE id = ?", (message.id,)
        )
        return str(next(iter(rows))[0])

    def intake(self) -> Intake:
        """Return an intake before this delivery."""
        return Intake(
            settings=self.settings,
            inbox=self.inbox,
            receipts=self.receipts,
            delivery=self.delivery,
            access=Access(frozenset({1}), self.store, lambda _: None),
            limits=Limits(0, 0),
            preferences=Preferences(self.store, self.settings),
            bot_id=BOT,
            now=lambda: self.now_s,
            clock_warning=lambda: "",
        )


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[Lab]:
    """Return a delivery whose facts are handled."""
    inbox = await Inbox.open(tmp_path / "crier.db")
    lab = Lab(inbox, tmp_path)
    task = asyncio.create_task(lab.delivery.run())
    lab.delivery.start_speaking()
    yield lab
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await inbox.close()


# ---- the order ----


async def test_queue_hands_over_a_suspect_alone(lab: Lab) -> None:
    """A message during which the process died is not in the pipeline with any other."""
    lab.attempts._deaths[attempt_key(2)] = 1.0
    messages = [await lab.submit() for _ in range(3)]
    said = [list(lab.pipeline.said)]
    for message in messages:
        lab.delivery.receive(Ended(message.id, Outcome.HEARD))
        await lab.delivery.drain()
        said.append(list(lab.pipeline.said))

    assert said == [[1], [1, 2], [1, 2, 3], [1, 2, 3]]


async def test_queue_hands_over_nothing_while_suspended(lab: Lab) -> None:
    """Afterwards the urgent ones come first, in the order in which they came."""
    with lab.delivery.suspended():
        for urgent in (False, True, True):
            await lab.submit(urgent=urgent)
        assert lab.pipeline.said == []

    assert lab.pipeline.said == [2, 3, 1]


async def test_queue_has_places_for_held_messages(lab: Lab) -> None:
    """A held message is in the queue, too, and can be removed from it."""
    await lab.delivery.mute(FOR_GOOD)
    message = await lab.submit()

    assert [place.state for place in lab.delivery.queue.places()] == ["held"]
    assert await lab.delivery.queue.remove(message.id)
    assert not await lab.delivery.queue.remove(message.id)
    assert lab.receipts.of(message.id) == ["held", "skipped"]
    assert await lab.state_of(message) == "skipped"


# ---- stops and holding ----


async def test_stop_while_a_message_is_pulled_ends_it_once(lab: Lab) -> None:
    """A mute and a stop before the pipeline has reported anything: one end, on the disk too."""
    message = await lab.submit()
    await lab.delivery.mute(FOR_GOOD)
    stopped = await lab.delivery.stop()
    on_the_disk = await lab.state_of(message)
    lab.delivery.receive(Ended(message.id, Outcome.STOPPED))  # of the mute's abort
    await lab.delivery.drain()

    assert stopped == 1
    assert on_the_disk == "stopped"
    assert lab.receipts.of(message.id) == ["stored", "stopped"]
    assert lab.delivery.under_way_count == lab.delivery.held_count == 0


async def test_stop_while_a_message_is_being_held_ends_it_once(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stop between the decision to hold a message and its write to the disk wins."""
    change_state = lab.inbox.change_state

    async def stop_first(*args: Any, **fields: Any) -> bool:
        monkeypatch.setattr(lab.inbox, "change_state", change_state)
        await lab.delivery.stop()
        return await change_state(*args, **fields)

    await lab.delivery.mute(FOR_GOOD)
    monkeypatch.setattr(lab.inbox, "change_state", stop_first)
    message = await lab.submit()
    await lab.delivery.mute(0)

    assert lab.receipts.of(message.id) == ["stopped"]
    assert await lab.state_of(message) == "stopped"
    assert lab.pipeline.said == []


async def test_remove_wins_over_holding(lab: Lab) -> None:
    """A message that is removed while it is being pulled is not said later."""
    message = await lab.submit()
    await lab.delivery.mute(FOR_GOOD)
    await lab.delivery.queue.remove(message.id)
    lab.delivery.receive(Ended(message.id, Outcome.STOPPED))
    await lab.delivery.drain()

    assert lab.receipts.of(message.id) == ["stored", "stopped"]
    assert lab.delivery.held_count == 0


async def test_quiet_hold_survives_a_full_disk(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """A held message whose state can't be stored is said after the mute all the same."""
    await lab.delivery.mute(FOR_GOOD)
    with monkeypatch.context() as patch:

        async def full(*_: Any, **__: Any) -> bool:
            raise sqlite3.OperationalError("disk is full")

        patch.setattr(lab.inbox, "change_state", full)
        message = await lab.submit()
    await lab.delivery.mute(0)

    assert lab.receipts.of(message.id) == ["held", "stored"]
    assert lab.pipeline.said == [message.id]


async def test_quiet_hold_asks_about_what_became_late(lab: Lab) -> None:
    """A message that was held for longer than LATE_AFTER_S is asked about, and once."""
    await lab.delivery.mute(FOR_GOOD)
    message = await lab.submit()
    lab.now_s += lab.settings.late_after_s + 1
    await lab.delivery.mute(0)
    async with asyncio.timeout(10):
        while "asked" not in lab.receipts.of(message.id):  # noqa: ASYNC110  # a second after it
            await asyncio.sleep(0.05)

    assert await lab.state_of(message) == State.LATE
    assert lab.receipts.of(message.id) == ["held", "asked"]
    assert lab.pipeline.said == []


# ---- in and out ----


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


async def test_receipts_of_programs_reach_no_outbox(lab: Lab) -> None:
    """Nothing about a message over HTTP is sent to Telegram."""
    sent: list[str] = []

    class Outbox:
        def __getattr__(self, name: str) -> Any:
            return lambda *_, **__: sent.append(name)

    outbox: Any = Outbox()
    receipts = ChatReceipts(outbox, lab.inbox)
    message = QueuedMessage(1, NO_CHAT, 0, "Hello.", client="door")
    receipts.stored(message)
    receipts.delayed(message, "Muted.")
    receipts.paused(message)
    receipts.ended(message, receipts.symbol(Outcome.FAILED), "No sound.")
    receipts.refused(Draft(update_id=-1, text="", client="door"), "No.")

    assert sent == []
