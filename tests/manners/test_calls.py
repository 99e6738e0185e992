"""Calls: who records, for how long, and what that does to messages."""

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from audio.output import coreaudio
from audio.output.microphone import MicrophoneUser
from bot.chat.sandbox import Sandbox
from bot.manners import calls, pactl
from bot.manners.calls import IN_CALL, SOMEBODY_ELSE, CallDetector, CallWatch
from tests.conftest import ALICE, StartBot, reaction_to, reply_with
from tests.manners.conftest import MICROPHONE
from tests.manners.players import Recorder
from tests.support.loudspeaker import Daemon, Ear

ZOOM = MicrophoneUser(4711, "us.zoom.xos")


class Holds:
    """Records what is to be held, and for which condition."""

    def __init__(self) -> None:
        self.current: dict[str, str] = {}
        self._changed = asyncio.Condition()

    async def hold_while(self, source: str, condition: str) -> None:
        """Record a condition, or that it is over."""
        async with self._changed:
            self.current[source] = condition
            self._changed.notify_all()

    async def wait_for_report(self) -> None:
        """Wait until something has been reported."""
        async with self._changed:
            await self._changed.wait()

    async def wait_for(self, source: str, condition: str) -> None:
        """Wait until that is what was reported last."""
        async with asyncio.timeout(30), self._changed:
            await self._changed.wait_for(lambda: self.current.get(source) == condition)


@asynccontextmanager
async def watching(*not_calls: str) -> AsyncIterator[Holds]:
    """Run a watch; yield what it reports, as soon as it has looked."""
    holds = Holds()
    watch = CallWatch(holds.hold_while, not_calls)
    task = asyncio.create_task(watch.run())
    await asyncio.wait_for(watch.looked.wait(), 30)
    yield holds
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def test_call_detector_waits_for_two_seconds_and_bridges_a_change_of_device() -> None:
    """A short use is none; a gap of a second does not end a call, one of three does."""
    detector = CallDetector()
    detector.update([], 99.0)
    assert detector.update([ZOOM], 100.0) == 2.0
    assert not detector.in_call
    detector.update([], 101.0)
    detector.update([ZOOM], 102.0)
    detector.update([ZOOM], 103.5)
    assert not detector.in_call
    assert detector.update([ZOOM], 104.0) is None
    assert detector.in_call
    assert detector.update([], 200.0) == 3.0
    assert detector.in_call
    detector.update([MicrophoneUser(4712, "us.zoom.xos")], 201.0)
    assert detector.in_call
    detector.update([], 202.9)
    assert detector.in_call
    detector.update([], 203.1)
    assert not detector.in_call


def test_call_detector_counts_what_recorded_before_it() -> None:
    """After a restart in a call nothing is said into its first two seconds."""
    detector = CallDetector()
    assert detector.update([ZOOM], 0.0) is None
    assert detector.in_call


@pytest.mark.parametrize(
    "name", ["com.apple.CoreSpeech", "com.apple.SiriNCService", "com.obsproject.obs-studio"]
)
def test_call_detector_ignores_what_listens_all_day(name: str) -> None:
    """Siri records for as long as she may be called; others are named in the settings."""
    detector = CallDetector(["obs"])
    detector.update([MicrophoneUser(1, name)], -math.inf)
    detector.update([MicrophoneUser(1, name)], 1000.0)

    assert not detector.in_call


async def test_call_watch_notices_a_recorder(daemon: Daemon) -> None:
    """A program that records from a microphone is a call, until it stops."""
    async with watching() as holds:
        with Recorder(daemon, MICROPHONE):
            await holds.wait_for("call", IN_CALL)
        await holds.wait_for("call", "")


async def test_call_watch_ignores_monitors_and_named_programs(daemon: Daemon) -> None:
    """What records what a loudspeaker plays is no call, nor is a program of NOT_CALLS."""
    with Recorder(daemon, "speaker_b.monitor"), Recorder(daemon, MICROPHONE):
        await until_recording(2)
        async with watching("meeting") as holds:
            assert holds.current == {"call": ""}
        async with watching() as holds:
            assert holds.current == {"call": IN_CALL}
    with Recorder(daemon, "speaker_b.monitor"):
        await until_recording(1)
        async with watching() as holds:
            assert holds.current == {"call": ""}


async def until_recording(count: int) -> None:
    """Wait until so many of the test's recorders record."""
    async with asyncio.timeout(30):
        while True:
            listing = await pactl.listing("source-outputs")
            names = [stream["properties"].get("application.name") for stream in listing]
            if names.count("meeting") == count:
                return


async def test_call_watch_warns_once_of_a_pactl_without_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An old one never answers; it is asked again now and then, and nothing is held."""
    tries = tmp_path / "tries"
    old = f"#!/bin/sh\necho $1 >> {tries}\necho 'pactl: invalid option' >&2\nexit 1\n"
    (tmp_path / "pactl").write_text(old)
    (tmp_path / "pactl").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setenv("PULSE_SERVER", "unix:/nowhere")
    monkeypatch.setattr(calls, "_RETRY_FAILED_S", 0.01)
    async with watching() as holds, asyncio.timeout(30):
        while tries.read_text().count("-f") < 3:
            await holds.wait_for_report()

    assert holds.current == {"call": ""}
    assert [r.message for r in caplog.records if "not noticed" in r.message] == [
        "Calls are not noticed: pactl: invalid option. Trying again."
    ]


async def test_call_watch_on_a_mac_knows_calls_and_who_is_in_front(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """CoreAudio's list of processes is asked again and again, and so is the window server."""
    users: list[MicrophoneUser] = []
    in_front = [True]
    monkeypatch.setattr("sys.platform", "darwin")
    monkeypatch.setattr(calls, "_POLL_S", 0.01)
    monkeypatch.setattr(calls, "_SURE_AFTER_S", 0.05)
    monkeypatch.setattr(calls, "_OVER_AFTER_S", 0.05)
    monkeypatch.setattr(coreaudio, "microphone_users", lambda _: tuple(users))
    monkeypatch.setattr(coreaudio, "is_in_front", lambda: in_front[0])
    async with watching() as holds:
        users.append(ZOOM)
        await holds.wait_for("call", IN_CALL)
        in_front[0] = False
        await holds.wait_for("session", SOMEBODY_ELSE)
        users.clear()
        in_front[0] = True
        await holds.wait_for("call", "")
        await holds.wait_for("session", "")


async def test_bot_waits_for_the_end_of_a_call(
    daemon: Daemon, sandbox: Sandbox, start_toned: StartBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a call a message gets 😴 and the reason, once; an urgent one is said; then all are."""
    monkeypatch.setattr(calls, "_OVER_AFTER_S", 0.5)
    with Recorder(daemon, MICROPHONE) as recorder:
        async with start_toned() as bot:
            async with asyncio.timeout(30):
                while not bot.delivery.quiet_reason():  # noqa: ASYNC110  # its first look
                    await asyncio.sleep(0.01)
            first = sandbox.send(ALICE, "Number 4.")
            await sandbox.wait_for(reply_with(f"{IN_CALL}; I'll say it afterwards.", first))
            second = sandbox.send(ALICE, "Number 5.")
            await sandbox.wait_for(reaction_to(second, "😴"))
            urgent = sandbox.send(ALICE, "/urgent Number 6.")
            await sandbox.wait_for(reaction_to(urgent, "👍"))
            sandbox.send(ALICE, "/status")
            await sandbox.wait_for(reply_with(f"{IN_CALL}. 2 messages kept."))
            recorder.close()
            for message in (first, second):
                await sandbox.wait_for(reaction_to(message, "👍"))

    explanations = [e for e in sandbox.events if reply_with("I'll say it afterwards.")(e)]
    assert len(explanations) == 1


async def test_bot_finishes_its_sentence_when_a_call_begins(
    daemon: Daemon,
    sandbox: Sandbox,
    start_toned: StartBot,
    ear_a: Ear,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is silent then, and continues with the next sentence after the call."""
    monkeypatch.setattr(calls, "_SURE_AFTER_S", 0.2)
    monkeypatch.setattr(calls, "_OVER_AFTER_S", 0.2)
    heard: asyncio.Queue[int] = asyncio.Queue()

    def on_event(name: str, data: dict[str, Any]) -> None:
        if name == "sentence":
            heard.put_nowait(data["sentence"])

    async with start_toned() as bot, asyncio.timeout(120):
        bot.delivery._events.watch(on_event)
        message = sandbox.send(ALICE, " ".join(f"Number {n}." for n in range(200)))
        assert await heard.get() == 0
        with Recorder(daemon, MICROPHONE):
            await sandbox.wait_for(reply_with(f"{IN_CALL}; I'll say it afterwards.", message))
            await asyncio.to_thread(ear_a.wait_for_silence)
            before = [heard.get_nowait() for _ in range(heard.qsize())]
            await asyncio.to_thread(ear_a.wait_for_silence)
            assert heard.empty()
        after = await heard.get()

    assert before == list(range(1, after))
