"""The fixture that tests of single commands share."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.fake_api import FakeApi, serve_fake_api


@pytest.fixture
def commanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeApi]:
    """Run a fake of the bot's API, which commands in this process use."""
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))
    with (  # a short path
        tempfile.TemporaryDirectory(prefix="crier") as folder,
        serve_fake_api(tmp_path / "data", Path(folder) / "api.sock") as fake_api,
    ):
        yield fake_api
