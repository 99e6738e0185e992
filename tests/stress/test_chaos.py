"""A few kills and faults of each kind; `make chaos` runs hundreds, and a long soak."""

import pytest

from tests.stress.chaos import devices, kills
from tests.stress.mixed import mixed
from tests.stress.rooms import rooms
from tests.stress.soak import soak
from tests.support.broker import Mosquitto
from tests.support.loudspeaker import Loudspeakers


async def test_chaos_kills_lose_nothing_and_repeat_only_cut_sentences(
    loudspeakers: Loudspeakers,
) -> None:
    """Five SIGKILLs at random moments: every message is heard and gets its thumb."""
    assert loudspeakers.alsa_config.exists()
    assert await kills(5, real=False, seed=4) == []


@pytest.mark.realtime
async def test_chaos_devices_that_fail_lose_no_sentence(loudspeakers: Loudspeakers) -> None:
    """The loudspeaker is stalled, killed and frozen; each message is heard to its end."""
    assert loudspeakers.alsa_config.exists()
    assert await devices(3) == []


async def test_chaos_mixed_loses_nothing(loudspeakers: Loudspeakers) -> None:
    """Two batches of texts, files and commands come twice; each ends once, correctly."""
    assert loudspeakers.alsa_config.exists()
    assert await mixed(2, seed=46) == []


async def test_soak_ends_every_message_correctly(loudspeakers: Loudspeakers) -> None:
    """A quarter of a minute of everything at once: each message gets a correct receipt."""
    assert loudspeakers.alsa_config.exists()
    assert await soak(0.25, seed=1) == []


async def test_chaos_rooms_hear_everything_once(loudspeakers: Loudspeakers) -> None:
    """Bot, rooms and broker are killed once each: every room hears what it should, once."""
    assert loudspeakers.alsa_config.exists()
    if Mosquitto.path() is None:
        pytest.skip("needs mosquitto, which `make test` installs where there is apt")
    assert await rooms(4, seed=2) == []
