"""`crier doctor --mac` on a stand-in for CoreAudio: what it measures, and that it sees a hang."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.doctor.check import Context, Finding, State
from bot.doctor.command import look
from bot.doctor.mac import Equipment, Watched, mac_checks
from bot.settings import Settings
from tests.support.fake_coreaudio import CoreAudio, Stream
from tests.support.fake_voice import ToneVoice
from tests.support.pipelines import SIX


class Mac:
    """A Mac with these loudspeakers, and its owner, who does what is asked."""

    def __init__(self, folder: Path, *names: str) -> None:
        self.library = CoreAudio(*names)
        self.devices = list(self.library.connected)
        self.context = Context(Settings(data_dir=folder), platform="darwin")
        self.context.ask = lambda _: True
        self.gear = Equipment(
            lambda: Watched(
                "", full_at_open=True, load_library=self.library.load, system=self.library
            ),
            ToneVoice,
            self.library.mute_reason,
            cycles=3,
            text=SIX,
        )

    def look(self, name: str, *, when_told: Callable[[], None] = lambda: None) -> Finding:
        """Run one check; its owner does this when told what to do while it speaks."""
        self.context.tell = lambda _: when_told()
        checks = {check.name: check for check in mac_checks(self.context, self.gear)}
        return look(checks[name], self.context)


def test_cycles_tell_how_long_open_and_abort_take(tmp_path: Path) -> None:
    """As many streams as asked for are opened and aborted, each with its time."""
    finding = Mac(tmp_path, "MacBook Speakers").look("cycles")

    assert finding.state is State.PASS, finding
    assert finding.found.startswith("3 of 3, none hung. Open: median")
    assert "Abort: median 1" in finding.found  # 100 ms and a bit


def test_an_abort_that_never_returns_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hang in C is seen by another thread's clock, and nothing else calls PortAudio then."""
    mac = Mac(tmp_path, "MacBook Speakers")
    mac.gear.hung_s = 0.5
    over = threading.Event()
    monkeypatch.setattr(Stream, "abort", lambda _: over.wait(20))
    hung = mac.look("cycles")
    after = mac.look("mute")
    over.set()

    assert hung.state is State.FAIL
    assert "After 0 cycles abort did not return" in hung.found
    assert after.state is State.SKIP


def test_a_switch_while_it_speaks_is_measured(tmp_path: Path) -> None:
    """The gap is that between the last sound here and the first sound there."""
    mac = Mac(tmp_path, "MacBook Speakers", "AirPods")

    def switch() -> None:
        mac.library.default_device = mac.devices[1]

    finding = mac.look("switch", when_told=switch)

    assert finding.state is State.PASS, finding
    assert finding.found.startswith("From MacBook Speakers to AirPods: 0.")


def test_a_removal_while_it_speaks_is_measured(tmp_path: Path) -> None:
    """A device that vanishes is noticed after 2 s; the message is heard to its end elsewhere."""
    mac = Mac(tmp_path, "AirPods", "MacBook Speakers")
    finding = mac.look("removal", when_told=lambda: mac.library.disconnect(mac.devices[0]))

    assert finding.state in (State.PASS, State.WARN), finding
    assert finding.found.startswith("From AirPods to MacBook Speakers: ")
    assert "heard to the end" in finding.found


def test_nothing_done_is_nothing_measured(tmp_path: Path) -> None:
    """An owner who does not switch, or leaves a step out, gets no false alarm."""
    mac = Mac(tmp_path, "MacBook Speakers", "AirPods")
    stayed = mac.look("switch")
    mac.context.ask = lambda _: False
    left_out = mac.look("removal")

    assert (stayed.state, left_out.state) == (State.SKIP, State.SKIP)
    assert "not switched" in stayed.found


def test_a_mute_that_is_noticed_is_well_and_one_that_is_not_warns(tmp_path: Path) -> None:
    """Muted and turned on again: both have to be seen."""
    mac = Mac(tmp_path, "MacBook Speakers")

    def do(what: str) -> bool:
        mac.devices[0].inaudible = "muted" if what.startswith("Mute") else ""
        return True

    mac.context.ask = do
    noticed = mac.look("mute")
    mac.context.ask = lambda _: True
    unnoticed = mac.look("mute")

    assert noticed.state is State.PASS, noticed
    assert unnoticed.state is State.WARN
