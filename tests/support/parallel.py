"""Runs tests in parallel in several workers; those marked `realtime` last, apart from the others.

A realtime test measures the clock, the processor or undisturbed sound. Locks keep it apart from all
others, also from those of another run in the same checkout.
"""

import fcntl
import gc
import hashlib
import os
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

_EXTRA_WORKERS = 3
"""Workers in addition to the cores, since most tests wait most of the time."""

_SHARED = ("browser", "voice")
"""Fixtures that take seconds of a processor: their tests run in one worker each."""

_PLACES = 2
"""How many realtime tests run at a time: they mostly wait for sound to be played."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Return how many workers `-n auto` starts."""
    return (os.cpu_count() or 1) + _EXTRA_WORKERS


def _is_realtime(item: pytest.Item) -> bool:
    return item.get_closest_marker("realtime") is not None


def _rank(item: pytest.Item) -> int:
    if _is_realtime(item):
        return 2
    is_long = item.get_closest_marker("timeout") or item.get_closest_marker("xdist_group")
    return 0 if is_long else 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put tests with a time limit of their own first, since they are long, and realtime ones last.

    Otherwise a long test that starts late is the only one at the end. The same holds for a group of
    tests that run in one worker.
    """
    for item in items:
        for name in _SHARED:
            if name in getattr(item, "fixturenames", ()):
                group = f"{name}, realtime" if _is_realtime(item) else name
                item.add_marker(pytest.mark.xdist_group(group))
                break
    items.sort(key=_rank)


def pytest_collection_finish() -> None:
    """Spare the garbage collector what was imported so far, as the bot does."""
    gc.freeze()


@pytest.hookimpl(wrapper=True, tryfirst=True)  # outside pytest-timeout, which must not count this
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, Any, Any]:
    """Hold the locks during a test."""
    checkout = hashlib.sha256(bytes(item.config.rootpath)).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"crier-tests-{os.getuid()}-{checkout}"
    folder.mkdir(exist_ok=True)
    with _realtime(folder) if _is_realtime(item) else _beside_others(folder):
        return (yield)


@contextmanager
def _realtime(folder: Path) -> Iterator[None]:
    """Hold one of the places of realtime tests, after all others have ended."""
    number = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    with _locked(folder / f"place{number % _PLACES}"), _locked(folder / "realtime", shared=True):
        with _locked(folder / "others"):
            pass
        yield


@contextmanager
def _beside_others(folder: Path) -> Iterator[None]:
    """Wait until no realtime test runs, and keep the next one waiting."""
    while True:
        with _locked(folder / "others", shared=True):
            try:
                with _locked(folder / "realtime", wait=False):
                    pass
            except BlockingIOError:
                pass
            else:
                yield
                return
        with _locked(folder / "realtime"):
            pass


@contextmanager
def _locked(path: Path, *, shared: bool = False, wait: bool = True) -> Iterator[None]:
    with path.open("a") as file:
        fcntl.flock(
            file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB)
        )
        yield
