"""A plain text -> what is spoken of it, and what was left out. Pure.

Structure has no markup here: tables, code, quoted mail and wrapped lines are recognized by shape.
"""

import itertools
import re
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

import emoji

from audio.text import inline
from audio.text.blocks import without_blocks
from audio.text.markup import without_markup
from audio.text.normalize import read
from audio.text.scripts import without_unread
from audio.text.sentences import pieces, speakable
from audio.text.wrapping import QUOTED_LINE, unwrap
from audio.voices import spoken_languages

NOTHING_TO_SPEAK = "There is no word or number in it, so there is nothing to say. Send some words."
_LONG_SITE_CHARS = 300  # of a link; a host's name may have 253
_LONG_TAIL_CHARS = 10


@dataclass(frozen=True, slots=True)
class Composed:
    """A text as it is spoken."""

    text: str
    """What is spoken; may contain nothing that can be."""
    skipped: str = ""
    """What was left out, such as ``1 code block, 2 links``; empty if nothing was."""
    unread: bool = False
    """Whether some of it is in a script that the voice's language can't read."""
    urgent: bool = False
    """Whether it started with a !."""


# Applied to the whole text, since their matches can be long. Each takes linear time on any text, as
# `python -m bench.hostile` shows.
BARE_LINK = re.compile(r"(?:https?://|www\.)[^\s<>\"]+", re.IGNORECASE)
_MARKDOWN_LINK = re.compile(
    r"!?\[([^\[\]\n]+)\]\(<?(?:https?://|mailto:|[#/.]|[\w-]+[/.#])[^)\s\[]{0,2000}"
    r"(?:[ \t]+\"[^\"\n]{0,200}\")?\)"
)
_FOOTNOTE = re.compile(r"\[\^[\w-]{1,20}\]:?")
_REFERENCE = re.compile(r"(?<!\w)!?\[([^\[\]\n]{1,200})\]\[[\w .-]{0,60}\]")

# Applied to one piece at a time (`audio.text.sentences.pieces`), so they may be slow.
_EMAIL = re.compile(r"\b[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,9}\b")
_HEADING = re.compile(r"^[ \t]*#{1,6}[ \t]+|(?<=\S)[ \t]+#{2,6}[ \t]*$", re.MULTILINE)
_BULLET = re.compile(
    r"^[ \t]*(?:[-*•+▪◦‣●○■□➢►\uf0b7]|\[[ xX]\])[ \t]+(?:\[[ xX]\][ \t]+)?", re.MULTILINE
)
_EMPHASIZED = ("```", "**", "__", "*", "_", "~~", "`")
_EMPHASIS_BEGINS = re.compile(r"(?<!\w)[*_~`](?=\S)")
_EMPHASIS_ENDS = {mark: re.compile(rf"(?<=\S)(?={re.escape(mark)}(?!\w))") for mark in _EMPHASIZED}
_EMOTICON = re.compile(
    r"(?<![\w:;<])(?:[:;][-o*']?[)(\]\[dDpP/\\|3oO]|=[)(]|<3|¯\\_?\(ツ\)_?/¯|[xX]D)(?![\w/])"
)
_LOVED = re.compile(r"(?<=\bI )[❤♥]\ufe0f?(?= \w)")
_HASHTAG = re.compile(r"(?<![\w&/])#([^\W\d]\w+)")
_INNER_UNDERSCORE = re.compile(r"(?<=[^\W_])_+(?=[^\W_])")
_RULE_CHARS = "-*_=~+#\u2013\u2014\u2500-\u257f\u2022\u00b7"
_RULE = re.compile(rf"^[ \t]*(?:[{_RULE_CHARS}/\\|:][ \t]*){{3,}}$", re.MULTILINE)
_RULED_TITLE = re.compile(
    rf"^[ \t]*([{_RULE_CHARS}])\1{{2,}}[ \t]*(?P<title>\w.*?)[ \t]*\1{{3,}}[ \t]*$", re.MULTILINE
)
_ALERT = re.compile(r"^\[!([A-Za-z]+)\][ \t]*\n?", re.MULTILINE)
_IN_WORDS = re.compile(r"(?<!\d)(\*\*|==)([^\s*=](?:[^*=\n]{0,300}[^\s*=])?)\1(?!\d)")
_ESCAPED = re.compile(r"\\([*_`~])")
_PREFIXES = frozenset("un re in im ir il de en em ex dis non mis pre sub pro co bi a".split())
_SUFFIXES = frozenset("ing able ible ness less ment ful ist ism ity".split())
_LONG_SUFFIX_CHARS = 3


def compose_text(
    text: str, lang: str, skipped: Counter[str] | None = None, *, name_emoji: bool = False
) -> Composed:
    """Return what is spoken of a plain text, such as a program's.

    Args:
        text: as it was sent.
        lang: the language in which numbers and symbols are read.
        skipped: what was left out of it already; updated.
        name_emoji: speak the names of emoji if the text has nothing else.
    """
    skipped = Counter() if skipped is None else skipped
    text, left_out = inline.checked(text)
    skipped.update(left_out)
    text, marks = inline.hold(text)
    text, left_out = without_markup(text)
    skipped.update(left_out)
    text = unwrap(without_blocks(text, skipped))
    text = _FOOTNOTE.sub("", _MARKDOWN_LINK.sub(r"\1", text))
    text = _REFERENCE.sub(r"\1", text)
    text, links = BARE_LINK.subn(lambda match: spoken_link(match[0], lang), text)
    skipped["link"] += links
    parts = [_without_marks(piece, lang) for piece in pieces(text)]
    plain = [_with_emoji(part, lambda _: " ") for part in parts]
    if name_emoji and not any(speakable(part) for part in plain):
        plain = [_with_emoji(parts[0], _named)]  # nobody wants to hear thousands of them
    spoken: list[str] = []
    is_read = True
    for piece in itertools.chain.from_iterable(map(pieces, plain)):
        readable, unreadable = without_unread(read(piece, lang), lang)
        spoken.append(readable)
        skipped.update(unreadable)
        is_read = is_read and not unreadable
    # What only looks like a mark now had other marks in it, so its limits were not checked.
    composed = inline.restore(inline.shown("".join(spoken)), marks)
    return Composed(composed, _in_words(skipped), unread=not is_read)


def nothing_to_say(composed: Composed) -> str:
    """Return why a text with nothing left to speak is refused."""
    if not composed.skipped:
        return NOTHING_TO_SPEAK
    reason = f"There is nothing to say but {composed.skipped}."
    if not composed.unread:
        return reason
    return f"{reason} I speak {_enumerated(spoken_languages())}, and others with an accent."


def _enumerated(names: list[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"


def _without_marks(text: str, lang: str) -> str:
    """Remove marks that are only visual, and put addresses and hashtags into words."""
    if "@" in text:
        text = _EMAIL.sub(lambda match: spoken_address(match[0], lang), text)
    text = _LOVED.sub("love", text)
    text = _EMOTICON.sub("", text)
    text = _RULED_TITLE.sub(r"\g<title>", text)
    for pattern in (_HEADING, QUOTED_LINE, _RULE, _BULLET):
        text = pattern.sub("", text)
    text = _ALERT.sub(lambda match: f"{match[1].capitalize()}: ", text)
    text = _ESCAPED.sub(_unescaped, text)
    text = without_emphasis(_IN_WORDS.sub(_apart, text))
    text = _HASHTAG.sub(lambda match: spoken_hashtag(match[1], lang), text)
    return _INNER_UNDERSCORE.sub(" ", text)


def _unescaped(match: re.Match[str]) -> str:
    """Return the mark after a backslash if it means itself, as between two numbers."""
    text, start, end = match.string, match.start(), match.end()
    around = text[max(0, start - 1) : start] + text[end : end + 1]
    between = len(around) == len("ab") and (around.isalnum() or around.isspace())
    return match[1] if between else ""


def _apart(match: re.Match[str]) -> str:
    """Return what is emphasized, as a word of its own unless it is only a part of one."""
    text, inner = match.string, match[2]
    before = _LAST_LETTERS.search(text, max(0, match.start() - 30), match.start())
    after = _FIRST_LETTERS.match(text, match.end())
    left = " " if before and not _is_one_word(before[0], inner) else ""
    right = " " if after and not _is_one_word(inner, after[0]) else ""
    return f"{left}{inner}{right}"


def _is_one_word(first: str, second: str) -> bool:
    """Whether two parts are one word, of which a prefix or the end is emphasized."""
    last = second.casefold()
    return first.casefold() in _PREFIXES or len(last) <= _LONG_SUFFIX_CHARS or last in _SUFFIXES


_LAST_LETTERS = re.compile(r"[^\W\d_]+\Z")
_FIRST_LETTERS = re.compile(r"[^\W\d_]+")


def without_emphasis(text: str) -> str:
    """Remove emphasis marks around words.

    A single pattern would rescan the line for every mark that is never closed.
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


# The lengths of emoji by their first character, longest first. The library's own `replace_emoji` is
# quadratic.
_EMOJI_CHARS: dict[str, list[int]] = {}
for _sign in sorted(emoji.EMOJI_DATA, key=len, reverse=True):
    _lengths = _EMOJI_CHARS.setdefault(_sign[0], [])
    if len(_sign) not in _lengths:
        _lengths.append(len(_sign))
_MAY_BE_EMOJI = re.compile(r"[^\x00-\xa8]|[0-9#*](?=\ufe0f?\u20e3)")


def _with_emoji(text: str, say: Callable[[str], str]) -> str:
    """Replace each emoji with what *say* returns for it."""
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


@dataclass(frozen=True, slots=True)
class _WebWords:
    """How a language says what addresses and hashtags are made of; empty: as espeak-ng does."""

    link_to: str = ""
    link: str = ""
    dot: str = ""
    at: str = ""
    hashtag: str = ""


_WEB_WORDS = {
    "en": _WebWords("link to", "a link", "dot", "at", "hashtag"),
    "es": _WebWords("enlace a", "un enlace", "punto", "arroba", "hashtag"),
    "fr": _WebWords("lien vers", "un lien", "point", "arobase", "hashtag"),
    "hi": _WebWords("लिंक", "एक लिंक", "डॉट", "ऐट", "हैशटैग"),
    "it": _WebWords("link a", "un link", "punto", "chiocciola", "hashtag"),
    "ja": _WebWords("リンク", "リンク", "ドット", "アットマーク", "ハッシュタグ"),
    "pt": _WebWords("link para", "um link", "ponto", "arroba", "hashtag"),
    "cmn": _WebWords("链接", "链接", "点", "艾特", "话题"),
}
_NO_WORDS = _WebWords()


def _web_words(lang: str) -> _WebWords:
    return _WEB_WORDS.get(lang.partition("-")[0], _NO_WORDS)


def _in_web_words(address: str, words: _WebWords) -> str:
    for sign, word in (("@", words.at), (".", words.dot)):
        if word:
            address = address.replace(sign, f" {word} ")
    return address


def spoken_link(url: str, lang: str = "en-us") -> str:
    """Return a link as its site's name: “link to example dot com”."""
    words = _web_words(lang)
    bare = url.rstrip(".,;:!?)]'\"")
    end = url[len(bare) :][:_LONG_TAIL_CHARS]
    bare = bare[:_LONG_SITE_CHARS]
    try:
        host = urlsplit(bare if "//" in bare else f"//{bare}").hostname or ""
    except ValueError:  # for example an unclosed bracket
        host = ""
    host = host.removeprefix("www.")
    if not host:
        return words.link + end
    return f"{words.link_to} {_in_web_words(host, words)}{end}".lstrip()


def spoken_address(address: str, lang: str = "en-us") -> str:
    """Return an e-mail address in words: “jane at example dot com”."""
    return _in_web_words(address, _web_words(lang))


def spoken_hashtag(tag: str, lang: str = "en-us") -> str:
    """Return a hashtag, without its #, in words: “hashtag Throwback Thursday”."""
    return f"{_web_words(lang).hashtag} {words_of_hashtag(tag)}".lstrip()


def words_of_hashtag(tag: str) -> str:
    """Split a hashtag into words where capitals and digits begin."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=\D)(?=\d)", " ", tag.replace("_", " "))


def _in_words(skipped: Counter[str]) -> str:
    """Return what was left out, in words; empty for links alone, whose sites are spoken."""
    if not any(times for kind, times in skipped.items() if kind != "link"):
        return ""
    return ", ".join(
        f"{times} {kind if times == 1 else _plural(kind)}"
        for kind, times in skipped.items()
        if times > 0
    )


def _plural(kind: str) -> str:
    """Return ``words in Korean`` for ``word in Korean``."""
    noun, in_, language = kind.partition(" in ")
    return f"{noun}s{in_}{language}"
