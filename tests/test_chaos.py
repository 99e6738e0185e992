"""A few kills and faults of each kind; `make chaos` does hundreds."""

from tests.chaos import devices, kills
from tests.loudspeaker import Loudspeakers


async def test_kills_lose_nothing_and_repeat_only_what_they_cut(loudspeakers: Loudspeakers) -> None:
    """Five SIGKILLs at random moments: every message is heard, and has its thumb."""
    assert loudspeakers.alsa_config.exists()
    assert await kills(5, real=False, seed=4) == []


async def test_a_failing_loudspeaker_hands_the_message_on(loudspeakers: Loudspeakers) -> None:
    """Stalled, killed, frozen in mid-message: each is heard to the end all the same."""
    assert loudspeakers.alsa_config.exists()
    assert await devices(3) == []
