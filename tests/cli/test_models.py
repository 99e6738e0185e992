"""`crier models`, and what every start fetches."""

import platform
import sys
from pathlib import Path

import pytest

from audio.kokoro import fastest, model_files, prepared
from audio.kokoro.prepared import ModelConfig
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
    monkeypatch.setattr(prepared, "prepare", lambda *_: None)

    fetch_models(Settings(model_dir=tmp_path))

    printed = capsys.readouterr().err
    assert "There is no network." in printed
    assert "espeak-ng reads English" in printed


@pytest.mark.parametrize("fetched", [True, False])
def test_fetch_models_measures_the_large_model_on_a_slow_mac(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    fetched: bool,
) -> None:
    """Where the small model is slow, the large one is tried; it may be out of reach."""

    def ensure(kind: str, *_: object) -> list[Path]:
        kinds.append(kind)
        if kind == "fp32" and not fetched:
            raise ModelFileError("There is no network.")
        return []

    def find(*_: object) -> ModelConfig:
        return (
            ModelConfig("fp32", 4, 0.2)
            if "fp32" in kinds and fetched
            else ModelConfig("int8", 4, 0.4)
        )

    kinds: list[str] = []
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(platform, "machine", lambda: "arm64")
    monkeypatch.setattr(model_files, "ensure", ensure)
    monkeypatch.setattr(model_files, "ensure_dictionary", lambda *_: [])
    monkeypatch.setattr(prepared, "prepare", lambda *_: None)
    monkeypatch.setattr(fastest, "find_fastest", find)
    monkeypatch.setattr(fastest, "is_busy", lambda: False)

    fetch_models(Settings(model_dir=tmp_path), measure=True)

    printed = capsys.readouterr().err
    assert kinds == ["int8", "fp32"]
    assert ("The small model is used." in printed) == (not fetched)
    assert f"Fastest here: {'fp32' if fetched else 'int8'} with 4" in printed
