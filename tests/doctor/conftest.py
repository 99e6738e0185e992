"""Shared fixtures of the doctor tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from bot.settings import Settings
from tests.conftest import ALICE, MODEL, TOKEN
from tests.doctor.scene import Scene


@pytest.fixture
def scene(tmp_path: Path, model_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    """Return a healthy machine."""
    settings = Settings(
        telegram_bot_token=SecretStr(TOKEN),
        telegram_allowed_users=frozenset({ALICE.id}),
        data_dir=tmp_path / "data",
        model_dir=model_dir,
        kokoro_model=MODEL,
    )
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))
    scene = Scene(settings, tmp_path, monkeypatch)
    yield scene
    for opened in scene.open:
        opened.close()
