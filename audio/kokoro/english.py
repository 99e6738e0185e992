"""English sentences -> phonemes: by the dictionary, and by espeak what it does not have.

The rules for inflections, stress and short words are those of misaki, which Kokoro was trained
with. Source: misaki 0.9.4, en.py (Apache-2.0).

Runs on: any thread, one at a time.
"""

import logging
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from audio.kokoro import heteronyms
from audio.kokoro.dictionary import DEFAULT, Dictionary, Entry
from audio.kokoro.heteronyms import VERB, Token
from audio.kokoro.model_files import DICTIONARY_FILE, verify
from audio.kokoro.numbers import NUMBER, number_words
from audio.kokoro.tagger import tag
from audio.types import ModelFileError, SpokenWord

log = logging.getLogger(__name__)

EspeakWord = Callable[[str], str]
"""Returns an unknown word in Kokoro's alphabet."""

_PRIMARY, _SECONDARY = "ˈ", "ˌ"
_VOWELS = frozenset("AIOQWYaiuæɑɒɔəɐɛɜɪʊʌᵊᵻ")
_CONSONANTS = frozenset("bdfhjklmnpstvwzðŋɡɹTʃʒʤʧθ")
# After these an American t between vowels is a tap.
_BEFORE_TAP = frozenset("AIOWYiuæɑəɛɪɹʊʌ")
_ENDS_CLAUSE = frozenset(";:,.!?—…")
_ENDS_SENTENCE = frozenset(";:.!?—…")
_BREAKS = _ENDS_CLAUSE | frozenset("()“”")

_CURLY = str.maketrans("’‘ʼ`´", "'''''")
_PUNCTUATION = {
    "–": "—",
    "―": "—",
    "[": "(",
    "{": "(",
    "]": ")",
    "}": ")",
    "«": "“",
    "»": "”",
    "„": "“",
    "‹": "“",
    "›": "”",
    "‼": "!",
    "⁉": "?",
    "。": ".",
    "，": ",",
    "！": "!",
    "？": "?",
} | {sign: sign for sign in ";:,.!?—…()“”"}
_SYMBOLS = {
    "&": "and",
    "+": "plus",
    "=": "equals",
    "%": "percent",
    "@": "at",
    "#": "hash",
    "$": "dollar",
    "£": "pound",
    "€": "euro",
    "°": "degrees",
    "×": "times",
    "÷": "divided by",
    "<": "less than",
    ">": "greater than",
    "~": "about",
    "§": "section",
    "©": "copyright",
    "®": "registered",
    "™": "trademark",
    "^": "caret",
    "\\": "backslash",
    "|": "bar",
}

_LETTERS = r"[^\W\d_]"
_PART = re.compile(
    rf"(?P<number>{NUMBER.pattern})"
    rf"|(?P<initials>(?:{_LETTERS}{{1,2}}\.)+{_LETTERS}{{1,2}}(?![^\W\d_]))"
    rf"|(?P<word>'?{_LETTERS}+(?:'{_LETTERS}+)*'?)"
    r"|(?P<other>.)",
    re.DOTALL,
)
_CAMEL = re.compile(r"(?<=[a-zß-ÿ])(?=[A-ZÀ-Þ])|(?<=[A-Z])(?=[A-Z][a-z])")
_SIGNS = re.escape("".join(_SYMBOLS)) + "'-"
_EDGE = re.compile(rf"^([^\w{_SIGNS}]*)(.*?)([^\w{_SIGNS}]*)$", re.DOTALL)
_FINAL_E = re.compile(r"(?:é|ée)$", re.IGNORECASE)
_ITEM = re.compile(r"\w{1,2}\)")
_STRETCHED = re.compile(r"(\w)\1{2,}")
_ACRONYMS = re.compile(r"[A-Z]{2,}s")
_FIRST_FOREIGN = "\u0250"  # letters from here on are not Latin

# Capitals that are letters, although the dictionary has the word, too.
_SPELLED = frozenset("US IT ID OS ETA LED EST DOE PA RIP SAT GI OD AA ER MI AD".split())
# More words, American and British.
_WORDS = {
    "json": ("ʤˈAsᵊn", "ʤˈAsᵊn"),
    "yaml": ("jˈæmᵊl", "jˈamᵊl"),
    "wifi": ("wˈIfˌI", "wˈIfI"),
    "résumé": ("ɹˈɛzəmˌA", "ɹˈɛzjʊmA"),
    "config": ("kˈɑnfɪɡ", "kˈɒnfɪɡ"),
    "epyc": ("ˈɛpɪk", "ˈɛpɪk"),
    "enum": ("ˈinʌm", "ˈiːnʌm"),
    "ikea": ("Ikˈiə", "Ikˈiə"),
    "nas": ("nˈæs", "nˈas"),
    "paas": ("pˈæs", "pˈas"),
    "pius": ("pˈIəs", "pˈIəs"),  # no plural of più
    "pypi": ("pˌIpˌiˈI", "pˌIpˌiːˈI"),
    "redis": ("ɹˈɛdɪs", "ɹˈɛdɪs"),
    "sqlite": ("ˌɛskjˌuˌɛlˈIt", "ˌɛskjˌuːˌɛlˈIt"),
    "brûlée": ("bɹulˈA", "bɹuːlˈA"),
    "fiancé": ("fˌiɑnsˈA", "fiˈɒnsA"),
    "fiancée": ("fˌiɑnsˈA", "fiˈɒnsA"),
    "hermès": ("ɛɹmˈɛz", "ɛːmˈɛz"),
    "maté": ("mˈɑtA", "mˈatA"),
    "nestlé": ("nˈɛslA", "nˈɛslA"),
    "pâté": ("pɑtˈA", "pˈatA"),
    "rosé": ("ɹOzˈA", "ɹˈQzA"),
    "soufflé": ("suflˈA", "sˈuːflA"),
    "exposé": ("ˌɛkspOzˈA", "ɛkspˈQzA"),
}
_ENDINGS = {
    "'ll": ("əl", "əl"),
    "'ve": ("əv", "əv"),
    "'re": ("əɹ", "ə"),
    "'d": ("d", "d"),
    "'m": ("m", "m"),
}
_LETTER_CONTEXT = frozenset(
    "plan grade vitamin type section group part point option class exit gate terminal hepatitis "
    "letter side block wing platform appendix figure room bus line team schedule".split()
)
_JOINS_LETTERS = frozenset("and or plus minus times equals vs".split())
# No article is before these.
_AFTER_LETTER = frozenset("is was are has and or vs to for from in on of at".split())
_SHORTEST_PART = 4  # of a compound
_LONGEST_ACRONYM = 5
_NEAR = 8
"""How many words around one are looked at for capitals."""


@dataclass(slots=True)
class _Part:
    """What is looked up: a word of the sentence, or a part of one, such as of A4."""

    text: str
    kind: str
    """``word``, ``number``, ``initials``, ``symbol`` or ``foreign``."""
    joined: bool
    """Whether it follows the part before it without a space."""
    alone: bool = True
    """Whether it is a whole word."""
    opened: bool = False
    """Whether a bracket or a quote opens right before it."""
    closed: bool = False
    """Whether a bracket or a quote closes right behind it."""
    token: int = -1
    """Its place among the tokens of the sentence."""
    phonemes: str = ""
    source: str = ""


@dataclass(slots=True)
class _Written:
    """A word of the sentence as it is written, between spaces."""

    text: str
    before: str
    parts: list[_Part]
    after: str


def load_reader(model_dir: Path) -> "EnglishReader | None":
    """Return a reader with the dictionary in *model_dir*; None if that is missing or damaged."""
    path = model_dir / DICTIONARY_FILE.name
    try:
        verify(path, DICTIONARY_FILE)
        return EnglishReader(Dictionary(path))
    except (ModelFileError, OSError, ValueError) as exc:
        log.warning("espeak-ng reads English, less well: %s", exc)
        return None


class EnglishReader:
    """Reads English sentences by the dictionary."""

    def __init__(self, dictionary: Dictionary) -> None:
        """Create a reader that looks words up in *dictionary*."""
        self._dictionary = dictionary

    def read(self, sentence: str, lang: str, espeak_word: EspeakWord) -> tuple[SpokenWord, ...]:
        """Return the words of a sentence with their phonemes.

        Args:
            sentence: one sentence, as the rules of text made it.
            lang: ``en-us`` or ``en-gb``.
            espeak_word: reads a word that the dictionary does not have.
        """
        words = [_written(text) for text in sentence.split()]
        for place, word in enumerate(words):
            if word.after.startswith(".") and _is_short(word.parts):
                word.parts[-1].kind = "initials"
                ends = place + 1 == len(words) or (
                    place > 0 and words[place - 1].text.lower() in _LETTER_CONTEXT  # gate B
                )
                if word.after != "." or not ends:
                    word.after = word.after[1:]  # it belongs to the word: e.g., J. Smith
        _balance(words)
        _Sentence(words, self._dictionary, espeak_word, british=lang == "en-gb").pronounce()
        return tuple(_spoken(word) for word in words)


def _balance(words: Sequence[_Written]) -> None:
    """Remove brackets that have no partner: the one that opens may be inside a word, fix(core).

    That of an item of a list, such as 1), becomes a pause.
    """
    depth = 0
    for word in words:
        kept = []
        for sign in (*word.before, *word.after):
            depth += sign == "("
            if sign != ")" or depth:
                kept.append(sign)
                depth -= sign == ")"
            else:
                kept.append("," if _ITEM.fullmatch(word.text) else "")
        cut = len(word.before)
        word.before, word.after = "".join(kept[:cut]), "".join(kept[cut:])


def _is_short(parts: Sequence[_Part]) -> bool:
    """Whether a word is initials, or a single capital letter."""
    if not parts or parts[-1].kind == "initials":
        return bool(parts)
    return len(parts) == 1 and len(parts[0].text) == 1 and parts[0].text.isupper()


def _spoken(word: _Written) -> SpokenWord:
    phonemes = _join(word.parts)
    if not phonemes and any(char.isalnum() for char in word.text):
        log.debug("No sound for a word of %d characters", len(word.text))
    sources = [part.source for part in word.parts if part.phonemes]
    source = next((name for name in sources if name == "espeak"), sources[0] if sources else "")
    return SpokenWord(word.text, word.before + phonemes + word.after, source or "punctuation")


# ---- a sentence's words and their parts ----


def _written(text: str) -> _Written:
    """Split a word as it is written into punctuation and parts."""
    match = _EDGE.match(text)
    assert match is not None  # noqa: S101  # every part of the pattern may be empty
    first, core, last = (group.translate(_CURLY) for group in match.groups())
    if not any(char.isalnum() or char in _SYMBOLS for char in core):
        dash = bool(core) and not core.strip("-—–―")
        return _Written(text, _marks(first + ("—" if dash else core) + last, opens=False), [], "")
    parts = list(_parts(core))
    for part in parts:
        part.alone = len(parts) == 1
        part.opened = bool(first)
        part.closed = last.startswith((")", "]", "”", '"'))
    return _Written(text, _marks(first, opens=True), parts, _marks(last, opens=False))


def _marks(signs: str, *, opens: bool) -> str:
    """Return the punctuation that Kokoro knows; straight quotes become curly."""
    signs = signs.replace("...", "…").replace('"', "“" if opens else "”")
    return "".join(_PUNCTUATION.get(sign, "") for sign in signs)


def _parts(core: str) -> Iterator[_Part]:
    core = unicodedata.normalize("NFC", core)
    if not any(map(str.isalnum, core)):
        core = core[0]  # one of a row of signs
    if any(char >= _FIRST_FOREIGN and unicodedata.category(char)[0] in "LM" for char in core):
        yield _Part(core, "foreign", joined=False)
        return
    joined, end = False, ""
    if core[0] == "-" and core[1:2].isdigit():
        yield _Part("minus", "word", joined=False)
    for match in _PART.finditer(core):
        kind, text = str(match.lastgroup), match[0]
        if kind == "word":
            whole = text[0] == "'" or _ACRONYMS.fullmatch(text)
            for place, piece in enumerate([text] if whole else _CAMEL.split(text)):
                yield _Part(piece, kind, joined=joined or place > 0)
        elif kind != "other":
            yield _Part(text, kind, joined=False)
        else:
            is_dot = text == "." and end.isalpha() and core[match.end() : match.end() + 1].isalpha()
            for name in ("dot" if is_dot else _SYMBOLS.get(text, "")).split():
                yield _Part(name, "word", joined=False)
        joined = text == "-" and end.isalpha()
        end = text[-1]


def _join(parts: Sequence[_Part]) -> str:
    """Join the phonemes of a word's parts; in a compound, one part has the stress."""
    sounding = [part for part in parts if part.phonemes]
    stressed = [part for part in sounding if _PRIMARY in part.phonemes]
    if len(stressed) > 1 and all(part.joined for part in sounding[1:]):
        # Source: misaki's resolve_tokens.
        if len(sounding) == 2 and len(sounding[0].text) == 1:  # noqa: PLR2004  # T-shirt
            weaker = [sounding[1]]
        elif len(stressed) > (len(sounding) + 1) // 2:
            weaker = sorted(sounding, key=_weight)[: len(sounding) // 2]
        else:
            weaker = []
        for part in weaker:
            part.phonemes = _stress(part.phonemes, -0.5)
    return "".join(
        ("" if place == 0 or part.joined else " ") + part.phonemes
        for place, part in enumerate(sounding)
    )


def _weight(part: _Part) -> tuple[bool, int]:
    long_vowels = sum(sign in "AIOQWYʤʧ" for sign in part.phonemes)
    return _PRIMARY in part.phonemes, len(part.phonemes) + long_vowels


# ---- stress ----


def _stress(phonemes: str, level: float | None) -> str:
    """Return phonemes with more or less stress. Source: misaki's apply_stress."""
    if level is None:
        return phonemes
    has_primary, has_any = _PRIMARY in phonemes, _PRIMARY in phonemes or _SECONDARY in phonemes
    if level < -1:
        return phonemes.replace(_PRIMARY, "").replace(_SECONDARY, "")
    if level == -1 or (level in (0, -0.5) and has_primary):
        return phonemes.replace(_SECONDARY, "").replace(_PRIMARY, _SECONDARY)
    if level in (0, 0.5, 1) and not has_any:
        return _before_vowel(_SECONDARY, phonemes)
    if level >= 1 and not has_primary and has_any:
        return phonemes.replace(_SECONDARY, _PRIMARY)
    if level > 1 and not has_any:
        return _before_vowel(_PRIMARY, phonemes)
    return phonemes


def _before_vowel(mark: str, phonemes: str) -> str:
    for place, sign in enumerate(phonemes):
        if sign in _VOWELS:
            return phonemes[:place] + mark + phonemes[place:]
    return phonemes


def _is_letter(text: str) -> bool:
    return len(text) == 1 and text.isupper()


class _Sentence:
    """The words of one sentence, which are pronounced from the last to the first."""

    def __init__(
        self,
        words: Sequence[_Written],
        dictionary: Dictionary,
        espeak_word: EspeakWord,
        *,
        british: bool,
    ) -> None:
        self._words = words
        self._dictionary = dictionary
        self._espeak_word = espeak_word
        self._british = british
        self._tokens: list[Token] = []
        self._single: list[bool] = []
        self._tags: list[str] | None = None
        for word in words:
            self._break(word.before)
            for part in word.parts:
                part.token = len(self._tokens)
                self._tokens.append(Token(part.text.strip("'") or part.text))
                self._single.append(part.alone)
            self._break(word.after)
        self._break(".")
        # What comes after the part in question: whether it begins with a vowel; None at an end.
        self._vowel_follows: bool | None = None

    def _break(self, marks: str) -> None:
        """Note the punctuation that follows the last token."""
        if self._tokens and not _BREAKS.isdisjoint(marks):
            last = self._tokens[-1]
            ends = last.ends or not _ENDS_SENTENCE.isdisjoint(marks)
            self._tokens[-1] = replace(last, breaks=True, ends=ends)

    def pronounce(self) -> None:
        """Set the phonemes of every part."""
        for word in reversed(self._words):
            if _ENDS_CLAUSE & {*word.after} or (not word.parts and _ENDS_CLAUSE & {*word.before}):
                self._vowel_follows = None
            self._pronounce_word(word)
            if _ENDS_CLAUSE & {*word.before}:
                self._vowel_follows = None

    def _pronounce_word(self, word: _Written) -> None:
        self._merge_known(word)
        for part in reversed(word.parts):
            part.phonemes, part.source = self._part(part)
            self._look_back(part.phonemes)

    def _merge_known(self, word: _Written) -> None:
        """Make one part of a word of several that the dictionary has as it is: T-shirt, iPhone."""
        if len(word.parts) > 1 and all(part.kind == "word" for part in word.parts):
            text = word.text.translate(_CURLY).strip("\"“”()[]{}.,;:!?…'")
            if entry := self._entry(text) or self._entry(text.lower()):
                first = word.parts[0]
                first.text, first.kind = text, "whole"
                first.phonemes = entry.readings[DEFAULT]
                word.parts[1:] = []

    def _look_back(self, phonemes: str) -> None:
        for sign in phonemes:
            if sign in _VOWELS or sign in _CONSONANTS:
                self._vowel_follows = sign in _VOWELS
                return

    # ---- one part ----

    def _part(self, part: _Part) -> tuple[str, str]:
        """Return the phonemes of a part and where they come from."""
        if part.kind == "whole":
            return part.phonemes, "dictionary"
        if part.kind == "number":
            words = number_words(part.text, british=self._british)
            return " ".join(map(self._number_word, words)), "number"
        if part.kind == "initials":
            return self._letters(part.text), "letters"
        if part.kind == "foreign":
            return self._espeak(part.text)
        if self._is_ampersand(part):
            stem = part.text.removesuffix("s")
            letters = self._letters(stem)
            return (letters if stem == part.text else self._s(letters)), "letters"
        return self._short_word(part) or self._word(part) or self._espeak(part.text)

    def _number_word(self, word: str) -> str:
        phonemes = self._lookup(word)[0] or self._inflected(word)
        return _stress(phonemes, -2) if word == "point" else phonemes

    def _espeak(self, word: str) -> tuple[str, str]:
        return self._espeak_word(word), "espeak"

    def _short_word(self, part: _Part) -> tuple[str, str] | None:
        """Return a word whose sound depends on what follows. Source: misaki's get_special_case."""
        text, vowel = part.text, self._vowel_follows
        ends = vowel is None
        before = self._tokens[part.token - 1] if part.token else None
        previous = before.lower if before and not before.breaks else ""
        spelled = len(text) == 1 and text.isascii() and text.isalpha()
        after_letter = len(previous) == 1 and previous.isalpha() and previous not in "ai"  # C I
        if text.lower() == "re" and not (part.alone and previous):  # Re: dinner; re-read
            phonemes = "ɹˈiː" if self._british else "ɹˈi"
            return phonemes if part.alone else _stress(phonemes, 0), "dictionary"
        if text == "I" and part.alone and not after_letter:
            return "ˌI", "dictionary"
        is_article = part.alone and not ends and previous not in _LETTER_CONTEXT
        if text in ("a", "A") and is_article and not self._is_letter_a(part):
            return "ɐ", "dictionary"
        if text == "AM" and (previous.isdigit() or previous in ("o'clock", "oh")):
            spelled = True
        if spelled:
            return self._letters(text), "letters"
        phonemes = {
            "an": "ɐn",
            "am": "ˈæm" if ends or text == "AM" else "ɐm",
            "to": {None: "tˈu", False: "tə", True: "tʊ"}[vowel],
            "in": "ˈɪn" if ends else "ɪn",
            "the": "ði" if vowel else "ðə",
            "vs": self._lookup("versus")[0],
        }.get(text.lower(), "")
        if text.isupper() and text != "AM":
            return None  # an emphasis or an acronym: TO, IN
        return (phonemes, "dictionary") if phonemes else None

    def _is_letter_a(self, part: _Part) -> bool:
        """Whether an A is the letter, by what surrounds it: Press A, the A team, A + B, (a)."""
        place, tokens = part.token, self._tokens
        begins = not place or part.opened or tokens[place - 1].breaks
        before = None if begins else tokens[place - 1]
        after, after2 = (
            tokens[at].text if at < len(tokens) and not tokens[at - 1].breaks else ""
            for at in (place + 1, place + 2)
        )
        if part.closed or (after.lower() in _JOINS_LETTERS and _is_letter(after2)):
            return True
        if part.text == "a":
            return False
        if before is None:
            row = _is_letter(after) and (not after2 or _is_letter(after2))  # A B C
            return (row or after.lower() in _AFTER_LETTER) and self._single[place + 1]
        if before.lower in ("a", "an", "the"):
            return True
        # Not A Drill, AM I A JOKE
        title = before.text[0].isupper() and after[:1].isupper() and not _is_letter(after)
        return not title or (_is_letter(before.text) and before.text != "I")

    def _is_ampersand(self, part: _Part) -> bool:
        """Whether it is one of the letters around an &, which rules made *and*: AT&T, M&Ms."""
        place, tokens, text = part.token, self._tokens, part.text
        near = [
            tokens[place + 2 * step].text
            for step in (-1, 1)
            if 0 <= place + 2 * step < len(tokens)
            and tokens[place + step].text == "and"
            and not tokens[min(place, place + step)].breaks
            and not tokens[min(place + step, place + 2 * step)].breaks
        ]
        short = text.isupper() and len(text) in (2, 3)
        plural = len(text) == 2 and text[0].isupper() and text[1] == "s"  # noqa: PLR2004
        return (short or plural) and any(
            _is_letter(other) and (other != "I" or short) for other in near
        )

    def _letters(self, text: str) -> str:
        """Return a word letter by letter, with the stress on the last."""
        found = (self._entry(char.upper()) for char in _plain(text) if char.isalpha())
        phonemes = "".join(_stress(entry.readings[DEFAULT], 0) for entry in found if entry)
        head, mark, tail = phonemes.rpartition(_SECONDARY)
        return head + _PRIMARY + tail if mark else phonemes

    # ---- words ----

    def _word(self, part: _Part) -> tuple[str, str] | None:
        text = part.text
        if text.isupper() and len(text) > 1:
            return self._capitals(part)
        level = None if text == text.lower() else 0.5
        if _ACRONYMS.fullmatch(text):
            found = self._capitals(replace(part, text=text[:-1]))
            return (self._s(found[0]), found[1]) if found else None
        return self._known(part, text, level) or self._ended(part, text, level)

    def _known(self, part: _Part, text: str, level: float | None) -> tuple[str, str] | None:
        """Return a word, an inflected word or a compound of the dictionary."""
        for word in dict.fromkeys((text, text.strip("'"), text.lower(), *_plainer(text))):
            phonemes, source = self._lookup(word, part)
            if phonemes and not (
                word not in (text, text.lower())
                and _FINAL_E.search(text)
                and phonemes[-1] not in "Ae"  # rosé is no rose
            ):
                return _stress(phonemes, level), source
        for word in dict.fromkeys((text.strip("'"), text.strip("'").lower())):
            if phonemes := self._inflected(word, part):
                return _stress(phonemes, level), "inflection"
        compound = self._compound(text.lower())
        return (compound, "compound") if compound else None

    def _ended(self, part: _Part, text: str, level: float | None) -> tuple[str, str] | None:
        """Return a word with an ending after an apostrophe: Anna's, mom'll, goin'."""
        lower = text.lower()
        if lower.endswith("in'") and (found := self._lookup(f"{text[:-1]}g", part)[0]):
            return _stress(found.removesuffix("ŋ") + "n", level), "inflection"
        stem, mark, ending = text.rpartition("'")
        if not mark or not stem:
            return None
        found_stem = self._stem(part, stem, level)
        if ending.lower() == "s":
            return self._s(found_stem[0]), found_stem[1]
        if f"'{ending.lower()}" in _ENDINGS:
            return found_stem[0] + _ENDINGS[f"'{ending.lower()}"][self._british], found_stem[1]
        return found_stem if not ending else None

    def _stem(self, part: _Part, stem: str, level: float | None) -> tuple[str, str]:
        """Return what is before an apostrophe, whatever it is."""
        if stem.isupper() and len(stem) > 1:
            found = self._capitals(replace(part, text=stem))
        else:
            found = self._known(part, stem, level)
        return found or self._espeak(stem)

    def _entry(self, word: str) -> Entry | None:
        if word.lower() in _WORDS:
            return Entry({DEFAULT: _WORDS[word.lower()][self._british]}, checked=True)
        return self._dictionary.word(word, self._british)

    def _lookup(self, word: str, part: _Part | None = None) -> tuple[str, str]:
        """Return the phonemes of a word of the dictionary, empty if it has none."""
        if part and word.lower() in ("polish", "august"):
            word = heteronyms.spelling(self._tokens, part.token)
        entry = self._entry(word)
        if entry is None:
            return "", ""
        readings = {tag: sound for tag, sound in entry.readings.items() if sound}
        readings |= heteronyms.more_readings(word.lower(), self._british)
        if part is None or len(readings) == 1:
            return readings.get(DEFAULT, ""), "dictionary"
        if "None" in readings:
            return readings["None" if self._vowel_follows is None else DEFAULT], "dictionary"
        if "DT" in readings:
            return readings["DT" if self._points(part) else DEFAULT], "dictionary"
        return heteronyms.choose(self._tokens, part.token, self.tags, readings), "heteronym"

    def _points(self, part: _Part) -> bool:
        """Whether *that* points at something: that house, is that it?"""
        return self.tags[part.token].startswith(("DET", "PRON")) and (
            part.token == 0
            or self._tokens[part.token - 1].breaks
            or self.tags[part.token].startswith("DET")
            or self.tags[part.token - 1].startswith(("ADP", "AUX"))
        )

    @property
    def tags(self) -> list[str]:
        """The parts of speech of the sentence's words; found when the first is needed."""
        if self._tags is None:
            self._tags = tag([token.text for token in self._tokens], self._dictionary)
        return self._tags

    # ---- capitals ----

    def _capitals(self, part: _Part) -> tuple[str, str] | None:
        """Return a word in capitals: an acronym as a word or by its letters, or an emphasis."""
        text, shouted = part.text, self._is_shouted(part.token)
        plain = text.strip("'")
        entry = self._dictionary.word(plain, self._british)
        if plain == "AAA":
            return f"{self._lookup('triple')[0]} {self._letters('A')}", "letters"
        if plain in _SPELLED and not shouted:
            return self._letters(plain), "letters"
        if entry and "" in entry.readings.values() and not shouted:
            before = self._tokens[part.token - 1] if part.token else None
            if before and before.lower == "the" and not before.breaks:
                return self._letters(plain), "letters"
        if entry:
            return _stress(entry.readings[DEFAULT], 2), "dictionary"
        lower = self._entry(plain.lower())
        acronym = len(plain) <= _LONGEST_ACRONYM and "'" not in plain
        short = acronym and not _STRETCHED.search(plain)
        vowels = any(char in "AEIOUY" for char in plain)
        if lower and not lower.checked and not shouted and (len(plain) <= 3 or not vowels):  # noqa: PLR2004
            return self._letters(plain), "letters"
        if lower or not short or (shouted and len(plain) > 3 and vowels):  # noqa: PLR2004
            small = replace(part, text=text.lower())
            found = self._short_word(small) or self._known(small, small.text, None)
            found = found or self._ended(small, small.text, None) or self._espeak(small.text)
            return _stress(found[0], 2), found[1]
        inflected = self._inflected(plain.lower(), part)
        if inflected and len(plain) > 3:  # noqa: PLR2004
            return _stress(inflected, 2), "inflection"
        if "'" in plain:
            return self._ended(part, text, 2)
        return self._letters(plain), "letters"

    def _is_shouted(self, place: int) -> bool:
        """Whether words next to it are in capitals, too: DO IT NOW; acronyms do not count."""
        near = [at for at in (place - 1, place + 1) if self._is_beside(place, at)]
        small = [at for at in near if self._is_capital_word(at)]
        if any(token.text.isalpha() and not token.text.isupper() for token in self._at(near)):
            return False
        if self._tokens[place].text.strip("'") not in _SPELLED:
            return bool(small)
        around = range(max(0, place - _NEAR), min(len(self._tokens), place + _NEAR))
        all_capital = all(not t.text.isalpha() or t.text.isupper() for t in self._at(around))
        return len(small) > 1 or (bool(small) and all_capital)

    def _at(self, places: Iterable[int]) -> list[Token]:
        return [self._tokens[at] for at in places]

    def _is_beside(self, place: int, other: int) -> bool:
        """Whether nothing separates a word from the one next to it."""
        inside = 0 <= other < len(self._tokens)
        return inside and not self._tokens[min(place, other)].breaks

    def _is_capital_word(self, place: int) -> bool:
        """Whether it is a word in capitals that is no acronym."""
        text = self._tokens[place].text
        if len(text) < 2 or not text.isupper() or text in _SPELLED | {"AM", "PM"}:  # noqa: PLR2004
            return False
        entry = self._entry(text.lower())
        return bool(entry and entry.checked) or bool(self._inflected(text.lower()))

    # ---- inflections ----

    def _inflected(self, word: str, part: _Part | None = None) -> str:
        """Return the phonemes of a word with -s, -ed or -ing; empty if its stem is unknown."""
        for stem in _stems_s(word):
            if found_s := self._lookup(stem, part)[0]:
                return self._s(found_s)
        for stem in _stems_ed(word):
            if found_ed := self._verb(stem):
                return self._ed(found_ed)
        for stem in _stems_ing(word):
            if found_ing := self._verb(stem):
                return _stress(self._ing(found_ing, stem), 0.5)
        return ""

    def _verb(self, word: str) -> str:
        """Return a word as a verb."""
        entry = self._entry(word) if len(word) > 1 else None
        if entry is None:
            return ""
        readings = {**entry.readings, **heteronyms.more_readings(word, self._british)}
        return readings.get(VERB) or readings[DEFAULT]

    def _s(self, stem: str) -> str:
        if not stem:
            return ""
        if stem[-1] in "ptkfθ":
            return f"{stem}s"
        if stem[-1] in "szʃʒʧʤ":
            return f"{stem}{'ɪ' if self._british else 'ᵻ'}z"
        return f"{stem}z"

    def _ed(self, stem: str) -> str:
        if stem[-1] in "pkfθʃsʧ":
            return f"{stem}t"
        vowel = "ɪ" if self._british else "ᵻ"
        if stem[-1] == "d":
            return f"{stem}{vowel}d"
        if stem[-1] != "t":
            return f"{stem}d"
        if not self._british and stem[-2:-1] in _BEFORE_TAP:
            return f"{stem[:-1]}T{vowel}d"
        return f"{stem}{vowel}d"

    def _ing(self, stem: str, word: str) -> str:
        if self._british and stem[-1] in "əː" and word.endswith(("r", "re")):
            return f"{stem}ɹɪŋ"
        if not self._british and stem[-1] == "t" and stem[-2:-1] in _BEFORE_TAP:
            return f"{stem[:-1]}Tɪŋ"
        return f"{stem}ɪŋ"

    def _compound(self, word: str) -> str:
        """Return a word of two that people checked, such as doorlight; empty if it is none."""
        for cut in range(len(word) - _SHORTEST_PART, _SHORTEST_PART - 1, -1):
            first, last = self._entry(word[:cut]), self._entry(word[cut:])
            if first and last and first.checked and last.checked:
                return first.readings[DEFAULT] + _stress(last.readings[DEFAULT], -1)
        return ""


def _stems_s(word: str) -> Iterator[str]:
    if len(word) > 2 and word.endswith("s"):  # noqa: PLR2004
        if word.endswith("'s"):
            yield word[:-2]
        elif not word.endswith("ss"):
            yield word[:-1]
        if len(word) > 4 and word.endswith("ies"):  # noqa: PLR2004
            yield f"{word[:-3]}y"
        elif len(word) > 4 and word.endswith(("ses", "xes", "zes", "ches", "shes", "oes")):  # noqa: PLR2004
            yield word[:-2]


def _stems_ed(word: str) -> Iterator[str]:
    if len(word) > 4 and word.endswith("ed"):  # noqa: PLR2004
        if not word.endswith("eed"):
            yield word[:-2]
        yield word[:-1]
        if word[-3] == word[-4]:
            yield word[:-3]
        if word.endswith("ied"):
            yield f"{word[:-3]}y"


def _stems_ing(word: str) -> Iterator[str]:
    if len(word) > 5 and word.endswith("ing"):  # noqa: PLR2004
        yield word[:-3]
        yield f"{word[:-3]}e"
        if word[-4] == word[-5] or word.endswith("cking"):
            yield word[:-4]


def _plainer(text: str) -> Iterator[str]:
    """Yield a word without accents, and what was stretched: cooool, sooo."""
    yield _plain(text)
    if _STRETCHED.search(text):
        yield _STRETCHED.sub(r"\1\1", text.lower())
        yield _STRETCHED.sub(r"\1", text.lower())


def _plain(text: str) -> str:
    """Return *text* without accents."""
    decomposed = unicodedata.normalize("NFD", text)
    return "".join(char for char in decomposed if not unicodedata.combining(char))
