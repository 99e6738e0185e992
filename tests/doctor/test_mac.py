"""`crier doctor --mac` with a stand-in for CoreAudio: measurements, and detection of a hang."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.doctor.check import CheckState, Context, Finding
from bot.doctor.mac import Equipment, MeasuringSpeaker, mac_checks
from bot.doctor.runner import run_checks_here
from bot.settings import Settings
from tests.support.fake_coreaudio import CoreAudio, Stream
from tests.support.fake_voice import ToneVoice
from tests.support.pipelines import SIX


class MacScene:
    """A Mac with these loudspeakers, and its owner, who does what is asked."""

    def __init__(self, folder: Path, *names: str) -> None:
        self.library = CoreAudio(*names)
        self.devices = list(self.library.connected)
        self.context = Context(Settings(data_dir=folder), platform="darwin")
        self.context.ask = lambda _: True
        self.equipment = Equipment(
            lambda: MeasuringSpeaker(
                "", full_at_open=True, load_library=self.library.load, system=self.library
            ),
            ToneVoice,
            self.library.mute_reason,
            cycles=3,
            text=SIX,
        )

    def run(self, name: str, *, on_instruction: Callable[[], None] = lambda: None) -> Finding:
        """Run one check; the owner follows an instruction by calling *on_instruction*."""
        self.context.instruct = lambda _: on_instruction()
        checks = [check for check in mac_checks(self.context, self.equipment) if check.name == name]
        [(_, finding)] = run_checks_here(self.context, checks)
        return finding


def test_cycles_measure_open_and_abort(tmp_path: Path) -> None:
    """The streams are opened and aborted, and the times are reported."""
    finding = MacScene(tmp_path, "MacBook Speakers").run("cycles")

    assert finding.state is CheckState.PASS, finding
    assert finding.found.startswith("3 of 3, none hung. Open: median")
    assert "Abort: median 1" in finding.found  # 100 ms and a bit


def test_cycles_detect_abort_that_never_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hang in C is detected by another thread, and PortAudio is not called again."""
    mac = MacScene(tmp_path, "MacBook Speakers")
    mac.equipment.hung_s = 0.5
    released = threading.Event()
    monkeypatch.setattr(Stream, "abort", lambda _: released.wait(20))
    hung = mac.run("cycles")
    after = mac.run("mute")
    released.set()

    assert hung.state is CheckState.FAIL
    assert "After 0 cycles abort did not return" in hung.found
    assert after.state is CheckState.SKIP


def test_switch_measures_gap(tmp_path: Path) -> None:
    """The gap lasts from the last sound on one device to the first sound on the other."""
    mac = MacScene(tmp_path, "MacBook Speakers", "AirPods")

    def switch() -> None:
        mac.library.default_device = mac.devices[1]

    finding = mac.run("switch", on_instruction=switch)

    assert finding.state is CheckState.PASS, finding
    assert finding.found.startswith("From MacBook Speakers to AirPods: 0.")


def test_removal_measures_gap(tmp_path: Path) -> None:
    """A vanished device is noticed after 2 s, and the rest is heard on another one."""
    mac = MacScene(tmp_path, "AirPods", "MacBook Speakers")
    finding = mac.run("removal", on_instruction=lambda: mac.library.disconnect(mac.devices[0]))

    assert finding.state in (CheckState.PASS, CheckState.WARN), finding
    assert finding.found.startswith("From AirPods to MacBook Speakers: ")
    assert "heard to the end" in finding.found


def test_switch_and_removal_are_skipped_if_nothing_happens(tmp_path: Path) -> None:
    """There is no false alarm if the owner does not switch, or skips a step."""
    mac = MacScene(tmp_path, "MacBook Speakers", "AirPods")
    stayed = mac.run("switch")
    mac.context.ask = lambda _: False
    skipped = mac.run("removal")

    assert (stayed.state, skipped.state) == (CheckState.SKIP, CheckState.SKIP)
    assert "not switched" in stayed.found


def test_mute_passes_if_noticed_and_warns_if_not(tmp_path: Path) -> None:
    """Both muting and unmuting have to be noticed."""
    mac = MacScene(tmp_path, "MacBook Speakers")

    def follow(instruction: str) -> bool:
        mac.devices[0].inaudible = "muted" if instruction.startswith("Mute") else ""
        return True

    mac.context.ask = follow
    noticed = mac.run("mute")
    mac.context.ask = lambda _: True
    unnoticed = mac.run("mute")

    assert noticed.state is CheckState.PASS, noticed
    assert unnoticed.state is CheckState.WARN
