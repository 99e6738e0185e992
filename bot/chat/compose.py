"""A Telegram message -> what shall be spoken of it, and what was left out. Pure.

Telegram says what is code, a link, a mention, a spoiler; what it does not say (a table, a stack
trace, code between bare fences) is told by its shape.
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
    urgent: bool = False
    """Whether its sender wrote a ! in front."""


# Entities whose text is left out, and what they are called. Telegram sends each as a range.
_LEFT_OUT = {
    MessageEntity.PRE: "code block",
    MessageEntity.SPOILER: "spoiler",
    MessageEntity.STRIKETHROUGH: "struck-out part",
    TABLE: "table",
    FORMULA: "formula",
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

# And these get a piece of it at a time (`audio.text.sentences.pieces`), so they may be as slow as
# they like.
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
    if "@" in text:
        text = _EMAIL.sub(lambda match: _spoken_address(match[0]), text)
    text = _LOVED.sub("love", text)
    for pattern in (_EMOTICON, _HEADING, _QUOTED_LINE, _BULLET, _RULE):
        text = pattern.sub("", text)
    text = without_emphasis(text)
    text = _HASHTAG.sub(lambda match: f"hashtag {_words_of(match[1])}", text)
    return _INNER_UNDERSCORE.sub(" ", text)


def without_emphasis(text: str) -> str:
    """Take out the marks around words that are emphasized.

    One pattern would do, but would look for the end of what has none again and again.
    """
    return "\n".join(map(_line_without_emphasis, text.split("\n")))


def _line_without_emphasis(line: str) -> str:
    last_end = {
        mark: ends[0].start()
        for mark, pattern in _EMPHASIS_ENDS.items()
        if mark in line and (ends := deque(pattern.finditer(line), maxlen=1))
    }
    parts: list[str] = []
    done = place = 0
    while last_end and (begins := _EMPHASIS_BEGINS.search(line, place)):
        start = begins.start()
        place = start + 1
        for mark in _EMPHASIZED:
            inner = start + len(mark)
            may_end = last_end.get(mark, 0) > inner
            if may_end and line.startswith(mark, start) and not line[inner].isspace():
                last = _EMPHASIS_ENDS[mark].search(line, inner + 1)
                end = last.start() if last else inner
                parts += [line[done:start], line[inner:end]]
                done = place = end + len(mark)
                break
    return "".join([*parts, line[done:]])


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
        return _spoken_link(inner)
    if kind == MessageEntity.TEXT_LINK and _BARE_LINK.fullmatch(inner):
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
