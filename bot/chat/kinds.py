"""Kinds of messages, and the words in each: text, caption, poll, checklist, venue. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from telegram import Checklist, Message, MessageEntity, Poll, Venue

from bot.chat.marked_text import MarkedText, Writer
from bot.chat.rich_message import flatten

_CANT_SPEAK = "I can say texts, read .txt, .md and .pdf files, and play sound and video notes."
_NAMELESS_PLACE = "That place has no name that I could say. Send its name, or share it as a venue."

# The names that Telegram allows; followed by other characters, it is a path such as /srv/data.
_COMMAND = re.compile(r"/([A-Za-z][A-Za-z0-9_]{0,31})(?:@([A-Za-z0-9_]+))?[.,;:!?]*(?:\s|\Z)")

# Telegram sends these as messages; python-telegram-bot 22.8 does not know them yet.
_LATER_SERVICE = frozenset(
    {"community_chat_added", "community_chat_removed", "community_chat_joined"}
)
_SERVICE = ("boost_added", "successful_payment", "passport_data", *_LATER_SERVICE)
"""Service messages that ``filters.StatusUpdate`` leaves out."""


@dataclass(frozen=True, slots=True)
class ChatCommand:
    """The command that a message begins with."""

    name: str
    bot_name: str
    """The bot it is addressed to; empty if none is named."""

    def __str__(self) -> str:
        return f"/{self.name}" + (f"@{self.bot_name}" if self.bot_name else "")


def words_of(message: Message) -> MarkedText:
    """Return the words of a message with their entities; empty if it has none."""
    if (rich := flatten(_rich_message(message))).text:
        return rich  # its plain text is for apps that can't display it
    if message.text:
        return MarkedText(message.text, tuple(message.entities))
    if message.caption:
        return MarkedText(message.caption, tuple(message.caption_entities))
    if message.checklist is not None:
        return _checklist(message.checklist)
    if message.poll is not None:
        return _poll(message.poll)
    if message.venue is not None:
        return _venue(message.venue)
    if message.contact is not None:
        names = (message.contact.first_name, message.contact.last_name)
        return MarkedText(" ".join(filter(None, names)))
    return MarkedText()


def command_of(message: Message) -> ChatCommand | None:
    """Return the command that a message begins with, if any."""
    first = next(iter(message.entities), None)
    if first is None or first.type != MessageEntity.BOT_COMMAND or first.offset:
        return None
    match = _COMMAND.match(message.text or "")
    return ChatCommand(match[1], match[2] or "") if match else None


def is_picture(message: Message) -> bool:
    """Whether a message is a picture, even if sent as a file; only its caption is spoken."""
    document = message.document
    return bool(
        message.photo
        or message.animation
        or message.live_photo
        or (document is not None and (document.mime_type or "").startswith("image/"))
    )


def speaks_by_file(message: Message) -> bool:
    """Whether a message's file is played or read, rather than its caption."""
    files = (message.voice, message.audio, message.video, message.video_note, message.document)
    return not is_picture(message) and any(files)


def is_service(message: Message) -> bool:
    """Whether a message reports an event in the chat and has no author."""
    return any(
        getattr(message, name, None) is not None or name in message.api_kwargs for name in _SERVICE
    )


def why_unspeakable(message: Message) -> str:
    """Return the reason why a message without words is refused."""
    return _NAMELESS_PLACE if message.location is not None else _CANT_SPEAK


def _rich_message(message: Message) -> object:
    """Return a rich message's JSON, which python-telegram-bot passes on unchanged."""
    rich = message.api_kwargs.get("rich_message") or getattr(message, "rich_message", None)
    return rich if rich is None or isinstance(rich, Mapping) else rich.to_dict()


def _checklist(checklist: Checklist) -> MarkedText:
    writer = Writer()
    writer.write(checklist.title, checklist.title_entities or ())
    open_tasks = [task for task in checklist.tasks if task.completion_date is None]
    for task in open_tasks:
        writer.write("\n")
        writer.write(task.text, task.text_entities or ())
    if not open_tasks:
        writer.write("\nEverything is done.")
    return writer.written()


def _poll(poll: Poll) -> MarkedText:
    writer = Writer()
    writer.write(poll.question, poll.question_entities or ())
    for option in poll.options:
        writer.write("\n")
        writer.write(option.text, option.text_entities or ())
    return writer.written()


def _venue(venue: Venue) -> MarkedText:
    return MarkedText("\n".join(filter(None, (venue.title, venue.address))))
