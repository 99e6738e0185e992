"""Sentences -> words with their phonemes, in Kokoro's alphabet.

A sentence is read once, as a whole, before it is cut into chunks; so a cut changes no word. Needs
no model. Runs on: any thread, one at a time.
"""

import functools
import logging
import threading
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

from audio.kokoro import espeak
from audio.kokoro.english import EnglishReader, load_reader
from audio.kokoro.phonemes import WITHOUT_SPACES, is_supported, phonemize
from audio.text import inline
from audio.text.phrases import phrases
from audio.types import AudioError, SpokenWord, SynthesisError, phonemes_of

log = logging.getLogger(__name__)

_lock = threading.Lock()
"""espeak-ng and the packages of some languages have one state for the whole process."""

_DICTIONARIES = ("en-us", "en-gb")

_CLAUSE_CHARS = 80
"""Longer parts of a sentence without spaces are not read at once, since matching phrases with
phonemes takes quadratic time."""


class Reader:
    """Reads sentences in every language that the voice speaks."""

    def __init__(self, model_dir: Path) -> None:
        """Create a reader that uses the data in *model_dir*, if it is there."""
        self._model_dir = model_dir
        self._loading = threading.Lock()

    @functools.cached_property
    def _english(self) -> EnglishReader | None:
        return load_reader(self._model_dir)

    def read(self, sentence: str, lang: str) -> tuple[SpokenWord, ...]:
        """Return the words of a sentence with their phonemes, as `audio.ports.Voice.read` does.

        Raises:
            SynthesisError: espeak-ng, or a package that reads the language, failed.
        """
        try:
            if lang in _DICTIONARIES:
                with self._loading:  # reads 11 MB, for which other readers don't wait
                    _ = self._english
            with _lock:
                return inline.read(sentence, functools.partial(self._read, lang=lang))
        except AudioError:
            raise
        except Exception as exc:  # the packages raise a dozen classes between them
            log.exception("Unexpected error in reading a sentence")
            raise SynthesisError(
                f"A sentence of {len(sentence)} characters can't be read ({type(exc).__name__}). "
                f"Send it again in other words."
            ) from exc

    def pronounced(self, word: str, lang: str) -> str:
        """Return the phonemes of a word, after a check that espeak-ng has some for it, too.

        Raises:
            SynthesisError: espeak-ng can't be loaded, or does not know the language.
        """
        with _lock:
            by_espeak = espeak.word(word, lang)
        phonemes = phonemes_of(self.read(word, lang))
        if not (by_espeak and phonemes):
            raise SynthesisError(f"espeak-ng pronounces nothing in {lang}.")
        return phonemes

    def _read(self, sentence: str, lang: str) -> tuple[SpokenWord, ...]:
        if lang in WITHOUT_SPACES:
            return tuple(_phrases(sentence, lang))
        if lang in _DICTIONARIES and (english := self._english) is not None:
            return english.read(sentence, lang, functools.partial(espeak.word, lang=lang))
        return espeak.read(sentence, lang)


@functools.cache
def reader_of(model_dir: Path) -> Reader:
    """Return the reader of a folder: one for the whole process, since its data is large."""
    return Reader(model_dir)


def _phrases(sentence: str, lang: str) -> Iterator[SpokenWord]:
    """Yield the phrases of a sentence in a language without spaces."""
    source = "misaki" if is_supported(lang) else "espeak"
    for word in sentence.split():
        clauses = list(_clauses(phrases(word)))
        for number, clause in enumerate(clauses, 1):
            alone = [_phonemes(text, lang) for text in clause] if len(clause) > 1 else clause
            parts = distributed(_phonemes("".join(clause), lang), alone)
            *joined, last = zip(clause, parts, strict=True)
            for text, phonemes in joined:
                yield SpokenWord(text, phonemes, source, joined=True)
            text, phonemes = last
            is_last = number == len(clauses)
            yield SpokenWord(
                text, phonemes if is_last else f"{phonemes} ", source, joined=not is_last
            )


def _clauses(parts: Sequence[str]) -> Iterator[list[str]]:
    """Yield the phrases of a word in rows that are short enough to be read at once."""
    clause: list[str] = []
    for part in parts:
        if clause and sum(map(len, clause)) + len(part) > _CLAUSE_CHARS:
            yield clause
            clause = []
        clause.append(part)
    yield clause


def _phonemes(text: str, lang: str) -> str:
    """Return the phonemes of *text* in a language without spaces, with single spaces."""

    def read(part: str, lang: str) -> str:
        return phonemes_of(espeak.read(" ".join(phrases(part)), lang))  # marks end words

    return " ".join(phonemize(text, lang, read).split())


def distributed(phonemes: str, alone: Sequence[str]) -> list[str]:
    """Split the phonemes of a sentence among its phrases.

    Args:
        phonemes: of the whole sentence.
        alone: the phonemes of each of its phrases, read alone; nearly the same.

    Returns:
        As many parts as there are phrases; joined they are *phonemes*.
    """
    if len(alone) <= 1:
        return [phonemes] * len(alone)
    places = [place for place, sign in enumerate(phonemes) if sign != " "]
    whole = "".join(phonemes[place] for place in places)
    words = ["".join(word.split()) for word in alone]
    starts = espeak.starts_in(whole, words)
    places.append(len(phonemes))
    cuts = [places[at] for at in starts]
    return [phonemes[start:end] for start, end in pairwise([0, *cuts[1:], len(phonemes)])]
