"""Which scripts can be read in a sentence, and which would be spelled letter by letter. Pure.

A word in another script is read by the language of that script (`audio.kokoro.foreign`). Where
espeak-ng has none, it reads "Tibetan letter F56"; that is not speech, so such words are dropped.
"""

import functools
import re
from collections import Counter

from audio.kokoro.foreign import (
    GREEK,
    HAN,
    MARK,
    language_of_script,
    script_of,
    scripts_of,
)
from audio.kokoro.phonemes import is_supported

# What people call text in a script, by the first word of its letters' Unicode names.
_DISPLAY_NAMES = {
    HAN: "Chinese characters",
    "HEBREW": "Hebrew letters",
    "THAI": "Thai",
    "KHMER": "Khmer",
    "LAO": "Lao",
    "MYANMAR": "Burmese",
    "TIBETAN": "Tibetan",
}
_NAMELESS = "letters that I cannot read"
# A single letter of these, such as π, Ω or µ, is read by its name, as people do.
_READ_BY_NAME = {GREEK, "MICRO"}
_OTHER_LETTERS = re.compile(r"[^\W\d_a-zA-Z]")
_LETTERS_CHARS = 2000
"""Enough of a text to tell its language."""


@functools.cache
def is_readable(script: str, lang: str) -> bool:
    """Return whether words in a script can be read in a sentence.

    Args:
        script: as `script_of` names it.
        lang: espeak-ng's code of the language of the sentence.
    """
    if script == HAN:  # espeak reads few of them, and in Japanese none
        reader = lang if HAN in scripts_of(lang) else language_of_script(HAN, "")
        return is_supported(reader) or lang == "cmn"
    return script in scripts_of(lang) or bool(language_of_script(script, ""))


def language_by_script(text: str, lang: str) -> str:
    """Return the language that a text's script leaves no choice about; else *lang*.

    Args:
        text: any text.
        lang: espeak-ng's code of the language that it would be read in.
    """
    if text.isascii():
        return lang
    scripts = Counter(script_of(char) for char in text[:_LETTERS_CHARS])
    del scripts[""], scripts[MARK]
    if not scripts:
        return lang
    script, times = scripts.most_common(1)[0]
    if script in scripts_of(lang) or 2 * times <= scripts.total() or times == 1:
        return lang
    reader = language_of_script(script, text[:_LETTERS_CHARS])
    return reader if reader and is_readable(script, reader) else lang


def without_unread(text: str, lang: str) -> tuple[str, Counter[str]]:
    """Return *text* without the words that are not readable in a language.

    Returns:
        The rest, and a count of the dropped words, such as ``{"word in Korean": 2}``.
    """
    if text.isascii() or not _OTHER_LETTERS.search(text):
        return text, Counter()
    parts: list[str] = []
    dropped: Counter[str] = Counter()
    for script, run in _runs(text):
        if script in ("", *_READ_BY_NAME) or is_readable(script, lang):
            parts.append(run)
        else:
            dropped[f"word in {_DISPLAY_NAMES.get(script, _NAMELESS)}"] += 1
            parts.append(" ")
    return "".join(parts), dropped


def _runs(text: str) -> list[tuple[str, str]]:
    """Split a text into (script, run of characters).

    The script is ``""`` for characters without one, and for ASCII, which is readable in every
    language.
    """
    runs: list[tuple[str, str]] = []
    start, current = 0, _step_script(text[:1])
    for match in _STEP.finditer(text):
        script = _step_script(match[0])
        if script == MARK:
            script = current  # it belongs to the previous letter
        if script != current:
            runs.append((current, text[start : match.start()]))
            start, current = match.start(), script
    runs.append((current, text[start:]))
    return runs


_STEP = re.compile(r"[\x00-\x7f]+|[^\x00-\x7f]")


def _step_script(step: str) -> str:
    return "" if step.isascii() else script_of(step)
