"""Text -> Kokoro's phonemes by espeak-ng: whole sentences, and single words that others ask for.

A sentence is read at once, since words change each other ("les amis" is ``lez ami``); its phonemes
are then given to the words as written. A word in another script, or surely of another language, is
read by that language. Runs on: any thread, one at a time.
"""

import functools
import itertools
import logging
import re
import threading
import unicodedata
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from typing import Any

import numpy as np

from audio.kokoro.alphabet import TIE, marks, to_kokoro
from audio.kokoro.foreign import (
    HAN,
    KANA,
    MARK,
    foreign_language,
    language_of_script,
    script_of,
    scripts_of,
)
from audio.kokoro.phonemes import is_supported, phonemize
from audio.types import SpokenWord, SynthesisError

log = logging.getLogger(__name__)

_lock = threading.Lock()
"""espeak-ng has one state: its voice, and the clause that it reads."""

_SWITCH = re.compile(r"\(([^()]*)\)")
"""espeak's mark where it changes its language, as in (en)…(fr). It is given no brackets itself."""
_OF_SWITCH = {"en": "en-gb", "fr": "fr-fr", "pt": "pt-br"}

_SILENT = frozenset(' ˈˌ;:,.!?—…"()“”')
_ATTACHED = (*";:,.!?…)”", "")
_CLAUSE_ENDS = frozenset(";:,!?—…)”")
_PLAIN = re.compile(r"[^\W\d_]+(?:['-][^\W\d_]+)*")
_LONGEST_ABBREVIATION = 3
_CLAUSE_WORDS = 40
"""More are read in parts, since matching sounds with words takes quadratic time."""


class _Token:
    """A part of a sentence between spaces."""

    def __init__(self, text: str, lang: str) -> None:
        first, last = 0, len(text)
        while first < last and _is_punctuation(text, first):
            first += 1
        while last > first and _is_punctuation(text, last - 1):
            last -= 1
        self.text = text
        self.core = text[first:last].replace("\u2019", "'")
        """What espeak reads; empty if there is nothing to read."""
        if self.core and text[last : last + 1] in ("'", "\u2019") and not first:
            self.core += "'"  # Italian: un po'
        self.before = marks(text[:first], lang)
        self.after = marks(text[last:], lang)


def _is_punctuation(text: str, index: int) -> bool:
    char = text[index]
    if char in "#@&%*/\\§":
        return False  # read by their names
    if char == "-" and text[index + 1 : index + 2].isdecimal():
        return False  # minus
    return unicodedata.category(char)[0] in "PZC"


def read(sentence: str, lang: str) -> tuple[SpokenWord, ...]:
    """Return the words of a sentence with their phonemes; joined by spaces they are the sentence's.

    A part that has no sound, such as a dash, belongs to the word before it.

    Args:
        sentence: in one line.
        lang: espeak-ng's code of its language.

    Raises:
        SynthesisError: espeak-ng can't be loaded, or does not know the language.
    """
    tokens = [_Token(text, lang) for text in sentence.split()]
    words: list[SpokenWord] = []
    place = 0
    for code, clause in _clauses(tokens, lang):
        for token, phonemes in zip(clause, _phonemes(clause, code, lang), strict=True):
            place += 1
            after = token.after
            if after == "." and place < len(tokens) and len(token.core) <= _LONGEST_ABBREVIATION:
                after = ""  # of an abbreviation, after which nobody pauses
            spoken = token.before + phonemes + after
            own = foreign_language(token.core, code) or code
            source = "espeak" if own in (lang, _BY_PARTS) else f"espeak {own}"
            if words and not (_has_sound(phonemes) and _has_sound(words[-1].phonemes)):
                last = words.pop()
                if _has_sound(last.phonemes):
                    source = last.source
                space = "" if spoken[:1] in _ATTACHED else " "
                spoken = f"{last.phonemes}{space}{spoken}"
                words.append(SpokenWord(f"{last.text} {token.text}", spoken, source))
            else:
                words.append(SpokenWord(token.text, spoken, source))
    return tuple(words)


def word(text: str, lang: str) -> str:
    """Return a word in Kokoro's phonemes, without punctuation.

    Args:
        text: such as a name that no dictionary has.
        lang: espeak-ng's code of the language of the sentence around it.

    Raises:
        SynthesisError: see `read`.
    """
    tokens = [_Token(part, lang) for part in text.split()]
    parts = (_phonemes(clause, code, lang) for code, clause in _clauses(tokens, lang))
    return " ".join(filter(None, itertools.chain.from_iterable(parts)))


def ipa(text: str, lang: str) -> str:
    """Return what espeak-ng itself says to a text: IPA with `TIE`, and its marks of languages.

    Raises:
        SynthesisError: see `read`.
    """
    text = "".join(char for char in text if unicodedata.category(char) not in ("Cc", "Cs"))
    try:
        with _lock:
            espeak = _espeak()
            if espeak.voice is None or espeak.voice.language != lang:
                espeak.set_voice(lang)
            phonemes: str = espeak.text_to_phonemes(text, TIE)
    except Exception as exc:  # RuntimeError, OSError, or one of ctypes' own
        raise SynthesisError(
            f"espeak-ng, which knows how words are pronounced, does not work "
            f"({type(exc).__name__}: {str(exc).partition(chr(10))[0][:160]})."
        ) from exc
    return phonemes.replace("\u0361", TIE)


@functools.cache
def _espeak() -> Any:
    from kokoro_onnx.tokenizer import Tokenizer  # noqa: PLC0415  # slow to import
    from phonemizer.backend.espeak.wrapper import EspeakWrapper  # noqa: PLC0415

    Tokenizer()  # finds the library
    return EspeakWrapper()


# ---- which language reads what ----

_BY_PARTS = ""
"""In place of a language: a word in several scripts, each read by its own."""


def _clauses(tokens: Sequence[_Token], lang: str) -> Iterator[tuple[str, list[_Token]]]:
    """Yield parts of a sentence that espeak reads in one go, with the language of each."""
    clause: list[_Token] = []
    current = lang
    for token in tokens:
        code = _language_of(token.core, lang) if token.core else current
        if clause and (
            code != current
            or token.before
            or len(clause) >= _CLAUSE_WORDS
            or _CLAUSE_ENDS.intersection(clause[-1].before + clause[-1].after)
        ):
            yield current, clause
            clause = []
        clause.append(token)
        current = code
    if clause:
        yield current, clause


def _language_of(core: str, lang: str) -> str:
    """Return the language whose script a word is in; *lang* if it is written in that, too."""
    if core.isascii():
        # Of all languages, only in Japanese espeak spells Latin words.
        return "en-us" if lang == "ja" and core.isalpha() else lang
    scripts = {script for char in core if (script := script_of(char)) not in ("", MARK)}
    if scripts <= scripts_of(lang) and (lang in ("ja", "cmn") or len(scripts) <= 1):
        return lang
    if len(core) == 1 and scripts <= {"GREEK", "MICRO"}:
        return lang  # π is read by its name, as people do
    if len(scripts) > 1 and scripts != {KANA, HAN}:
        return _BY_PARTS
    return language_of_script(min(scripts), core) or lang


# ---- the phonemes of a clause ----


def _phonemes(clause: Sequence[_Token], code: str, lang: str) -> list[str]:
    """Return the phonemes of each part of a clause; empty for a part that has no sound.

    Args:
        clause: parts of a sentence.
        code: the language that reads it, or `_BY_PARTS`.
        lang: the language of the sentence.
    """
    cores = [token.core for token in clause if token.core]
    read_words = iter(_mixed(cores, lang) if code == _BY_PARTS else _spoken_words(cores, code))
    return [next(read_words) if token.core else "" for token in clause]


def _mixed(cores: Sequence[str], lang: str) -> list[str]:
    """Return the phonemes of words in several scripts, each part read by its own language."""
    words = []
    for core in cores:
        parts, script = [""], ""
        for char in core:
            own = script_of(char)
            if own not in ("", MARK, script):
                if script:
                    parts.append("")
                script = own
            parts[-1] += char
        spoken = (_spoken_words([part], _language_of(part, lang))[0] for part in parts)
        words.append("".join(spoken))
    return words


def _spoken_words(cores: Sequence[str], code: str) -> list[str]:
    """Return the phonemes of words that are read together."""
    if not cores:
        return []
    groups = _spoken(" ".join(cores), code).split()
    if len(cores) == 1:
        words = [" ".join(groups)]
    elif len(groups) == len(cores) and all(map(_PLAIN.fullmatch, cores)):
        words = groups
    else:
        words = _distributed(groups, [_spoken(core, code) for core in cores])
    for index, core in enumerate(cores):
        if foreign := foreign_language(core, code):
            words[index] = " ".join(_spoken(core, foreign).split())
        if not _has_sound(words[index]):
            words[index] = _spoken_anyhow(core, code)
    return words


def _spoken(text: str, code: str) -> str:
    """Return a text in Kokoro's phonemes, divided as its reader divides it."""
    if code in ("ja", "cmn") and is_supported(code):
        return phonemize(text, code, _converted)
    return _converted(text, code)


def _converted(text: str, code: str) -> str:
    """Return what espeak-ng says to a text in Kokoro's phonemes, without its marks of languages."""
    parts = _SWITCH.split(ipa(text, code))
    languages = [code]
    for flag in parts[1::2]:
        switched = flag.replace(TIE, "")
        own = switched.partition("-")[0] == code.partition("-")[0]
        languages.append(code if own else _OF_SWITCH.get(switched, switched))
    return "".join(to_kokoro(part, lang) for part, lang in zip(parts[::2], languages, strict=True))


def _spoken_anyhow(core: str, code: str) -> str:
    """Return the phonemes of a word that its language has none for; its letters' if nothing else.

    For example of a letter that espeak-ng knows in English only.
    """
    plain = unicodedata.normalize("NFKD", core)
    plain = "".join(char for char in plain if not unicodedata.combining(char))
    for text, lang in (
        (core, "en-us"),
        (plain, code),
        (plain, "en-us"),
        (" ".join(plain), "en-us"),
    ):
        if _has_sound(spoken := " ".join(_spoken(text, lang).split())):
            return spoken
    log.debug("A word of %d characters has no sound in %s, and is left out.", len(core), code)
    return ""


def _has_sound(phonemes: str) -> bool:
    return not _SILENT.issuperset(phonemes)


def _distributed(groups: Sequence[str], alone: Sequence[str]) -> list[str]:
    """Distribute the words of espeak to those of the text, in order.

    espeak joins words ("of the") and makes several of a number. If it has a space within one sound
    of where a word begins, the word begins there.

    Args:
        groups: the phonemes of the clause, divided by espeak.
        alone: the phonemes of each word, read alone.
    """
    counts = [_sounds(spoken) for spoken in alone]
    spoken = "".join(_sounds(group) for group in groups)
    if not spoken:
        return [""] * len(alone)
    cuts = starts_in(spoken, counts)
    spaces = set(itertools.accumulate(len(_sounds(group)) for group in groups))
    cuts = [next((c for c in (cut, cut - 1, cut + 1) if c in spaces), cut) for cut in cuts]
    cuts = [0, *itertools.accumulate(cuts[1:], max)]

    words = [""] * len(alone)
    place, index = 0, 0
    for group in groups:
        previous = -1
        for part in _by_sound(group):
            while index + 1 < len(cuts) and place >= cuts[index + 1]:
                index += 1
            space = " " if previous == -1 and words[index] else ""
            words[index] += space + part
            previous = index
            place += 1
    return words


def starts_in(whole: str, alone: Sequence[str]) -> list[int]:
    """Return where each part of *whole* begins in it.

    The parts on their own, joined, are nearly the whole: the places are exact where they agree, and
    interpolated between.

    Args:
        whole: the sounds of several words, read together.
        alone: the sounds of each of them, read alone.
    """
    joined = "".join(alone)
    blocks = SequenceMatcher(None, joined, whole, autojunk=False).get_matching_blocks()
    pairs = [(0, 0)]
    pairs += [(block.a + i, block.b + i) for block in blocks for i in range(block.size)]
    pairs.append((len(joined), len(whole)))
    starts = list(itertools.accumulate(map(len, alone), initial=0))[:-1]
    in_joined, in_whole = zip(*pairs, strict=True)
    return [round(start) for start in np.interp(starts, in_joined, in_whole).tolist()]


def _sounds(phonemes: str) -> str:
    return "".join(char for char in phonemes if char not in _SILENT)


def _by_sound(group: str) -> list[str]:
    """Split phonemes before each sound; a stress mark goes with the sound after it."""
    parts: list[str] = []
    pending = ""
    for char in group:
        if char in _SILENT:
            pending += char
        else:
            parts.append(pending + char)
            pending = ""
    if pending and parts:
        parts[-1] += pending
    return parts
