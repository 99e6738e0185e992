"""The sound of a text for a listener elsewhere, while it is made; nothing is played.

The loudspeaker has priority: streams wait while it needs the voice. Runs on the event loop.
"""

import asyncio
from collections.abc import AsyncIterator

from audio.pipeline import SpeechPipeline
from audio.types import SAMPLE_RATE_HZ, AudioError, Samples, Utterance, Word


async def sound_of(
    pipeline: SpeechPipeline, utterance: Utterance
) -> AsyncIterator[tuple[Samples, tuple[Word, ...]]]:
    """Yield the sound of a text in parts, each with its words, timed from the part's beginning.

    What is asked for slowly is made slowly.

    Raises:
        NothingToSpeakError: there is no word in it.
        AudioError: it can't be made.
    """
    loop = asyncio.get_running_loop()
    # Bounded by `record_consumed`: the pipeline synthesizes only a little ahead of it.
    made: asyncio.Queue[Samples | tuple[Word, ...] | AudioError | None] = asyncio.Queue()

    def on_made(part: Samples | tuple[Word, ...] | AudioError | None) -> None:  # the audio thread
        loop.call_soon_threadsafe(made.put_nowait, part)

    number = pipeline.stream(utterance, on_made, on_made)
    words: tuple[Word, ...] = ()  # those of a part come before it
    try:
        while (part := await made.get()) is not None:
            if isinstance(part, AudioError):
                raise part
            if isinstance(part, tuple):
                words = part
                continue
            yield part, words
            pipeline.record_consumed(number, len(part) / SAMPLE_RATE_HZ)
    finally:
        pipeline.close_stream(number)
