"""Everything that talks to people and programs. Knows nothing of threads, PortAudio or Kokoro."""

import os

__version__ = "0.1.0"

# python-telegram-bot's coming way to give retry_after; without it every 429 is a warning.
os.environ.setdefault("PTB_TIMEDELTA", "1")
