"""`crier --version`: the version, the commit, and the model."""

import subprocess
from pathlib import Path

import pytest

from bot import __version__
from bot.cli.main import main
from bot.paths import CHECKOUT
from bot.version import commit_of


def test_commit_of_returns_gits_short_name(tmp_path: Path) -> None:
    """The commit is found in a checkout, and not in a folder that another repository contains."""
    inner = tmp_path / "unpacked"
    inner.mkdir()
    before = commit_of(inner)
    git = ("git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b")
    subprocess.run([*git, "init", "--quiet"], check=True)
    subprocess.run([*git, "commit", "--quiet", "--allow-empty", "--message=first"], check=True)
    done = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True)

    assert commit_of(tmp_path) == done.stdout[:12]
    assert (before, commit_of(inner)) == ("", "")


def test_commit_of_is_empty_without_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No git, or no folder, is no error."""
    monkeypatch.setenv("PATH", str(tmp_path))

    assert commit_of(CHECKOUT) == ""
    assert commit_of(tmp_path / "nowhere") == ""


def test_version_names_the_model_and_its_missing_files(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The version, then the kind and folder of the model, and its missing files."""
    monkeypatch.setenv("MODEL_DIR", str(tmp_path))
    monkeypatch.setenv("KOKORO_MODEL", "int8")
    with pytest.raises(SystemExit) as end:
        main(["--version"])
    printed = capsys.readouterr().out

    assert end.value.code == 0
    assert printed.startswith(f"crier {__version__}")
    assert f"int8, in {tmp_path}; missing: kokoro-v1.0.int8.onnx, voices-v1.0.bin" in printed


def test_version_is_printed_despite_a_wrong_setting(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the settings can't be read, the version is still printed, and the error."""
    monkeypatch.setenv("KOKORO_SPEED", "fast")
    with pytest.raises(SystemExit):
        main(["--version"])
    printed = capsys.readouterr().out

    assert printed.startswith(f"crier {__version__}")
    assert "KOKORO_SPEED" in printed
