"""A pressed button, as handlers need it."""

from dataclasses import dataclass

from telegram import Message, Update

from bot.chat.outbox import thread_of


@dataclass(frozen=True, slots=True)
class Press:
    """A pressed button under a message of the bot."""

    query_id: str
    """What has to be answered, so that the button stops spinning."""
    data: str
    """What the button carries."""
    user_id: int
    chat_id: int
    message_id: int
    """The message that the button is under."""
    thread_id: int | None
    """The forum topic of that message."""


def pressed(update: Update) -> Press | None:
    """Return the button that an update is about; None where its message is out of reach."""
    query = update.callback_query
    if query is None or query.data is None or not isinstance(query.message, Message):
        return None
    return Press(
        query_id=query.id,
        data=query.data,
        user_id=query.from_user.id,
        chat_id=query.message.chat_id,
        message_id=query.message.message_id,
        thread_id=thread_of(query.message),
    )
