"""Voice and loudspeaker in this process, to hear them before there is a bot.

Runs on the event loop.
"""

import asyncio
import contextlib
from dataclasses import replace
from types import TracebackType
from typing import Self

from audio.kokoro.model_files import resolve_kind
from audio.kokoro.voice import KokoroVoice
from audio.pipeline import SpeechPipeline
from audio.ports import Voice
from audio.types import Devices, Ended, Fact, Held, Outcome, Utterance
from audio.voices import introduction, language_of
from bot.app import make_speaker
from bot.settings import Settings

_CLOSE_S = 2.0
_LONGEST_S = 60.0
"""For one sentence; a model that is loaded for the first time may take some seconds."""
_DEVICES_S = 10.0


class Audition:
    """Lets one voice after the other, or one device after the other, say its sentence."""

    def __init__(self, settings: Settings, voice: Voice | None = None) -> None:
        """Speak as *settings* say."""
        loop = asyncio.get_running_loop()
        self._facts: asyncio.Queue[Fact] = asyncio.Queue()
        self._speed = settings.kokoro_speed
        self._said = 0

        def on_fact(fact: Fact) -> None:  # on the audio thread
            loop.call_soon_threadsafe(self._facts.put_nowait, fact)

        self._pipeline = SpeechPipeline(
            voice or KokoroVoice(settings.model_dir, resolve_kind(settings.kokoro_model)),
            make_speaker(settings, settings.audio_device),
            on_fact,
            stream_idle_s=0,  # so that each sentence goes where was chosen just now
        )

    async def __aenter__(self) -> Self:
        """Load the voice in the background."""
        self._pipeline.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Release the device; one that does not answer is left to its fate."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.wrap_future(self._pipeline.close()), _CLOSE_S)

    async def hear(self, voice: str) -> str:
        """Let *voice* say how it sounds; return why it could not be heard, or nothing."""
        self._said += 1
        lang = language_of(voice)
        sentence = Utterance(self._said, introduction(voice), voice, self._speed, lang)
        try:
            async with asyncio.timeout(_LONGEST_S):
                end = await self.say(sentence)
        except TimeoutError:
            return f"Nothing came out within {_LONGEST_S:.0f} s."
        return "" if end.outcome is Outcome.HEARD else end.reason or end.outcome

    async def say(self, utterance: Utterance) -> Ended:
        """Say something, and return how it ended; cancelled, it is silent."""
        self._pipeline.say(utterance)
        why = ""
        try:
            while not isinstance(fact := await self._facts.get(), Ended):
                if isinstance(fact, Held):  # nobody would see to it
                    why = fact.reason
                    self._pipeline.abort()
        except asyncio.CancelledError:
            self._pipeline.abort()
            raise
        return replace(fact, reason=why or fact.reason)

    def stop(self) -> None:
        """Fall silent; what is being said ends as stopped."""
        self._pipeline.abort()

    def choose(self, wanted: str) -> None:
        """Speak on another device; an empty name follows the system."""
        self._pipeline.select_device(wanted)

    async def devices(self) -> Devices:
        """Return where sound can go.

        Raises:
            AudioError: PortAudio is missing or will not start.
            TimeoutError: it does not answer.
        """
        return await asyncio.wait_for(asyncio.wrap_future(self._pipeline.devices()), _DEVICES_S)
