"""A Telegram message -> what shall be spoken of it, and what was left out. Pure.

Telegram says what is code, a link, a mention, a spoiler; `bot.core.plain_text` does the rest.
"""

from collections import Counter
from dataclasses import dataclass, replace

from telegram import Message, MessageEntity

from audio.text.sentences import speakable
from bot.chat.kinds import words_of
from bot.chat.marked_text import FORMULA, TABLE, MarkedText
from bot.core.plain_text import (
    BARE_LINK,
    Composed,
    compose_text,
    spoken_address,
    spoken_link,
    words_of_hashtag,
)

_LONG_QUOTE_CHARS = 60


# Entities whose text is left out, and what they are called. Telegram sends each as a range.
_LEFT_OUT = {
    MessageEntity.PRE: "code block",
    MessageEntity.SPOILER: "spoiler",
    MessageEntity.STRIKETHROUGH: "struck-out part",
    TABLE: "table",
    FORMULA: "formula",
}


def compose(
    message: Message,
    lang: str,
    bot_name: str = "",
    *,
    name_emoji: bool = False,
    after_command: bool = False,
) -> Composed:
    """Return what shall be spoken of a message: its words, and whose and about what they are.

    Args:
        message: as Telegram sent it.
        lang: the language in which numbers and marks are read.
        bot_name: the bot's own user name, which is left out where it is mentioned.
        name_emoji: say the names of emoji where a message has nothing else.
        after_command: leave out the command that it begins with, and take the rest as it is.
    """
    words = words_of(message)
    if after_command:
        words = words.after_command()
    said, skipped = _without_entities(words, bot_name)
    before = "" if after_command else _origin(message, lang)
    urgent = not before and said.lstrip().startswith("!")  # in a group, a mention comes first
    if urgent:
        said = said.lstrip().lstrip("! ")
    composed = compose_text(said, lang, skipped, name_emoji=name_emoji)
    if not speakable(composed.text):
        return composed  # nobody wants to hear only whose it is
    if not after_command:
        before += _quote(message, lang, bot_name)
    return replace(composed, text=before + composed.text, urgent=urgent)


def _without_entities(words: MarkedText, bot_name: str) -> tuple[str, Counter[str]]:
    """Replace what the entities mark by what shall be said of it.

    What is left out wins over whatever it overlaps: Telegram marks a spoiled link as both, in
    either order, and of a link that is spoiled in part the rest would give it away.
    """
    units = words.text.encode("utf-16-le", errors="replace")  # offsets count UTF-16 code units
    marks = _marks(units, words.entities, bot_name)
    skipped = Counter(mark.what for mark in _apart([mark for mark in marks if mark.left_out]))
    parts: list[bytes] = []
    done = 0
    for group in _overlapping(marks):
        hidden = any(mark.left_out for mark in group)
        whole = _Mark(group[0].start, max(mark.end for mark in group), " ")
        for mark in [whole] if hidden else group:
            if mark.start < done:
                continue  # within one that was dealt with
            skipped[mark.what] += 1
            parts += [units[2 * done : 2 * mark.start], mark.said.encode("utf-16-le", "replace")]
            done = mark.end
    parts.append(units[2 * done :])
    del skipped[""]
    return b"".join(parts).decode("utf-16-le", errors="replace"), skipped


@dataclass(frozen=True, slots=True)
class _Mark:
    """An entity that changes what is said, and where it is, in UTF-16 code units."""

    start: int
    end: int
    said: str
    what: str = ""
    """What is counted."""
    left_out: bool = False


def _marks(units: bytes, entities: tuple[MessageEntity, ...], bot_name: str) -> list[_Mark]:
    """Return the entities that change what is said, in their order."""
    marks = []
    for entity in entities:
        start, end = entity.offset, entity.offset + entity.length
        if end <= start:
            continue
        if entity.type in _LEFT_OUT:
            marks.append(_Mark(start, end, " ", _LEFT_OUT[entity.type], left_out=True))
            continue
        inner = units[2 * start : 2 * end].decode("utf-16-le", errors="replace")
        said = _said_of(entity, inner, bot_name)
        if said is not None:
            is_link = entity.type in (MessageEntity.URL, MessageEntity.TEXT_LINK)
            marks.append(_Mark(start, end, said, "link" if is_link else ""))
    return sorted(marks, key=lambda mark: (mark.start, -mark.end))


def _overlapping(marks: list[_Mark]) -> list[list[_Mark]]:
    """Return the marks, those together that overlap."""
    groups: list[list[_Mark]] = []
    end = 0
    for mark in marks:
        if groups and mark.start < end:
            groups[-1].append(mark)
        else:
            groups.append([mark])
        end = max(end, mark.end)
    return groups


def _apart(hidden: list[_Mark]) -> list[_Mark]:
    """Return those that are not within or a continuation of one before, so that each counts once.

    Telegram cuts a spoiler into pieces where other entities begin and end.
    """
    counted: list[_Mark] = []
    end = -1
    for mark in hidden:
        if mark.start > end or (mark.start == end and mark.what != counted[-1].what):
            counted.append(mark)
        end = max(end, mark.end)
    return counted


def _said_of(entity: MessageEntity, inner: str, bot_name: str) -> str | None:
    """Return what is said of an entity; None where its text is said as it is."""
    kind = entity.type
    if kind == MessageEntity.URL:
        return spoken_link(inner)
    if kind == MessageEntity.TEXT_LINK and BARE_LINK.fullmatch(inner):
        return spoken_link(inner)
    if kind == MessageEntity.EMAIL:
        return spoken_address(inner)
    if kind == MessageEntity.MENTION:
        name = inner.removeprefix("@")
        return " " if name.casefold() == bot_name.casefold() else name.replace("_", " ")
    if kind == MessageEntity.HASHTAG:
        return f"hashtag {words_of_hashtag(inner.removeprefix('#'))}"
    if kind == MessageEntity.CASHTAG:
        return " ".join(inner.removeprefix("$"))
    if kind == MessageEntity.CUSTOM_EMOJI:
        return " "
    return None


def _origin(message: Message, lang: str) -> str:
    """Return who a forwarded message is from."""
    origin = message.forward_origin
    if origin is None:
        return ""
    user = getattr(origin, "sender_user", None)
    chat = getattr(origin, "sender_chat", None) or getattr(origin, "chat", None)
    name = (
        (user.full_name if user else "")
        or getattr(origin, "sender_user_name", None)
        or (chat.effective_name if chat else "")
    )
    said = " ".join(compose_text(name or "", lang).text.split())
    return f"Forwarded from {said}: " if speakable(said) else "Forwarded: "


def _quote(message: Message, lang: str, bot_name: str) -> str:
    """Return which part of another message this one answers."""
    if message.quote is None:
        return ""
    quoted = MarkedText(message.quote.text, tuple(message.quote.entities or ()))
    said = " ".join(compose_text(_without_entities(quoted, bot_name)[0], lang).text.split())
    if not speakable(said):
        return ""
    short = said if len(said) <= _LONG_QUOTE_CHARS else said[:_LONG_QUOTE_CHARS] + "…"
    return f"About “{short}”: "
