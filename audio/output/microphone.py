"""Who records from a microphone. Imports nothing, since the doctor runs without packages."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MicrophoneUser:
    """A program that is recording from a microphone."""

    id: int
    """The same for as long as it records without a break."""
    name: str
    """As the system knows it; may be empty."""
