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
    after_chars: int = 0,
    words_from: Message | None = None,
) -> Draft:
    """Return a person's message as a draft.

    Args:
        update: the update that contains it.
        message: the message that gets the receipts.
        bot_name: the bot's own user name, which is not spoken.
        name_emoji: speak the names of emoji if a message contains nothing else.
        after_command: leave out the command at its beginning.
        after_chars: how much of what follows is left out, too.
        words_from: the message whose words are spoken; None: *message* itself.
    """
    source = words_from or message
    words = words_of(source)
    user = update.effective_user
    return Draft(
        update_id=update.update_id,
        text=(words.after_command().after(after_chars) if after_command else words).text,
        composer=functools.partial(
            compose,
            source,
            bot_name=bot_name,
            name_emoji=name_emoji,
            after_command=after_command,
            after_chars=after_chars,
        ),
        chat_id=message.chat_id,
        message_id=message.message_id,
        thread_id=thread_of(message),
        user_id=user.id if user else 0,
        user_name=(user.first_name or "") if user else "",
        sent_at=_sent_at(message),
    )


def wordless_draft(message: Message, update_id: int = 0) -> Draft:
    """Return a draft without words, used to refuse a message."""
    return Draft(
        update_id=update_id,
        text="",
        chat_id=message.chat_id,
        message_id=message.message_id,
        thread_id=thread_of(message),
    )


def _sent_at(message: Message) -> float:
    date: Any = message.date  # a server may leave it out
    return float(date.timestamp()) if date else 0.0
