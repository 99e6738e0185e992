"""Japanese and Chinese text -> phonemes, by packages that know their characters.

These packages are large, so they are installed on request (``make japanese``, ``make chinese``);
without them espeak reads what it can. Runs on: any thread, one at a time;
`is_supported` on several.
"""

import functools
import importlib.util
import logging
import re
from collections.abc import Callable
from typing import Any

from audio.kokoro.alphabet import known

log = logging.getLogger(__name__)

_NEEDED = {"ja": ("misaki", "pyopenjtalk"), "cmn": ("misaki", "jieba", "pypinyin", "cn2an")}
WITHOUT_SPACES = frozenset(_NEEDED)
"""Languages that put no spaces between words."""

# misaki emits the Japanese phonemes of a Kokoro later than v1.0. This maps its symbols to those
# that v1.0 was trained with. Source: misaki's ja.py (later) and cutlet.py (v1.0); a test compares
# them if they are installed.
_V1 = str.maketrans(
    {
        "g": "ɡ",
        "r": "ɾ",
        "w": "β",
        "f": "ɸ",
        "G": "ɡᵝ",
        "K": "kᵝ",
        "ƫ": "tʲ",
        "ᶀ": "bʲ",
        "ᶁ": "dʲ",
        "ᶃ": "ɡʲ",
        "ᶄ": "kʲ",
        "ᶆ": "mʲ",
        "ᶈ": "pʲ",
        "ᶉ": "ɾʲ",
    }
)
_V1_SOUNDS: tuple[tuple[str, str], ...] = (
    (r"(?<=[kɡtdbpmɾvɸʦ])(?=i)", "ʲ"),  # palatal before i
    (r"h(?=i)", "ç"),
    (r"n(?=i)", "ɲ"),
    (r"z(?=[aeo])", "ʣ"),
    (r"(?<=[ʲɕʥʨʦszɲç])u", "ɨ"),
    (r"u", "ɯ"),
    (r"ɴ(?=[mpb])", "m"),
    (r"ɴ(?=[kɡ])", "ŋ"),
    (r"ɴ(?=[ɲʨʥ])", "ɲ"),
    (r"ɴ(?=[ntdɾzʣ])", "n"),
)

_HAN = re.compile(r"([\u3400-\u4dbf\u4e00-\u9fff]+)")
_SPACE_AT_MARK = re.compile(r" +(?=[;:,.!?…)”])|(?<=[(“]) +")
_LATIN = re.compile(r"([^\W\d_]+(?:['’ -][^\W\d_]+)*)")


@functools.cache
def is_supported(lang: str) -> bool:
    """Return whether the packages that read a language's characters are installed."""
    return all(importlib.util.find_spec(name) for name in _NEEDED.get(lang, ()))


def phonemize(text: str, lang: str, espeak: Callable[[str, str], str]) -> str:
    """Return *text* in Kokoro's phonemes.

    Args:
        text: in the language *lang*.
        lang: espeak-ng's code.
        espeak: (text, lang) -> phonemes, for all other languages, and for foreign words in *text*.
    """
    if lang not in _NEEDED or not is_supported(lang):
        return espeak(text, lang)
    try:
        return _japanese(text) if lang == "ja" else _chinese(text, espeak)
    except Exception:  # both packages assert on unknown characters; espeak accepts any
        log.exception("misaki failed; espeak reads the text")
        return espeak(text, lang)


def _japanese(text: str) -> str:
    output, _ = _openjtalk()(text)
    return known(
        as_v1(output[: len(output) // 2])
    )  # the rest is the pitch; v1.0 has no symbols for it


def as_v1(phonemes: str) -> str:
    """Return misaki's Japanese phonemes in the symbols of Kokoro v1.0."""
    phonemes = phonemes.translate(_V1)
    for pattern, symbol in _V1_SOUNDS:
        phonemes = re.sub(pattern, symbol, phonemes)
    return phonemes


def _chinese(text: str, espeak: Callable[[str, str], str]) -> str:
    import cn2an  # noqa: PLC0415  # optional

    pinyin = _pinyin()
    parts = []
    for part in _HAN.split(pinyin.map_punctuation(cn2an.transform(text, "an2cn"))):
        if _HAN.fullmatch(part):
            spoken = pinyin.legacy_call(part)  # rare characters stay as they are
            parts.append(known(_HAN.sub(lambda match: f" {espeak(match[0], 'cmn')} ", spoken)))
            continue
        for place, piece in enumerate(_LATIN.split(part)):  # every other one is a foreign name
            parts.append(f" {espeak(piece, 'en-us')} " if place % 2 else known(piece))
    return _SPACE_AT_MARK.sub("", "".join(parts))


@functools.cache
def _openjtalk() -> Any:
    from misaki import ja  # noqa: PLC0415  # optional, and slow to import

    return ja.JAG2P("pyopenjtalk")


@functools.cache
def _pinyin() -> Any:
    import jieba  # noqa: PLC0415  # optional
    from misaki import zh  # noqa: PLC0415

    jieba.setLogLevel(logging.WARNING)  # at lower levels it logs that it loads its dictionary
    return zh.ZHG2P
