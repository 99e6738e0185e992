"""Which letters a language's reader can read, and which it would spell out by their names. Pure.

espeak reads Cyrillic, say, as "Cyrillic pe, Cyrillic er" in every language that it is not written
in. That is not speech, so such words are left out. A test compares the table with espeak.
"""

import functools
import re
import unicodedata
from collections import Counter

from audio.kokoro.phonemes import is_supported

LATIN, GREEK, DEVANAGARI, KANA, HAN = "LATIN", "GREEK", "DEVANAGARI", "KANA", "CJK"

# By what their letters' Unicode names begin with, and what people call what is written in them.
_CALLED = {
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
# One letter of another script, such as π, Ω or µ, is read by its name as people read it, too.
_NAMED = {GREEK, "MICRO"}
# Letters of Latin by another first word, and those that are written on others.
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
    """Return the scripts that are read in a language, by espeak's code."""
    match lang.partition("-")[0]:
        case "hi":
            return frozenset({LATIN, DEVANAGARI})
        case "cmn":
            return frozenset({LATIN, HAN})
        case "ja":  # without its dictionary, espeak knows how kana are read, and nothing else
            return frozenset({LATIN, KANA, HAN} if is_supported("ja") else {LATIN, KANA})
    return frozenset({LATIN})


def without_unread(text: str, lang: str) -> tuple[str, Counter[str]]:
    """Leave out what the reader of a language can only spell.

    Returns:
        The rest, and how many words in what were left out, such as ``{"word in Korean": 2}``.
    """
    if text.isascii() or not _OTHER_LETTERS.search(text):
        return text, Counter()
    scripts = read_in(lang)
    runs = _runs(text)
    spelled = [
        script not in scripts and script != "" and not (script in _NAMED and len(run) == 1)
        for script, run in runs
    ]
    greek = any(
        is_spelled and script == GREEK
        for is_spelled, (script, _) in zip(spelled, runs, strict=True)
    )
    kept: list[str] = []
    dropped: Counter[str] = Counter()
    for is_spelled, (script, run) in zip(spelled, runs, strict=True):
        # Among words in Greek, a single letter is a word, too.
        if is_spelled or (greek and script == GREEK):
            dropped[f"word in {_CALLED.get(script, 'letters that I cannot read')}"] += 1
            kept.append(" ")
        else:
            kept.append(run)
    return "".join(kept), dropped


def _runs(text: str) -> list[tuple[str, str]]:
    """Cut a text where the script changes; what has none is a run of its own, its script ``""``.

    So is what is in ASCII, which every reader reads.
    """
    runs: list[tuple[str, str]] = []
    start, current = 0, _step_script(text[:1])
    for match in _STEP.finditer(text):
        script = _step_script(match[0])
        if script == _MARK:
            script = current  # it belongs to the letter before
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
    """Return a letter's script; empty for what is no letter."""
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
