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


_WHOLE = 100

LANGUAGES = tuple(code for code, _ in _LANGUAGES.values())
"""espeak-ng's codes of the languages that some voice was made for."""


def blend(name: str) -> tuple[tuple[str, float], ...]:
    """Return the voices in a name and their shares: one voice, or ``af_heart:70,af_bella:30``.

    Raises:
        UnknownVoiceError: a voice or a share is none.
    """
    parts = []
    for part in name.split(","):
        voice, _, share = part.strip().partition(":")
        if share and not (share.isdecimal() and 0 < int(share) <= _WHOLE):
            raise UnknownVoiceError(f"{share!r} is no share of a voice. Write 1 to {_WHOLE}.")
        parts.append((_known(voice.strip()), float(share or _WHOLE)))
    whole = sum(share for _, share in parts)
    return tuple((voice, share / whole) for voice, share in parts)


def check_voice(name: str) -> str:
    """Return *name* if there is such a voice, or if it is a blend of such.

    Raises:
        UnknownVoiceError: with the nearest names.
    """
    blend(name)
    return name


def _known(name: str) -> str:
    if name in VOICES:
        return name
    near = difflib.get_close_matches(name.lower(), VOICES, n=3, cutoff=0.5)
    hint = f"Did you mean {' or '.join(near)}? " if near else ""
    raise UnknownVoiceError(f"There is no voice {name!r}. {hint}`crier voices` lists all 54.")


def families() -> list[tuple[str, str]]:
    """Return what voices there are: (the first two letters of their names, in words)."""
    return [
        (family, describe(f"{family}_")) for family in dict.fromkeys(voice[:2] for voice in VOICES)
    ]


def voices_of(family: str) -> list[str]:
    """Return the voices of a family, such as ``bf``."""
    return [voice for voice in VOICES if voice[:2] == family]


def language_of(voice: str) -> str:
    """Return espeak-ng's code of the language that *voice*, or the first of a blend, is of."""
    return _LANGUAGES[voice[0]][0]


def describe(voice: str) -> str:
    """Return the language and kind of *voice*, such as ``British English, female``."""
    return f"{_LANGUAGES[voice[0]][1]}, {'female' if voice[1] == 'f' else 'male'}"
