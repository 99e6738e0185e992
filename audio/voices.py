"""Kokoro's 54 voices, their languages, and those that they speak with an accent."""

import difflib

from audio.types import UnknownLanguageError, UnknownVoiceError

# The letters are Kokoro's own: language, then f(emale) or m(ale).
# Source: the names in voices-v1.0.bin; a test compares them.
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

# Languages that Kokoro was not trained on: espeak-ng reads them, and any voice speaks them with an
# accent, in the nearest sounds that it knows.
ACCENTED = {
    "am": "Amharic",
    "ar": "Arabic",
    "az": "Azerbaijani",
    "be": "Belarusian",
    "bg": "Bulgarian",
    "bn": "Bengali",
    "bs": "Bosnian",
    "ca": "Catalan",
    "cs": "Czech",
    "cy": "Welsh",
    "da": "Danish",
    "de": "German",
    "el": "Greek",
    "eo": "Esperanto",
    "et": "Estonian",
    "eu": "Basque",
    "fa": "Persian",
    "fi": "Finnish",
    "ga": "Irish",
    "gu": "Gujarati",
    "hr": "Croatian",
    "hu": "Hungarian",
    "hy": "Armenian",
    "id": "Indonesian",
    "is": "Icelandic",
    "ka": "Georgian",
    "kk": "Kazakh",
    "kn": "Kannada",
    "ko": "Korean",
    "la": "Latin",
    "lt": "Lithuanian",
    "lv": "Latvian",
    "mk": "Macedonian",
    "ml": "Malayalam",
    "mr": "Marathi",
    "ms": "Malay",
    "nb": "Norwegian",
    "ne": "Nepali",
    "nl": "Dutch",
    "or": "Odia",
    "pa": "Punjabi",
    "pl": "Polish",
    "ro": "Romanian",
    "ru": "Russian",
    "si": "Sinhala",
    "sk": "Slovak",
    "sl": "Slovenian",
    "sq": "Albanian",
    "sr": "Serbian",
    "sv": "Swedish",
    "sw": "Swahili",
    "ta": "Tamil",
    "te": "Telugu",
    "tr": "Turkish",
    "uk": "Ukrainian",
    "ur": "Urdu",
    "vi": "Vietnamese",
}

_INTRODUCTIONS = {
    "en-us": "This is how I sound.",
    "en-gb": "This is how I sound.",
    "es": "Así es como sueno.",
    "fr-fr": "Voici comment je parle.",
    "hi": "मेरी आवाज़ ऐसी है।",
    "it": "Ecco come suono.",
    "ja": "わたしのこえはこうです。",
    "pt-br": "É assim que eu falo.",
    "cmn": "这就是我的声音。",
}

# Measured: `python -m bench.loudness` (ITU-R BS.1770), int8 model: from -26.6 to -14.3 LUFS.
_GAIN_DB: dict[str, float] = {
    "af_alloy": 1.0,
    "af_aoede": -2.8,
    "af_bella": 0.3,
    "af_heart": 1.4,
    "af_jessica": 1.3,
    "af_kore": -2.6,
    "af_nicole": 0.2,
    "af_nova": 5.6,
    "af_river": 0.5,
    "af_sarah": -0.6,
    "af_sky": 2.9,
    "am_adam": -2.9,
    "am_echo": 1.3,
    "am_eric": 0.1,
    "am_fenrir": -2.1,
    "am_liam": 0.3,
    "am_michael": 3.1,
    "am_onyx": 1.8,
    "am_puck": -2.3,
    "am_santa": 1.0,
    "bf_alice": -0.3,
    "bf_emma": -1.1,
    "bf_isabella": -3.4,
    "bf_lily": 0.6,
    "bm_daniel": 0.3,
    "bm_fable": 1.5,
    "bm_george": 0.5,
    "bm_lewis": 1.8,
    "ef_dora": 2.6,
    "em_alex": 2.4,
    "em_santa": 1.9,
    "ff_siwis": -1.7,
    "hf_alpha": -4.4,
    "hf_beta": -2.6,
    "hm_omega": -3.7,
    "hm_psi": -2.2,
    "if_sara": -6.7,
    "im_nicola": -1.5,
    "jf_alpha": -0.7,
    "jf_gongitsune": -0.2,
    "jf_nezumi": -0.2,
    "jf_tebukuro": -0.1,
    "jm_kumo": -0.4,
    "pf_dora": 2.4,
    "pm_alex": 1.8,
    "pm_santa": 1.7,
    "zf_xiaobei": -1.0,
    "zf_xiaoni": -2.8,
    "zf_xiaoxiao": -4.5,
    "zf_xiaoyi": -2.0,
    "zm_yunjian": -0.4,
    "zm_yunxi": 0.1,
    "zm_yunxia": -0.4,
    "zm_yunyang": 2.0,
}

_PERCENT = 100

LANGUAGES = tuple(code for code, _ in _LANGUAGES.values())
"""espeak-ng's codes of the languages that have a voice."""

SPOKEN = (*LANGUAGES, *sorted(ACCENTED))
"""The same of all languages that can be spoken."""


LANGUAGE_CHOICES = (
    f"choose {', '.join(LANGUAGES[:-1])} or {LANGUAGES[-1]}, or, with an accent, the two letters "
    f"of another, such as de for {ACCENTED['de']}"
)
"""What to do about a code that is not in `SPOKEN`; they are too many to list."""


def blend(name: str) -> tuple[tuple[str, float], ...]:
    """Return the voices in a name and their shares: one voice, or ``af_heart:70,af_bella:30``.

    The shares add up to 1.

    Raises:
        UnknownVoiceError: a voice does not exist, or a share is not a number from 1 to 100.
    """
    parts = []
    for part in name.split(","):
        voice, _, share = part.strip().partition(":")
        if share and not (share.isdecimal() and 0 < int(share) <= _PERCENT):
            raise UnknownVoiceError(f"{share!r} is no share of a voice. Write 1 to {_PERCENT}.")
        parts.append((_checked(voice.strip()), float(share or _PERCENT)))
    total = sum(share for _, share in parts)
    return tuple((voice, share / total) for voice, share in parts)


def check_voice(name: str) -> str:
    """Return *name* if it is a voice or a blend of voices.

    Raises:
        UnknownVoiceError: it is neither; the message suggests similar names.
    """
    blend(name)
    return name


def check_language(code: str) -> str:
    """Return *code* if it is espeak-ng's of a language that can be spoken.

    Raises:
        UnknownLanguageError: it is not; the message names those that can.
    """
    if code not in SPOKEN:
        raise UnknownLanguageError(f"there is no language {code!r}; {LANGUAGE_CHOICES}")
    return code


def _checked(name: str) -> str:
    if name in VOICES:
        return name
    near = difflib.get_close_matches(name.lower(), VOICES, n=3, cutoff=0.75)
    hint = f"Did you mean {' or '.join(near)}? " if near else ""
    raise UnknownVoiceError(f"There is no voice {name!r}. {hint}`crier voices` lists all 54.")


def gain_of(voice: str) -> float:
    """Return the factor by which a voice, or a blend, becomes as loud as the others."""
    decibels = sum(_GAIN_DB.get(name, 0.0) * share for name, share in blend(voice))
    return float(10 ** (decibels / 20))


def families() -> list[tuple[str, str]]:
    """Return the families of voices: (the first two letters of their names, a description)."""
    return [
        (family, describe(f"{family}_")) for family in dict.fromkeys(voice[:2] for voice in VOICES)
    ]


def spoken_languages() -> list[str]:
    """Return the names of the languages that have a voice, English once."""
    names = (name for _, name in _LANGUAGES.values())
    return list(dict.fromkeys("English" if "English" in name else name for name in names))


def voices_of(family: str) -> list[str]:
    """Return the voices of a family, such as ``bf``."""
    return [voice for voice in VOICES if voice[:2] == family]


def language_of(voice: str) -> str:
    """Return espeak-ng's code of the language of *voice*, or of the first voice of a blend."""
    return _LANGUAGES[voice[0]][0]


def introduction(voice: str) -> str:
    """Return a sample sentence in the language of *voice*."""
    return _INTRODUCTIONS[language_of(voice)]


def describe(voice: str) -> str:
    """Return the language and kind of *voice*, such as ``British English, female``."""
    return f"{_LANGUAGES[voice[0]][1]}, {'female' if voice[1] == 'f' else 'male'}"
