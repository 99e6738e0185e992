"""The broker that the tests share."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.core.conftest import lab  # noqa: F401  # a fixture, which tests here share
from tests.support.broker import House, Mosquitto


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    """Start a broker with a password."""
    yield from start_broker(tmp_path / "broker")


def start_broker(folder: Path, **options: Any) -> Iterator[Mosquitto]:
    """Yield a broker, and stop it afterwards."""
    if Mosquitto.path() is None:
        pytest.skip("needs mosquitto, which `make test` installs where there is apt")
    mosquitto = Mosquitto(folder, **options)
    yield mosquitto
    mosquitto.close()


@pytest.fixture
async def house(broker: Mosquitto) -> AsyncIterator[House]:
    """Return a client in the part of Home Assistant."""
    async with House.at(broker) as house:
        yield house
