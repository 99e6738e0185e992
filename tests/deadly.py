"""``python -m tests.deadly`` runs the bot with a voice of tones that dies of the number 13."""

import os
import signal

from audio.types import Chunk, Interrupt, Sound
from tests import tones


class DeadlyVoice(tones.ToneVoice):
    """Ends the process as a crash in native code would: at once, with nothing cleaned up."""

    def synthesize(
        self, chunk: Chunk, voice: str, speed: float, lang: str, interrupt: Interrupt
    ) -> Sound:
        """Return the tones of the numbers in a chunk, none of which is 13."""
        if "13" in chunk.text:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().synthesize(chunk, voice, speed, lang, interrupt)


if __name__ == "__main__":
    tones.main(DeadlyVoice())
