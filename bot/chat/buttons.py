"""A pressed button, as handlers need it."""

from dataclasses import dataclass

from telegram import Message, Update

from bot.chat.outbox import thread_of


@dataclass(frozen=True, slots=True)
class Press:
    """A pressed button under a message of the bot."""

    query_id: str
    """The query to answer, so that the button stops spinning."""
    data: str
    """The button's callback data."""
    user_id: int
    chat_id: int
    message_id: int
    """The message with the button."""
    thread_id: int | None
    """The forum topic of that message."""
    user_name: str = ""


def pressed(update: Update) -> Press | None:
    """Return the button that an update is about; None if its message is inaccessible."""
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
        user_name=query.from_user.full_name,
    )
