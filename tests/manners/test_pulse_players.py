"""Streams on a real PulseAudio get quieter, and come back."""

import asyncio
from pathlib import Path

import pytest

from bot.manners import pactl
from bot.manners.music import Change
from bot.manners.pulse_players import PulsePlayers
from tests.manners.players import Player
from tests.support.loudspeaker import Daemon

DUCK_DB = 15.0
FULL = (0x10000,)
LOWERED = (round(0x10000 * 10 ** (-DUCK_DB / 60)),)


async def stream_of_player() -> tuple[int, int]:
    """Wait for the player's stream; return its index and volume."""
    async with asyncio.timeout(30):
        while True:
            for stream in await pactl.listing("sink-inputs"):
                if stream["properties"].get("application.name") == "player":
                    return int(stream["index"]), int(stream["volume"]["mono"]["value"])


async def test_pulse_players_lower_and_restore_a_stream(daemon: Daemon, tmp_path: Path) -> None:
    """By the dB that were asked for, and back to where it was."""
    players = PulsePlayers(DUCK_DB)
    with Player(daemon, tmp_path):
        index, _ = await stream_of_player()
        look = await players.look()
        assert [(change.player, change.before, change.after) for change in look.changes] == [
            (str(index), FULL, LOWERED)
        ]
        await players.lower(look.changes)
        assert (await stream_of_player())[1] == LOWERED[0]
        assert await players.restore(look.changes) == ()
        assert (await stream_of_player())[1] == FULL[0]


async def test_pulse_players_leave_what_a_person_has_set(daemon: Daemon, tmp_path: Path) -> None:
    """A volume that somebody changed meanwhile stays, be it louder or softer."""
    players = PulsePlayers(DUCK_DB)
    with Player(daemon, tmp_path):
        index, _ = await stream_of_player()
        look = await players.look()
        await players.lower(look.changes)
        await pactl.set_volume(index, (LOWERED[0] - 1311,))  # two per cent
        assert await players.restore(look.changes) == ()
        assert (await stream_of_player())[1] == LOWERED[0] - 1311


async def test_pulse_players_restore_the_next_stream_of_a_program(
    daemon: Daemon, tmp_path: Path
) -> None:
    """The server gives a new stream the volume that the last one had; so it is restored there."""
    players = PulsePlayers(DUCK_DB)
    with Player(daemon, tmp_path):
        await stream_of_player()
        look = await players.look()
        await players.lower(look.changes)
    assert await players.restore(look.changes) == look.changes
    with Player(daemon, tmp_path):
        index, _ = await stream_of_player()
        await pactl.set_volume(index, LOWERED)  # as module-stream-restore does
        assert await players.restore(look.changes) == ()
        assert (await stream_of_player())[1] == FULL[0]


async def test_pulse_players_ignore_a_stream_that_has_just_ended(daemon: Daemon) -> None:
    """Nothing is wrong with a player that ends between a look and the fade."""
    assert daemon.socket
    await PulsePlayers(DUCK_DB).lower([Change("4711", FULL, LOWERED)])


async def test_pulse_players_do_without_a_sound_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without one there is nothing to lower, and none is started."""
    monkeypatch.delenv("PULSE_SERVER", raising=False)
    players = PulsePlayers(DUCK_DB)

    assert (await players.look()).changes == ()
