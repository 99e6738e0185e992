"""How a text is read: sentence by sentence, with the sounds of each word. Runs on the event loop.

It is what would be spoken of a message; nothing is stored or played, and no model is needed.
"""

from dataclasses import dataclass, replace

from audio.kokoro.reader import Reader, reader_of
from audio.text import inline
from audio.text.sentences import sentences
from audio.types import AudioError
from bot.core.composing import off_the_loop
from bot.core.draft import Draft
from bot.core.intake import DraftComposer, RefusedError


@dataclass(frozen=True, slots=True)
class WordRead:
    """A word, and how it is pronounced; published as JSON."""

    text: str
    """As it is read, with its punctuation."""
    phonemes: str
    """In Kokoro's alphabet; empty if it has no sound."""
    source: str
    """Where they come from, such as ``dictionary``, ``espeak`` or ``sender``."""
    pause_s: float
    """Silence that the sender asked for after it."""


@dataclass(frozen=True, slots=True)
class SentenceRead:
    """A sentence; published as JSON."""

    text: str
    words: tuple[WordRead, ...]


@dataclass(frozen=True, slots=True)
class Reading:
    """How a text is read; published as JSON."""

    voice: str
    lang: str
    """espeak-ng's code."""
    skipped: str
    """What was left out, such as ``1 code block, 2 links``; empty if nothing was."""
    sentences: tuple[SentenceRead, ...]


async def read_draft(draft: Draft, composer: DraftComposer) -> Reading:
    """Return how a draft is read.

    Raises:
        RefusedError: there is nothing to say, or it can't be read.
    """
    style = await composer.style(draft)
    composed = await composer.compose(draft, style)
    reader = reader_of(composer.settings.model_dir)
    try:
        # One at a time, so that messages to compose, and other texts to read, take their turns.
        read_sentences = [
            await off_the_loop(_read, reader, sentence, style.lang)
            for sentence in await off_the_loop(sentences, composed.text, style.lang)
        ]
    except AudioError as exc:
        raise RefusedError(str(exc)) from exc
    read_sentences[-1] = _without_last_pause(read_sentences[-1])
    return Reading(style.voice, style.lang, composed.skipped, tuple(read_sentences))


def _without_last_pause(sentence: SentenceRead) -> SentenceRead:
    """Return the last sentence of a text, whose last pause is not played."""
    last = (replace(word, pause_s=0.0) for word in sentence.words[-1:])
    return replace(sentence, words=(*sentence.words[:-1], *last))


def _read(reader: Reader, sentence: str, lang: str) -> SentenceRead:
    return SentenceRead(
        inline.shown(sentence).strip(),
        tuple(
            WordRead(word.text, word.phonemes, word.source, word.pause_s)
            for word in reader.read(sentence, lang)
        ),
    )
