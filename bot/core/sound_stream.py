"""The sound of a text for a listener elsewhere, while it is made; nothing is played.

The loudspeaker has priority: streams wait while it needs the voice. Runs on the event loop.
"""

import asyncio
from collections.abc import AsyncIterator

from audio.pipeline import SpeechPipeline
from audio.types import SAMPLE_RATE_HZ, AudioError, Samples, Utterance


async def sound_of(pipeline: SpeechPipeline, utterance: Utterance) -> AsyncIterator[Samples]:
    """Yield the sound of a text in parts; what is asked for slowly is made slowly.

    Raises:
        NothingToSpeakError: there is no word in it.
        AudioError: it can't be made.
    """
    loop = asyncio.get_running_loop()
    # Bounded by `record_consumed`: the pipeline synthesizes only a little ahead of it.
    made: asyncio.Queue[Samples | AudioError | None] = asyncio.Queue()

    def on_sound(part: Samples | AudioError | None) -> None:  # on the audio thread
        loop.call_soon_threadsafe(made.put_nowait, part)

    number = pipeline.stream(utterance, on_sound)
    try:
        while (part := await made.get()) is not None:
            if isinstance(part, AudioError):
                raise part
            yield part
            pipeline.record_consumed(number, len(part) / SAMPLE_RATE_HZ)
    finally:
        pipeline.close_stream(number)
