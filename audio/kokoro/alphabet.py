"""espeak-ng's phonemes (IPA) -> the alphabet that Kokoro v1.0 was trained on. Pure.

The alphabet is misaki's: a diphthong and an affricate are one sign each, such as I in "my" and ʧ in
"chin"; an English schwa is ə however espeak writes it. What Kokoro has no sign for becomes the
sound nearest to it. Sources: misaki's EN_PHONES.md and espeak.py, and Kokoro's pipeline.py, which
says what applies to which language.
"""

import logging
import re
import unicodedata

from audio.text.inline import ALPHABET, PUNCTUATION

log = logging.getLogger(__name__)

VOCABULARY = ALPHABET | PUNCTUATION | {" "}
"""Every sign that the model knows. Source: kokoro_onnx/config.json; a test compares them."""

TIE = "^"
"""What joins the parts of one sound, as in misaki; espeak's own sign is U+0361."""

_Table = tuple[tuple[str, str], ...]

# One sign in Kokoro's alphabet. Source: misaki's espeak.py; ɕ, ʑ, ʂ and ʐ from its ja.py and zh.py.
_JOINED: _Table = (
    ("a^ɪ", "I"),
    ("a^ʊ", "W"),
    ("e^ɪ", "A"),
    ("o^ʊ", "O"),
    ("ə^ʊ", "Q"),
    ("ɔ^ɪ", "Y"),
    ("d^z", "ʣ"),
    ("d^ʒ", "ʤ"),
    ("s^s", "S"),
    ("t^s", "ʦ"),
    ("t^ʃ", "ʧ"),
    ("t^ɕ", "ʨ"),
    ("d^ʑ", "ʥ"),
    ("t^ʂ", "ꭧ"),
    ("d^ʐ", "ʤ"),
    ("^h", "ʰ"),
)

# English, in this order. Source: misaki's espeak.py, except that a nasal vowel keeps its n
# ("croissant"), and that e^ə is still there for British English when e becomes A.
_ENGLISH: _Table = (
    ("ʔˌn\u0329", "tᵊn"),
    ("ʔn\u0329", "tᵊn"),
    ("ə^l", "ᵊl"),
    ("a^ɪ", "I"),
    ("a^ʊ", "W"),
    ("d^ʒ", "ʤ"),
    ("e^ɪ", "A"),
    ("t^ʃ", "ʧ"),
    ("ɔ^ɪ", "Y"),
    ("ʲo", "jo"),
    ("ʲə", "jə"),
    ("ʲ", ""),
    ("ɚɹ", "əɹ"),
    ("ɚ", "əɹ"),
    ("r", "ɹ"),
    ("x", "k"),
    ("ç", "k"),
    ("ɐ", "ə"),
    ("ɬ", "l"),
    ("\u0303", "n"),
)
_BRITISH: _Table = (("e^ə", "ɛː"), ("i^ə", "ɪə"), ("iə", "ɪə"), ("ə^ʊ", "Q"), ("o^ʊ", "Q"))
_AMERICAN: _Table = (
    ("o^ʊ", "O"),
    ("ə^ʊ", "O"),
    ("ɜːɹ", "ɜɹ"),
    ("ɜː", "ɜɹ"),
    ("ɪə", "iə"),
    ("ː", ""),
)
_ENGLISH_LAST: _Table = (("e", "A"), ("o", "ɔ"), ("ɾ", "T"), ("ʔ", "t"))

# The sounds of a language -> others that Kokoro knows; before the table of all languages. In the
# languages of India c and ɟ are what they are in Kokoro's Hindi.
_PALATAL: _Table = (("c", "tʲ"), ("ɟ", "dʲ"))
_PALATAL_K: _Table = (("c", "kʲ"), ("ɟ", "ɡʲ"))
_OF_LANGUAGE: dict[str, _Table] = {
    "cmn": (
        ("i.", "ɨ"),
        ("ong", "ʊŋ"),
        ("ng", "ŋ"),
        ("y", "ɥ"),
        ("χ", "x"),
        *(("5", "→"), ("2", "↗"), ("ɜ", "↗"), ("4", "↘"), ("3", "↓"), ("1", "")),
    ),
    "cs": (("r\u031d\u030a", "rʃ"), ("r\u031d", "rʒ"), *_PALATAL),  # tři, řeka, tělo
    "da": (("ʔ", ""),),  # the stød, which espeak puts before the vowel
    "de": (("ɔ^ø", "Y"), ("ɛɾ", "ɛɐ"), ("ɜ", "ɐ"), ("ʏ", "y")),  # heute, der, aber, Stück
    "el": _PALATAL_K,  # και, αγγελία
    "hu": _PALATAL,  # tyúk, magyar
    "is": _PALATAL_K,
    "ko": (("^ʃh", "^ʃʰ"),),
    "lv": _PALATAL,
    "ru": (("ɵ", "o"),),  # всё
    "sk": _PALATAL,
    "sq": _PALATAL,
    "sv": (("s^x", "ʃ"), ("ɧ", "ʃ"), ("ʉ", "y"), ("ɵ", "ʊ")),  # sju, hus, buss
    "tr": _PALATAL_K,  # kedi, güneş
    # Tones become Kokoro's four, those of Mandarin: level, rising, dipping, falling.
    "vi": (
        ("c", "k"),
        *(("1", "→"), ("7", "→"), ("2", "↘"), ("ɜ", "↗"), ("3", "↗")),
        *(("4", "↓"), ("5", "↗"), ("6", "↘")),
    ),
}
# What espeak writes with two signs in the tables of some languages.
_RETROFLEX: _Table = tuple(
    zip("r. s. z. t. d. n. l.".split(), "ɽ ʂ ʐ ʈ ɖ ɳ ɭ".split(), strict=True)
)

# What is left over of all languages -> the nearest that Kokoro knows.
_NEAREST: dict[str, str] = {
    # Vowels: the neighbour in height and backness, with the lips the same where there is one.
    "ɘ": "ə",
    "ɵ": "ø",
    "ɞ": "ɜ",
    "ɶ": "œ",
    "ʉ": "u",
    "ʏ": "y",
    "ɩ": "ɪ",
    "ɷ": "ʊ",
    "ɝ": "ɜɹ",
    # Consonants: first the manner is kept, then the voice, then the place.
    "g": "ɡ",
    "q": "k",
    "ɓ": "b",
    "ɗ": "d",
    "ɠ": "ɡ",
    "ʛ": "ɡ",
    "ɢ": "ɡ",
    "ʄ": "ɟ",
    "ʡ": "ʔ",
    "ʢ": "ʔ",
    "ʕ": "ʔ",
    "ħ": "h",
    "ʜ": "h",
    "ɦ": "h",
    "ɧ": "ʃ",
    "ʑ": "ʒ",
    "ʐ": "ʒ",
    "ɱ": "m",
    "ɫ": "l",
    "ɭ": "l",
    "ʟ": "l",
    "ɬ": "l",
    "ɮ": "l",
    "ɺ": "ɾ",
    "ʀ": "ʁ",
    "ʙ": "b",
    "ʍ": "w",
    "ⱱ": "v",
    # Signs beside a sound.
    "ʱ": "ʰ",
    "ʷ": "w",
    "ⁿ": "n",
    "ˑ": "ː",
    "'": "ˈ",
    # espeak's tables have some names of sounds where the sign should be.
    "ε": "ɛ",
    "ı": "ɯ",
    "N": "ŋ",
    "X": "χ",
    "Z": "ʒ",
}
# Not sounds, or shades of one that no sign of Kokoro's has: places of the tongue, voicelessness,
# shortness, velarization, tones of other languages, espeak's marks of a joint.
_SHADES = frozenset(
    "\u0324\u0325\u0330\u0334\u0339\u033a\u033b\u033c\u031a\u031c\u031d\u031e\u031f\u0320\u032a"
    "\u032c\u032f\u0306\u0308\u030a\u0318\u0319\u02de\u200d\u200c"
    "ˠˤˀʼ˥˦˧˨˩0123456789-_#`^+[]|‿͡"
)
_SYLLABIC = re.compile(r"(\S)\u0329")
_FIRST_J = re.compile(r"(?:^|(?<= ))ʲ")
# "garden", "action": where most words of misaki's dictionaries have ᵊ. Measured on a fifth of them.
_SYLLABIC_N = {
    True: re.compile(r"(?<=[bdfkpstvzɡʃʒʤʧðθ])ən(?= |$)"),  # British
    False: re.compile(r"(?<=[dstzʤ])ən(?= |$)"),
}

# What a reader sees -> what Kokoro knows: it was trained with these fourteen marks.
_MARKS = str.maketrans(
    {
        "«": "“",
        "»": "”",
        "„": "“",
        "‟": "“",
        "‹": "“",
        "›": "”",
        "「": "“",
        "」": "”",
        "『": "“",
        "』": "”",
        "[": "(",
        "]": ")",
        "{": "(",
        "}": ")",
        "（": "(",
        "）": ")",
        "–": "—",
        "―": "—",
        "؟": "?",
        "？": "?",
        "！": "!",
        "،": ",",
        "、": ",",
        "，": ",",
        "؛": ";",
        "；": ";",
        "\u037e": "?",
        "：": ":",
        "·": ";",
        "。": ".",
        "।": ".",
        "॥": ".",
        "۔": ".",
        "։": ".",
        "።": ".",
        "။": ".",
        "‥": "…",
        "‼": "!",
        "⁇": "?",
        "⁈": "?",
        "⁉": "?",
    }
)
_KNOWN_MARKS = frozenset(';:,.!?—…"()“”')


def marks(text: str, lang: str) -> str:
    """Return the punctuation of *text* in the marks that Kokoro knows."""
    if lang == "el":
        text = text.replace(";", "?")
    return "".join(char for char in text.translate(_MARKS) if char in _KNOWN_MARKS)


def to_kokoro(phonemes: str, lang: str) -> str:
    """Return espeak's phonemes in Kokoro's alphabet.

    Args:
        phonemes: IPA as espeak-ng writes it, the parts of one sound joined by `TIE`; spaces stay.
        lang: espeak-ng's code of the language.
    """
    # A nasal vowel in one character; ç stays one.
    phonemes = "".join(
        unicodedata.normalize("NFD", char) if char in "ãẽĩõũỹ" else char for char in phonemes
    )
    if lang.partition("-")[0] == "en":
        phonemes = _english(phonemes, british=lang != "en-us")
    else:
        phonemes = _replaced(phonemes, _RETROFLEX + _OF_LANGUAGE.get(lang, ()) + _JOINED)
        phonemes = _FIRST_J.sub("j", phonemes).replace("ʲʲ", "ʲ").replace(".", "")
    return "".join(map(_known, _SYLLABIC.sub(r"ᵊ\1", phonemes)))


def _english(phonemes: str, *, british: bool) -> str:
    phonemes = _SYLLABIC.sub(r"ᵊ\1", _replaced(phonemes, _ENGLISH))
    phonemes = _replaced(phonemes, _BRITISH if british else _AMERICAN)
    return _SYLLABIC_N[british].sub("ᵊn", _replaced(phonemes, _ENGLISH_LAST))


def _replaced(phonemes: str, table: _Table) -> str:
    for old, new in table:
        phonemes = phonemes.replace(old, new)
    return phonemes


def _known(sign: str) -> str:
    if sign in _NEAREST:
        return _NEAREST[sign]
    if sign in VOCABULARY:
        return sign
    if sign in _SHADES:
        return ""
    base = "".join(c for c in unicodedata.normalize("NFKD", sign) if c in VOCABULARY)
    if not base:
        log.debug("Kokoro has no sign for %r (U+%04X); it is left out.", sign, ord(sign))
    return base


def known(phonemes: str) -> str:
    """Return *phonemes* without the signs that the model does not know.

    For the output of packages, which keep a character that they can't read.
    """
    unknown = set(phonemes).difference(VOCABULARY)
    if sounding := [sign for sign in unknown if unicodedata.category(sign)[0] not in "PZC"]:
        log.debug("Unknown to the model in %r: %s", phonemes, " ".join(sorted(sounding)))
    return "".join(sign for sign in phonemes if sign not in unknown)
