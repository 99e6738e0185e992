"""A Telegram message -> the text to speak, and a list of what was left out. Pure.

Telegram says what is code, a link, a mention, a spoiler; `bot.core.plain_text` does the rest.
"""

from collections import Counter
from dataclasses import dataclass, replace

from telegram import Message, MessageEntity

from audio.text import inline
from audio.text.blocks import summary_of_trace
from audio.text.readings import digits_apart
from audio.text.sentences import speakable
from bot.chat.kinds import words_of
from bot.chat.marked_text import FORMULA, TABLE, MarkedText
from bot.core.plain_text import (
    BARE_LINK,
    Composed,
    compose_text,
    spoken_address,
    spoken_hashtag,
    spoken_link,
)

_LONG_QUOTE_CHARS = 60


# Entities whose text is left out, and what to call them. Telegram sends each as a range.
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
    after_chars: int = 0,
) -> Composed:
    """Return the text to speak for a message, introduced by its origin and what it quotes.

    Args:
        message: as Telegram sent it.
        lang: the language to read numbers and signs in.
        bot_name: the bot's own user name; mentions of it are left out.
        name_emoji: speak the names of emoji if a message contains nothing else.
        after_command: compose only what follows the command at the beginning of the message,
            without origin or quote.
        after_chars: how much of that is left out, too: the name of a room.
    """
    words = words_of(message)
    if after_command:
        words = words.after_command().after(after_chars)
    text, skipped = _replace_entities(words, lang, bot_name)
    intro = "" if after_command else _origin(message, lang)
    urgent = not intro and text.lstrip().startswith("!")  # in a group, a mention comes first
    if urgent:
        text = text.lstrip().lstrip("! ")
    composed = compose_text(text, lang, skipped, name_emoji=name_emoji)
    if not speakable(composed.text):
        return composed  # an introduction alone is not worth speaking
    if not after_command:
        intro += _quote(message, lang, bot_name)
    return replace(composed, text=intro + composed.text, urgent=urgent)


def _replace_entities(words: MarkedText, lang: str, bot_name: str) -> tuple[str, Counter[str]]:
    """Replace the entities by what is spoken for them; count what is left out, by kind.

    An entity that is left out also hides those that it overlaps: Telegram marks a link in a spoiler
    as both, in either order, and the rest of a partly hidden link would give it away.
    """
    units = words.text.encode("utf-16-le", errors="replace")  # offsets count UTF-16 code units
    marks = _marks(units, words.entities, lang, bot_name)
    skipped = Counter(mark.kind for mark in _separate([mark for mark in marks if mark.left_out]))
    parts: list[bytes] = []
    done = 0
    for group in _overlapping(marks):
        hidden = any(mark.left_out for mark in group)
        spoken = group[0].spoken if len(group) == 1 else " "
        span = _Mark(group[0].start, max(mark.end for mark in group), spoken)
        for mark in [span] if hidden else group:
            if mark.start < done:
                continue  # within the previous one
            skipped[mark.kind] += 1
            parts += [units[2 * done : 2 * mark.start], mark.spoken.encode("utf-16-le", "replace")]
            done = mark.end
    parts.append(units[2 * done :])
    del skipped[""]
    return b"".join(parts).decode("utf-16-le", errors="replace"), skipped


@dataclass(frozen=True, slots=True)
class _Mark:
    """An entity that changes what is spoken; its position is in UTF-16 code units."""

    start: int
    end: int
    spoken: str
    """What is spoken in its place."""
    kind: str = ""
    """What it counts as in `Composed.skipped`; empty if it is not counted."""
    left_out: bool = False


def _marks(
    units: bytes, entities: tuple[MessageEntity, ...], lang: str, bot_name: str
) -> list[_Mark]:
    """Return the entities that change what is spoken, by position."""
    marks = []
    for entity in entities:
        start, end = entity.offset, entity.offset + entity.length
        if end <= start:
            continue
        inner = units[2 * start : 2 * end].decode("utf-16-le", errors="replace")
        if entity.type in _LEFT_OUT:
            trace = summary_of_trace(inner) if entity.type == MessageEntity.PRE else ""
            kind = "stack trace" if trace else _LEFT_OUT[entity.type]
            marks.append(_Mark(start, end, f" {trace}", kind, left_out=True))
            continue
        spoken = _spoken(entity, inner, lang, bot_name)
        if spoken is not None:
            is_link = entity.type in (MessageEntity.URL, MessageEntity.TEXT_LINK)
            marks.append(_Mark(start, end, spoken, "link" if is_link else ""))
    return sorted(marks, key=lambda mark: (mark.start, -mark.end))


def _overlapping(marks: list[_Mark]) -> list[list[_Mark]]:
    """Return the marks in groups that overlap."""
    groups: list[list[_Mark]] = []
    end = 0
    for mark in marks:
        if groups and mark.start < end:
            groups[-1].append(mark)
        else:
            groups.append([mark])
        end = max(end, mark.end)
    return groups


def _separate(hidden: list[_Mark]) -> list[_Mark]:
    """Return the marks that neither lie within an earlier one nor continue it.

    Telegram splits a spoiler where other entities begin and end, but it counts once.
    """
    counted: list[_Mark] = []
    end = -1
    for mark in hidden:
        if mark.start > end or (mark.start == end and mark.kind != counted[-1].kind):
            counted.append(mark)
        end = max(end, mark.end)
    return counted


def _spoken(entity: MessageEntity, inner: str, lang: str, bot_name: str) -> str | None:
    """Return what is spoken for an entity; None if its text is spoken unchanged."""
    kind = entity.type
    if kind == MessageEntity.URL:
        return spoken_link(inner, lang)
    if kind == MessageEntity.TEXT_LINK and BARE_LINK.fullmatch(inner):
        return spoken_link(inner, lang)
    if kind == MessageEntity.PHONE_NUMBER:
        return digits_apart(inner)
    if kind == MessageEntity.EMAIL:
        return spoken_address(inner, lang)
    if kind == MessageEntity.MENTION:
        name = inner.removeprefix("@")
        return " " if name.casefold() == bot_name.casefold() else name.replace("_", " ")
    if kind == MessageEntity.HASHTAG:
        return spoken_hashtag(inner.removeprefix("#"), lang)
    if kind == MessageEntity.CASHTAG:
        return " ".join(inner.removeprefix("$"))
    if kind == MessageEntity.CUSTOM_EMOJI:
        return " "
    return None


def _origin(message: Message, lang: str) -> str:
    """Return the introduction of a forwarded message; empty if it is not one."""
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
    spoken_name = " ".join(inline.shown(compose_text(name or "", lang).text).split())
    return f"Forwarded from {spoken_name}: " if speakable(spoken_name) else "Forwarded: "


def _quote(message: Message, lang: str, bot_name: str) -> str:
    """Return the introduction of a message that quotes another; empty if it does not."""
    if message.quote is None:
        return ""
    quoted = MarkedText(message.quote.text, tuple(message.quote.entities or ()))
    quote = " ".join(compose_text(_replace_entities(quoted, lang, bot_name)[0], lang).text.split())
    if not speakable(quote):
        return ""
    if len(shown := inline.shown(quote)) > _LONG_QUOTE_CHARS:
        quote = shown[:_LONG_QUOTE_CHARS] + "…"
    return f"About “{quote}”: "
