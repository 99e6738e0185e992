"""`crier models`, and what every start fetches."""

from pathlib import Path

import pytest

from audio.kokoro import model_files
from audio.types import ModelFileError
from bot.console import fetch_models
from bot.settings import Settings


def test_fetch_models_goes_on_without_a_dictionary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Crier starts if only the English dictionary can't be fetched, and says what follows."""

    def fail(*_: object) -> list[Path]:
        raise ModelFileError("There is no network.")

    monkeypatch.setattr(model_files, "ensure", lambda *_: [])
    monkeypatch.setattr(model_files, "ensure_dictionary", fail)

    fetch_models(Settings(model_dir=tmp_path))

    printed = capsys.readouterr().err
    assert "There is no network." in printed
    assert "espeak-ng reads English" in printed
