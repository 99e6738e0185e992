"""Who uses a microphone, as `coreaudio` and `pulse` find it.

In a module without packages, as `coreaudio` is used by the doctor, which reports missing ones.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MicrophoneUser:
    """A program that is recording from a microphone."""

    id: int
    """The same for as long as it records without a break."""
    name: str
    """As the system knows it; may be empty."""
