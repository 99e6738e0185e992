"""Receipts: what senders are told about their messages, through any front end."""

from collections.abc import Sequence
from typing import Protocol

from audio.types import Outcome
from bot.core.draft import Draft
from bot.core.message import QueuedMessage


class Receipts(Protocol):
    """Reports to senders. Runs on the event loop; each call returns at once.

    A message over HTTP has no chat and gets no receipt: its program reads events.
    """

    def symbol(self, outcome: Outcome) -> str:
        """Return the symbol stored for an outcome while its receipt is owed."""
        ...

    def stored(self, message: QueuedMessage) -> None:
        """Report that a message is on the disk and in the queue."""
        ...

    def paused(self, message: QueuedMessage) -> None:
        """Report, once in a chat, that messages wait because speech is paused."""
        ...

    def delayed(self, message: QueuedMessage, reason: str = "") -> None:
        """Report that a message waits for something other than its turn: HELD, LATE or ASKING.

        Args:
            message: the message.
            reason: why, in words; empty if the chat knows already.
        """
        ...

    def late(self, messages: Sequence[QueuedMessage]) -> None:
        """Ask what to do with one chat's LATE messages.

        The question is owed until it has arrived; then they become OFFERED.
        """
        ...

    def ended(self, message: QueuedMessage, symbol: str, reason: str) -> None:
        """Send the last receipt, which is owed until it has arrived.

        Args:
            message: the message, whose end is on the disk.
            symbol: how it ended, as `symbol` returned it; empty if only the reason is owed.
            reason: what to say about it; empty if the symbol is enough.

        Raises:
            ValueError: the symbol is of another version.
        """
        ...

    def refused(self, draft: Draft, reason: str) -> None:
        """Report a refusal that can't be stored, so that nothing is owed.

        Args:
            draft: the message.
            reason: why, in words; empty if the chat knows already.
        """
        ...

    def warned(self, draft: Draft, warning: str) -> None:
        """Warn the chat of a message about this computer."""
        ...


class NoReceipts:
    """Reports to nobody: in a room there is no chat."""

    def symbol(self, outcome: Outcome) -> str:  # noqa: ARG002  # part of the protocol
        """Return no symbol."""
        return ""

    def stored(self, message: QueuedMessage) -> None:
        """Do nothing."""

    def paused(self, message: QueuedMessage) -> None:
        """Do nothing."""

    def delayed(self, message: QueuedMessage, reason: str = "") -> None:
        """Do nothing."""

    def late(self, messages: Sequence[QueuedMessage]) -> None:
        """Do nothing."""

    def ended(self, message: QueuedMessage, symbol: str, reason: str) -> None:
        """Do nothing."""

    def refused(self, draft: Draft, reason: str) -> None:
        """Do nothing."""

    def warned(self, draft: Draft, warning: str) -> None:
        """Do nothing."""
