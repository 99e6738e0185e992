"""The bytes of a text file -> its text, losing as little as possible. Pure."""

import codecs
import re
from collections.abc import Callable

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_DECLARED = re.compile(rb"(?:charset|encoding)\s*=\s*[\"']?([\w.:-]{2,40})", re.IGNORECASE)
_DECLARED_WITHIN_BYTES = 2000
_SAMPLE_BYTES = 20_000
_ZEROS_SHARE = 0.4  # of every second byte, in UTF-16 without a mark
_WORDS_SHARE = 0.1  # at most, of the same bytes: letters and digits, as between the ends of strings
_OF_WORDS = re.compile(rb"[a-zA-Z0-9]")
_VALID_SHARE = 0.5  # of the letters beyond ASCII, in UTF-8 with some damage
_LETTERS_SHARE = 0.9
_KANA_SHARE = 0.3
_HIGH = re.compile(rb"[\x80-\xff]+")
_UTF_8 = re.compile(
    rb"(?:[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3})+"
)


def decode_text(content: bytes) -> str:
    """Return the text of a file in the encoding that it declares or looks like.

    What is not valid in it is read as Windows-1252, byte by byte; what is not even that is left
    out, and so is part of a letter at the end.
    """
    for mark, encoding in _BOMS:
        if content.startswith(mark):
            return content[len(mark) :].decode(encoding, "ignore")
    if encoding := _utf_16(content[:_SAMPLE_BYTES]):
        return content.decode(encoding, "ignore")
    try:
        return content.decode()
    except UnicodeDecodeError:
        pass
    high = sum(map(len, _HIGH.findall(content)))
    valid = sum(map(len, _UTF_8.findall(content)))
    if valid < _VALID_SHARE * high:
        for encoding in (_declared(content), *_LEGACY):
            text = _decoded(content, encoding)
            if text and _LEGACY.get(encoding, bool)(text):
                return text
    return content.decode("utf-8", _AS_WINDOWS)


def _utf_16(sample: bytes) -> str:
    """Return the kind of UTF-16 that a file is in without saying so; empty if it is not."""
    half = len(sample) // 2
    if len(sample) % 2:
        return ""
    for first, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        high, low = sample[first::2], sample[1 - first :: 2]
        if (
            high.count(0) > max(low.count(0), _ZEROS_SHARE * half)
            and len(_OF_WORDS.findall(high)) <= _WORDS_SHARE * half
        ):
            return encoding
    return ""


def _declared(content: bytes) -> str:
    """Return the encoding that HTML or XML declares; empty if none or UTF-8."""
    match = _DECLARED.search(content[:_DECLARED_WITHIN_BYTES])
    try:
        name = codecs.lookup(match[1].decode()).name if match else ""
    except LookupError:
        return ""
    return "" if name == "utf-8" else name


def _decoded(content: bytes, encoding: str) -> str:
    """Return the text if all of it is valid in an encoding; empty if it is not."""
    try:
        return content.decode(encoding) if encoding else ""
    except (UnicodeError, LookupError):  # also an encoding that is none of texts
        return ""


def _is_japanese(text: str) -> bool:
    beyond = [char for char in text if char > "\x7f"]
    return sum("\u3040" <= char <= "\u30ff" for char in beyond) > _KANA_SHARE * len(beyond)


def _is_chinese(text: str) -> bool:
    beyond = [char for char in text if char > "\x7f"]
    common = sum(_is_common_han(char) or char in "，。！？、：；“”《》（）" for char in beyond)
    # The capitals of GRÖßE and AÇÃO would be one Han character among Latin letters.
    return common > _LETTERS_SHARE * len(beyond) and bool(_HAN.search(_IN_LATIN.sub("", text)))


def _is_common_han(char: str) -> bool:
    """Whether a character is of the first level of GB 2312, sorted by sound: the common ones."""
    if not "\u4e00" <= char <= "\u9fff":
        return False
    try:
        return b"\xb0" <= char.encode("gb2312")[:1] <= b"\xd7"
    except UnicodeEncodeError:
        return False


def _is_russian(text: str) -> bool:
    """Whether words are of Cyrillic letters, mostly small ones.

    The French à and the Italian è, which are words, would be Cyrillic letters, too.
    """
    beyond = [char for char in text if char > "\x7f"]
    letters = sum("\u0430" <= char <= "\u044f" for char in beyond)
    if letters <= _RUSSIAN_SHARE * len(beyond) or _MIXED_WORD.search(text):
        return False
    latin = sum(map(str.isalpha, text)) - sum(map(str.isalpha, beyond))
    words = [len(word) for word in _CYRILLIC_WORD.findall(text)]
    long_words = sum(chars >= _LONG_WORD_CHARS for chars in words)
    if long_words and letters > latin:
        return True
    # Also Latin text with some Russian in it, and a few words as short as "да".
    return long_words >= _RUSSIAN_WORDS or (not latin and max(words, default=0) > 1)


_RUSSIAN_SHARE = 0.7
_RUSSIAN_WORDS = 3
_LONG_WORD_CHARS = 3
_HAN = re.compile("[\u4e00-\u9fff]")
_IN_LATIN = re.compile("(?<=[a-zA-Z])[\u4e00-\u9fff](?=[a-zA-Z])")
_CYRILLIC_WORD = re.compile("[\u0400-\u04ff]+")
_MIXED_WORD = re.compile("[a-zA-Z][\u0400-\u04ff]|[\u0400-\u04ff][a-zA-Z]")

# Encodings of one country -> whether a text in it is plausible; other texts are often valid too.
_LEGACY: dict[str, Callable[[str], bool]] = {
    "cp932": _is_japanese,
    "euc_jp": _is_japanese,
    "gb18030": _is_chinese,
    "cp1251": _is_russian,
    "koi8_r": _is_russian,
}

_AS_WINDOWS = "crier-windows-1252"


def _as_windows(error: UnicodeError) -> tuple[str, int]:
    """Decode bytes that are not UTF-8 as Windows-1252; called by `bytes.decode`."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    damaged = error.object[error.start : error.end]
    if error.reason == "unexpected end of data" and len(damaged) > 1:
        return "", error.end  # a part of a letter
    return damaged.decode("cp1252", "ignore"), error.end


codecs.register_error(_AS_WINDOWS, _as_windows)
