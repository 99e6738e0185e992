"""The voice and the loudspeaker in this process, without a bot. Runs on the event loop."""

import asyncio
import contextlib
from dataclasses import replace
from types import TracebackType
from typing import Self

from audio.kokoro.prepared import resolve_kind
from audio.kokoro.voice import KokoroVoice
from audio.pipeline import SpeechPipeline
from audio.ports import Voice
from audio.types import Devices, Ended, Fact, Held, Outcome, Utterance
from audio.voices import introduction, language_of
from bot.settings import Settings
from bot.start.phases import make_speaker

_CLOSE_TIMEOUT_S = 2.0
_PLAY_TIMEOUT_S = 60.0
"""For one sentence; a model that is loaded for the first time may take some seconds."""
_DEVICES_TIMEOUT_S = 10.0


class Preview:
    """Plays one utterance after another."""

    def __init__(self, settings: Settings, voice: Voice | None = None) -> None:
        """Use the model, the device and the speed of *settings*."""
        loop = asyncio.get_running_loop()
        self._facts: asyncio.Queue[Fact] = asyncio.Queue()
        self._speed = settings.kokoro_speed
        self._last_id = 0

        def on_fact(fact: Fact) -> None:  # on the audio thread
            loop.call_soon_threadsafe(self._facts.put_nowait, fact)

        self._pipeline = SpeechPipeline(
            voice
            or KokoroVoice(
                settings.model_dir, resolve_kind(settings.kokoro_model, settings.model_dir)
            ),
            make_speaker(settings, settings.audio_device),
            on_fact,
            stream_idle_s=0,  # so that each sentence opens the selected device
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
        """Close the device; give up after `_CLOSE_TIMEOUT_S` if it hangs."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.wrap_future(self._pipeline.close()), _CLOSE_TIMEOUT_S)

    async def play(self, voice: str) -> str:
        """Play the introduction of *voice*; return why it was not heard, or an empty string."""
        self._last_id += 1
        lang = language_of(voice)
        utterance = Utterance(self._last_id, introduction(voice), voice, self._speed, lang)
        try:
            async with asyncio.timeout(_PLAY_TIMEOUT_S):
                ended = await self.say(utterance)
        except TimeoutError:
            return f"Nothing came out within {_PLAY_TIMEOUT_S:.0f} s."
        return "" if ended.outcome is Outcome.HEARD else ended.reason or ended.outcome

    async def say(self, utterance: Utterance) -> Ended:
        """Play an utterance and return its outcome; cancellation stops it."""
        self._pipeline.say(utterance)
        held_reason = ""
        try:
            while not isinstance(fact := await self._facts.get(), Ended):
                if isinstance(fact, Held):  # nothing would resume it
                    held_reason = fact.reason
                    self._pipeline.abort()
        except asyncio.CancelledError:
            self._pipeline.abort()
            raise
        return replace(fact, reason=held_reason or fact.reason)

    def stop(self) -> None:
        """Stop at once; the utterance ends as stopped."""
        self._pipeline.abort()

    def select_device(self, name: str) -> None:
        """Play on another device from now on; an empty name follows the system's default."""
        self._pipeline.select_device(name)

    async def devices(self) -> Devices:
        """Return the output devices.

        Raises:
            AudioError: PortAudio is missing or will not start.
            TimeoutError: it does not answer.
        """
        return await asyncio.wait_for(
            asyncio.wrap_future(self._pipeline.devices()), _DEVICES_TIMEOUT_S
        )
