"""What senders are told about their messages, whatever the front end."""

from collections.abc import Sequence
from typing import Protocol

from audio.types import Outcome
from bot.core.draft import Draft
from bot.core.message import QueuedMessage


class Receipts(Protocol):
    """Reports to senders. Runs on the event loop; each call returns at once.

    A message over HTTP has no chat, so that it gets no receipt: its program reads events.
    """

    def symbol(self, outcome: Outcome) -> str:
        """Return what stands for an outcome in the inbox while that receipt is owed."""
        ...

    def stored(self, message: QueuedMessage) -> None:
        """Report that a message is on the disk and in the queue."""
        ...

    def paused(self, message: QueuedMessage) -> None:
        """Report, once in a chat, that messages wait because speech is paused."""
        ...

    def held(self, message: QueuedMessage, reason: str = "") -> None:
        """Report that a message waits for something other than its turn.

        Args:
            message: the message.
            reason: why, in words; empty where the chat knows that already.
        """
        ...

    def late(self, messages: Sequence[QueuedMessage]) -> None:
        """Ask what to do with the late messages of one chat, which are LATE.

        They become OFFERED once the question has arrived; until then it is owed.
        """
        ...

    def ended(self, message: QueuedMessage, symbol: str, reason: str) -> None:
        """Give the last receipt, which is owed until it has arrived.

        Args:
            message: the message, whose end is on the disk.
            symbol: how it ended, as `symbol` returned it; empty where only the reason is owed.
            reason: what to say about it; empty where the symbol says it all.

        Raises:
            ValueError: the symbol is of another version.
        """
        ...

    def refused(self, draft: Draft, reason: str) -> None:
        """Report that a message was refused where that can't be stored, so that nothing is owed.

        Args:
            draft: the message.
            reason: why, in words; empty where the chat knows that already.
        """
        ...

    def warned(self, draft: Draft, warning: str) -> None:
        """Warn the chat of a message about this computer."""
        ...
