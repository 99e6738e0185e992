"""A sound server that `pactl` reaches, with a microphone; a D-Bus session; the bot's store."""

import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from bot.core.database import Database
from bot.core.store import Store
from tests.support.loudspeaker import Daemon, Loudspeakers

MICROPHONE = "microphone"


@pytest.fixture(scope="session")
def daemon_with_microphone(loudspeakers: Loudspeakers) -> Daemon:
    """Return the loudspeakers' daemon, with a microphone."""
    daemon = loudspeakers.daemons["speaker_a"]
    assert daemon.ask("load-module", "module-null-source", f"source_name={MICROPHONE}") == 0
    return daemon


@pytest.fixture
def daemon(daemon_with_microphone: Daemon, monkeypatch: pytest.MonkeyPatch) -> Daemon:
    """Return it as the sound server of this process."""
    monkeypatch.setenv("PULSE_SERVER", daemon_with_microphone.socket)
    return daemon_with_microphone


@pytest.fixture
def session_bus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Start a D-Bus session for this process; return its address."""
    command = ["dbus-daemon", "--session", "--nofork", "--print-address=1"]
    command.append(f"--address=unix:path={tmp_path / 'bus'}")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", address)
        yield address
        process.terminate()


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """Return an empty store."""
    database = await Database.open(tmp_path / "crier.db")
    yield Store(database)
    await database.close()
