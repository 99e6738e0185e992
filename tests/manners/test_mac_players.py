"""Music and Spotify, on a stand-in for `osascript`."""

import asyncio
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bot.manners import mac_players
from bot.manners.mac_players import MacPlayers
from bot.manners.music import Change
from bot.manners.processes import ProgramError


@dataclass
class FakeApp:
    """A running player, as its scripting shows it."""

    state: str = "playing"
    volume: int = 80
    error: int = 0
    volumes: list[int] = field(default_factory=list)


class FakeScripting:
    """Does what the script does, to apps that are running."""

    def __init__(self, **apps: FakeApp) -> None:
        self.apps = apps

    async def run(self, order: dict[str, Any]) -> dict[str, Any]:
        """Carry out an order that survives JSON; return the answers."""
        order = json.loads(json.dumps(order))
        answers: dict[str, Any] = {}
        for name, app in self.apps.items():
            assert name in order["players"]
            if app.error:
                answers[name] = {"error": app.error}
                continue
            for volume in order["volumes"].get(name, []):
                app.volume = volume
                app.volumes.append(volume)
            if name in order["pause"]:
                app.state = "paused"
            if name in order["play"]:
                app.state = "playing"
            answers[name] = {"state": app.state, "volume": app.volume}
        return answers


async def test_mac_players_fade_what_plays() -> None:
    """Down by the dB that were asked for, in steps, and back up."""
    apps = FakeScripting(Music=FakeApp(), Spotify=FakeApp("paused"))
    players = MacPlayers(15.0, apps.run)
    look = await players.look()
    assert look.changes == (Change("Music", (80,), (14,)),)
    await players.lower(look.changes)
    assert apps.apps["Music"].volumes == [52, 33, 22, 14]
    assert await players.restore(look.changes) == ()

    assert apps.apps["Music"].volumes == [52, 33, 22, 14, 22, 33, 52, 80]
    assert apps.apps["Spotify"].volumes == []


async def test_mac_players_pause_what_plays_and_start_only_that() -> None:
    """What was paused before stays so, and what a person has started is left alone."""
    apps = FakeScripting(Music=FakeApp(), Spotify=FakeApp("paused"))
    players = MacPlayers("pause", apps.run)
    look = await players.look()
    await players.lower(look.changes)
    assert [app.state for app in apps.apps.values()] == ["paused", "paused"]
    await players.restore(look.changes)
    assert [app.state for app in apps.apps.values()] == ["playing", "paused"]
    apps.apps["Music"].state = "stopped"
    await players.restore(look.changes)
    assert apps.apps["Music"].state == "stopped"


async def test_mac_players_leave_a_volume_that_a_person_has_set() -> None:
    """It is neither raised nor lowered."""
    apps = FakeScripting(Music=FakeApp())
    players = MacPlayers(15.0, apps.run)
    look = await players.look()
    await players.lower(look.changes)
    apps.apps["Music"].volume = 30
    assert await players.restore(look.changes) == ()
    assert apps.apps["Music"].volume == 30


async def test_mac_players_remember_one_that_was_quit_while_it_was_down() -> None:
    """Its volume is restored when it is running again; a pause is not."""
    apps = FakeScripting(Music=FakeApp())
    players = MacPlayers(15.0, apps.run)
    look = await players.look()
    await players.lower(look.changes)
    music = apps.apps.pop("Music")
    assert await players.restore(look.changes) == look.changes
    assert await players.restore([Change("Music")]) == ()
    apps.apps["Music"] = music
    assert await players.restore(look.changes) == ()
    assert music.volume == 80


async def test_mac_players_say_which_may_not_be_controlled() -> None:
    """The others step back all the same."""
    apps = FakeScripting(Music=FakeApp(error=-1743), Spotify=FakeApp())
    look = await MacPlayers(15.0, apps.run).look()

    assert [change.player for change in look.changes] == ["Spotify"]
    assert look.warning.startswith("macOS does not let Crier control Music, so")
    assert "Automation" in look.warning


async def test_mac_players_give_up_a_script_that_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While macOS asks for permission nothing answers; the process is killed in the end."""
    (tmp_path / "osascript").write_text("#!/bin/sh\nexec sleep 60\n")
    (tmp_path / "osascript").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(mac_players, "_TIMEOUT_S", 0.1)
    with pytest.raises(ProgramError, match=r"osascript has not answered for 0\.1 s"):
        await asyncio.wait_for(MacPlayers(15.0).look(), 10)
