"""A delivery with a pipeline that only records orders, for tests without sound."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from audio.cost import SynthesisCost
from audio.types import Outcome, Status, Utterance
from bot.core.access import Access
from bot.core.attempts import Attempts
from bot.core.delivery import Delivery
from bot.core.draft import Draft
from bot.core.events import Events
from bot.core.inbox import Inbox
from bot.core.intake import Intake
from bot.core.limits import Limits
from bot.core.message import QueuedMessage
from bot.core.preferences import Preferences
from bot.core.store import Store
from bot.settings import Settings

BOT, CHAT = 4217, 7


class RecordingPipeline:
    """Records what it is told to say; says nothing."""

    def __init__(self) -> None:
        self.said: list[int] = []
        self.texts: list[tuple[str, bool]] = []
        """Texts, new or replaced, and whether they grow."""
        self.skipped: list[int | None] = []
        self.withdrawn: list[tuple[int, str]] = []
        self.aborts = 0
        self.speaking_id: int | None = None

    def say(self, utterance: Utterance) -> None:
        """Record an utterance."""
        self.said.append(utterance.id)
        self.texts.append((utterance.text, utterance.grows))

    def skip(self, id_: int | None = None) -> None:
        """Record a skip."""
        self.skipped.append(id_)

    def withdraw(self, id_: int, reason: str) -> None:
        """Record it, with the reason."""
        self.withdrawn.append((id_, reason))

    def abort(self) -> None:
        """Count an abort."""
        self.aborts += 1

    def reorder(self, ids: tuple[int, ...]) -> None:
        """Ignore the order."""

    def replace(self, utterance: Utterance) -> None:
        """Record the text."""
        self.texts.append((utterance.text, utterance.grows))

    def pause(self) -> None:
        """Ignore it."""

    def resume(self) -> None:
        """Ignore it."""

    def status(self) -> Status:
        """Return which message sounds, and nothing else."""
        return Status(speaking_id=self.speaking_id)

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
        self.events = Events()
        pipeline: Any = self.pipeline
        self.delivery = Delivery(
            pipeline=pipeline,
            inbox=inbox,
            store=self.store,
            receipts=self.receipts,
            events=self.events,
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
