"""Hard-wrapped text -> paragraphs, each on one line. Pure.

E-mails, READMEs, commit messages, terminals and the pages of a PDF break lines at a margin. Where a
line ends because the next word did not fit, the two belong together; lists, verses, addresses and
headings end their lines earlier, and begin the next with a capital.
"""

import itertools
import math
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_MARGIN_COLUMNS = 55
"""Lines of this width are wrapped if one of them continues in the next."""
_NARROW_COLUMNS = 30
"""Narrower ones, such as the columns of a page, need `_NARROW_EVIDENCE` of that."""
_NARROW_EVIDENCE = 3
_SLACK_COLUMNS = 2  # people wrap a little before the margin
_RAGGED = 0.85  # of the margin, where letters differ in width, as in text copied from a PDF
_LONG_WORD_CHARS = 30  # a longer one, such as a link, reaches beyond the margin
_SHORT_OF_MARGIN = 0.6
_FIELDS_SHARE = 1 / 3
_MIN_COLUMN_LINES = 4
_MIN_COLUMN_CHARS = 16
_COLUMN_SHARE = 0.7

_QUOTED = re.compile(r"[ \t]*(?:>[ \t]?)+")
_SIGN = r"(?<!>)>(?=[=€$£¥.]?\d|=)"  # >5 and >=3.10 are numbers
QUOTED_LINE = re.compile(rf"^[ \t]*(?:(?!{_SIGN})>[ \t]?)+", re.MULTILINE)
"""The marks of a quotation at the start of a line; not a > that belongs to a number."""
_LINE_END = re.compile(r"\r\n?|[\v\f\x1c-\x1e\x85]")
_ENDED = re.compile(r"[.!?…:;。！？；：|\\][\"'”’»)\]*_]{0,3}$")
_OPENING = "\"'“‘«„([¿¡*_`~"
_BULLET = re.compile(r"[-*•+▪◦‣·●○■□➢►\uf0b7][ \t]+(?:\[[ xX]\][ \t]+)?|\[[ xX]\][ \t]+")
_NUMBERED = re.compile(r"\(?(?:(\d{1,2})|([a-zA-Z]))[.)][ \t]+(?=\S)")
_FIELD = re.compile(r"[^\W_](?:[\w.'/()-]| (?! )){0,24}:(?:[ \t]|$)")
_APART = re.compile(
    r"#{1,6}[ \t]|\||\d{4}-\d\d-\d\d[ T]\d|\[?\d\d?:\d\d\b"
    r"|\[?(?:DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|FATAL|CRITICAL|TRACE)\b|[—–][ \t]"
)
_DASHED = re.compile(r"(?<=[^\W\d_])[-\u2010\u2011]$")
_CUT_WORD = re.compile(r"([^\W\d_]+)[-\u2010\u2011]$")
_FIRST_WORD = re.compile(r"[^\W\d_]+")
_WORD = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
_GAP = re.compile(r"(?<=\S)[ \t]{3,}(?=\S)")
_CELLS = re.compile(r"[^\s.!?:][ \t]{4,}\S")

# "a line that ends in the" continues; so does one that ends in these in other languages.
_CONTINUES = frozenset(
    "a an the of to in on at by for from with and or but that which is are was were be as into "
    "been since because after before while who what where how they we you he she it "
    "than our your his her their its my this if when not will would can could should has have had "
    "der die das den dem ein eine einen und oder mit von zu im auf für dass le la les un une des "
    "du de et ou que qui dans pour sur el los las del y o en con por para il lo gli di e che da "
    "per os as um uma do no na com".split()
)

# Compound words keep their hyphen: well-known, but dis-cuss is discuss.
_KEEPS_HYPHEN = frozenset(
    "well self high low long short half cross hard real state world two three four five six seven "
    "eight nine ten twenty thirty forty fifty sixty seventy eighty ninety ill ever much quasi "
    "est peut celui celle ceux".split()
)
_HAS_HYPHEN = frozenset(
    "known based like free term level scale style aware specific defined driven oriented related "
    "friendly quality side class party time law fold owned size sized born made".split()
)
_SUFFIXES = frozenset(
    "er ers est ly ing ings ed age ages ness less ful ware ity ties ish en ened ening ment ments "
    "ner ion ions al ally able ible ence ance ten teen ty th".split()
)
_SUSPENDED = frozenset("and or to und oder bis et ou".split())  # pre- and post-war


@dataclass(frozen=True, slots=True)
class _Line:
    """A line that is not blank."""

    text: str
    """Without its indentation and the marks of a quotation."""
    quoted: int
    """How deep it is quoted."""
    indent: int
    width: int
    """Its columns, with its indentation."""
    marker: int
    """The length of its bullet or number; 0 if it begins no item."""
    field: bool
    """Whether it begins like ``Name: value``."""
    apart: bool
    """Whether it begins something of its own: a heading, a row, an entry of a log."""
    hard: bool
    """Whether its end is meant: Markdown's two blanks."""

    @property
    def ended(self) -> bool:
        """Whether it ends as a sentence or a clause does."""
        return self.hard or _ENDED.search(self.text[-5:]) is not None

    @property
    def hangs(self) -> bool:
        """Whether its last word needs another: ``the``, ``and``."""
        return self.text.rsplit(maxsplit=1)[-1] in _CONTINUES

    @property
    def cut(self) -> bool:
        """Whether it ends within a word."""
        return self.text.endswith("\u00ad") or _DASHED.search(self.text[-2:]) is not None

    @property
    def first_width(self) -> int:
        """The columns of its first word, or letter in a script without spaces."""
        word = self.text.split(maxsplit=1)[0]
        return 2 if _is_wide(word[0]) else _columns(word)

    def is_full(self, following: "_Line", margin: float) -> bool:
        """Whether the first word of the next line did not fit."""
        slack = _SLACK_COLUMNS if margin >= _MARGIN_COLUMNS else 0
        return self.width + 1 + following.first_width > margin - slack

    @property
    def continues(self) -> bool:
        """Whether it begins as the middle of a sentence does."""
        first = self.text.lstrip(_OPENING)[:1]
        is_shouted = len(self.text) > _NARROW_COLUMNS and self.text.isupper()
        return first.islower() or is_shouted or unicodedata.category(first or " ") == "Lo"

    @property
    def capital(self) -> bool:
        """Whether it begins with a capital."""
        return self.text.lstrip(_OPENING)[:1].isupper()


def unwrap(text: str) -> str:
    """Return *text* with each wrapped paragraph on one line; all else keeps its lines.

    The marks of quotations are removed, since they are at the beginning of lines.
    """
    text = _LINE_END.sub("\n", text)
    if "\n" not in text.strip():
        return text
    rows = text.split("\n")
    hard = sum(row.endswith("  ") for row in rows) <= len(rows) / 2
    # Where other lines are quoted, so is a >5 among them.
    marks = _QUOTED if QUOTED_LINE.search(text) else QUOTED_LINE
    numbers = _numbers(rows)
    blocks: list[list[_Line]] = []
    joins: list[list[bool]] = []
    result: list[str | int] = []  # an int is the index of a block
    for blank, group in itertools.groupby(rows, lambda row: not row.strip(" \t>")):
        if blank:
            result += ["" for _ in group]
            continue
        sides = _columns_apart([_line(row, numbers, marks, hard=hard) for row in group])
        for block in sides:
            result += [len(blocks), ""]
            blocks.append(block)
            joins.append(_joins(block, _MIN_COLUMN_CHARS if len(sides) > 1 else _NARROW_COLUMNS))
        result.pop()
    margins = [_margin(block) for block, join in zip(blocks, joins, strict=True) if any(join)]
    if margins:
        margin = max(margins)
        joins = [
            join if any(join) else _joins_of_margin(block, margin)
            for block, join in zip(blocks, joins, strict=True)
        ]
    words = frozenset(word.casefold() for word in _WORD.findall(text)) if "-\n" in text else None
    return "\n".join(
        part if isinstance(part, str) else _joined(blocks[part], joins[part], words or frozenset())
        for part in result
    )


def _line(row: str, numbers: frozenset[int], marks: re.Pattern[str], *, hard: bool) -> _Line:
    quoted = marks.match(row)
    row_ = (row[quoted.end() :] if quoted else row).expandtabs()
    hard = hard and row.endswith(("  ", "\\"))
    text = row_.strip().rstrip("\\") if hard else row_.strip()
    numbered = _NUMBERED.match(text)
    bullet = _BULLET.match(text)
    is_item = numbered and (not numbered[1] or int(numbered[1]) in numbers)
    marker = len(bullet[0]) if bullet else len(numbered[0]) if numbered and is_item else 0
    return _Line(
        text=text,
        quoted=quoted[0].count(">") if quoted else 0,
        indent=len(row_) - len(row_.lstrip()),
        width=_columns(row_.rstrip()),
        marker=marker,
        field=_FIELD.match(text) is not None,
        apart=(
            _APART.match(text) is not None
            or _CELLS.search(text) is not None
            or not any(map(str.isalnum, text))
        ),
        hard=hard,
    )


def _numbers(rows: list[str]) -> frozenset[int]:
    """Return the numbers that count items: 1, and those next to another."""
    found = {int(match[1]) for row in rows if (match := _NUMBERED.match(row.strip())) and match[1]}
    return frozenset(n for n in found if n == 1 or n - 1 in found or n + 1 in found)


def _columns(text: str) -> int:
    return len(text) if text.isascii() else len(text) + sum(map(_is_wide, text))


def _is_wide(char: str) -> bool:
    return char > "\u10ff" and unicodedata.east_asian_width(char) in "WF"


def _margin(lines: Sequence[_Line]) -> int:
    """Return the width of the widest line, except those that a long word makes wider."""
    usual = [
        line.width
        for line in lines
        if line.width <= _MARGIN_COLUMNS or max(map(len, line.text.split())) < _LONG_WORD_CHARS
    ]
    return max(usual or (line.width for line in lines))


def _joins(lines: list[_Line], narrowest: int) -> list[bool]:
    """Return, for each line but the last, whether the next one belongs to its paragraph.

    Args:
        lines: those between two blank ones.
        narrowest: the columns that a wrapped paragraph must have.
    """
    margin = _margin(lines)
    joins: list[bool] = []
    if margin >= narrowest:
        for share in (1.0, _RAGGED):
            joins = _joins_at(lines, margin, share)
            if any(joins):
                return joins
    return [_glued(a, b) for a, b in itertools.pairwise(lines)]


def _joins_at(lines: list[_Line], margin: int, share: float) -> list[bool]:
    """Return the same, where lines reach at least *share* of the margin."""
    apart = _breaks(lines, margin * share)
    narrow, ragged = margin < _MARGIN_COLUMNS, share < 1
    if narrow and ragged:
        enough = math.inf
    elif ragged or (narrow and not all(_is_wide(line.text[-1]) for line in lines[:-1])):
        enough = _NARROW_EVIDENCE
    else:
        enough = 0
    joins = [False] * len(apart)
    for start, end in _runs(apart):
        pairs = [(lines[index], lines[index + 1]) for index in range(start, end)]
        if _is_wrapped(pairs, margin * share, enough):
            joins[start:end] = [True] * (end - start)
        else:
            joins[start:end] = [_glued(a, b) for a, b in pairs]
    return joins


def _runs(apart: list[bool]) -> Iterator[tuple[int, int]]:
    """Return the runs of breaks that are not certain, as (start, end)."""
    start = 0
    for is_apart, group in itertools.groupby(apart):
        end = start + len(list(group))
        if not is_apart:
            yield start, end
        start = end


def _breaks(lines: list[_Line], margin: float) -> list[bool]:
    """Return, for each line but the last, whether the next one begins something else."""
    many_fields = sum(line.field for line in lines) >= max(2, len(lines) * _FIELDS_SHARE)
    apart: list[bool] = []
    first = True  # the line begins a paragraph
    for a, b in itertools.pairwise(lines):
        is_full = a.is_full(b, margin)
        goes_on = not a.ended and (b.continues or a.hangs)
        is_apart = (
            a.hard
            or a.quoted != b.quoted
            or b.marker > 0
            or a.apart
            or b.apart
            or (many_fields and b.field)
            or not (is_full or goes_on)
            or not _aligned(a, b, first=first, certain=is_full and goes_on)
        )
        apart.append(is_apart and not _glued(a, b))
        first = is_apart
    return apart


def _aligned(a: _Line, b: _Line, *, first: bool, certain: bool) -> bool:
    """Whether the indentation of two lines allows them to be one paragraph.

    Args:
        a: a line.
        b: the one after it.
        first: whether *a* begins a paragraph, which may be indented.
        certain: whether the words say that *b* continues *a*.
    """
    if a.marker:
        return b.indent <= a.indent + a.marker + 2
    if b.indent < a.indent:
        return first
    return b.indent == a.indent or (first and certain)


def _is_wrapped(pairs: list[tuple[_Line, _Line]], margin: float, enough: float) -> bool:
    """Whether lines that could be a wrapped paragraph are one.

    Args:
        pairs: each line with the next.
        margin: the columns that a line must reach to be full.
        enough: how many must go on in the next, if none ends in a word such as "the".
    """
    going_on = against = 0.0
    function_words = 0
    for a, b in pairs:
        if a.ended:
            continue
        is_full = a.is_full(b, margin)
        hanging = a.marker > 0 and b.indent == a.indent + a.marker
        if b.continues or a.hangs or a.cut:
            fits = is_full or (hanging and a.width >= _SHORT_OF_MARGIN * margin)
            going_on += fits
            against += not (fits or a.hangs or a.cut)
            function_words += is_full and a.hangs
        elif hanging:
            going_on += is_full
        elif b.capital:
            against += 0.5
    return going_on > against and (going_on - against >= enough or function_words > against)


def _joins_of_margin(lines: list[_Line], margin: int) -> list[bool]:
    """Return the same for lines that show nothing themselves, but the rest of the text does."""
    own = _margin(lines)
    if margin < _NARROW_COLUMNS or own > margin or own < _SHORT_OF_MARGIN * margin:
        return [_glued(a, b) for a, b in itertools.pairwise(lines)]
    apart = _breaks(lines, margin)
    pairs = itertools.pairwise(lines)
    return [
        not is_apart and not (a.ended and b.indent != a.indent)
        for is_apart, (a, b) in zip(apart, pairs, strict=True)
    ]


def _glued(a: _Line, b: _Line) -> bool:
    """Whether a word is cut at the end of a line: ``dis-`` and ``cuss``."""
    if a.text.endswith("\u00ad"):
        return True
    left, right = _CUT_WORD.search(a.text[-40:]), _FIRST_WORD.match(b.text)
    return (
        a.quoted == b.quoted
        and left is not None
        and right is not None
        and len(left[1]) > 1
        and right[0][0].islower()
        and b.text[right.end() : right.end() + 1] != "-"
        and not (a.marker and len(a.text) == a.marker)
    )


def _joined(lines: list[_Line], joins: list[bool], words: frozenset[str]) -> str:
    """Return lines as text, some of them joined."""
    parts = [" " * lines[0].indent, lines[0].text]
    for (a, b), join in zip(itertools.pairwise(lines), joins, strict=True):
        if not join:
            parts += ["\n", " " * b.indent, b.text]
            continue
        parts[-1], between = _end_and_space(parts[-1], a, b, words)
        parts += [between, b.text]
    return "".join(parts)


def _end_and_space(end: str, a: _Line, b: _Line, words: frozenset[str]) -> tuple[str, str]:
    """Return the end of a line as it is written before the next one, and what is between them."""
    if end.endswith("\u00ad"):
        return end[:-1], ""
    if a.cut:
        left, right = _CUT_WORD.search(end[-40:]), _FIRST_WORD.match(b.text)
        if right and right[0].casefold() in _SUSPENDED:
            return end, " "
        if left and right and right[0][0].islower() and not _keeps_hyphen(left[1], right[0], words):
            return end[:-1], ""
        return end, ""
    if _is_wide(end[-1]) and _is_wide(b.text[0]):
        return end, ""
    return end, "" if end.endswith("/") and not end.endswith((" /", "//")) else " "


def _keeps_hyphen(left: str, right: str, words: frozenset[str]) -> bool:
    """Whether a word is written with the hyphen at which it is cut; *words* are the text's."""
    left, right = left.casefold(), right.casefold()
    if left + right in words:
        return False
    if f"{left}-{right}" in words:
        return True
    return right in _HAS_HYPHEN or (left in _KEEPS_HYPHEN and right not in _SUFFIXES)


def _columns_apart(lines: list[_Line]) -> list[list[_Line]]:
    """Return the lines; those of two columns of text side by side as two lists of lines."""
    gaps = [_GAP.search(" " * line.indent + line.text) for line in lines]
    starts = [gap.end() for gap in gaps if gap]
    if len(lines) < _MIN_COLUMN_LINES or len(starts) < _COLUMN_SHARE * len(lines):
        return [lines]
    column = max(set(starts), key=starts.count)
    if starts.count(column) < _COLUMN_SHARE * len(lines):
        return [lines]
    rows = [" " * line.indent + line.text for line in lines]
    if any(row[column - 1 : column].strip() for row in rows):
        return [lines]
    sides = []
    for part in ([row[:column] for row in rows], [row[column:] for row in rows]):
        side = [_line(row, frozenset(), QUOTED_LINE, hard=False) for row in part if row.strip()]
        if _margin(side) < _MIN_COLUMN_CHARS or not _reads_as_prose(side):
            return [lines]
        sides.append(side)
    return sides


def _reads_as_prose(lines: list[_Line]) -> bool:
    """Whether most lines of a narrow column continue in the next."""
    pairs = list(itertools.pairwise(lines))
    going_on = sum(b.continues and not a.ended for a, b in pairs)
    return going_on > len(pairs) / 2
