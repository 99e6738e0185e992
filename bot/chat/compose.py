"""A Telegram message -> the text to speak, and a list of what was left out. Pure.

Telegram marks code, links, mentions and spoilers. What it does not mark (tables, stack traces, code
between bare fences) is recognized by its shape.
"""

import itertools
import re
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

import emoji
from telegram import Message, MessageEntity

from audio.text.normalize import read
from audio.text.scripts import without_unread
from audio.text.sentences import pieces, speakable
from audio.voices import spoken_languages
from bot.chat.kinds import words_of
from bot.chat.marked_text import FORMULA, TABLE, MarkedText

NOTHING_TO_SPEAK = "There is no word or number in it, so there is nothing to say. Send some words."

_LONG_QUOTE_CHARS = 60
_LONG_SITE_CHARS = 300  # of a link; a host name has at most 253
_LONG_TAIL_CHARS = 10


@dataclass(frozen=True, slots=True)
class Composed:
    """The result of composing a message."""

    text: str
    """The text to speak, which may contain nothing speakable."""
    skipped: str = ""
    """What was left out, such as ``1 code block, 2 links``; empty if nothing was."""
    unread: bool = False
    """Whether some of it was left out because the language's reader can't read its script."""
    urgent: bool = False
    """Whether the message begins with an exclamation mark."""


# Entities whose text is left out, and what to call them. Telegram sends each as a range.
_LEFT_OUT = {
    MessageEntity.PRE: "code block",
    MessageEntity.SPOILER: "spoiler",
    MessageEntity.STRIKETHROUGH: "struck-out part",
    TABLE: "table",
    FORMULA: "formula",
}

# Applied to the full text, since their matches can be long. Each takes linear time on any text;
# `python -m bench.hostile` measures it.
_FENCED = re.compile(r"```[^\n`]*\n.*?(?:```|\Z)", re.DOTALL)
_TABLE = re.compile(r"(?:^[ \t]*\|.*\|[ \t]*$\n?){2,}", re.MULTILINE)
_TRACE = re.compile(
    r"^Traceback \(most recent call last\):\n(?:[ \t]+.*\n?)+(?:^\w[\w.]*(?:Error|Exception).*$)?"
    r"|(?:^[ \t]+at [\w$.<>/]+ ?\(.*\)[ \t]*$\n?){2,}",
    re.MULTILINE,
)
_BARE_LINK = re.compile(r"(?:https?://|www\.)[^\s<>\"]+", re.IGNORECASE)
_MARKDOWN_LINK = re.compile(r"!?\[([^\[\]\n]+)\]\((?:https?://)[^)\s\[]+\)")

# Applied to short pieces of the text (`audio.text.sentences.pieces`), so these need not be linear.
_EMAIL = re.compile(r"\b[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,9}\b")
_HEADING = re.compile(r"^#{1,6}[ \t]+", re.MULTILINE)
_BULLET = re.compile(r"^[ \t]*(?:[-*•+▪◦]|\[[ xX]\])[ \t]+(?:\[[ xX]\][ \t]+)?", re.MULTILINE)
_EMPHASIZED = ("```", "**", "__", "*", "_", "~~", "`")
_EMPHASIS_BEGINS = re.compile(r"(?<!\w)[*_~`](?=\S)")
_EMPHASIS_ENDS = {mark: re.compile(rf"(?<=\S)(?={re.escape(mark)}(?!\w))") for mark in _EMPHASIZED}
_EMOTICON = re.compile(
    r"(?<![\w:;<])(?:[:;][-o*']?[)(\]\[dDpP/\\|3oO]|=[)(]|<3|¯\\_?\(ツ\)_?/¯|[xX]D)(?![\w/])"
)
_LOVED = re.compile(r"(?<=\bI )[❤♥]\ufe0f?(?= \w)")
_HASHTAG = re.compile(r"(?<![\w&/])#([^\W\d]\w+)")
_INNER_UNDERSCORE = re.compile(r"(?<=[^\W_])_+(?=[^\W_])")
_RULE = re.compile(r"^[ \t]*(?:[-*_=~][ \t]*){3,}$", re.MULTILINE)
_QUOTED_LINE = re.compile(r"^[ \t]*>+[ \t]?", re.MULTILINE)


def compose(
    message: Message,
    lang: str,
    bot_name: str = "",
    *,
    name_emoji: bool = False,
    after_command: bool = False,
) -> Composed:
    """Return the text to speak for a message, introduced by its origin and what it quotes.

    Args:
        message: as Telegram sent it.
        lang: the language to read numbers and signs in.
        bot_name: the bot's own user name; mentions of it are left out.
        name_emoji: speak the names of emoji if a message contains nothing else.
        after_command: compose only what follows the command at the beginning of the message,
            without origin or quote.
    """
    words = words_of(message)
    if after_command:
        words = words.after_command()
    text, skipped = _replace_entities(words, bot_name)
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


def compose_text(
    text: str, lang: str, skipped: Counter[str] | None = None, *, name_emoji: bool = False
) -> Composed:
    """Return the text to speak for a plain text, such as one that a script or a pipe sends.

    Args:
        text: the text, without entities.
        lang: the language to read numbers and signs in.
        skipped: what was left out already, by kind; counted on.
        name_emoji: speak the names of emoji if a text contains nothing else.
    """
    skipped = Counter() if skipped is None else skipped
    for pattern, kind in (
        (_FENCED, "code block"),
        (_TABLE, "table"),
        (_TRACE, "stack trace"),
    ):
        text, count = pattern.subn("\n", text)
        skipped[kind] += count
    text = _MARKDOWN_LINK.sub(r"\1", text)
    text, links = _BARE_LINK.subn(lambda match: _spoken_link(match[0]), text)
    skipped["link"] += links
    parts = [_without_marks(piece) for piece in pieces(text)]
    plain = [_with_emoji(part, lambda _: " ") for part in parts]
    if name_emoji and not any(speakable(part) for part in plain):
        plain = [_with_emoji(parts[0], _named)]  # not thousands of them
    readable: list[str] = []
    unread: Counter[str] = Counter()
    for piece in itertools.chain.from_iterable(map(pieces, plain)):
        text, left_out = without_unread(read(piece, lang), lang)
        readable.append(text)
        unread += left_out
    return Composed("".join(readable), _listed(skipped + unread), bool(unread))


def nothing_to_say(composed: Composed) -> str:
    """Return the reason why a message with nothing to speak is refused."""
    if not composed.skipped:
        return NOTHING_TO_SPEAK
    reason = f"There is nothing to say but {composed.skipped}."
    if not composed.unread:
        return reason
    return f"{reason} I speak {_enumerated(spoken_languages())}."


def _enumerated(names: list[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"


def _without_marks(text: str) -> str:
    """Remove visual markup from a piece of text and spell out addresses and hashtags."""
    if "@" in text:
        text = _EMAIL.sub(lambda match: _spoken_address(match[0]), text)
    text = _LOVED.sub("love", text)
    for pattern in (_EMOTICON, _HEADING, _QUOTED_LINE, _BULLET, _RULE):
        text = pattern.sub("", text)
    text = without_emphasis(text)
    text = _HASHTAG.sub(lambda match: f"hashtag {_split_hashtag(match[1])}", text)
    return _INNER_UNDERSCORE.sub(" ", text)


def without_emphasis(text: str) -> str:
    """Remove the marks around emphasized words.

    A single pattern would take quadratic time on marks that have no end.
    """
    return "\n".join(map(_line_without_emphasis, text.split("\n")))


def _line_without_emphasis(line: str) -> str:
    last_end = {
        mark: ends[0].start()
        for mark, pattern in _EMPHASIS_ENDS.items()
        if mark in line and (ends := deque(pattern.finditer(line), maxlen=1))
    }
    parts: list[str] = []
    done = position = 0
    while last_end and (begins := _EMPHASIS_BEGINS.search(line, position)):
        start = begins.start()
        position = start + 1
        for mark in _EMPHASIZED:
            inner = start + len(mark)
            may_end = last_end.get(mark, 0) > inner
            if may_end and line.startswith(mark, start) and not line[inner].isspace():
                last = _EMPHASIS_ENDS[mark].search(line, inner + 1)
                end = last.start() if last else inner
                parts += [line[done:start], line[inner:end]]
                done = position = end + len(mark)
                break
    return "".join([*parts, line[done:]])


# First character -> lengths of the emoji that begin with it, longest first. The library's own
# `replace_emoji` takes quadratic time.
_EMOJI_CHARS: dict[str, list[int]] = {}
for _sign in sorted(emoji.EMOJI_DATA, key=len, reverse=True):
    _lengths = _EMOJI_CHARS.setdefault(_sign[0], [])
    if len(_sign) not in _lengths:
        _lengths.append(len(_sign))
_MAY_BE_EMOJI = re.compile(r"[^\x00-\xa8]|[0-9#*](?=\ufe0f?\u20e3)")


def _with_emoji(text: str, replacement: Callable[[str], str]) -> str:
    """Replace each emoji by what *replacement* returns for it."""
    if text.isascii():
        return text
    parts: list[str] = []
    done = 0
    for match in _MAY_BE_EMOJI.finditer(text):
        start = match.start()
        if start < done:
            continue  # part of the previous emoji
        for length in _EMOJI_CHARS.get(match[0], ()):
            if (sign := text[start : start + length]) in emoji.EMOJI_DATA:
                parts += [text[done:start], replacement(sign)]
                done = start + len(sign)
                done += text[done : done + 1] in ("\u200d", "\ufe0f")
                break
    return "".join([*parts, text[done:]])


def _named(sign: str) -> str:
    name = emoji.EMOJI_DATA[sign]["en"].strip(":").replace("_", " ")
    return f" {name}, "


def _replace_entities(words: MarkedText, bot_name: str) -> tuple[str, Counter[str]]:
    """Replace the entities by what is spoken for them; count what is left out, by kind.

    An entity that is left out also hides those that it overlaps: Telegram marks a link in a spoiler
    as both, in either order, and the rest of a partly hidden link would give it away.
    """
    units = words.text.encode("utf-16-le", errors="replace")  # offsets count UTF-16 code units
    marks = _marks(units, words.entities, bot_name)
    skipped = Counter(mark.kind for mark in _separate([mark for mark in marks if mark.left_out]))
    parts: list[bytes] = []
    done = 0
    for group in _overlapping(marks):
        hidden = any(mark.left_out for mark in group)
        span = _Mark(group[0].start, max(mark.end for mark in group), " ")
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


def _marks(units: bytes, entities: tuple[MessageEntity, ...], bot_name: str) -> list[_Mark]:
    """Return the entities that change what is spoken, by position."""
    marks = []
    for entity in entities:
        start, end = entity.offset, entity.offset + entity.length
        if end <= start:
            continue
        if entity.type in _LEFT_OUT:
            marks.append(_Mark(start, end, " ", _LEFT_OUT[entity.type], left_out=True))
            continue
        inner = units[2 * start : 2 * end].decode("utf-16-le", errors="replace")
        spoken = _spoken(entity, inner, bot_name)
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

    Telegram splits a spoiler where other entities begin and end; it counts once all the same.
    """
    counted: list[_Mark] = []
    end = -1
    for mark in hidden:
        if mark.start > end or (mark.start == end and mark.kind != counted[-1].kind):
            counted.append(mark)
        end = max(end, mark.end)
    return counted


def _spoken(entity: MessageEntity, inner: str, bot_name: str) -> str | None:
    """Return what is spoken for an entity; None if its text is spoken unchanged."""
    kind = entity.type
    if kind == MessageEntity.URL:
        return _spoken_link(inner)
    if kind == MessageEntity.TEXT_LINK and _BARE_LINK.fullmatch(inner):
        return _spoken_link(inner)
    if kind == MessageEntity.EMAIL:
        return _spoken_address(inner)
    if kind == MessageEntity.MENTION:
        name = inner.removeprefix("@")
        return " " if name.casefold() == bot_name.casefold() else name.replace("_", " ")
    if kind == MessageEntity.HASHTAG:
        return f"hashtag {_split_hashtag(inner.removeprefix('#'))}"
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
    except ValueError:  # for example an unclosed bracket
        host = ""
    host = host.removeprefix("www.")
    return f"link to {host.replace('.', ' dot ')}{end}" if host else f"a link{end}"


def _spoken_address(address: str) -> str:
    return address.replace("@", " at ").replace(".", " dot ")


def _split_hashtag(tag: str) -> str:
    """Split a hashtag into words."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=\D)(?=\d)", " ", tag.replace("_", " "))


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
    spoken_name = " ".join(compose_text(name or "", lang).text.split())
    return f"Forwarded from {spoken_name}: " if speakable(spoken_name) else "Forwarded: "


def _quote(message: Message, lang: str, bot_name: str) -> str:
    """Return the introduction of a message that quotes another; empty if it does not."""
    if message.quote is None:
        return ""
    quoted = MarkedText(message.quote.text, tuple(message.quote.entities or ()))
    quote = " ".join(compose_text(_replace_entities(quoted, bot_name)[0], lang).text.split())
    if not speakable(quote):
        return ""
    short = quote if len(quote) <= _LONG_QUOTE_CHARS else quote[:_LONG_QUOTE_CHARS] + "…"
    return f"About “{short}”: "


def _listed(skipped: Counter[str]) -> str:
    """Return `Composed.skipped`; links are listed only beside something else."""
    if not any(count for kind, count in skipped.items() if kind != "link"):
        return ""  # the names of their sites are spoken
    return ", ".join(
        f"{count} {kind if count == 1 else _plural(kind)}"
        for kind, count in skipped.items()
        if count > 0
    )


def _plural(kind: str) -> str:
    """Return ``words in Korean`` for ``word in Korean``."""
    noun, in_, language = kind.partition(" in ")
    return f"{noun}s{in_}{language}"
