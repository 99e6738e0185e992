"""A Telegram message -> what shall be spoken of it, and what was left out. Pure.

Telegram says what is code, a link, a mention, a spoiler; what it does not say (a table, a stack
trace, code between bare fences) is told by its shape.
"""

import itertools
import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

import emoji
from telegram import Message, MessageEntity

from audio.reading import read
from audio.scripts import without_unread
from audio.text import pieces, speakable
from audio.voices import spoken_languages

NOTHING_TO_SPEAK = "There is no word or number in it, so there is nothing to say. Send some words."

_LONG_QUOTE_CHARS = 60
_LONG_SITE_CHARS = 300  # of a link; a host's name may have 253
_LONG_TAIL_CHARS = 10


@dataclass(frozen=True, slots=True)
class Composed:
    """What becomes of a message."""

    text: str
    """What shall be spoken; may hold nothing that can be."""
    skipped: str = ""
    """What was left out, such as ``1 code block, 2 links``; empty where nothing was."""
    unread: bool = False
    """Whether some of that is in letters that the language's reader can't read."""


# Entities whose text is left out, and what they are called. Telegram sends each as a range.
_LEFT_OUT = {
    MessageEntity.PRE: "code block",
    MessageEntity.SPOILER: "spoiler",
    MessageEntity.STRIKETHROUGH: "struck-out part",
}

# These get the whole text, since what they find can be long. Each is linear, whatever the text;
# `python -m bench.hostile` shows it.
_FENCED = re.compile(r"```[^\n`]*\n.*?(?:```|\Z)", re.DOTALL)
_TABLE = re.compile(r"(?:^[ \t]*\|.*\|[ \t]*$\n?){2,}", re.MULTILINE)
_TRACE = re.compile(
    r"^Traceback \(most recent call last\):\n(?:[ \t]+.*\n?)+(?:^\w[\w.]*(?:Error|Exception).*$)?"
    r"|(?:^[ \t]+at [\w$.<>/]+ ?\(.*\)[ \t]*$\n?){2,}",
    re.MULTILINE,
)
_BARE_LINK = re.compile(r"(?:https?://|www\.)[^\s<>\"]+", re.IGNORECASE)
_MARKDOWN_LINK = re.compile(r"!?\[([^\[\]\n]+)\]\((?:https?://)[^)\s\[]+\)")

# And these get a piece of it at a time (`audio.text.pieces`), so they may be as slow as they like.
_EMAIL = re.compile(r"\b[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,9}\b")
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
    if composed.unread and not speakable(composed.text):
        return composed  # whose it is says nothing
    prefix = _origin(message)
    if message.quote is not None and message.quote.text:
        quote = message.quote.text
        short = quote if len(quote) <= _LONG_QUOTE_CHARS else quote[:_LONG_QUOTE_CHARS] + "…"
        prefix += f"About “{short}”: "
    prefix, _ = without_unread(prefix, lang)
    return replace(composed, text=prefix + composed.text)


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
    parts = [_without_marks(piece) for piece in pieces(text)]
    plain = [_with_emoji(part, lambda _: " ") for part in parts]
    if name_emoji and not any(speakable(part) for part in plain):
        plain = [_with_emoji(parts[0], _named)]  # nobody wants to hear thousands of them
    said: list[str] = []
    unread: Counter[str] = Counter()
    for piece in itertools.chain.from_iterable(map(pieces, plain)):
        readable, spelled = without_unread(read(piece, lang), lang)
        said.append(readable)
        unread += spelled
    return Composed("".join(said), _in_words(skipped + unread), bool(unread))


def nothing_to_say(composed: Composed) -> str:
    """Return why a text of which nothing is left is not said."""
    if not composed.skipped:
        return NOTHING_TO_SPEAK
    why = f"There is nothing to say but {composed.skipped}."
    return f"{why} I speak {_in_a_row(spoken_languages())}." if composed.unread else why


def _in_a_row(names: list[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"


def _without_marks(text: str) -> str:
    """Take out of a piece of text what is for the eye, and put the rest into words."""
    text = _EMAIL.sub(lambda match: _spoken_address(match[0]), text)
    text = _LOVED.sub("love", text)
    for pattern in (_EMOTICON, _HEADING, _QUOTED_LINE, _BULLET, _RULE):
        text = pattern.sub("", text)
    text = _EMPHASIS.sub(r"\2", text)
    text = _HASHTAG.sub(lambda match: f"hashtag {_words_of(match[1])}", text)
    return _INNER_UNDERSCORE.sub(" ", text)


# The library's own `replace_emoji` is quadratic. By first character, how long emoji are; longest
# first.
_EMOJI_CHARS: dict[str, list[int]] = {}
for _sign in sorted(emoji.EMOJI_DATA, key=len, reverse=True):
    _lengths = _EMOJI_CHARS.setdefault(_sign[0], [])
    if len(_sign) not in _lengths:
        _lengths.append(len(_sign))
_MAY_BE_EMOJI = re.compile(r"[^\x00-\xa8]|[0-9#*](?=\ufe0f?\u20e3)")


def _with_emoji(text: str, say: Callable[[str], str]) -> str:
    """Put what *say* makes of each emoji in its place."""
    if text.isascii():
        return text
    parts: list[str] = []
    done = 0
    for match in _MAY_BE_EMOJI.finditer(text):
        start = match.start()
        if start < done:
            continue  # part of the one before
        for length in _EMOJI_CHARS.get(match[0], ()):
            if (sign := text[start : start + length]) in emoji.EMOJI_DATA:
                parts += [text[done:start], say(sign)]
                done = start + len(sign)
                done += text[done : done + 1] in ("\u200d", "\ufe0f")
                break
    return "".join([*parts, text[done:]])


def _named(sign: str) -> str:
    name = emoji.EMOJI_DATA[sign]["en"].strip(":").replace("_", " ")
    return f" {name}, "


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
    bare = url.rstrip(".,;:!?)]'\"")
    end = url[len(bare) :][:_LONG_TAIL_CHARS]
    bare = bare[:_LONG_SITE_CHARS]
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
        f"{times} {what if times == 1 else _plural(what)}"
        for what, times in skipped.items()
        if times > 0
    )


def _plural(what: str) -> str:
    """Return ``words in Korean`` of ``word in Korean``."""
    thing, in_, language = what.partition(" in ")
    return f"{thing}s{in_}{language}"
