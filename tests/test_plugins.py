"""The pytest plugins of tests/support, on a small suite."""

import subprocess
import sys
from pathlib import Path

import pytest

from bot.paths import CHECKOUT

SUITE = """
import pathlib
import time

import pytest

DIARY = pathlib.Path(__file__).with_name("diary")


def record(word):
    with DIARY.open("a") as diary:
        diary.write(f"{word}\\n")


@pytest.mark.realtime
@pytest.mark.parametrize("number", range(2))
def test_alone(number):
    record("alone starts")
    time.sleep(0.1)
    record("alone ends")


@pytest.mark.parametrize("number", range(6))
def test_beside_others(number):
    time.sleep(0.1)
    record("beside others")


def test_that_fails(tmp_path):
    (tmp_path / "crier.log").write_text("the last words")
    raise AssertionError
"""


@pytest.fixture
def report(tmp_path: Path) -> str:
    """Run the suite in two workers, and return what pytest prints."""
    (tmp_path / "pyproject.toml").write_text("[tool.pytest.ini_options]\nmarkers = ['realtime: x']")
    (tmp_path / "test_suite.py").write_text(SUITE)
    plugins = ["-p", "tests.support.parallel", "-p", "tests.support.bot_logs"]
    command = [sys.executable, "-m", "pytest", *plugins, "-n", "2", "--maxschedchunk", "1"]
    environment = {"PYTHONPATH": str(CHECKOUT), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr


def test_parallel_runs_realtime_tests_last_and_alone(report: str, tmp_path: Path) -> None:
    """Two workers share the other tests; of the realtime ones each waits for all before it."""
    assert "8 passed" in report
    order = (tmp_path / "diary").read_text().splitlines()

    assert order[-4:] == ["alone starts", "alone ends"] * 2


def test_bot_logs_names_the_log_of_a_failed_test_and_shows_its_end(report: str) -> None:
    """The path of crier.log and its last lines are in the report."""
    assert "bot's log: /" in report
    assert "the last words" in report
