"""Muted or at volume 0: noticed on a real sound server, and reported to the sender."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from audio.output import pulse
from audio.output.mute import MuteCheck
from audio.output.portaudio import PortAudioSpeaker
from bot.chat.sandbox import Sandbox
from tests.conftest import ALICE, StartBot, reaction_to, reply_with
from tests.support.loudspeaker import Loudspeakers
from tests.support.speakers import AudioThread, tone


@pytest.fixture
def server(loudspeakers: Loudspeakers, monkeypatch: pytest.MonkeyPatch) -> Iterator[Loudspeakers]:
    """Make the virtual loudspeakers' server the one that `pactl` asks; undo mutes afterwards."""
    daemon = loudspeakers.daemons["speaker_a"]
    monkeypatch.setenv("PULSE_SERVER", daemon.socket)
    yield loudspeakers
    daemon.ask("set-sink-mute", "speaker_a", "0")
    daemon.ask("set-sink-volume", "speaker_a", "100%")


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (("set-sink-mute", "speaker_a", "1"), "muted"),
        (("set-sink-volume", "speaker_a", "0"), "at volume 0"),
        (("set-sink-mute", "speaker_b", "1"), ""),  # not the sink in use
    ],
)
def test_mute_reason_is_that_of_the_sink_in_use(
    server: Loudspeakers, command: tuple[str, ...], expected: str
) -> None:
    """Only the sink in use matters, whatever the device is called."""
    server.daemons["speaker_a"].ask(*command)
    thread = AudioThread(PortAudioSpeaker("speaker_a"))
    try:
        thread.play(tone(0.5))
        assert thread.speaker.mute_reason() == expected
    finally:
        thread.close()
        server.daemons["speaker_a"].ask("set-sink-mute", "speaker_b", "0")


@pytest.mark.usefixtures("server")
def test_is_bluetooth_is_that_of_the_sink_in_use() -> None:
    """A null sink is none; with what the server says of a Bluetooth sink it is one."""
    thread = AudioThread(PortAudioSpeaker("speaker_a"))
    try:
        thread.play(tone(0.5))
        thread.speaker.mute_reason()
        assert not thread.speaker.is_bluetooth()
        listing = json.loads(
            subprocess.run(["pactl", "-f", "json", "list"], capture_output=True, check=True).stdout
        )
    finally:
        thread.close()
    assert not pulse.is_bluetooth_output(listing, os.getpid())
    for sink in listing["sinks"]:
        sink["properties"]["device.bus"] = "bluetooth" if sink["name"] == "speaker_a" else "pci"
    assert pulse.is_bluetooth_output(listing, os.getpid())
    assert not pulse.is_bluetooth_output(listing, pid=1)


def test_mute_check_remembers_a_mute_at_the_start() -> None:
    """A mute that ends during an utterance still counts for it, and not for the next."""
    system = ["muted"]
    check = MuteCheck(lambda _: system[0])
    check.check("x", at_start=True)
    system[0] = ""
    check.check("x", at_start=False)
    assert check.reason() == "muted"

    check.check("x", at_start=True)
    assert check.reason() == ""


def test_mute_check_without_a_sound_server_reports_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Without a sound server no reason is reported, and no server is started."""
    monkeypatch.delenv("PULSE_SERVER", raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    check = MuteCheck(lambda _: None)
    check.check("x", at_start=True)

    assert check.reason() == ""


async def test_receipts_report_a_muted_output_once(
    start_toned: StartBot, sandbox: Sandbox, server: Loudspeakers
) -> None:
    """A message heard on a muted device gets 👍, and one reply for all of the burst."""
    server.daemons["speaker_a"].ask("set-sink-mute", "speaker_a", "1")
    async with start_toned():
        first = sandbox.send(ALICE, "Number 1.")
        second = sandbox.send(ALICE, "Number 2.")
        await sandbox.wait_for(reaction_to(second, "👍"))
        warning = await sandbox.wait_for(reply_with("muted"))
        sandbox.send(ALICE, "/status")
        await sandbox.wait_for(reply_with("Warning: speaker_a was muted"))

    assert warning.reply_to == first
    assert warning.text == (
        "Spoken, but the sound output speaker_a is muted. Turn it up there; /replay says it again."
    )
    assert len([e for e in sandbox.events if reply_with("Spoken, but")(e)]) == 1
    assert any(map(reaction_to(first, "👍"), sandbox.events))
