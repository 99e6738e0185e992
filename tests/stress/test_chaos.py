"""A few kills and faults of each kind; `make chaos` does hundreds, and soaks for long."""

import pytest

from tests.stress.chaos import devices, kills
from tests.stress.mixed import mixed
from tests.stress.soak import soak
from tests.support.loudspeaker import Loudspeakers


async def test_kills_lose_nothing_and_repeat_only_what_they_cut(loudspeakers: Loudspeakers) -> None:
    """Five SIGKILLs at random moments: every message is heard, and has its thumb."""
    assert loudspeakers.alsa_config.exists()
    assert await kills(5, real=False, seed=4) == []


@pytest.mark.realtime
async def test_a_failing_loudspeaker_hands_the_message_on(loudspeakers: Loudspeakers) -> None:
    """Stalled, killed, frozen in mid-message: each is heard to the end all the same."""
    assert loudspeakers.alsa_config.exists()
    assert await devices(3) == []


async def test_kills_of_everything_lose_nothing(loudspeakers: Loudspeakers) -> None:
    """Two batches of texts, files and commands come twice: each ends once, and truly."""
    assert loudspeakers.alsa_config.exists()
    assert await mixed(2, seed=46) == []


async def test_a_short_soak_ends_every_message_truly(loudspeakers: Loudspeakers) -> None:
    """A quarter of a minute of everything at once: each message ends with a true receipt."""
    assert loudspeakers.alsa_config.exists()
    assert await soak(0.25, seed=1) == []
