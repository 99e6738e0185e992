"""Text -> sentences that sound right. Pure: no files, no threads, no clock."""

import re
import unicodedata

from sentencex import segment

from audio.types import NothingToSpeakError

_SPACE = re.compile(r"\s+")
_LINE = re.compile(r"[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]+")
_SILENT_CATEGORIES = frozenset({"So", "Sk", "Cc", "Cf", "Co", "Cs", "Cn"})
"""Unicode categories that are dropped: pictures, and characters that nobody sees.

espeak would read a picture out by its name ("slightly smiling face")."""

_KEPT = "\u200c\u200d°"
"""Of these, all the same: two joiners that Persian and Hindi are spelled with, and degrees."""


def clean(text: str) -> str:
    """Return *text* without what can't be heard: pictures, control and invisible characters."""
    kept = []
    for char in unicodedata.normalize("NFC", text):
        if char.isspace():
            kept.append("\n" if _LINE.match(char) else " ")
        elif "\ufe00" <= char <= "\ufe0f" or char == "\u20e3":
            continue  # how a picture or a keycap looks
        elif char in _KEPT or unicodedata.category(char) not in _SILENT_CATEGORIES:
            kept.append(char)
        else:
            kept.append(" " if unicodedata.category(char) == "So" else "")
    return "".join(kept)


def speakable(text: str) -> bool:
    """Say whether *text* has a letter or a digit; without one Kokoro makes noise."""
    return any(char.isalnum() for char in clean(text))


def sentences(text: str, lang: str) -> list[str]:
    """Split *text* where a reader would take a breath: at sentence ends and at line ends.

    Args:
        text: as it was sent.
        lang: espeak-ng's code of its language; its first part picks the rules of abbreviations.

    Returns:
        Sentences in order, one line each, each with a letter or a digit in it. The same text
        gives the same sentences, so that a sentence's number can be kept across a restart.

    Raises:
        NothingToSpeakError: nothing in *text* can be spoken.
    """
    found = []
    for line in _LINE.split(clean(text)):
        for part in segment({"cmn": "zh"}.get(lang, lang.split("-", maxsplit=1)[0]), line):
            sentence = _SPACE.sub(" ", part).strip()
            if any(char.isalnum() for char in sentence):
                found.append(sentence)
            elif sentence and found:
                found[-1] += sentence  # a quote or a bracket that closes the one before
    if not found:
        raise NothingToSpeakError(
            "There is no letter or digit in it, so there is nothing to say. Send some words."
        )
    return found
