"""Where the model files are."""

import sys
from pathlib import Path

import platformdirs
import pytest

from bot.paths import adopt_cached_models, default_model_dir


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the home folder of somebody at a Mac, with the models of an older Crier."""
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(platformdirs, "user_data_path", lambda name: tmp_path / "Support" / name)
    monkeypatch.setattr(platformdirs, "user_cache_path", lambda name: tmp_path / "Caches" / name)
    cached = tmp_path / "Caches" / "crier" / "models"
    cached.mkdir(parents=True)
    (cached / "kokoro-v1.0.onnx").write_text("old")
    return tmp_path


def test_models_of_a_mac_are_moved_out_of_its_cache(home: Path) -> None:
    """What was fetched into the cache is moved, once, and not fetched again."""
    folder = default_model_dir()
    for _ in range(2):
        adopt_cached_models(folder)

    assert folder == home / "Support" / "crier" / "models"
    assert (folder / "kokoro-v1.0.onnx").read_text() == "old"
    assert not (home / "Caches" / "crier" / "models").exists()


@pytest.mark.usefixtures("home")
def test_models_in_place_are_kept() -> None:
    """A file that is there already is not replaced by an older one."""
    folder = default_model_dir()
    folder.mkdir(parents=True)
    (folder / "kokoro-v1.0.onnx").write_text("new")
    adopt_cached_models(folder)

    assert (folder / "kokoro-v1.0.onnx").read_text() == "new"


def test_models_are_not_moved_to_other_folders(home: Path) -> None:
    """With a MODEL_DIR of one's own the cache stays as it is."""
    adopt_cached_models(home / "mine")

    assert (home / "Caches" / "crier" / "models" / "kokoro-v1.0.onnx").exists()
    assert not (home / "mine").exists()


def test_models_stay_in_the_cache_of_linux(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing empties it there."""
    monkeypatch.setattr(sys, "platform", "linux")
    folder = default_model_dir()
    adopt_cached_models(folder)

    assert folder == home / "Caches" / "crier" / "models"
    assert (folder / "kokoro-v1.0.onnx").exists()
