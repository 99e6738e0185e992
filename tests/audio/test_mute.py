"""Muted or at volume 0: noticed on a real sound server, and told to the sender."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from audio.output.mute import MuteCheck
from audio.output.portaudio import PortAudioSpeaker
from bot.chat.sandbox import Sandbox
from tests.audio.test_speaker import AudioThread, tone
from tests.conftest import ALICE, StartBot, reaction_to, reply_with
from tests.support.loudspeaker import Loudspeakers


@pytest.fixture
def server(loudspeakers: Loudspeakers, monkeypatch: pytest.MonkeyPatch) -> Iterator[Loudspeakers]:
    """Make the virtual loudspeakers' server the one that `pactl` asks; it is loud afterwards."""
    daemon = loudspeakers.daemons["speaker_a"]
    monkeypatch.setenv("PULSE_SERVER", daemon.socket)
    yield loudspeakers
    daemon.ask("set-sink-mute", "speaker_a", "0")
    daemon.ask("set-sink-volume", "speaker_a", "100%")


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (("set-sink-mute", "speaker_a", "1"), "muted"),
        (("set-sink-volume", "speaker_a", "0"), "at volume 0"),
        (("set-sink-mute", "speaker_b", "1"), ""),  # it sounds elsewhere
    ],
)
def test_the_sink_in_use_is_looked_at(
    server: Loudspeakers, order: tuple[str, ...], expected: str
) -> None:
    """Only the sink that the sound goes to matters, whatever the device is called."""
    server.daemons["speaker_a"].ask(*order)
    thread = AudioThread(PortAudioSpeaker("speaker_a"))
    try:
        thread.play(tone(0.5))
        assert thread.speaker.mute_reason() == expected
    finally:
        thread.close()
        server.daemons["speaker_a"].ask("set-sink-mute", "speaker_b", "0")


def test_what_was_muted_as_it_began_was_not_heard() -> None:
    """A mute that ends while an utterance sounds still counts for it, and not for the next."""
    system = ["muted"]
    check = MuteCheck(lambda _: system[0])
    check.check("x", at_start=True)
    system[0] = ""
    check.check("x", at_start=False)
    assert check.reason() == "muted"

    check.check("x", at_start=True)
    assert check.reason() == ""


def test_without_a_sound_server_nothing_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Where there is nobody to ask, nobody is asked, and no server is started for it."""
    monkeypatch.delenv("PULSE_SERVER", raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    check = MuteCheck(lambda _: None)
    check.check("x", at_start=True)

    assert check.reason() == ""


async def test_the_sender_is_told_once_that_it_was_muted(
    start_toned: StartBot, sandbox: Sandbox, server: Loudspeakers
) -> None:
    """Heard by a muted device: a thumb, which is true, and one reply for all of the burst."""
    server.daemons["speaker_a"].ask("set-sink-mute", "speaker_a", "1")
    async with start_toned():
        first = sandbox.send(ALICE, "Number 1.")
        second = sandbox.send(ALICE, "Number 2.")
        await sandbox.wait_for(reaction_to(second, "👍"))
        told = await sandbox.wait_for(reply_with("muted"))
        sandbox.send(ALICE, "/status")
        await sandbox.wait_for(reply_with("Warning: speaker_a was muted"))

    assert told.reply_to == first
    assert told.text == (
        "Spoken, but the sound output speaker_a is muted. Turn it up there; /replay says it again."
    )
    assert len([e for e in sandbox.events if reply_with("Spoken, but")(e)]) == 1
    assert any(map(reaction_to(first, "👍"), sandbox.events))
