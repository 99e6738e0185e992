"""Where sound goes: PortAudio, what a Mac adds to it, and WAV files."""
