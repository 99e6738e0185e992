"""Runs tests in parallel in several workers; those marked `realtime` last and alone.

A realtime test measures the clock, the processor or undisturbed sound. A lock of readers and
writers keeps it and all others apart, also those of another run in the same checkout.
"""

import fcntl
import os
from collections.abc import Generator
from typing import Any

import pytest

_EXTRA_WORKERS = 3
"""Workers in addition to the cores, since most tests wait most of the time."""


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Return how many workers `-n auto` starts."""
    return (os.cpu_count() or 1) + _EXTRA_WORKERS


def _is_realtime(item: pytest.Item) -> bool:
    return item.get_closest_marker("realtime") is not None


def _rank(item: pytest.Item) -> int:
    if _is_realtime(item):
        return 2
    return 0 if item.get_closest_marker("timeout") else 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put tests with a time limit of their own first, since they are long, and realtime ones last.

    Otherwise a long test that starts late is the only one at the end.
    """
    items.sort(key=_rank)


@pytest.hookimpl(wrapper=True, tryfirst=True)  # outside pytest-timeout, which must not count this
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, Any, Any]:
    """Hold the lock during a test: exclusively if it is a realtime one."""
    with (item.config.rootpath / "pyproject.toml").open() as file:  # any file that is always there
        fcntl.flock(file, fcntl.LOCK_EX if _is_realtime(item) else fcntl.LOCK_SH)
        return (yield)
