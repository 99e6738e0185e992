"""A Telegram message -> what shall be spoken of it, and what was left out. Pure.

Telegram says what is code, a link, a mention, a spoiler; what it does not say (a table, a stack
trace, code between bare fences) is told by its shape.
"""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

import emoji
from telegram import Message, MessageEntity

from audio.reading import read

_LONG_QUOTE_CHARS = 60


@dataclass(frozen=True, slots=True)
class Composed:
    """What becomes of a message."""

    text: str
    """What shall be spoken; may hold nothing that can be."""
    skipped: str = ""
    """What was left out, such as ``1 code block, 2 links``; empty where nothing was."""


# Entities whose text is left out, and what they are called. Telegram sends each as a range.
_LEFT_OUT = {
    MessageEntity.PRE: "code block",
    MessageEntity.SPOILER: "spoiler",
    MessageEntity.STRIKETHROUGH: "struck-out part",
}

_FENCED = re.compile(r"```[^\n`]*\n.*?(?:```|\Z)", re.DOTALL)
_TABLE = re.compile(r"(?:^[ \t]*\|.*\|[ \t]*$\n?){2,}", re.MULTILINE)
_TRACE = re.compile(
    r"^Traceback \(most recent call last\):\n(?:[ \t]+.*\n?)+(?:^\w[\w.]*(?:Error|Exception).*$)?"
    r"|(?:^[ \t]+at [\w$.<>/]+ ?\(.*\)[ \t]*$\n?){2,}",
    re.MULTILINE,
)
_BARE_LINK = re.compile(r"(?:https?://|www\.)[^\s<>\"]+", re.IGNORECASE)
_EMAIL = re.compile(r"\b[\w.+-]+@[\w-]+(?:\.[\w-]+)+\b")
_MARKDOWN_LINK = re.compile(r"!?\[([^\]\n]+)\]\((?:https?://)[^)\s]+\)")
_HEADING = re.compile(r"^#{1,6}[ \t]+", re.MULTILINE)
_BULLET = re.compile(r"^[ \t]*(?:[-*•+▪◦]|\[[ xX]\])[ \t]+(?:\[[ xX]\][ \t]+)?", re.MULTILINE)
_EMPHASIS = re.compile(r"(?<!\w)(```|\*\*|__|\*|_|~~|`)(?=\S)([^\n]*?\S)\1(?!\w)")
_EMOTICON = re.compile(
    r"(?<![\w:;<])(?:[:;][-o*']?[)(\]\[dDpP/\\|3oO]|=[)(]|<3|¯\\_?\(ツ\)_?/¯|[xX]D)(?![\w/])"
)
_LOVED = re.compile(r"(?<=\bI )[❤♥]\ufe0f?(?= \w)")
_HASHTAG = re.compile(r"(?<![\w&/])#([^\W\d]\w+)")
_INNER_UNDERSCORE = re.compile(r"(?<=[^\W_])_+(?=[^\W_])")
_RULE = re.compile(r"^[ \t]*(?:[-*_=~][ \t]*){3,}$", re.MULTILINE)
_QUOTED_LINE = re.compile(r"^[ \t]*>+[ \t]?", re.MULTILINE)


def compose(
    message: Message, lang: str, bot_name: str = "", *, name_emoji: bool = False
) -> Composed:
    """Return what shall be spoken of a message: its text or its caption.

    Args:
        message: as Telegram sent it.
        lang: the language in which numbers and marks are read.
        bot_name: the bot's own user name, which is left out where it is mentioned.
        name_emoji: say the names of emoji where a message has nothing else.
    """
    text = message.text or message.caption or ""
    entities = message.entities or message.caption_entities or ()
    said, skipped = _without_entities(text, entities, bot_name)
    composed = compose_text(said, lang, skipped, name_emoji=name_emoji)
    prefix = _origin(message)
    if message.quote is not None and message.quote.text:
        quote = message.quote.text
        short = quote if len(quote) <= _LONG_QUOTE_CHARS else quote[:_LONG_QUOTE_CHARS] + "…"
        prefix += f"About “{short}”: "
    return Composed(prefix + composed.text, composed.skipped)


def compose_text(
    text: str, lang: str, skipped: Counter[str] | None = None, *, name_emoji: bool = False
) -> Composed:
    """Return what shall be spoken of a plain text, as scripts and pipes send it."""
    skipped = Counter() if skipped is None else skipped
    for pattern, what in (
        (_FENCED, "code block"),
        (_TABLE, "table"),
        (_TRACE, "stack trace"),
    ):
        text, times = pattern.subn("\n", text)
        skipped[what] += times
    text = _MARKDOWN_LINK.sub(r"\1", text)
    text, links = _BARE_LINK.subn(lambda match: _spoken_link(match[0]), text)
    skipped["link"] += links
    text = _EMAIL.sub(lambda match: _spoken_address(match[0]), text)
    text = _LOVED.sub("love", text)
    for pattern in (_EMOTICON, _HEADING, _QUOTED_LINE, _BULLET, _RULE):
        text = pattern.sub("", text)
    text = _EMPHASIS.sub(r"\2", text)
    text = _HASHTAG.sub(lambda match: f"hashtag {_words_of(match[1])}", text)
    text = _INNER_UNDERSCORE.sub(" ", text)
    if not any(char.isalnum() for char in emoji.replace_emoji(text, "")) and name_emoji:
        text = emoji.demojize(text, delimiters=(" ", ", ")).replace("_", " ")
    else:
        text = emoji.replace_emoji(text, " ")
    return Composed(read(text, lang), _in_words(skipped))


def _without_entities(
    text: str, entities: Iterable[MessageEntity], bot_name: str
) -> tuple[str, Counter[str]]:
    """Replace what the entities mark by what shall be said of it."""
    units = text.encode("utf-16-le")  # offsets count UTF-16 code units
    skipped: Counter[str] = Counter()
    parts: list[bytes] = []
    done = 0
    for entity in sorted(entities, key=lambda e: (e.offset, -e.length)):
        start, end = 2 * entity.offset, 2 * (entity.offset + entity.length)
        if start < done:
            continue  # within one that was dealt with
        inner = units[start:end].decode("utf-16-le", errors="replace")
        said = _said_of(entity, inner, bot_name, skipped)
        if said is None:
            continue
        parts += [units[done:start], said.encode("utf-16-le")]
        done = end
    parts.append(units[done:])
    return b"".join(parts).decode("utf-16-le", errors="replace"), skipped


def _said_of(entity: MessageEntity, inner: str, bot_name: str, skipped: Counter[str]) -> str | None:
    """Return what is said of an entity; None where its text is said as it is."""
    kind = entity.type
    if kind in _LEFT_OUT:
        skipped[_LEFT_OUT[kind]] += 1
        return " "
    if kind == MessageEntity.URL:
        skipped["link"] += 1
        return _spoken_link(inner)
    if kind == MessageEntity.TEXT_LINK and _BARE_LINK.fullmatch(inner):
        skipped["link"] += 1
        return _spoken_link(inner)
    if kind == MessageEntity.EMAIL:
        return _spoken_address(inner)
    if kind == MessageEntity.MENTION:
        name = inner.removeprefix("@")
        return " " if name.casefold() == bot_name.casefold() else name.replace("_", " ")
    if kind == MessageEntity.HASHTAG:
        return f"hashtag {_words_of(inner.removeprefix('#'))}"
    if kind == MessageEntity.CASHTAG:
        return " ".join(inner.removeprefix("$"))
    if kind == MessageEntity.CUSTOM_EMOJI:
        return " "
    return None


def _spoken_link(url: str) -> str:
    """Return the site's name: “link to example dot com”."""
    tail = re.search(r"[.,;:!?)\]'\"]*$", url)
    end = tail[0] if tail else ""
    bare = url[: len(url) - len(end)]
    try:
        host = urlsplit(bare if "//" in bare else f"//{bare}").hostname or ""
    except ValueError:  # such as an unclosed bracket
        host = ""
    host = host.removeprefix("www.")
    return f"link to {host.replace('.', ' dot ')}{end}" if host else f"a link{end}"


def _spoken_address(address: str) -> str:
    return address.replace("@", " at ").replace(".", " dot ")


def _words_of(tag: str) -> str:
    """Split a hashtag where its words begin."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=\D)(?=\d)", " ", tag.replace("_", " "))


def _origin(message: Message) -> str:
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
    return f"Forwarded from {name}: " if name else "Forwarded: "


def _in_words(skipped: Counter[str]) -> str:
    """Return what was left out in words; links only where something else was, too."""
    if not any(times for what, times in skipped.items() if what != "link"):
        return ""  # their sites are said
    return ", ".join(
        f"{times} {what}" + ("s" if times > 1 else "")
        for what, times in skipped.items()
        if times > 0
    )
