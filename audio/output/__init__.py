"""Outputs: PortAudio, what a Mac adds to it, and WAV files."""
