"""Everything that talks to people and programs. Knows nothing of threads, PortAudio or Kokoro."""

import os

__version__ = "0.1.0"

# python-telegram-bot's future type of retry_after; without this every 429 causes a warning.
os.environ.setdefault("PTB_TIMEDELTA", "1")
