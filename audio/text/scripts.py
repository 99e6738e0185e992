"""Which scripts are readable in a language, and which would be spelled letter by letter. Pure.

espeak reads Cyrillic, for example, as "Cyrillic pe, Cyrillic er" in languages that are not written
in it. That is not speech, so such words are dropped. A test compares the table with espeak.
"""

import functools
import re
import unicodedata
from collections import Counter

from audio.kokoro.phonemes import is_supported

LATIN, GREEK, DEVANAGARI, KANA, HAN = "LATIN", "GREEK", "DEVANAGARI", "KANA", "CJK"

# The first word of their letters' Unicode names -> what people call text in them.
_DISPLAY_NAMES = {
    GREEK: "Greek",
    "CYRILLIC": "Cyrillic letters",
    "ARABIC": "Arabic letters",
    "HEBREW": "Hebrew letters",
    DEVANAGARI: "Devanagari letters",
    "HANGUL": "Korean",
    HAN: "Chinese characters",
    KANA: "Japanese",
    "THAI": "Thai",
    "ARMENIAN": "Armenian",
    "GEORGIAN": "Georgian",
    "BENGALI": "Bengali",
    "TAMIL": "Tamil",
    "TELUGU": "Telugu",
    "GUJARATI": "Gujarati",
    "GURMUKHI": "Punjabi",
    "KANNADA": "Kannada",
    "MALAYALAM": "Malayalam",
    "SINHALA": "Sinhala",
    "ETHIOPIC": "Amharic",
    "KHMER": "Khmer",
    "LAO": "Lao",
    "MYANMAR": "Burmese",
    "TIBETAN": "Tibetan",
}
# A single letter of these, such as π, Ω or µ, is read by its name, as people do.
_READ_BY_NAME = {GREEK, "MICRO"}
# First words of other Latin letters, including those written above others.
_ALSO_LATIN = {
    "FEMININE",
    "MASCULINE",
    "MODIFIER",
    "SUPERSCRIPT",
    "SUBSCRIPT",
    "ROMAN",
    "FULLWIDTH",
}
_ALSO_KANA = {"HIRAGANA", "KATAKANA", "HALFWIDTH", "KATAKANA-HIRAGANA"}
_OTHER_LETTERS = re.compile(r"[^\W\d_a-zA-Z]")


@functools.cache
def read_in(lang: str) -> frozenset[str]:
    """Return the scripts that are readable in a language, given by espeak's code."""
    match lang.partition("-")[0]:
        case "hi":
            return frozenset({LATIN, DEVANAGARI})
        case "cmn":
            return frozenset({LATIN, HAN})
        case "ja":  # without the dictionary, only kana are read (by espeak)
            return frozenset({LATIN, KANA, HAN} if is_supported("ja") else {LATIN, KANA})
    return frozenset({LATIN})


def without_unread(text: str, lang: str) -> tuple[str, Counter[str]]:
    """Return *text* without the words that are not readable in a language.

    Returns:
        The rest, and a count of the dropped words, such as ``{"word in Korean": 2}``.
    """
    if text.isascii() or not _OTHER_LETTERS.search(text):
        return text, Counter()
    scripts = read_in(lang)
    runs = _runs(text)
    spelled = [
        script not in scripts and script != "" and not (script in _READ_BY_NAME and len(run) == 1)
        for script, run in runs
    ]
    greek = any(
        is_spelled and script == GREEK
        for is_spelled, (script, _) in zip(spelled, runs, strict=True)
    )
    parts: list[str] = []
    dropped: Counter[str] = Counter()
    for is_spelled, (script, run) in zip(spelled, runs, strict=True):
        # Among Greek words, a single letter is a word, too.
        if is_spelled or (greek and script == GREEK):
            dropped[f"word in {_DISPLAY_NAMES.get(script, 'letters that I cannot read')}"] += 1
            parts.append(" ")
        else:
            parts.append(run)
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
        if script == _MARK:
            script = current  # it belongs to the previous letter
        if script != current:
            runs.append((current, text[start : match.start()]))
            start, current = match.start(), script
    runs.append((current, text[start:]))
    return runs


_MARK = "mark"
_STEP = re.compile(r"[\x00-\x7f]+|[^\x00-\x7f]")


def _step_script(step: str) -> str:
    return "" if step.isascii() else script_of(step)


@functools.lru_cache(maxsize=4096)
def script_of(char: str) -> str:
    """Return a letter's script; empty for other characters."""
    category = unicodedata.category(char) if char else "Zs"
    if category[0] == "M" or char in "\u200c\u200d":
        return _MARK
    if category[0] != "L":
        return ""
    first = unicodedata.name(char, "").partition(" ")[0]
    if first in _ALSO_LATIN:
        return LATIN
    if first in _ALSO_KANA:
        return KANA
    return HAN if first == "IDEOGRAPHIC" else first
