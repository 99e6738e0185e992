"""Words of another language inside a sentence: by their script, or where spelling leaves no doubt.

Pure. The language detector of whole texts is not sure of one word, and needs 80 MB. So a word in
Latin letters is foreign only if it has what the sentence's language never writes, and what another
often does; otherwise the sentence's language reads it, as people do with words that have become
their own.
"""

import functools
import re
import unicodedata

LATIN, GREEK, CYRILLIC, ARABIC, DEVANAGARI, KANA, HAN = (
    "LATIN",
    "GREEK",
    "CYRILLIC",
    "ARABIC",
    "DEVANAGARI",
    "KANA",
    "CJK",
)

# ---- scripts ----

# The first word of their letters' Unicode names -> the languages written in them. The first of
# these reads a word whose language is not known. Thai and Hebrew are missing: of Thai espeak-ng
# reads the letters in the order in which they are written, which is not that of the sounds; of most
# Hebrew words it reads no vowels, since these are not written.
_LANGUAGES = {
    CYRILLIC: "ru uk be bg mk sr kk",
    GREEK: "el",
    ARABIC: "ar fa ur",
    DEVANAGARI: "hi mr ne",
    "HANGUL": "ko",
    HAN: "cmn ja",
    KANA: "ja",
    "ARMENIAN": "hy",
    "GEORGIAN": "ka",
    "BENGALI": "bn",
    "TAMIL": "ta",
    "TELUGU": "te",
    "GUJARATI": "gu",
    "GURMUKHI": "pa",
    "ORIYA": "or",
    "KANNADA": "kn",
    "MALAYALAM": "ml",
    "SINHALA": "si",
    "ETHIOPIC": "am",
}
_SCRIPTS: dict[str, frozenset[str]] = {
    lang: frozenset(
        {LATIN, *(script for script, others in _LANGUAGES.items() if lang in others.split())}
    )
    for langs in _LANGUAGES.values()
    for lang in langs.split()
}
# Letters of a script that tell its languages apart.
_TELLING = (
    (CYRILLIC, "іїєґ", "uk"),
    (CYRILLIC, "ў", "be"),
    (CYRILLIC, "ћђ", "sr"),
    (CYRILLIC, "ќѓѕ", "mk"),
    (ARABIC, "ٹڈڑںے", "ur"),
    (ARABIC, "پچژگ", "fa"),
)
# First words of other Latin letters, including those written above others.
_ALSO_LATIN = frozenset("FEMININE MASCULINE MODIFIER SUPERSCRIPT SUBSCRIPT ROMAN FULLWIDTH".split())
_ALSO_KANA = frozenset("HIRAGANA KATAKANA HALFWIDTH KATAKANA-HIRAGANA".split())
MARK = "mark"
"""In place of a script: a character that belongs to the letter before it."""


@functools.lru_cache(maxsize=4096)
def script_of(char: str) -> str:
    """Return a letter's script; `MARK` for a mark on a letter; empty for other characters."""
    category = unicodedata.category(char) if char else "Zs"
    if category[0] == "M" or char in "\u200c\u200d":
        return MARK
    if category[0] != "L":
        return ""
    first = unicodedata.name(char, "").partition(" ")[0]
    if first in _ALSO_LATIN:
        return LATIN
    if first in _ALSO_KANA:
        return KANA
    return HAN if first == "IDEOGRAPHIC" else first


def scripts_of(lang: str) -> frozenset[str]:
    """Return the scripts of a language (espeak's code); each is read with Latin letters in it."""
    return _SCRIPTS.get(lang, frozenset({LATIN}))


def language_of_script(script: str, text: str) -> str:
    """Return the language (espeak's code) that reads *text* in *script*; empty if none does."""
    for telling, letters, lang in _TELLING:
        if script == telling and any(letter in text.lower() for letter in letters):
            return lang
    if script == HAN and any(script_of(char) == KANA for char in text):
        return "ja"
    return _LANGUAGES.get(script, "").partition(" ")[0]


# ---- spelling ----

_SHORTEST_CHARS, _LONGEST_CHARS = 4, 40
"""Of a word that is judged by its spelling."""

# Endings and clusters of English, as they are in the words that others borrow.
_ENGLISH = (
    r".{2,}ings?|.*[^aeiou](?:ee|oo|ea)[bdfklmnprstvz]e?s?(?:er)?s?|.*(?:sh|tch|ght).*|wh.*"
    r"|.*(?:ware|book|line|phone|box|board|team|time|house|shop|news|job|ness|less|ship|down|back"
    r"|out|up|play|day|work|worker|maker|wall|walk|talk|show|view|burger|cake|stack|check|weight"
    r"|screen|sheet|feed|seed|speed|week|weekend|keeper|leader|reader|user|key|way|byte|load"
    r"|loader|case|cloud|tooth|power|buster|fighter|writer|ster|cast|caster|hacker|tracker)s?"
)
# What the spelling of a language has in no word of its own.
_NEVER = {
    "es": r".*(?:k|w|(?<!de)(?<!tra)sh|th|ee[^r]|pp|ff|tt|ss|mm|bb|dd|gg|zz|ph).*"
    r"|.*[bcfgkmptvw]s?",
    "fr-fr": r".*(?:w|k[a-z]|[^s]ck|(?<!n)sh|(?<!lc)oo[^nr]|ee[^s]).*"
    r"|.*[^aeiou]ings?|.*[^g]ea[dkmt].*",
    "it": r".*[jkwxy].*|.*(?:sh|th|(?<!lc)oo).*|.*[bcdfghkmpstvxz]",
    "pt-br": r".*(?:k|w|sh|th|ck|pp|ff|tt|mm|bb|dd|gg|ll|ph|nn).*|.*[bcdfghkptvw]s?|.*[aeo]y",
}
# English words that Romance languages have borrowed, and whose spelling could be their own.
_BORROWED = frozenset(
    "app apps backend blockchain bestseller browser browsers cloud deadline desktop email emails "
    "frontend handball basketball football hoodie inbox input laptop laptops leader leaders login "
    "manager managers newsletter online offline outfit output playlist playlists podcast podcasts "
    "reset router routers selfie selfies server servers startup startups timer trailer "
    "trailers tweet tweets update updates upgrade upload website websites youtube".split()
)
_ENGLISH_IN = {
    lang: re.compile(f"(?=(?:{never})$)(?:{_ENGLISH})") for lang, never in _NEVER.items()
}

# Letters that, among the languages one is likely to meet, only one has.
_OWN_LETTERS = {
    char: lang
    for letters, lang in (
        ("ß", "de"),
        ("ñ", "es"),
        ("œ", "fr-fr"),
        ("ãõ", "pt-br"),
        ("łżźśńęą", "pl"),
        ("řěů", "cs"),
        ("ğı", "tr"),
        ("őű", "hu"),
        ("ơưạảấầẩẫậắằẳẵặẹẻẽếềểễệỉịọỏốồổỗộớờởỡợụủứừửữựỳỵỷỹ", "vi"),
        ("å", "sv"),
        ("țș", "ro"),
        ("ðþ", "is"),
    )
    for char in letters
}
# Clusters of letters that English has in no word of its own.
_NOT_ENGLISH = tuple(
    (lang, re.compile(pattern))
    for lang, pattern in (
        ("de", r".*sch[aeiouäöü].{2,}(?:ung|keit|heit|lich|isch|en)|.{3,}[ckrt]eit"),
        ("de", r".*[äöü].*"),
        ("de", r".{3,}(?:geist|freude|schaft|zeug|platz|strasse|burg)"),
        ("pl", r".*(?:szcz|[^e]rz[aeouy]|[^t]cz[yk]|prz|trz).*|.{2,}(?:[oe]wsk|alsk|insk)[ia]"),
        (
            "it",
            r".{2,}(?:ucci|uccio|elli|acchio|occhi|issim[oa]|uoco|uola|iorno|zion[ei]|accio|etti)",
        ),
        ("fr-fr", r".{2,}(?:eaux?|oise|ienne|illet|ouille|oûts?|ières?|aient|ées?)|.*ç.*"),
    )
)


def foreign_language(word: str, lang: str) -> str:
    """Return the language of a word in a sentence; empty if it is the sentence's, or unclear.

    Only in sentences of the languages that Kokoro was trained on, except Asian ones.

    Args:
        word: without punctuation around it.
        lang: espeak-ng's code of the sentence's language.
    """
    is_english = lang.startswith("en")
    if not (is_english or lang in _ENGLISH_IN) or len(word) > _LONGEST_CHARS:
        return ""
    lower = word.lower()
    if not lower.isascii():
        own = next((_OWN_LETTERS[char] for char in lower if char in _OWN_LETTERS), lang)
        if own != lang:
            return own
    if len(lower) < _SHORTEST_CHARS or not lower.isalpha():
        return ""
    if is_english:
        return next((code for code, pattern in _NOT_ENGLISH if pattern.fullmatch(lower)), "")
    is_borrowed = lower in _BORROWED or (lower.isascii() and _ENGLISH_IN[lang].fullmatch(lower))
    return "en-us" if is_borrowed else ""
