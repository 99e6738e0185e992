"""Kokoro's 54 voices and the languages that they speak."""

import difflib

from audio.types import UnknownVoiceError

# The letters are Kokoro's own: language, then f(emale) or m(ale).
# Source: the names inside voices-v1.0.bin; a test compares them.
VOICES = tuple(
    f"{kind}_{name}"
    for kind, names in {
        "af": "alloy aoede bella heart jessica kore nicole nova river sarah sky",
        "am": "adam echo eric fenrir liam michael onyx puck santa",
        "bf": "alice emma isabella lily",
        "bm": "daniel fable george lewis",
        "ef": "dora",
        "em": "alex santa",
        "ff": "siwis",
        "hf": "alpha beta",
        "hm": "omega psi",
        "if": "sara",
        "im": "nicola",
        "jf": "alpha gongitsune nezumi tebukuro",
        "jm": "kumo",
        "pf": "dora",
        "pm": "alex santa",
        "zf": "xiaobei xiaoni xiaoxiao xiaoyi",
        "zm": "yunjian yunxi yunxia yunyang",
    }.items()
    for name in names.split()
)

# espeak-ng's names. Source: Kokoro-82M's VOICES.md and espeak-ng's docs/languages.md.
_LANGUAGES = {
    "a": ("en-us", "American English"),
    "b": ("en-gb", "British English"),
    "e": ("es", "Spanish"),
    "f": ("fr-fr", "French"),
    "h": ("hi", "Hindi"),
    "i": ("it", "Italian"),
    "j": ("ja", "Japanese"),
    "p": ("pt-br", "Brazilian Portuguese"),
    "z": ("cmn", "Mandarin Chinese"),
}


LANGUAGES = tuple(code for code, _ in _LANGUAGES.values())
"""espeak-ng's codes of the languages that some voice was made for."""


def check_voice(name: str) -> str:
    """Return *name* if there is such a voice.

    Raises:
        UnknownVoiceError: with the nearest names.
    """
    if name in VOICES:
        return name
    near = difflib.get_close_matches(name.lower(), VOICES, n=3, cutoff=0.5)
    hint = f"Did you mean {' or '.join(near)}? " if near else ""
    raise UnknownVoiceError(f"There is no voice {name!r}. {hint}`crier voices` lists all 54.")


def language_of(voice: str) -> str:
    """Return espeak-ng's code of the language that *voice* was made for."""
    return _LANGUAGES[voice[0]][0]


def describe(voice: str) -> str:
    """Return the language and kind of *voice*, such as ``British English, female``."""
    return f"{_LANGUAGES[voice[0]][1]}, {'female' if voice[1] == 'f' else 'male'}"
