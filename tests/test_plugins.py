"""The pytest plugins of tests/support, on a small suite."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from bot.paths import CHECKOUT

pytestmark = pytest.mark.xdist_group("suite")  # which takes seconds

SUITE = """
import pathlib
import time

import pytest

DIARY = pathlib.Path(__file__).with_name("diary")


def record(word):
    with DIARY.open("a") as diary:
        diary.write(f"{word}\\n")


@pytest.mark.realtime
@pytest.mark.parametrize("number", range(4))
def test_realtime(number):
    record("realtime starts")
    time.sleep(0.1)
    record("realtime ends")


@pytest.mark.parametrize("number", range(6))
def test_beside_others(number):
    record("other starts")
    time.sleep(0.1)
    record("other ends")


def test_that_fails(tmp_path):
    (tmp_path / "crier.log").write_text("the last words")
    raise AssertionError
"""


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run the suite in five workers; return its folder, with what pytest prints in `report`."""
    folder = tmp_path_factory.mktemp("suite")
    (folder / "pyproject.toml").write_text("[tool.pytest.ini_options]\nmarkers = ['realtime: x']")
    (folder / "test_suite.py").write_text(SUITE)
    plugins = ["-p", "xdist", "-p", "tests.support.parallel", "-p", "tests.support.bot_logs"]
    command = [sys.executable, "-m", "pytest", *plugins, "-n", "5", "--dist", "loadgroup"]
    command += ["--no-loadscope-reorder"]
    environment = {
        "PYTHONPATH": str(CHECKOUT),
        "PATH": "/usr/bin:/bin",
        "HOME": str(folder),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",  # others are slow to import, in each worker
    }
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    (folder / "report").write_text(done.stdout + done.stderr)
    return folder


def test_parallel_keeps_realtime_tests_apart(suite: Path) -> None:
    """Five workers share the tests; at most two realtime ones run at a time, and no other then."""
    assert "10 passed" in (suite / "report").read_text()
    diary = (suite / "diary").read_text().splitlines()
    running = Counter[str]()
    for kind, event in map(str.split, diary):
        running[kind] += 1 if event == "starts" else -1

        assert running["realtime"] <= 2
        assert not (running["realtime"] and running["other"])
    assert len(diary) == 20


def test_bot_logs_names_the_log_of_a_failed_test_and_shows_its_end(suite: Path) -> None:
    """The path of crier.log and its last lines are in the report."""
    report = (suite / "report").read_text()

    assert "bot's log: /" in report
    assert "the last words" in report
