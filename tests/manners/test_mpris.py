"""Players that speak MPRIS, on a D-Bus session of their own, are paused and started again."""

import pytest

from bot.manners.music import Change
from bot.manners.processes import ProgramError

pytest.importorskip("dbus_fast", reason="D-Bus is Linux's")

from bot.manners import mpris
from bot.manners.mpris import MprisPlayers
from tests.manners.mpris_player import MprisPlayer


async def test_mpris_players_pause_what_plays_and_start_it_again(session_bus: str) -> None:
    """What was paused or stopped before is never started."""
    playing = await MprisPlayer.start(session_bus, "mpv")
    paused = await MprisPlayer.start(session_bus, "vlc", "Paused")
    stopped = await MprisPlayer.start(session_bus, "spotify", "Stopped")
    players = MprisPlayers()
    look = await players.look()
    await players.lower(look.changes)
    assert playing.status == "Paused"
    assert await players.restore(look.changes) == ()

    assert [change.player for change in look.changes] == ["org.mpris.MediaPlayer2.mpv"]
    assert playing.orders == ["Pause", "Play"]
    assert paused.orders == stopped.orders == []
    for player in (playing, paused, stopped):
        player.close()


@pytest.mark.parametrize("status", ["Playing", "Stopped"])
async def test_mpris_players_leave_what_a_person_has_done(session_bus: str, status: str) -> None:
    """A player that was started or stopped meanwhile stays so."""
    player = await MprisPlayer.start(session_bus, "mpv")
    players = MprisPlayers()
    look = await players.look()
    await players.lower(look.changes)
    player.status = status
    await players.restore(look.changes)

    assert player.orders == ["Pause"]
    player.close()


async def test_mpris_players_skip_those_that_hang_or_stand_for_others(
    session_bus: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that does not answer delays nothing for long; one on a telephone is not here."""
    monkeypatch.setattr(mpris, "_TIMEOUT_S", 0.2)
    hanging = await MprisPlayer.start(session_bus, "hanging")
    hanging.hangs = True
    others = [
        await MprisPlayer.start(session_bus, name)
        for name in ("playerctld", "kdeconnect.mpris_000001")
    ]
    playing = await MprisPlayer.start(session_bus, "mpv")
    players = MprisPlayers()
    look = await players.look()
    assert [change.player for change in look.changes] == ["org.mpris.MediaPlayer2.mpv"]
    gone = Change("org.mpris.MediaPlayer2.gone")
    assert await players.restore([gone, *look.changes]) == ()
    for player in (hanging, playing, *others):
        player.close()


async def test_mpris_players_say_that_there_is_no_session(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A service without a D-Bus session has a reason to show."""
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere/bus")
    with pytest.raises(ProgramError, match="the D-Bus session can't be reached"):
        await MprisPlayers().look()
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS")
    with pytest.raises(ProgramError, match="the D-Bus session can't be reached"):
        await MprisPlayers().look()
