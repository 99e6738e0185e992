"""`crier doctor --mac` with a stand-in for CoreAudio: measurements, and detection of a hang."""

import json
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audio.types import Samples, Sound
from bot.doctor import mac_agent
from bot.doctor.check import CheckState, Context, Finding
from bot.doctor.command import MAC_CHECKS
from bot.doctor.mac import mac_checks
from bot.doctor.mac_equipment import Equipment, MeasuringSpeaker
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
            lambda _: ToneVoice(),
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
    mac.devices[0].is_private, mac.devices[1].is_built_in = True, True
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


SHORT = "Tone 1 and that. Tone 2 and that."


def test_mac_checks_have_the_names_of_the_command_line(tmp_path: Path) -> None:
    """The names that `--mac` accepts are those of the checks."""
    mac = MacScene(tmp_path)

    assert tuple(check.name for check in mac_checks(mac.context, mac.equipment)) == MAC_CHECKS


def test_ring_passes_if_it_is_as_deep_as_computed(tmp_path: Path) -> None:
    """For each output the computed depth, the largest room, and what the system says of it."""
    mac = MacScene(tmp_path, "MacBook Speakers", "AirPods")
    mac.equipment.drain_s = 0.5
    mac.equipment.properties = lambda name: {"buffer": 480.0} if name == "AirPods" else {}
    finding = mac.run("ring")

    assert finding.state is CheckState.PASS, finding
    assert re.fullmatch(
        r"MacBook Speakers: computed (\d+), largest room \1; "
        r"AirPods: computed (\d+), largest room \2, buffer 480",
        finding.found,
    )


def test_ring_fails_if_it_is_not_as_computed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A ring of twice the depth is found, and its device named."""
    room = vars(Stream)["write_available"].fget
    monkeypatch.setattr(Stream, "write_available", property(lambda stream: 2 * room(stream)))
    mac = MacScene(tmp_path, "AirPods")
    mac.equipment.drain_s = 0.5
    finding = mac.run("ring")

    assert finding.state is CheckState.FAIL
    assert finding.found.endswith("Not as computed: AirPods.")


def test_ring_waits_until_deep_ring_is_empty(tmp_path: Path) -> None:
    """A ring that takes longer to empty than the pause at its end is measured whole."""
    mac = MacScene(tmp_path, "HomePod")
    mac.equipment.drain_s = 0.3
    mac.equipment.make_speaker = lambda: MeasuringSpeaker(
        "", 0.3, full_at_open=True, load_library=mac.library.load, system=mac.library
    )
    finding = mac.run("ring")

    assert finding.state is CheckState.PASS, finding
    assert finding.found.startswith("HomePod: computed 16384, largest room 16384")


def test_ring_reports_device_that_does_not_open(tmp_path: Path) -> None:
    """A device that is listed and gone is no fault of the ring."""
    mac = MacScene(tmp_path, "AirPods")
    mac.devices[0].vanish()
    finding = mac.run("ring")

    assert finding.state is CheckState.PASS
    assert finding.found.startswith("AirPods: does not open")


@pytest.mark.parametrize(
    ("error", "state", "says"),
    [
        ("", CheckState.PASS, "While the microphone was in use: heard to the end on AirPods"),
        ("AirPods has no microphone", CheckState.SKIP, "AirPods has no microphone"),
    ],
)
def test_call_uses_microphone_of_same_device(
    tmp_path: Path, error: str, state: CheckState, says: str
) -> None:
    """The microphone of the device in use is recorded in the middle of the text."""
    mac = MacScene(tmp_path, "AirPods")
    mac.equipment.text = SHORT
    recorded: list[str] = []

    def record(name: str) -> str:
        recorded.append(name)
        return error

    mac.equipment.record = record
    finding = mac.run("call")

    assert recorded == ["AirPods"]
    assert finding.state is state, finding
    assert says in finding.found


def test_sleep_reports_how_long_the_mac_slept(tmp_path: Path) -> None:
    """After a sleep the text goes on; without one there is nothing to report."""
    mac = MacScene(tmp_path, "MacBook Speakers")
    mac.equipment.text = SHORT
    asleep_s = 0.0
    mac.equipment.asleep_s = lambda: asleep_s

    def sleep() -> None:
        nonlocal asleep_s
        asleep_s = 61.0

    slept = mac.run("sleep", on_instruction=sleep)
    awake = mac.run("sleep")

    assert slept.state is CheckState.PASS, slept
    assert slept.found.startswith("After 61 s of sleep: heard to the end on MacBook Speakers")
    assert awake.state is CheckState.SKIP


def test_airplay_reports_first_sound(tmp_path: Path) -> None:
    """The time to the first sound is what an AirPlay device costs."""
    mac = MacScene(tmp_path, "HomePod")
    mac.equipment.text = SHORT
    finding = mac.run("airplay")

    assert finding.state is CheckState.PASS, finding
    assert re.fullmatch(r"HomePod: the first sound after \d+ ms", finding.found)


@pytest.mark.parametrize(
    ("notification", "window", "state", "fix"),
    [
        (True, True, CheckState.PASS, ""),
        (False, True, CheckState.WARN, "Script Editor"),
        (True, False, CheckState.FAIL, "crier logs"),
    ],
)
def test_notify_asks_what_was_seen(
    tmp_path: Path, notification: bool, window: bool, state: CheckState, fix: str
) -> None:
    """Both are shown, and the person says which was seen."""
    mac = MacScene(tmp_path)
    shown: list[str] = []
    mac.equipment.notify = mac.equipment.alert = shown.append
    mac.context.confirm = lambda question: window if "window" in question else notification
    finding = mac.run("notify")

    assert len(shown) == 2
    assert finding.state is state
    assert fix in finding.fix


class NumbersVoice(ToneVoice):
    """A voice whose samples are changed where KleidiAI is on."""

    def __init__(self, change: Callable[[Samples], Samples]) -> None:
        super().__init__(0.0)
        self.change = change

    def synthesize(self, *arguments: Any) -> Sound:
        """Return the changed sound, which took a while."""
        return Sound(self.change(super().synthesize(*arguments).samples), 0.1)


@pytest.mark.parametrize(
    ("change", "state", "says"),
    [
        (lambda samples: samples, CheckState.PASS, "the same sound"),
        (lambda samples: samples * np.float32(np.nan), CheckState.FAIL, "no numbers"),
        (lambda samples: -samples, CheckState.WARN, "not the same"),
        (lambda samples: samples[:-1], CheckState.WARN, "samples"),
    ],
)
def test_numbers_compare_with_and_without_kleidiai(
    tmp_path: Path, change: Callable[[Samples], Samples], state: CheckState, says: str
) -> None:
    """Whether KleidiAI could be on is decided by its output, and by its speed."""
    mac = MacScene(tmp_path)
    mac.equipment.chunk = "Tone 1."
    mac.equipment.make_voice_with = lambda config: NumbersVoice(
        change if config["mlas.disable_kleidiai"] == "0" else lambda samples: samples
    )
    finding = mac.run("numbers")

    assert finding.state is state, finding
    assert says in finding.found


def test_memory_reports_footprint_and_resident_size(tmp_path: Path) -> None:
    """Both sizes, and the limit."""
    mac = MacScene(tmp_path)
    mac.equipment.text = SHORT
    mac.equipment.make_voice = lambda: ToneVoice(0.0)
    finding = mac.run("memory")

    assert finding.state is CheckState.PASS, finding
    assert re.match(r"Footprint \d+ MB, resident \d+ MB; .* above 1536 MB", finding.found)


@pytest.mark.parametrize(
    ("changed", "state", "says"),
    [
        ({}, CheckState.PASS, "Python 3.13.1 starts, priority 31, Keychain: readable"),
        ({"throttled": True}, CheckState.WARN, "in the background"),
        ({"keychain": "denied", "keychain_refused": True}, CheckState.FAIL, "denied"),
        (None, CheckState.FAIL, "Operation not permitted"),
    ],
)
def test_agent_reports_what_an_agent_may_do(
    tmp_path: Path, changed: dict[str, object] | None, state: CheckState, says: str
) -> None:
    """Whether the environment can be read, the Keychain, and the priority."""
    facts: dict[str, object] = {"python": "3.13.1", "priority": "31", "keychain": "readable"}
    facts |= {"throttled": False, "keychain_refused": False}
    mac = MacScene(tmp_path)
    mac.equipment.run_in_agent = lambda: (
        "can't open file: Operation not permitted\n"
        if changed is None
        else json.dumps(facts | changed) + "\n"
    )
    finding = mac.run("agent")

    assert finding.state is state, finding
    assert says in finding.found


def test_agent_facts_are_what_the_check_reads() -> None:
    """What the agent prints has every name that the check reads."""
    assert mac_agent.facts().keys() == {
        "python",
        "priority",
        "throttled",
        "keychain",
        "keychain_refused",
    }
