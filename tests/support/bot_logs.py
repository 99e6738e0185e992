"""Reports the paths and the last lines of the logs of a failed test's bots."""

from collections.abc import Generator
from pathlib import Path

import pytest

_LINES = 40


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the path and the last lines of every log in the folder of a failed test."""
    report = yield
    folder = getattr(item, "funcargs", {}).get("tmp_path")
    if report.failed and isinstance(folder, Path):
        for log in sorted(folder.rglob("crier.log")):
            lines = log.read_text(errors="replace").splitlines()[-_LINES:]
            report.sections.append((f"bot's log: {log}", "\n".join(lines)))
    return report
