"""A rich message (Bot API 10.1), which is a tree of blocks -> one text with its entities. Pure.

python-telegram-bot does not know these messages yet and passes their JSON on. Block types that this
module does not know either (later versions add some) are read through the fields that blocks share.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from telegram import MessageEntity

from bot.chat.marked_text import FORMULA, TABLE, MarkedText, Writer

# Telegram itself allows 16 levels and 32,768 characters.
_MAX_DEPTH = 40
_MAX_UNITS = 60_000

_LEFT_OUT = {
    "pre": MessageEntity.PRE,
    "spoiler": MessageEntity.SPOILER,
    "strikethrough": MessageEntity.STRIKETHROUGH,
    "mathematical_expression": FORMULA,
    "table": TABLE,
}
# Not part of the text: buttons, anchors, a bot's reasoning.
_IGNORED = frozenset({"anchor", "button", "buttons", "divider", "thinking"})
# Type -> (prefix, entity). It is an entity only if its text begins with the prefix; otherwise the
# text is a label.
_PREFIXED = {
    "email_address": ("", MessageEntity.EMAIL),
    "mention": ("@", MessageEntity.MENTION),
    "hashtag": ("#", MessageEntity.HASHTAG),
    "cashtag": ("$", MessageEntity.CASHTAG),
}
_TEXTS, _BELOW = ("summary", "text", "alternative_text"), ("caption", "credit")


def flatten(rich: object) -> MarkedText:
    """Return the text of a message's ``rich_message``; never raises, even if that is malformed.

    Each block is on its own line. Tables, code, formulas, spoilers and struck-out parts are not in
    the text; an entity marks the place of each.
    """
    writer = Writer()
    if isinstance(rich, Mapping):
        _blocks(writer, rich.get("blocks"), 0)
    return writer.written()


def _blocks(writer: Writer, blocks: object, depth: int) -> None:
    for block in blocks if isinstance(blocks, list | tuple) else ():
        writer.end_line()
        _node(writer, block, depth)
    writer.end_line()


def _node(writer: Writer, node: object, depth: int) -> None:
    """Write a block or a part of a text; either is a string, a list or an object with a type."""
    if depth > _MAX_DEPTH or writer.units > _MAX_UNITS:
        return
    if isinstance(node, str):
        writer.write(node)
    elif isinstance(node, list | tuple):
        for child in node:
            _node(writer, child, depth + 1)
    elif isinstance(node, Mapping):
        _object(writer, node, depth + 1)


def _object(writer: Writer, node: Mapping[str, Any], depth: int) -> None:
    kind = str(node.get("type"))
    if kind in _IGNORED:
        return
    if kind in _LEFT_OUT:
        writer.leave_out(_LEFT_OUT[kind])
    elif kind == "url" or kind in _PREFIXED:
        _entity(writer, node, kind, depth)
    else:
        label = str(node.get("label", ""))
        if any(char.isalnum() for char in label):  # a number, not a bullet
            writer.write(f"{label} ")
        for name in _TEXTS:
            _node(writer, node.get(name), depth)
        _blocks_within(writer, node, depth)
    for name in _BELOW:
        if node.get(name):
            writer.end_line()
            _node(writer, node[name], depth)


def _blocks_within(writer: Writer, node: Mapping[str, Any], depth: int) -> None:
    for name in ("blocks", "items"):
        inner = node.get(name)
        if isinstance(inner, list | tuple) and inner:
            if "label" not in node:
                writer.end_line()  # an item stays on the line of its label
            _node(writer, inner[0], depth)
            _blocks(writer, inner[1:], depth)


def _entity(writer: Writer, node: Mapping[str, Any], kind: str, depth: int) -> None:
    """Write a link, mention and so on with the entity that it has in an ordinary text."""
    inner = Writer()
    _node(inner, node.get("text"), depth)
    written = inner.written()
    if kind == "url":
        shown = written.text.strip().casefold()
        url = str(node.get("url") or "")
        is_address = "." in shown and shown in url.casefold() and _host(url)
        entity = MessageEntity.URL if is_address else MessageEntity.TEXT_LINK
    else:
        url = ""
        prefix, entity = _PREFIXED[kind]
        if not written.text.startswith(prefix):
            writer.write(written.text, written.entities)
            return
    with writer.marking(entity, url or None):
        writer.write(written.text, written.entities)


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
