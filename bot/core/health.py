"""What tells that Crier works: whether messages come in, and whether sound can go out."""

from typing import Protocol

WEDGED_S = 10.0
"""The audio thread comes round every 2 s at least; only a call into PortAudio can block it."""

STALLED_S = 90.0
"""Without any answer to getUpdates, which takes 25 s at most."""


class Fetching(Protocol):
    """The state of the loop that fetches messages."""

    @property
    def age_s(self) -> float:
        """How long ago the server gave what was asked for; at first, since the start."""
        ...

    @property
    def warning(self) -> str:
        """What keeps messages away although there is a network; empty where nothing."""
        ...

    @property
    def clock_warning(self) -> str:
        """What is wrong with this computer's clock; empty where nothing is."""
        ...
