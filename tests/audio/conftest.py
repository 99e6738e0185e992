"""Shared fixtures of the audio tests."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from audio.cost import SynthesisCost
from audio.kokoro.english import EnglishReader, load_reader
from tests.support.pipelines import Facts, MacPipeline


@pytest.fixture(scope="session")
def english(model_dir: Path) -> EnglishReader:
    """Return the reader with the real dictionary, which set-up made."""
    reader = load_reader(model_dir)
    assert reader is not None, "no dictionary: `crier models` makes it"
    return reader


@pytest.fixture
def facts() -> Facts:
    """Return a collector of facts."""
    return Facts()


@pytest.fixture
def start_mac() -> Iterator[Callable[..., MacPipeline]]:
    """Return a function that starts a pipeline on a fake Mac; it is closed afterwards."""
    macs: list[MacPipeline] = []

    def make(*names: str, wanted: str = "", cost: SynthesisCost | None = None) -> MacPipeline:
        macs.append(MacPipeline(*names, wanted=wanted, cost=cost))
        return macs[-1]

    yield make
    for mac in macs:
        mac.pipeline.close().result(10)
        # PortAudio is only ever called on one thread, whatever happened.
        assert len(mac.library.threads) == 1
