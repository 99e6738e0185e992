"""The health of Crier: whether messages come in, and whether sound can go out."""

from typing import Protocol

WEDGED_S = 10.0
"""The audio thread has a heartbeat at least every 2 s; only a call into PortAudio can block it."""

STALLED_S = 90.0
"""Without any answer to getUpdates, which takes 25 s at most."""


class SourceHealth(Protocol):
    """The health of what messages come from: the loop that fetches them from a chat's server."""

    @property
    def source(self) -> str:
        """What messages come from, in words."""
        ...

    @property
    def age_s(self) -> float:
        """The time since the server's last good answer or, before the first, since the start."""
        ...

    @property
    def warning(self) -> str:
        """Why no messages come in although there is a network; empty if they do."""
        ...

    @property
    def clock_warning(self) -> str:
        """What is wrong with this computer's clock; empty if nothing is."""
        ...
