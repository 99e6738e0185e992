"""The style of each person's messages: voice, speed, language. Runs on the event loop."""

import functools
import logging
from dataclasses import dataclass
from typing import Any

from audio.text import inline
from audio.text.normalize import pronounce
from audio.text.scripts import language_by_script
from audio.types import UnknownVoiceError
from audio.voices import ACCENTED, LANGUAGES, VOICES, check_voice, language_of
from bot.core.composing import off_the_loop, run_composer
from bot.core.store import Store
from bot.settings import Settings

log = logging.getLogger(__name__)

VOICE, SPEED, MATCH_LANGUAGE = "voice", "speed", "follow"
ROOM = "room"
_TOLD_ACCENT = "accent:"
SLOWEST, FASTEST = 0.5, 2.0
"""Kokoro's own limits."""

# py3langid's and espeak-ng's codes of the languages that are detected: those that a voice speaks,
# and those that are told apart from them and from each other even in short texts.
_DETECTED = {
    "es": "es",
    "fr": "fr-fr",
    "hi": "hi",
    "it": "it",
    "ja": "ja",
    "pt": "pt-br",
    "zh": "cmn",
    "en": "en-us",
    "no": "nb",
    **{code: code for code in "ar bg cs da de el fa fi hu ko nl pl ro ru sv tr uk vi".split()},
}
_SHORTEST_CHARS = 12
"""No language is detected in texts with fewer letters."""
_ENOUGH_CHARS = 2000
_SURE = 0.65
"""The lowest accepted probability for a language that has a voice. Measured: nearly all of 120
short texts in 22 languages are above it, and none is taken for another language."""
_SURE_OF_ACCENT = 0.8
"""The same for one that is spoken with an accent, where an error costs more."""


@dataclass(frozen=True, slots=True)
class SpeechStyle:
    """How a text is spoken."""

    voice: str
    speed: float
    lang: str
    """espeak-ng's code."""


class Preferences:
    """What people chose, with the settings as defaults."""

    def __init__(self, store: Store, settings: Settings) -> None:
        """Read preferences from *store*."""
        self._store = store
        self._settings = settings

    async def load_detector(self) -> None:
        """Load the language detector if somebody uses it, before a message has to wait for it.

        Loading takes a fraction of a second, and holds the interpreter's lock for some of it.
        """
        if await self._store.is_preferred(MATCH_LANGUAGE):
            await off_the_loop(_detector)

    async def style(self, user_id: int, text: str = "") -> SpeechStyle:
        """Return the style of a person's text."""
        text = inline.shown(text)
        chosen = await self._store.preferences(user_id)
        voice = chosen.get(VOICE, "") or self._settings.kokoro_voice
        try:
            check_voice(voice)
        except UnknownVoiceError:  # of another version
            voice = self._settings.kokoro_voice
        lang = lang_of(voice, self._settings)
        detected = ""
        if chosen.get(MATCH_LANGUAGE):
            detected = await off_the_loop(detect, text[:_ENOUGH_CHARS])
        detected = detected or language_by_script(text, lang)
        if detected.partition("-")[0] != lang.partition("-")[0]:
            lang = detected
            if chosen.get(MATCH_LANGUAGE) and detected in LANGUAGES:
                voice = next(v for v in VOICES if language_of(v) == detected)
        speed = float(chosen.get(SPEED, "") or self._settings.kokoro_speed)
        return SpeechStyle(voice, speed, lang)

    def style_of_program(self, voice: str, speed: float, lang: str, text: str) -> SpeechStyle:
        """Return the style of a program's text; empty values come from the settings."""
        voice = voice or self._settings.kokoro_voice
        return SpeechStyle(
            voice,
            speed or self._settings.kokoro_speed,
            lang or language_by_script(text, lang_of(voice, self._settings)),
        )

    async def pronounced(self, text: str) -> str:
        """Return a text with its taught pronunciations applied.

        Raises:
            ComposeError: it failed; the message says what its sender can do.
        """
        return await run_composer(len(text), pronounce, text, await self._store.pronunciations())

    async def accent_notice(self, user_id: int, style: SpeechStyle) -> str:
        """Return what to tell a person about a language that is spoken with an accent.

        Empty if the language has a voice of its own, or if the person was told before.
        """
        if style.lang not in ACCENTED:
            return ""
        told = f"{_TOLD_ACCENT}{style.lang}"
        chosen = await self._store.preferences(user_id)
        if chosen.get(told):
            return ""
        await self._store.prefer(user_id, told, "yes")
        notice = f"I speak {ACCENTED[style.lang]} with an accent."
        return f"{notice} /voice turns it off." if chosen.get(MATCH_LANGUAGE) else notice

    async def choose(self, user_id: int, name: str, value: str) -> None:
        """Store a preference; an empty value returns to the setting."""
        await self._store.prefer(user_id, name, value)
        if name == MATCH_LANGUAGE and value:
            await self.load_detector()

    async def chosen(self, user_id: int) -> dict[str, str]:
        """Return a person's preferences by name."""
        return await self._store.preferences(user_id)


def lang_of(voice: str, settings: Settings) -> str:
    """Return the default language of a voice (espeak-ng's code)."""
    return settings.lang if voice == settings.kokoro_voice else language_of(voice)


def detect(text: str) -> str:
    """Return espeak-ng's code of the language of *text*; empty if it is unclear."""
    text = text[:_ENOUGH_CHARS]
    if sum(char.isalpha() for char in text) < _SHORTEST_CHARS and text.isascii():
        return ""
    name, probability = _detector().classify(text)
    code: str = _DETECTED[name]
    return code if probability >= (_SURE if code in LANGUAGES else _SURE_OF_ACCENT) else ""


@functools.cache
def _detector() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier  # noqa: PLC0415  # 1 MB, lazily

    detector = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    detector.set_languages(list(_DETECTED))
    return detector
