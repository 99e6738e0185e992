"""`crier --version`: which Crier, which commit, which model."""

import subprocess
from pathlib import Path

import pytest

from bot import __version__
from bot.cli.main import main
from bot.version import commit_of


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Return a checkout of git's own making, with one commit."""
    root = tmp_path / "checkout"
    git("init", "--quiet", "--initial-branch=main", str(root))
    git("-C", str(root), "commit", "--quiet", "--allow-empty", "--message=first")
    return root


def git(*words: str) -> str:
    """Run git, as nobody in particular."""
    who = ("-c", "user.name=a", "-c", "user.email=a@b")
    done = subprocess.run(["git", *who, *words], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_the_commit_is_gits_own_answer(repository: Path, tmp_path: Path) -> None:
    """On a branch, packed, detached and in a worktree it is what git says."""
    commit = git("-C", str(repository), "rev-parse", "HEAD")
    found = [commit_of(repository)]
    git("-C", str(repository), "pack-refs", "--all")
    found.append(commit_of(repository))
    git("-C", str(repository), "worktree", "add", "--quiet", "-b", "side", str(tmp_path / "side"))
    found.append(commit_of(tmp_path / "side"))
    git("-C", str(repository), "checkout", "--quiet", "--detach")
    found.append(commit_of(repository))

    assert found == [commit] * 4


def test_without_git_there_is_no_commit(tmp_path: Path) -> None:
    """An unpacked archive has none, and that is no error."""
    assert commit_of(tmp_path) == ""


def test_version_commit_and_model_are_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The version, then the kind of model with its place, and what is missing of it."""
    monkeypatch.setenv("MODEL_DIR", str(tmp_path))
    monkeypatch.setenv("KOKORO_MODEL", "int8")
    with pytest.raises(SystemExit) as end:
        main(["--version"])
    said = capsys.readouterr().out

    assert end.value.code == 0
    assert said.startswith(f"crier {__version__}")
    assert f"int8, in {tmp_path}; missing: kokoro-v1.0.int8.onnx, voices-v1.0.bin" in said


def test_a_wrong_setting_does_not_hide_the_version(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the settings can't be read, the version is still said, and what is wrong."""
    monkeypatch.setenv("KOKORO_SPEED", "fast")
    with pytest.raises(SystemExit):
        main(["--version"])
    said = capsys.readouterr().out

    assert said.startswith(f"crier {__version__}")
    assert "KOKORO_SPEED" in said
