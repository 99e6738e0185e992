"""The first sentences of a long text, such as an agent's: spoken within a time, the rest offered.

Runs on the event loop.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from audio.cost import speech_length
from audio.text import inline
from audio.text.sentences import sentences, speakable
from bot.core.composing import ComposeError, off_the_loop
from bot.core.draft import Draft
from bot.core.intake import Intake, RefusedError
from bot.core.message import QueuedMessage
from bot.core.plain_text import Composed, nothing_to_say
from bot.core.questions import Questions

_PAUSE_S = 0.5
"""The silence after a sentence, which an estimate leaves out."""
_QUESTION_MARKS = ("?", "？", "\u061f", "\u037e")  # also the Arabic and the Greek one
_MAX_QUESTION_SHARE = 0.5
"""A question takes at most this part of the time from what comes before it."""


@dataclass(frozen=True, slots=True)
class Excerpt:
    """What is spoken of a text, and what is not."""

    spoken: str
    rest: str
    """Empty if all of it is spoken."""


def excerpt(parts: Sequence[str], max_s: float, duration_s: Callable[[str], float]) -> Excerpt:
    """Return the first sentences that take at most *max_s*, and the last one if it is a question.

    Args:
        parts: the sentences of a text.
        max_s: how long the excerpt may take.
        duration_s: returns how long a text takes to speak.
    """
    took_s = [duration_s(part) + _PAUSE_S for part in parts]
    if sum(took_s) <= max_s:
        return Excerpt("\n".join(parts), "")
    asks = parts[-1].rstrip("\"'”’»)*_ ").endswith(_QUESTION_MARKS)
    asks = asks and took_s[-1] <= max_s * _MAX_QUESTION_SHARE
    last = list(parts[-1:]) if asks else []
    left_s = max_s - took_s[-1] if asks else max_s
    count = 0
    while count < len(parts) - len(last) and took_s[count] <= left_s:
        left_s -= took_s[count]
        count += 1
    head, rest = list(parts[:count]), list(parts[count:])
    if not head:  # not even the first one fits
        begun = inline.cut(rest[0], int(len(rest[0]) * max(0.0, left_s / took_s[0])))
        begun = begun[: begun.rfind(" ")] if " " in begun else begun
        head, rest[0] = [begun], rest[0][len(begun) :].strip()
    return Excerpt("\n".join([*head, *last]), "\n".join(rest))


@dataclass(frozen=True, slots=True)
class Excerpts:
    """Speaks excerpts, and offers what they leave out."""

    intake: Intake
    questions: Questions

    async def speak(
        self, draft: Draft, *, max_s: float, before: str = "", after: str = ""
    ) -> QueuedMessage | None:
        """Speak the first sentences of a draft; offer the rest in the chat.

        Args:
            draft: the text.
            max_s: how long all of it may take to speak, as learned on this machine.
            before: said before it, such as the name of a project.
            after: said after it in any case, such as what an agent waits for.

        Returns:
            The stored message; None if the same draft was accepted before.

        Raises:
            RefusedError: there is nothing to say, or too much waits.
            InboxError: it can't be stored.
            sqlite3.Error: likewise.
        """
        style = await self.intake.composer.style(draft)
        queue = self.intake.delivery.queue

        def duration_s(text: str) -> float:
            return queue.duration_s(speech_length(text), style.speed, style.lang)

        async def composed(text: str) -> Composed:
            try:
                return await self.intake.composer.words(replace(draft, text=text), style)
            except ComposeError as exc:
                raise RefusedError(str(exc)) from exc

        text, last = await composed(draft.text), await composed(after)
        if not speakable(text.text) and not speakable(last.text):
            raise RefusedError(nothing_to_say(text), empty=True)
        around = [part for part in (before, last.text.strip()) if speakable(part)]
        left_s = max_s - sum(duration_s(part) + _PAUSE_S for part in around)
        chosen = Excerpt("", "")
        if speakable(text.text):
            parts = await off_the_loop(sentences, text.text, style.lang)
            chosen = excerpt(parts, left_s, duration_s)
        spoken = "\n".join(filter(None, (before, chosen.spoken, last.text.strip())))
        skipped = ", ".join(filter(None, (text.skipped, last.skipped)))
        whole = Composed(spoken, skipped)
        # Composed already, so that marks are not read twice.
        said = replace(draft, text=spoken, composer=lambda _: whole)
        stored = await self.intake.accept(said, style)
        if stored is not None and speakable(chosen.rest):
            await self.questions.offer(said, chosen.rest)
        return stored
