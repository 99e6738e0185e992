"""Writing to a .env file: what is not meant stays, and the change comes at once or not at all."""

import stat
from pathlib import Path

import pytest

from bot.settings import read_env
from bot.setup.env_file import change


def test_other_lines_stay(tmp_path: Path) -> None:
    """Comments, order, odd lines and other variables are as they were."""
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
def test_whatever_a_device_is_called_is_read_back(tmp_path: Path, value: str) -> None:
    """Names with quotes, signs of comments and spaces come back as they were."""
    change(tmp_path / ".env", {"AUDIO_DEVICE": value})

    assert read_env(tmp_path / ".env") == {"AUDIO_DEVICE": value}


def test_an_empty_value_takes_its_line_away(tmp_path: Path) -> None:
    """To follow the default again, the variable goes; one that is not there is no matter."""
    path = tmp_path / ".env"
    path.write_text("AUDIO_DEVICE=Kitchen\nCHIME=true\n")
    change(path, {"AUDIO_DEVICE": "", "KOKORO_VOICE": ""})

    assert path.read_text() == "CHIME=true\n"


def test_only_its_owner_may_read_it(tmp_path: Path) -> None:
    """A new file and one that others could read are for its owner alone, in a folder likewise."""
    new, old = tmp_path / "data" / ".env", tmp_path / ".env"
    old.write_text("CHIME=true\n")
    old.chmod(0o644)
    for path in (new, old):
        change(path, {"KOKORO_VOICE": "bf_emma"})

    assert [stat.S_IMODE(path.stat().st_mode) for path in (new, old)] == [0o600, 0o600]
    assert stat.S_IMODE(new.parent.stat().st_mode) == 0o700


def test_a_failure_leaves_it_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the disk is full in the middle, the old file is still there, and nothing else."""
    path = tmp_path / ".env"
    path.write_text("CHIME=true\n")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        change(path, {"KOKORO_VOICE": "bf_emma"})

    assert path.read_text() == "CHIME=true\n"
    assert [p.name for p in tmp_path.iterdir()] == [".env"]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    """A .env that is kept elsewhere is changed there."""
    real = tmp_path / "dotfiles"
    real.write_text("CHIME=true\n")
    (tmp_path / ".env").symlink_to(real)
    change(tmp_path / ".env", {"CHIME": "false"})

    assert (tmp_path / ".env").is_symlink()
    assert real.read_text() == "CHIME=false\n"
