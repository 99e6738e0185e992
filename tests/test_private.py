"""The data folder: every file that a running bot leaves there is private."""

import os
import stat
from pathlib import Path

import pytest

from bot.chat.sandbox import Sandbox
from bot.paths import files_of, make_private, write_private
from tests.conftest import ALICE, TOKEN, reaction_to
from tests.support.commandline import WITH_TONES, Environment, crier


@pytest.fixture(autouse=True)
def usual_umask() -> None:
    """Set the usual umask, with which others can read new files."""
    os.umask(0o022)


def readable_by_others(folder: Path) -> list[str]:
    """Return the files and folders that other users can read."""
    return [
        str(path.relative_to(folder.parent))
        for path in (folder, *folder.rglob("*"))
        if not path.is_symlink() and stat.S_IMODE(path.stat().st_mode) & 0o077
    ]


async def test_running_bot_leaves_nothing_readable_to_others(
    environment: Environment, sandbox: Sandbox, tmp_path: Path
) -> None:
    """Database, its journal, logs, recordings and older files are all private."""
    folder, spoken = tmp_path / "data", tmp_path / "spoken"
    (folder / "sounds").mkdir(parents=True)
    for path in (folder, folder / "sounds"):
        path.chmod(0o755)
    for name in ("crier.log", "crier.log.1", "crier.db.before-v3", "launchd.log", "pace.json"):
        (folder / name).touch(mode=0o644)
    (folder / "sounds" / "old.wav").touch(mode=0o644)
    variables = {
        **environment,
        "TELEGRAM_BOT_TOKEN": TOKEN,
        "TELEGRAM_ALLOWED_USERS": str(ALICE.id),
        "TELEGRAM_API_URL": sandbox.url,
        "AUDIO_DEVICE": f"file:{spoken}",
    }
    async with crier("run", environment=variables, module=WITH_TONES) as process:
        message = sandbox.send(ALICE, "Number 1.")
        await sandbox.wait_for(reaction_to(message, "👍"), 120)
        names = {path.name for path in folder.iterdir()}
        readable = readable_by_others(folder) + readable_by_others(spoken)
        process.terminate()
        await process.wait()

    assert {path for path in folder.iterdir() if path.is_file()} == set(files_of(folder))
    assert {"crier.db", "crier.db-wal", "crier.log", "api.json", "api.sock"} <= names
    assert list(spoken.glob("*.wav"))
    assert readable + readable_by_others(folder) == []


def test_make_private_leaves_a_shared_folder_open(tmp_path: Path) -> None:
    """A folder with other files stays open, as do these; Crier's become private."""
    folder = tmp_path / "shared"
    folder.mkdir(mode=0o755)
    for name in ("letter.txt", "crier.db"):
        (folder / name).touch(mode=0o644)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.touch(mode=0o644)
    (folder / ".env").symlink_to(elsewhere)
    make_private(folder)
    (folder / "new").touch()

    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert modes == {"letter.txt": 0o644, "crier.db": 0o600, ".env": 0o644, "new": 0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o755


def test_write_private_replaces_a_file_in_one_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new file is private, whatever the old one was; a failure leaves the old one as it was."""
    path, draft = tmp_path / "token", tmp_path / "token.new"
    path.touch(mode=0o644)
    draft.touch(mode=0o644)  # left by a crash
    write_private(path, "secret\n")

    assert path.read_text() == "secret\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    monkeypatch.setattr("os.fsync", _disk_full)
    with pytest.raises(OSError, match="No space"):
        write_private(path, "other\n")
    assert path.read_text() == "secret\n"
    assert not draft.exists()


def _disk_full(_: int) -> None:
    raise OSError(28, "No space left on device")
