"""Music steps back and comes back: on a stand-in for the players, and on real ones."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from audio.types import PlaybackStarted, Status
from bot.chat.sandbox import Sandbox
from bot.core.events import Events
from bot.core.store import Store
from bot.manners import music, pactl
from bot.manners.music import CHOICE, Change, Look, store_changes, stored_changes
from bot.manners.processes import ProgramError
from bot.manners.start_music import stepping_back
from tests.conftest import ALICE, StartBot, reaction_to
from tests.manners.players import Levels, Player
from tests.support import fork_server
from tests.support.commandline import Environment
from tests.support.loudspeaker import Daemon, Ear

LOUD, SOFT = (65536,), (36853,)
CHANGE = Change("7", LOUD, SOFT, "player")


class FakePlayers:
    """One player, what was done to it, and what the disk knew then."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.look_result: Look | ProgramError = Look((CHANGE,))
        self.left: tuple[Change, ...] = ()
        self.done: list[tuple[str, Sequence[Change]]] = []
        self.stored: list[bool] = []
        self.changed = asyncio.Event()

    async def look(self) -> Look:
        """Return what plays, or raise."""
        if isinstance(self.look_result, ProgramError):
            self.changed.set()
            raise self.look_result
        return self.look_result

    async def lower(self, changes: Sequence[Change]) -> None:
        """Record it."""
        await self._record("lower", changes)

    async def restore(self, changes: Sequence[Change]) -> tuple[Change, ...]:
        """Record it; return what can't be restored."""
        await self._record("restore", changes)
        return self.left

    async def _record(self, what: str, changes: Sequence[Change]) -> None:
        self.done.append((what, tuple(changes)))
        self.stored.append(await stored_changes(self._store) is not None)
        self.changed.set()

    async def wait_for(self, *whats: str) -> None:
        """Wait until exactly this has been done."""
        async with asyncio.timeout(30):
            while [what for what, _ in self.done] != list(whats):
                await self.changed.wait()
                self.changed.clear()


class FakePipeline:
    """A pipeline of which only the status is asked."""

    def __init__(self) -> None:
        self._status = Status()

    def set(self, **changes: Any) -> None:
        """Change the status."""
        self._status = replace(self._status, **changes)

    def status(self) -> Status:
        """Return the status."""
        return self._status


class Stage:
    """Everything that makes one player step back."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.players = FakePlayers(store)
        self.pipeline = FakePipeline()
        self.events = Events()
        self.warnings: dict[str, str] = {}
        self.ways: list[str | float] = []

    @asynccontextmanager
    async def run(self, duck: str | float = 15.0) -> AsyncIterator[Any]:
        """Run it; yield what is called when a text is taken up."""

        def make_players(way: str | float) -> FakePlayers:
            self.ways.append(way)
            return self.players

        pipeline: Any = self.pipeline
        async with stepping_back(
            duck, self.store, pipeline, self.events, self.warnings, make_players
        ) as taken_up:
            yield taken_up

    async def until_forgotten(self) -> None:
        """Wait until nothing is stored that has to be undone."""
        async with asyncio.timeout(30):
            while await self.store.choice(CHOICE):  # noqa: ASYNC110  # on the disk
                await asyncio.sleep(0.01)


@pytest.fixture
def stage(store: Store, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """Return a stage on which music comes back soon."""
    monkeypatch.setattr(music, "BACK_AFTER_S", 0.1)
    monkeypatch.setattr(music, "_POLL_S", 0.01)
    return Stage(store)


async def test_ducking_lowers_once_and_restores_when_all_is_said(stage: Stage) -> None:
    """It is stored before anything is changed, and forgotten when it is undone."""
    async with stage.run() as taken_up:
        stage.pipeline.set(waiting=1)
        taken_up()
        await stage.players.wait_for("lower")
        stage.pipeline.set(waiting=0, speaking=True)
        taken_up()
        await asyncio.sleep(0.2)
        assert len(stage.players.done) == 1
        stage.pipeline.set(speaking=False)
        await stage.players.wait_for("lower", "restore")
        await stage.until_forgotten()

    assert stage.players.done == [("lower", (CHANGE,)), ("restore", (CHANGE,))]
    assert stage.players.stored == [True, True]


@pytest.mark.parametrize("reason", [{"paused": True}, {"blocked": "There is no output device."}])
async def test_ducking_restores_while_nothing_can_sound(
    stage: Stage, reason: dict[str, Any]
) -> None:
    """In a pause, and without a loudspeaker, music comes back; a resume lowers it again."""
    async with stage.run() as taken_up:
        stage.pipeline.set(speaking=True)
        taken_up()
        await stage.players.wait_for("lower")
        stage.pipeline.set(**reason)
        await stage.players.wait_for("lower", "restore")
        stage.pipeline.set(paused=False, blocked="")
        stage.events.sounding(PlaybackStarted(1, 0, "Go on.", (), time.monotonic()))
        await stage.players.wait_for("lower", "restore", "lower")
        stage.pipeline.set(speaking=False)
        await stage.players.wait_for("lower", "restore", "lower", "restore")


async def test_ducking_restores_at_a_stop_of_the_bot(stage: Stage) -> None:
    """A bot that is stopped in mid-sentence leaves music as it was."""
    async with stage.run() as taken_up:
        stage.pipeline.set(speaking=True)
        taken_up()
        await stage.players.wait_for("lower")

    assert [what for what, _ in stage.players.done] == ["lower", "restore"]
    assert await stored_changes(stage.store) is None


@pytest.mark.parametrize("duck", ["off", "pause", 15.0])
async def test_stepping_back_undoes_what_a_killed_process_left(
    stage: Stage, duck: str | float
) -> None:
    """It does so in the way in which it was done, even if music is left alone from now on."""
    await store_changes(stage.store, 15.0, [CHANGE])
    async with stage.run(duck):
        await stage.players.wait_for("restore")
        await stage.until_forgotten()

    assert stage.players.done == [("restore", (CHANGE,))]
    assert 15.0 in stage.ways


async def test_stepping_back_does_not_start_music_hours_later(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was paused when the process was killed stays so after ten minutes."""
    await store_changes(stage.store, "pause", [Change("player")])
    later_s = time.time() + 601
    monkeypatch.setattr("bot.manners.music.time.time", lambda: later_s)
    async with stage.run("off"):
        await stage.until_forgotten()

    assert stage.players.done == []


async def test_ducking_tries_again_what_could_not_be_restored(stage: Stage) -> None:
    """A program that had no stream is remembered, over restarts, too."""
    stage.players.left = (CHANGE,)
    async with stage.run() as taken_up:
        taken_up()
        await stage.players.wait_for("lower", "restore")
    assert await stored_changes(stage.store) == (15.0, (CHANGE,))


async def test_ducking_survives_players_that_fail(stage: Stage) -> None:
    """The reason is a warning until the players answer again."""
    stage.players.look_result = ProgramError("pactl has not answered for 2 s")
    async with stage.run() as taken_up:
        taken_up()
        await asyncio.wait_for(stage.players.changed.wait(), 30)
        await asyncio.sleep(0)
        assert stage.warnings == {
            "music": "Music can't be controlled: pactl has not answered for 2 s."
        }
        stage.players.look_result = Look((CHANGE,))
        await asyncio.sleep(2 * music.BACK_AFTER_S)
        taken_up()
        await stage.players.wait_for("lower", "restore")
        assert stage.warnings == {}


async def test_stored_changes_ignores_what_another_version_wrote(store: Store) -> None:
    """It is given up, with a line in the log."""
    await store.choose(CHOICE, '{"duck": 15, "changes": [{"player": 7}]}')

    assert await stored_changes(store) == ("pause", ())


def test_change_fades_evenly_and_knows_its_own_steps() -> None:
    """A kill in the middle of a fade is undone from there; a person's volume is left alone."""
    change = Change("7", (60000, 30000), (15000, 7500))
    assert change.steps == [
        (60000, 30000),
        (42426, 21213),
        (30000, 15000),
        (21213, 10607),
        (15000, 7500),
    ]
    assert change.left_at((15000, 7500)) == change.steps[3::-1]
    assert change.left_at((30010, 14990)) == change.steps[1::-1]
    assert change.left_at((60000, 30000)) == []
    assert change.left_at((20000, 10000)) is None
    assert change.left_at((15000,)) is None


@pytest.mark.realtime
async def test_bot_lowers_music_while_it_speaks(
    daemon: Daemon, sandbox: Sandbox, start_toned: StartBot, ear_a: Ear, tmp_path: Path
) -> None:
    """A player is down within 0.3 s of the first word, by 15 dB, and up after the last."""
    with Player(daemon, tmp_path):
        async with start_toned(duck=15.0) as bot:
            await asyncio.to_thread(ear_a.wait_for_sound, 0.0)
            await asyncio.sleep(0.5)
            started_s = await say_and_return_its_start(bot.delivery._events, sandbox)
            ended_s = time.monotonic()
            own = [s for s in await pactl.listing("sink-inputs") if is_own(s)]
            back_s = await wait_until_loud()
            await asyncio.sleep(0.8)
    levels = Levels(ear_a)
    before_db = levels.between_db(started_s - 1.0, started_s - 0.4)
    during_db = levels.between_db(started_s + 0.4, ended_s - 0.3)
    after_db = levels.between_db(back_s + 0.2, back_s + 0.7)

    assert [volume["value"] for s in own for volume in s["volume"].values()] == [65536]
    assert during_db == pytest.approx(before_db - 15, abs=0.7)
    assert after_db == pytest.approx(before_db, abs=0.5)
    assert levels.below_s(before_db - 14, started_s - 0.5) < started_s + 0.3
    assert levels.above_s(before_db - 1, ended_s) - ended_s > 0.7


async def wait_until_loud() -> float:
    """Wait until the player has its volume again, however slow the machine is; return the time."""
    async with asyncio.timeout(20):
        while True:
            streams = [s for s in await pactl.listing("sink-inputs") if not is_own(s)]
            if all(v["value"] == LOUD[0] for s in streams for v in s["volume"].values()):
                return time.monotonic()
            await asyncio.sleep(0.05)


def is_own(stream: dict[str, Any]) -> bool:
    """Return whether a stream on the sound server is this process's own."""
    return bool(stream["properties"].get("application.process.id") == str(os.getpid()))


async def say_and_return_its_start(events: Events, sandbox: Sandbox) -> float:
    """Send ten numbers, wait until they were heard, and return when the first one sounded."""
    starts = []

    def on_event(name: str, data: dict[str, Any]) -> None:
        if name == "sounding":
            starts.append(data["at"] - time.time() + time.monotonic())

    events.watch(on_event)
    message = sandbox.send(ALICE, "Numbers 1 2 3 4 5 6 7 8 9 10.")
    await sandbox.wait_for(reaction_to(message, "👍"))
    return float(starts[0])


async def test_bot_restores_music_after_a_kill(
    daemon: Daemon,
    bot_environment: Environment,
    sandbox: Sandbox,
    ear_a: Ear,
    tmp_path: Path,
) -> None:
    """A bot that is killed while a player is down puts it back up at its next start.

    So it does if it leaves music alone from now on.
    """
    environment = {**bot_environment, "PULSE_SERVER": daemon.socket, "DUCK": "15"}
    with Player(daemon, tmp_path):
        await asyncio.to_thread(ear_a.wait_for_sound, 0.0)
        full = await volumes_of("player")
        sandbox.send(ALICE, "Numbers " + "1 " * 60)
        process = await fork_server.start("tests.support.fake_voice", environment=environment)
        await until_volume("player", below=full)
        process.kill()
        await process.wait()
        assert await volumes_of("player") < full
        sandbox.send(ALICE, "/stop")
        environment["DUCK"] = "off"
        process = await fork_server.start("tests.support.fake_voice", environment=environment)
        try:
            await until_volume("player", above=full - 1)
        finally:
            process.terminate()
            await process.wait()


async def volumes_of(program: str) -> int:
    """Return the volume of a program's stream."""
    for stream in await pactl.listing("sink-inputs"):
        if stream["properties"].get("application.name") == program:
            return int(next(iter(stream["volume"].values()))["value"])
    raise AssertionError(program)


async def until_volume(program: str, *, below: int = 1 << 20, above: int = 0) -> None:
    """Wait until the volume of a program's stream is between two."""
    async with asyncio.timeout(60):
        while not above < await volumes_of(program) < below:  # noqa: ASYNC110  # of the server
            await asyncio.sleep(0.05)
