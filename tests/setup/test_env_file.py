"""Changes of a .env file: other lines stay, and it is changed atomically."""

import stat
from pathlib import Path

import pytest

from bot.settings import read_env
from bot.setup.env_file import change


def test_change_keeps_other_lines(tmp_path: Path) -> None:
    """Comments, order, invalid lines and other variables are unchanged."""
    path = tmp_path / ".env"
    path.write_text("# mine\nCHIME=true\n\nexport KOKORO_VOICE=am_adam # so deep\nnot a line\n")
    change(path, {"KOKORO_VOICE": "bf_emma", "AUDIO_DEVICE": "Kitchen"})

    lines = path.read_text().splitlines()
    assert lines[:3] == ["# mine", "CHIME=true", ""]
    assert lines[3:] == ["KOKORO_VOICE='bf_emma'", "not a line", "AUDIO_DEVICE=Kitchen"]
    assert read_env(path)["KOKORO_VOICE"] == "bf_emma"


@pytest.mark.parametrize(
    "value", ["Alice's AirPods", 'The "big" one', "a\\b", "#1", "Büro = oben", "file:/tmp/a b"]
)
def test_change_quotes_value(tmp_path: Path, value: str) -> None:
    """Names with quotes, number signs and spaces are read back unchanged."""
    change(tmp_path / ".env", {"AUDIO_DEVICE": value})

    assert read_env(tmp_path / ".env") == {"AUDIO_DEVICE": value}


def test_change_removes_empty_value(tmp_path: Path) -> None:
    """An empty value removes the variable, if it is there."""
    path = tmp_path / ".env"
    path.write_text("AUDIO_DEVICE=Kitchen\nCHIME=true\n")
    change(path, {"AUDIO_DEVICE": "", "KOKORO_VOICE": ""})

    assert path.read_text() == "CHIME=true\n"


def test_change_makes_file_private(tmp_path: Path) -> None:
    """Only the owner can read the file, new or old, and a new folder."""
    new, old = tmp_path / "data" / ".env", tmp_path / ".env"
    old.write_text("CHIME=true\n")
    old.chmod(0o644)
    for path in (new, old):
        change(path, {"KOKORO_VOICE": "bf_emma"})

    assert [stat.S_IMODE(path.stat().st_mode) for path in (new, old)] == [0o600, 0o600]
    assert stat.S_IMODE(new.parent.stat().st_mode) == 0o700


def test_change_leaves_file_after_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the disk is full, the old file is still there, and no other."""
    path = tmp_path / ".env"
    path.write_text("CHIME=true\n")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        change(path, {"KOKORO_VOICE": "bf_emma"})

    assert path.read_text() == "CHIME=true\n"
    assert [p.name for p in tmp_path.iterdir()] == [".env"]


def test_change_follows_link(tmp_path: Path) -> None:
    """If .env is a link, its target is changed."""
    real = tmp_path / "dotfiles"
    real.write_text("CHIME=true\n")
    (tmp_path / ".env").symlink_to(real)
    change(tmp_path / ".env", {"CHIME": "false"})

    assert (tmp_path / ".env").is_symlink()
    assert real.read_text() == "CHIME=false\n"
