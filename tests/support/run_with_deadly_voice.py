"""Run the bot with a tone voice that crashes the process at 13 and 14.

``python -m tests.support.run_with_deadly_voice``.
"""

import ctypes
import os
import signal

from audio.types import CancelToken, Chunk, Sound
from tests.support import fake_voice


class DeadlyVoice(fake_voice.ToneVoice):
    """Ends the process as a crash in native code does: at once, without any cleanup."""

    def synthesize(
        self, chunk: Chunk, voice: str, speed: float, cancel_token: CancelToken
    ) -> Sound:
        """Return the tones of the numbers in a chunk, unless one is 13 or 14."""
        if "13" in chunk.text:
            os.kill(os.getpid(), signal.SIGKILL)
        if "14" in chunk.text:
            ctypes.string_at(0)
        return super().synthesize(chunk, voice, speed, cancel_token)


if __name__ == "__main__":
    fake_voice.main(DeadlyVoice())
