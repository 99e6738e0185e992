"""Everything that talks to people and programs. Knows nothing of threads, PortAudio or Kokoro."""

__version__ = "0.1.0"
