"""One bot for each data folder."""

import pytest

from bot.core.inbox import InboxError
from tests.conftest import StartBot


async def test_running_refuses_a_second_bot_on_the_same_folder(
    start_toned: StartBot,
) -> None:
    """Two bots would steal each other's messages; the second does not start."""
    async with start_toned():
        with pytest.raises(InboxError, match="Another Crier uses"):
            async with start_toned():
                pass
