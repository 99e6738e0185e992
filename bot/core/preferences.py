"""How each person wants to be spoken for: voice, speed, language. Runs on the event loop."""

import functools
import logging
from dataclasses import dataclass
from typing import Any

from audio.types import UnknownVoiceError
from audio.voices import LANGUAGES, VOICES, check_voice, language_of
from bot.core.composing import off_the_loop
from bot.core.store import Store
from bot.settings import Settings

log = logging.getLogger(__name__)

VOICE, SPEED, MATCH_LANGUAGE = "voice", "speed", "follow"
SLOWEST, FASTEST = 0.5, 2.0
"""Kokoro's own limits."""

# py3langid's names of the languages that some voice speaks, and espeak-ng's.
_DETECTED = {
    "es": "es",
    "fr": "fr-fr",
    "hi": "hi",
    "it": "it",
    "ja": "ja",
    "pt": "pt-br",
    "zh": "cmn",
    "en": "en-us",
}
_SHORTEST_CHARS = 12
"""In fewer letters no language can be told."""
_ENOUGH_CHARS = 2000
_SURE = 0.65
"""A less likely one is a guess. Measured: greetings in these languages are above, German below."""


@dataclass(frozen=True, slots=True)
class SpeechStyle:
    """How a text is said."""

    voice: str
    speed: float
    lang: str
    """espeak-ng's code."""


class Preferences:
    """What people chose, and what the settings say where they did not."""

    def __init__(self, store: Store, settings: Settings) -> None:
        """Look choices up in *store*."""
        self._store = store
        self._settings = settings

    async def get_ready(self) -> None:
        """Load what tells languages apart where somebody needs it, before a message waits for it.

        It takes a fraction of a second, and the interpreter's lock for some of it.
        """
        if await self._store.is_preferred(MATCH_LANGUAGE):
            await off_the_loop(_detector)

    async def style(self, user_id: int, text: str) -> SpeechStyle:
        """Return how a text of a person's is said."""
        chosen = await self._store.preferences(user_id)
        voice = chosen.get(VOICE, "") or self._settings.kokoro_voice
        try:
            check_voice(voice)
        except UnknownVoiceError:  # of another version
            voice = self._settings.kokoro_voice
        own = voice == self._settings.kokoro_voice
        lang = (self._settings.lang if own else "") or language_of(voice)
        if chosen.get(MATCH_LANGUAGE):
            spoken = await off_the_loop(detect, text)
            if spoken and spoken.partition("-")[0] != lang.partition("-")[0]:
                voice = next(v for v in VOICES if language_of(v) == spoken)
                lang = spoken
        speed = float(chosen.get(SPEED, "") or self._settings.kokoro_speed)
        return SpeechStyle(voice, speed, lang)

    async def choose(self, user_id: int, name: str, value: str) -> None:
        """Remember a choice; an empty one goes back to the settings."""
        await self._store.prefer(user_id, name, value)
        if name == MATCH_LANGUAGE and value:
            await self.get_ready()

    async def chosen(self, user_id: int) -> dict[str, str]:
        """Return what a person chose."""
        return await self._store.preferences(user_id)


def detect(text: str) -> str:
    """Return espeak-ng's code of the language of *text*; empty where it can't be told."""
    text = text[:_ENOUGH_CHARS]
    if sum(char.isalpha() for char in text) < _SHORTEST_CHARS and text.isascii():
        return ""
    name, probability = _detector().classify(text)
    code = _DETECTED.get(name, "") if probability >= _SURE else ""
    return code if code in LANGUAGES else ""


@functools.cache
def _detector() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier  # noqa: PLC0415  # 1 MB, lazily

    detector = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    detector.set_languages(list(_DETECTED))
    return detector
