"""A message whose text arrives in pieces, such as that of a model which is still writing.

Each sentence is composed, stored and spoken as soon as it has ended: one message, whose text only
gets longer. What is stored survives a crash and is spoken once. Runs on the event loop.
"""

import asyncio
import functools
import re
import secrets
from collections import Counter
from dataclasses import replace

from sentencex import segment

from audio.text.blocks import without_blocks
from audio.text.sentences import speakable
from bot.core.composing import ComposeError
from bot.core.draft import Draft
from bot.core.intake import Intake, RefusedError
from bot.core.message import QueuedMessage
from bot.core.plain_text import compose_text
from bot.core.preferences import SpeechStyle

_LONG_CHARS = 1000
"""A text without an end of a sentence is cut between two words."""

_PIECE_CHARS = 4096
"""The most text that is looked at at once, so that others are not delayed."""

_MAX_BLOCK_CHARS = 16_384
"""The most that is kept of a block that is left out, before its middle is dropped."""
_HEAD_CHARS = 4096

_FENCE = re.compile(r"^[ \t]*(```|~~~)", re.MULTILINE)
_ROW = re.compile(r"^[ \t]*\|.*", re.MULTILINE)
_PARAGRAPH = re.compile(r"\n[ \t\r]*\n")
_ITEM = re.compile(r"\n(?=[ \t]*(?:[-*•+]|\d{1,3}[.)])[ \t]+\S)")
_ENDS = r"[.!?…。！？:][\"'”’»)\]*_`]*[ \t\r]*"
_TEXT_ENDS = re.compile(rf"{_ENDS}\Z")
_LAST_LINE_ENDS = re.compile(rf"{_ENDS}\n[ \t\r]*\Z")
_NUMBER = re.compile(r"\s*\d{1,3}[.)]\s*")


class SentenceBuffer:
    """Splits a text that is still being written where sentences, items and blocks end."""

    def __init__(self, lang: str = "en") -> None:
        """Start empty; *lang* selects the rules of abbreviations."""
        self._lang = {"cmn": "zh"}.get(lang, lang.partition("-")[0])
        self._pending = ""
        self._block = ""
        """The block that it ends in: ``code``, ``table`` or none."""

    def feed(self, piece: str) -> str:
        """Add a piece; return the text that has ended since the last call, which may be empty."""
        line_start = self._pending.rfind("\n") + 1
        self._pending += piece
        # A long block is not looked at again for each of its lines.
        goes_on = self._block and self._goes_on(self._pending[line_start:])
        end = 0 if goes_on else self._end()
        ended, self._pending = self._pending[:end], self._pending[end:]
        if self._block and len(self._pending) > _MAX_BLOCK_CHARS:
            ended += self._shorten_block()
        return ended if ended.strip() else ""

    def _shorten_block(self) -> str:
        """Drop the middle of the current block, or return all of it if it is spoken after all."""
        text = self._pending
        lines, last_line = text[: text.rfind("\n") + 1], text[text.rfind("\n") + 1 :]
        skipped: Counter[str] = Counter()
        if self._block == "code" and (fence := _FENCE.search(text)):
            without_blocks(f"{text}\n{fence[1]}\n", skipped)
            is_left_out = skipped["code block"] + skipped["stack trace"] > 0
        else:
            is_left_out = lines != "" and not speakable(without_blocks(lines, skipped))
        if not is_left_out:
            self._pending = self._block = ""
            return text
        head = lines[: lines.rfind("\n", 0, _HEAD_CHARS) + 1] or f"{text[:_HEAD_CHARS]}\n"
        self._pending = head + last_line[:_HEAD_CHARS]
        return ""

    def _goes_on(self, lines: str) -> bool:
        """Return whether the current block goes on with *lines*, the last of which may be cut."""
        if self._block == "code":
            return not _FENCE.search(lines)
        *whole, last = lines.split("\n")
        return all(map(_is_row, whole)) and (not last.strip() or _is_row(last))

    def settle(self) -> str:
        """Return the rest of the text if it looks like a whole sentence, since nothing follows."""
        rest = self._pending
        is_whole = _TEXT_ENDS.search(rest) and not _NUMBER.fullmatch(rest)
        is_open = self._block or rest.count("**") % 2 or rest.count("`") % 2
        return self.finish() if is_whole and not is_open else ""

    def finish(self) -> str:
        """Return the rest of the text."""
        rest, self._pending = self._pending, ""
        return rest

    def _end(self) -> int:
        """Return where the part that has ended ends."""
        text, self._block = self._pending, "code"
        fences = [match.start() for match in _FENCE.finditer(text)]
        if len(fences) % 2:
            return fences[-1]
        start = 0
        if fences:  # the last one closes a block, as soon as its line has ended
            start = text.find("\n", fences[-1]) + 1
            if not start:
                return fences[-2]
        self._block = ""
        table = _table_start(text, start)
        if table < len(text):
            self._block = "table"
            return table
        rows_end = max((match.end() for match in _ROW.finditer(text, start)), default=start)
        end = self._end_in(text[rows_end:])
        return rows_end + end if end else start

    def _end_in(self, text: str) -> int:
        """Return where the last sentence or item ends that is certain to have ended."""
        start = max((match.end() for match in _PARAGRAPH.finditer(text)), default=0)
        end, place = start, start
        *ended, last = segment(self._lang, text[start:]) or [""]
        if _LAST_LINE_ENDS.search(last):
            ended.append(last)
        marks = code = 0
        for part in ended:
            place += len(part)
            marks += part.count("**")
            code += part.count("`")
            if not (marks % 2 or code % 2 or _NUMBER.fullmatch(part)):
                end = place
        items = [match.end() for match in _ITEM.finditer(text, start)]
        end = max([end, *items])
        while len(text) - end > _LONG_CHARS:
            cut = text.rfind("\n", end, end + _LONG_CHARS) + 1
            end = cut or text.rfind(" ", end, end + _LONG_CHARS) + 1 or end + _LONG_CHARS
        return end


def _is_row(line: str) -> bool:
    return line.lstrip(" \t").startswith("|")


def _table_start(text: str, start: int) -> int:
    """Return where the table begins that *text* ends in; its length if there is none."""
    place = len(text)
    while place > start:
        line_start = text.rfind("\n", start, place - 1) + 1 or start
        line = text[line_start:place]
        if not _is_row(line) and (line.strip() or "\n" in line):
            break
        place = line_start
    return place if text[place:].strip() else len(text)


class RepeatedError(Exception):
    """A draft with this update id was accepted before."""


class GrowingMessage:
    """Accepts a text in pieces, and speaks it as one message."""

    def __init__(self, intake: Intake, draft: Draft) -> None:
        """Start without text.

        Args:
            intake: accepts its first sentence, as that of any message.
            draft: how it is to be spoken; its text is ignored.
        """
        self._intake = intake
        self._draft = replace(draft, text="", grows=True)
        self._buffer = SentenceBuffer(draft.lang or "en")
        self._queue = intake.delivery.queue
        self._style: SpeechStyle | None = None  # of the message, while there is one that grows
        self._left_out: Counter[str] = Counter()
        self._refusal: RefusedError | None = None
        self._message: QueuedMessage | None = None
        self._is_over = False

    @property
    def message(self) -> QueuedMessage | None:
        """The message as far as it is stored; None before the first sentence."""
        return self._message

    async def add(self, piece: str) -> bool:
        """Take a piece, and speak the sentences that have ended.

        Returns:
            Whether the message is still spoken; if not, it was stopped or skipped meanwhile.

        Raises:
            RefusedError: too many messages wait.
            RepeatedError: it was accepted before.
            InboxError: it can't be stored.
            sqlite3.Error: likewise.
        """
        for start in range(0, len(piece), _PIECE_CHARS):
            ended = self._buffer.feed(piece[start : start + _PIECE_CHARS])
            if ended and not self._is_over:
                await self._take(ended, more=True)
            await asyncio.sleep(0)  # others are not delayed
        return not self._is_over

    async def settle(self) -> None:
        """Speak what looks like a whole sentence, since nothing has followed for a moment.

        Raises:
            RefusedError: too many messages wait.
            RepeatedError: it was accepted before.
            InboxError: it can't be stored.
            sqlite3.Error: likewise.
        """
        if not self._is_over and (sentence := self._buffer.settle()):
            await self._take(sentence, more=True)

    async def finish(self) -> QueuedMessage:
        """Speak the rest; return the stored message.

        Raises:
            RefusedError: there was nothing to say, or too many messages wait.
            RepeatedError: it was accepted before.
            InboxError: it can't be stored.
            sqlite3.Error: likewise.
        """
        try:
            if not self._is_over:
                await self._take(self._buffer.finish(), more=False)
        finally:
            self.close()
        if self._message is None:
            raise self._refusal or RefusedError("There is nothing to say.", empty=True)
        return self._message

    def rest(self) -> None:
        """End the message, so that others are spoken; text that follows becomes another one."""
        if self._message is not None and self._style is not None and not self._is_over:
            self._grow(self._message, more=False)
            begun = self._queue.get(self._message.id)
            self._draft = replace(
                self._draft,
                update_id=-1 - secrets.randbits(62),
                expires_at=begun.message.expires_at if begun else 0.0,
                replace_key="",  # it would replace its own beginning
            )
            self._style = None
            self._left_out.clear()

    def close(self) -> None:
        """Speak what is stored, and nothing more; idempotent."""
        if self._message is not None and self._style is not None and not self._is_over:
            self._grow(self._message, more=False)
        self._is_over = True

    async def _take(self, text: str, *, more: bool) -> None:
        """Store and speak the next sentences."""
        draft = replace(
            self._draft,
            text=text,
            composer=functools.partial(
                compose_text,
                text,
                skipped=self._left_out,
                name_emoji=self._intake.settings.speak_emoji,
            ),
            grows=more,
        )
        if self._message is None or self._style is None:
            await self._begin(draft)
            return
        try:
            composed = await self._intake.composer.words(draft, self._style)
        except ComposeError as exc:
            raise RefusedError(str(exc)) from exc
        addition = ""
        if speakable(composed.text):
            addition = f"\n{await self._intake.preferences.pronounced(composed.text.strip())}"
        if not await self._intake.inbox.extend(self._message.id, addition, composed.skipped):
            self._queue.forget_growth(self._message.id)
            self._is_over = True
            return
        self._message = replace(
            self._message, text=self._message.text + addition, skipped=composed.skipped
        )
        self._grow(self._message, more=more)
        self._is_over = not more

    async def _begin(self, draft: Draft) -> None:
        """Accept the first sentences as a message."""
        style = await self._intake.composer.style(draft)
        try:
            message = await self._intake.accept(draft, style)
        except RefusedError as exc:
            if exc.too_many:
                raise
            if self._refusal is None or draft.text.strip():
                self._refusal = exc  # nothing of it is speech; what follows may be
            return
        if message is None:
            raise RepeatedError
        self._style = style
        self._is_over = not draft.grows
        self._message = message

    def _grow(self, message: QueuedMessage, *, more: bool) -> None:
        self._queue.grow(message.id, message.text, message.skipped, more=more)
