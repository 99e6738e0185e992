"""Parts of a text that nobody reads aloud: code, tables, traces, diffs, quoted mail. Pure.

They have no markup in a plain text: they are recognized by their shape. Each pattern takes linear
time on any text, as `python -m bench.hostile` shows.
"""

import re
from collections import Counter
from collections.abc import Callable

_LONG_QUOTE_CHARS = 300
_SIGNATURE_LINES = 10

_FENCED = re.compile(r"```[^\n`]*\n(.*?)(?:```|\Z)", re.DOTALL)
_TILDES = re.compile(r"^[ \t]*~{3,}[ \t]*([\w+.#-]*)[ \t]*$", re.MULTILINE)
_CODE_SIGN = re.compile(r"[{}=;]|\w\(|^[ \t]{2,}\S", re.MULTILINE)
_TABLE = re.compile(
    r"(?:^[ \t]*\|.*\|[ \t]*$\n?){2,}"
    # Markdown's without outer bars: a heading, a rule, rows.
    r"|^[^|\n]*\|[^\n]*\n[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)+$(?:\n[^|\n]*\|.*$)*"
    # A terminal's: psql, mysql, box drawings.
    r"|(?:^[ \t]*(?:\+[-=+]{2,}\+|[|│┃║].*[|│┃║]|[┌├└╔╠╚┏┣┗╭╰][─═━┬┼┴╦╬╩┳╋┻╤╪╧+]+.)[ \t]*$\n?){2,}",
    re.MULTILINE,
)
_ERROR = r"[A-Za-z_][\w.]*(?:Error|Exception|Warning|Interrupt|Exit|Iteration|Fault)\b.*"
_PYTHON_TRACE = re.compile(
    r"^(?P<margin>[ \t]*)Traceback \(most recent call last\):\n"
    r"(?P<frames>(?:[ \t]+.*\n?)+)(?P<error>^\w[\w.]*(?:Error|Exception|Interrupt|Exit|Warning"
    r"|Iteration|Group)\b.*$)?",
    re.MULTILINE,
)
_FRAME_LINES = (
    r"[ \t]+at [\w$.<>/\[\], ]*? ?\(.*\)[ \t]*",  # Java, JavaScript
    r"[ \t]+at (?:async )?(?:file://)?/[^\s()]+:\d+:\d+[ \t]*",  # JavaScript, without a name
    r"[ \t]+at [^\s(][^(\n]*\([^)\n]*\)(?: in .*:line \d+)?[ \t]*",  # C#
    r"[ \t]+from [^\s:]+:\d+:in .*",  # Ruby
    r"[ \t]*#\d+[ \t]+\S.{0,300}?(?:\(\d+\)|:\d+).*",  # PHP, gdb
    r"[ \t]+\.\.\. \d+ (?:more|common frames omitted)[ \t]*",
)
_FRAMES = re.compile(rf"(?:(?<=\S)\n)?(?:^(?:{'|'.join(_FRAME_LINES)})$\n?){{2,}}", re.MULTILINE)
_GO_TRACE = re.compile(
    r"^goroutine \d+ \[[^\]\n]*\]:\n(?:(?:[\w./*()\-]+\(.*\)|created by .*)\n\t.*:\d+.*\n?)+",
    re.MULTILINE,
)
_PLACE = re.compile(
    r"File \"(?P<python>[^\"\n]+)\", line (?P<python_line>\d+)"
    r"|(?P<file>[^\s()\"'/\\:]+\.\w{1,6})(?::line |:|\()(?P<line>\d+)"
)
_IS_TOLD = re.compile(r"\bin \S.*, line \d+$")
_DIFF = re.compile(
    r"(?:^diff --git .*\n|^Index: .*\n|^--- .*\n(?=\+\+\+ ))"
    r"(?:^(?:[-+@ \\].*|index .*|(?:new|deleted|old) (?:file )?mode .*|similarity .*"
    r"|(?:rename|copy) .*|Binary files .*|={20,}|(?=\n(?:@@ |[ +]|diff )))(?:\n|\Z))*",
    re.MULTILINE,
)
_HUNK = re.compile(r"^@@ -\d+(?:,\d+)? \+\d+(?:,\d+)? @@.*\n(?:^[-+ \\].*(?:\n|\Z))*", re.MULTILINE)
_FRONT_MATTER = re.compile(
    r"\A\s*(?P<rule>---|\+\+\+)[ \t]*\n"
    r"(?P<fields>(?:(?:\w[\w.-]*[ \t]*[:=].*|[ \t].*|#.*|- .*|\[.*\]|[}\])][, \t]*|)\n)+?)"
    r"(?P=rule)[ \t]*(?:\n|\Z)"
)
_KNOWN_FIELD = re.compile(
    r"^(?:aliases|author|categories|date|description|draft|id|lang|layout|name|permalink|slug"
    r"|tags|title|version)[ \t]*[:=]",
    re.MULTILINE | re.IGNORECASE,
)
_TITLE = re.compile(r"^title[ \t]*[:=][ \t]*[\"']?(.*?)[\"']?[ \t]*$", re.MULTILINE | re.IGNORECASE)
_DEFINITION = re.compile(
    r"^[ \t]{0,3}\[\^?[^\]\n]{1,200}\]:[ \t]+<?https?://\S+.*$\n?", re.MULTILINE
)

# ---- mail ----

_NAMES = r"[^\n]{5,200}(?:\n[^\n>]{1,100})?"  # of the day and the writer, on one line or two
_ATTRIBUTION = (
    rf"On {_NAMES}\bwrote:|Am {_NAMES}\bschrieb\b[^\n]*:|Le {_NAMES}\ba écrit ?:"
    rf"|El {_NAMES}\bescribió:|Il {_NAMES}\bha scritto:|Em {_NAMES}\bescreveu:"
)
_QUOTE = re.compile(
    rf"(?:^[ \t]*(?P<head>{_ATTRIBUTION})[ \t]*\n\s*)?(?P<lines>(?:^[ \t]*>.*(?:\n|\Z))+)",
    re.MULTILINE,
)
_ORIGINAL = re.compile(
    r"^[ \t]*-{2,}[ \t]*(?:Original Message|Ursprüngliche Nachricht"
    r"|Message d'origine|Mensaje original)[ \t]*-{2,}[ \t]*$",
    re.MULTILINE | re.IGNORECASE,
)
_SIGNATURE_RULE = re.compile(r"^--[ \t]?\n", re.MULTILINE)
_SENT_FROM = re.compile(
    r"^(?:Sent from (?:my|Mail|Outlook|Proton)\b.*|Get Outlook for .*|Von meinem .{2,20} gesendet"
    r"|Envoyé de mon .*|Enviado desde mi .*|Inviato da .*|Enviado do meu .*)\s*$",
    re.MULTILINE | re.IGNORECASE,
)
_TRAILERS = re.compile(
    r"(?:^[ \t]*(?:[A-Z][\w-]{2,30}-[Bb]y|Cc|Change-Id|Reviewed-on|Link|Fixes|Closes|Refs?|Bug)"
    r":[ \t].*(?:\n|\Z))+",
    re.MULTILINE,
)
_IS_TRAILER = re.compile(r"[-\w]+-[Bb]y: .*@|Change-Id: ")

_COMMIT = re.compile(
    r"^commit ([0-9a-f]{7})[0-9a-f]*(?: \(.*\))?\n(?:Merge: .*\n)?Author: +([^<\n@]*?)"
    r"(?: +<?[^\s@]+@\S+)?[ \t]*\n"
    r"(?:Date: +.*\n)?",
    re.MULTILINE,
)

# ---- logs ----

_TIMESTAMP = (
    r"\[?(?:\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[ ]?[+-]\d\d:?\d\d)?"
    r"|\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}"
    r"|[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d"
    r"|\d\d:\d\d:\d\d(?:[.,]\d+)?)\]?"
)
_LOG_LINE = rf"^[ \t]*{_TIMESTAMP}[ \t]+(?=\S)"
_LOG = re.compile(rf"(?:{_LOG_LINE}.*(?:\n|\Z)){{2,}}", re.MULTILINE)
_STAMPED = re.compile(_LOG_LINE, re.MULTILINE)


def without_blocks(text: str, skipped: Counter[str]) -> str:
    """Return *text* without what is not read aloud, which is added to *skipped*."""

    def leave_out(
        pattern: re.Pattern[str], kind: str, instead: Callable[[re.Match[str]], str] | str = "\n"
    ) -> None:
        nonlocal text
        text, times = pattern.subn(instead, text)
        skipped[kind] += times

    def code(content: str) -> str:
        if trace := summary_of_trace(content):
            skipped["code block"] -= 1
            skipped["stack trace"] += 1
        return f"\n{trace}\n"

    if (header := _FRONT_MATTER.match(text)) and _KNOWN_FIELD.search(header["fields"]):
        leave_out(_FRONT_MATTER, "file header", lambda match: f"{_title_of(match['fields'])}\n\n")
    if "```" in text:
        leave_out(_FENCED, "code block", lambda match: code(match[1]))
    if "~~~" in text:
        text = _without_tildes(text, code, skipped)
    leave_out(_TABLE, "table")
    text = _with_traces_summarized(text, skipped)
    if "--- " in text or "diff --git" in text or "@@ " in text:
        leave_out(_DIFF, "diff")
        leave_out(_HUNK, "diff")
    if ":" in text:
        text = _without_timestamps(text, skipped)
        text = _DEFINITION.sub("", text)
    if "Author: " in text:
        leave_out(_COMMIT, "timestamp", r"commit \1 by \2\n")
    return _without_mail(text, skipped)


def _without_tildes(text: str, code: Callable[[str], str], skipped: Counter[str]) -> str:
    """Remove code between lines of ~~~, which are a rule where words are between them."""
    parts: list[str] = []
    done = 0
    opening: re.Match[str] | None = None
    for fence in _TILDES.finditer(text):
        if opening is None:
            opening = fence
            continue
        if fence[1]:
            continue
        inner = text[opening.end() : fence.start()]
        if opening[1] or _CODE_SIGN.search(inner):
            skipped["code block"] += 1
            parts += [text[done : opening.start()], code(inner)]
            done = fence.end()
        opening = None
    return "".join([*parts, text[done:]])


def _title_of(fields: str) -> str:
    title = _TITLE.search(fields)
    return title[1] if title else ""


# ---- stack traces ----


def _with_traces_summarized(text: str, skipped: Counter[str]) -> str:
    """Return *text* with the error and the last place in place of each stack trace."""
    times = 0
    if "Traceback (most" in text:
        text, times = _PYTHON_TRACE.subn(_summary_of_python, text)
    more = more_go = 0
    if "\n" in text:
        text, more = _FRAMES.subn(_summary_of_frames, text)
        if "goroutine" in text:
            text, more_go = _GO_TRACE.subn(_summary_of_frames, text)
    skipped["stack trace"] += times + more + more_go
    return text


def _summary_of_python(match: re.Match[str]) -> str:
    places = list(_PLACE.finditer(match["frames"]))
    error = (match["error"] or "").strip()
    place = _told(places[-1]) if places else ""
    told = ", ".join(filter(None, (error.rstrip("."), place)))
    return told if error else f"{told}\n"


def _summary_of_frames(match: re.Match[str]) -> str:
    """Return the place of the frame in which the error happened: the first."""
    if match[0].lstrip().startswith("from"):  # Ruby's first line says it already
        return "\n"
    place = _PLACE.search(match[0])
    comma = ", " if match[0].startswith("\n") else ""
    return f"{comma}{_told(place)}\n" if place else "\n"


def _told(place: re.Match[str]) -> str:
    path, line = place["python"] or place["file"], place["python_line"] or place["line"]
    name = re.split(r"[/\\]", path)[-1].strip("<>").replace(".", " dot ")
    return f"in {name}, line {line}"


def summary_of_trace(code: str) -> str:
    """Return the error and the last place of a stack trace in a code block; empty without one."""
    if "Traceback (most" not in code and not _FRAMES.search(code) and "goroutine" not in code:
        return ""
    skipped: Counter[str] = Counter()
    told = _with_traces_summarized(code, skipped)
    lines = [line.strip() for line in told.splitlines() if line.strip()]
    return next((line for line in lines if _IS_TOLD.search(line)), "")


# ---- logs ----


def _without_timestamps(text: str, skipped: Counter[str]) -> str:
    """Remove the times from the lines of a log; a single line keeps its own."""

    def bare(match: re.Match[str]) -> str:
        lines, times = _STAMPED.subn("", match[0])
        skipped["timestamp"] += times
        return lines

    return _LOG.sub(bare, text)


# ---- mail ----


def _without_mail(text: str, skipped: Counter[str]) -> str:
    """Remove what a mail program adds: signatures, trailers, and the quoted mail at the end."""
    if original := _ORIGINAL.search(text):
        if text[: original.start()].strip():
            text = text[: original.start()]
            skipped["quoted mail"] += 1
        else:
            text = text[original.end() :]
    if ">" in text:
        text = _without_last_quote(text, skipped)
    if rule := _last_signature(text):
        text = text[:rule]
        skipped["signature"] += 1
    sent = _SENT_FROM.search(text, max(0, len(text) - 200))
    if sent and not text[sent.end() :].strip() and text[: sent.start()].strip():
        text = text[: sent.start()]
        skipped["signature"] += 1
    if "-by: " in text or "-By: " in text or "Change-Id" in text:
        text = _TRAILERS.sub(lambda match: _summary_of_trailers(match, skipped), text)
    return text


def _last_signature(text: str) -> int:
    """Return where the signature begins; 0 if there is none, or nothing else."""
    rules = list(_SIGNATURE_RULE.finditer(text))
    if not rules:
        return 0
    start = rules[-1].start()
    is_short = text[start:].strip().count("\n") <= _SIGNATURE_LINES
    return start if is_short and text[:start].strip() else 0


def _without_last_quote(text: str, skipped: Counter[str]) -> str:
    """Remove a quoted mail at the end; what is quoted before an answer is read, if short."""
    parts: list[str] = []
    done = 0
    for quote in _QUOTE.finditer(text):
        is_last = not text[quote.end() :].strip()
        is_mail = quote["head"] is not None
        has_other_words = bool(text[: quote.start()].strip())
        if is_mail and ((is_last and has_other_words) or len(quote["lines"]) > _LONG_QUOTE_CHARS):
            parts += [text[done : quote.start()], "\n"]
            done = quote.end()
            skipped["quoted mail"] += 1
    return "".join([*parts, text[done:]])


def _summary_of_trailers(match: re.Match[str], skipped: Counter[str]) -> str:
    lines = match[0].strip().split("\n")
    if not any(_IS_TRAILER.match(line.strip()) for line in lines):
        return match[0]
    skipped["trailer"] += len(lines)
    return "\n"
