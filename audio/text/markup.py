"""Marks of terminals, HTML and damaged encodings -> plain text. Pure, and linear on any text."""

import html
import re
import unicodedata
from collections import Counter

_ANSI = re.compile(
    r"\x1b\[[0-?]{0,40}[ -/]{0,4}[@-~]|\x1b\][^\x07\x1b]{0,2000}(?:\x07|\x1b\\)"
    r"|\x1b[@-Z\\^_()#][0-9A-B]?|\x9b[0-?]{0,40}[@-~]"
    r"|(?:\\e|\\x1[bB]|\\033|\\u001[bB]|\^\[)\[[\d;]{0,40}[mGHJK]"  # as a program shows them
)
_BARE_ANSI = re.compile(r"\[(?:\d{1,3}(?:;\d{1,3}){0,8})?m")
_ANSI_RESET = re.compile(r"\[0?m")
_OVERSTRUCK = re.compile(r"[^\n]\x08")
_PROGRESS = re.compile(r"[\d\s#=>.,%/|\\\-\u2588-\u258f\u28c0-\u28ff]+")

_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,30});")
_ESCAPED_TIMES = 2  # as in &amp;#39;
_BLOCK_TAGS = (
    "address|article|aside|blockquote|body|br|center|dd|details|div|dl|dt|fieldset|figcaption|"
    "figure|footer|form|h[1-6]|head|header|hr|html|legend|li|main|nav|ol|option|p|pre|section|"
    "summary|table|title|tr|ul"
)
_INLINE_TAGS = (
    "a|abbr|acronym|b|bdi|bdo|big|button|cite|code|data|del|dfn|em|font|i|iframe|img|input|ins|kbd|"
    "label|link|mark|meta|picture|q|rp|rt|ruby|s|samp|small|source|span|strike|strong|sub|sup|td|"
    "th|time|tt|u|var|wbr|tbody|thead|tfoot|colgroup|col|center|select|textarea|video|audio|base"
)
_ATTRIBUTE = (
    r"\s+[\w:@.-]{1,60}(?:\s*=\s*(?:\"[^\"<>]{0,2000}\"|'[^'<>]{0,2000}'|[^\s\"'<>=]{1,500}))?"
)
_TAG = re.compile(
    rf"<(?P<end>/?)(?P<name>{_BLOCK_TAGS}|{_INLINE_TAGS})(?P<attributes>(?:{_ATTRIBUTE}){{0,40}})\s*/?>",
    re.IGNORECASE,
)
_IS_BLOCK = re.compile(_BLOCK_TAGS, re.IGNORECASE)
_PARAGRAPH = re.compile(r"p|h[1-6]|title|blockquote|ul|ol|dl|hr|article|section", re.IGNORECASE)
_DOCUMENT = re.compile(r"<!doctype html|<(?:html|body)\b", re.IGNORECASE)
_DOCTYPE = re.compile(r"<(?:!doctype|\?xml)[^<>]{0,500}>", re.IGNORECASE)
_BRACKETED = re.compile(r"<((?:https?://|mailto:)?[^\s<>@]{0,200}[@/][^\s<>]{1,500})>")
_NEVER_ENDED = frozenset(
    "html head body br hr img input wbr p li dt dd tr td th link meta base col option".split()
)
# Elements without words for people, or whose words are left out.
_UNREAD = ("script", "style", "template", "svg", "noscript")

# UTF-8 that was read as Windows-1252: Ã© for é.
_BYTES_OF = {
    bytes([code]).decode("cp1252", errors="ignore") or chr(code): code for code in range(0x80, 0xC0)
}
_LATER = "[" + re.escape("".join(_BYTES_OF)) + "]"
_MOJIBAKE = re.compile(f"[ÂÃ]{_LATER}|â{_LATER}{{2}}|ð{_LATER}{{3}}")
_LOST_APOSTROPHE = re.compile(
    r"(?<=[nN])\ufffd(?=[tT]\b)|(?<=[^\W\d_])\ufffd(?=s\b)"
    r"|(?:(?<=\bI)|(?<=\b[Ww]e)|(?<=\b[Yy]ou)|(?<=\b[Tt]hey)|(?<=\b[Hh]e)|(?<=\b[Ss]he))\ufffd"
)


def without_markup(text: str) -> tuple[str, Counter[str]]:
    """Return *text* without marks that are no words, and a count of what else was left out."""
    skipped: Counter[str] = Counter()
    text = _without_control(text)
    if not text.isascii():
        text = _repaired(text)
    if "<" in text:
        text, skipped = _without_html(text)
    if "&" in text:
        for _ in range(_ESCAPED_TIMES):
            text = _ENTITY.sub(_character, text)
    return text.replace("\u00ad\n", "\0").replace("\u00ad", "").replace("\0", "\u00ad\n"), skipped


def _without_control(text: str) -> str:
    """Remove the colours of a terminal, and what it would have overwritten."""
    text = text.replace("\0", "").replace("\r\n", "\n")
    if "\x1b" in text or "[" in text or "\x9b" in text:
        text = _ANSI.sub("", text)
        if _ANSI_RESET.search(text):  # the escape character itself was lost
            text = _BARE_ANSI.sub("", text)
    if "\x08" in text:
        text = _OVERSTRUCK.sub("", text)
    if "\r" in text:
        text = "\n".join(map(_last_state, text.split("\n")))
    return text


def _last_state(line: str) -> str:
    """Return what a progress bar showed last; other lines as they are."""
    states = [state for state in line.split("\r") if state.strip()]
    if len(states) > 1 and len({_PROGRESS.sub("", state) for state in states}) == 1:
        return states[-1]
    return line.replace("\r", "\n")


def _repaired(text: str) -> str:
    """Return *text* with letters restored that a wrong encoding has damaged."""
    if _MOJIBAKE.search(text):
        text = _MOJIBAKE.sub(_decoded, text)
    if "\ufffd" in text:
        text = _LOST_APOSTROPHE.sub("'", text).replace("\ufffd", "")
    return text


def _decoded(match: re.Match[str]) -> str:
    damaged = match[0]
    content = bytes([ord(damaged[0]), *(_BYTES_OF[char] for char in damaged[1:])])
    try:
        return content.decode()
    except UnicodeDecodeError:
        return damaged


def _character(match: re.Match[str]) -> str:
    """Return the character of an entity; nothing for a private one, which has no meaning.

    Such a character would be taken for a mark that `audio.text.inline` holds.
    """
    char = html.unescape(match[0])
    if char == "\u00a0":
        return " "
    return "" if unicodedata.category(char[-1:] or "a") == "Co" else char


def _without_html(text: str) -> tuple[str, Counter[str]]:
    """Remove tags, comments and elements that are not read; keep their words."""
    skipped: Counter[str] = Counter()
    text = _without_spans(text, "<!--", "-->", "")[0]
    is_document = _is_document(text)
    for name in _UNREAD:  # the end of one may be in the part of a file that is not read
        text = _without_spans(text, f"<{name}", f"</{name}>", "", to_the_end=is_document)[0]
    text, skipped["code block"] = _without_spans(text, "<pre", "</pre>", "\n\n")
    text, skipped["table"] = _without_spans(text, "<table", "</table>", "\n\n", having="<th")
    if is_document:
        text = re.sub(r"[ \t\n]+", " ", text)  # as a browser does
    text = _DOCTYPE.sub("", text)
    ended = {match["name"].casefold() for match in _TAG.finditer(text) if match["end"]}
    text = _TAG.sub(lambda match: _instead_of(match, ended), text)
    if is_document:
        text = re.sub(r" *\n *", "\n", text)
    return _BRACKETED.sub(r"\1", text), skipped


def _is_document(text: str) -> bool:
    """Whether all of a text is HTML, where the end of a line is only a blank."""
    bare = text.strip()
    return _DOCUMENT.search(bare) is not None or (
        bare.endswith(">") and _TAG.match(bare) is not None
    )


def _instead_of(tag: re.Match[str], ended: set[str]) -> str:
    """Return what is in the place of a tag: nothing, or the end of a line or a paragraph.

    A name in brackets that is never ended, as in ``press <a>``, is no tag, nor is a comparison, as
    in ``a<b and c>d``.
    """
    name = tag["name"].casefold()
    is_named = "=" in tag["attributes"] or name in _NEVER_ENDED or bool(tag["end"])
    if not is_named and (tag["attributes"] or name not in ended):
        return tag[0]
    if _PARAGRAPH.fullmatch(name):
        return "\n\n"
    if _IS_BLOCK.fullmatch(name):
        return "\n"
    return " " if name in ("td", "th") else ""


def _without_spans(
    text: str, start: str, end: str, instead: str, *, having: str = "", to_the_end: bool = False
) -> tuple[str, int]:
    """Replace what is from *start* to *end*, in any case; return the text and how often.

    Args:
        text: with or without such spans.
        start: begins a span.
        end: ends it.
        instead: replaces it.
        having: only of spans with this in them: a table with headings, not one for the layout.
        to_the_end: whether a span that never ends is one.
    """
    lower = text.casefold() if text.isascii() else text.lower()
    if len(lower) != len(text):  # a letter whose lower case is longer
        lower = text
    parts: list[str] = []
    done = place = times = 0
    while (first := lower.find(start, place)) >= 0:
        place = first + len(start)
        if start[-1].isalpha() and lower[place : place + 1] not in (">", " ", "\n", "\t", "/"):
            continue  # another tag
        last = lower.find(end, place)
        if last < 0:
            if to_the_end:
                parts.append(text[done:first])
                done = len(text)
            break
        if having not in lower[place:last]:
            continue
        parts += [text[done:first], instead]
        done = place = last + len(end)
        times += 1
    return "".join([*parts, text[done:]]), times
