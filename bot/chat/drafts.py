"""A Telegram message -> a draft for the intake."""

import functools
from typing import Any

from telegram import Message, Update

from bot.chat.compose import compose
from bot.chat.kinds import words_of
from bot.chat.outbox import thread_of
from bot.core.draft import Draft


def draft_of(
    update: Update,
    message: Message,
    *,
    bot_name: str = "",
    name_emoji: bool = False,
    after_command: bool = False,
    words_from: Message | None = None,
) -> Draft:
    """Return a message of a person's as a draft.

    Args:
        update: the update that it came in.
        message: what the receipts are for.
        bot_name: the bot's own user name, which is not spoken.
        name_emoji: say the names of emoji where a message has nothing else.
        after_command: leave out the command that it begins with.
        words_from: the message whose words are spoken; None: *message* itself.
    """
    source = words_from or message
    words = words_of(source)
    user = update.effective_user
    return Draft(
        key=update.update_id,
        text=(words.after_command() if after_command else words).text,
        compose=functools.partial(
            compose,
            source,
            bot_name=bot_name,
            name_emoji=name_emoji,
            after_command=after_command,
        ),
        chat_id=message.chat_id,
        message_id=message.message_id,
        thread_id=thread_of(message),
        user_id=user.id if user else 0,
        user_name=(user.first_name or "") if user else "",
        sent_at=_sent_at(message),
    )


def wordless_draft(message: Message, key: int = 0) -> Draft:
    """Return a draft that only says where a message is, to be refused."""
    return Draft(
        key=key,
        text="",
        chat_id=message.chat_id,
        message_id=message.message_id,
        thread_id=thread_of(message),
    )


def _sent_at(message: Message) -> float:
    date: Any = message.date  # which a server may leave out
    return float(date.timestamp()) if date else 0.0
