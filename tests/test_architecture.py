"""The import contracts of import-linter in pyproject.toml."""

import subprocess
import sys
from pathlib import Path

from bot.paths import CHECKOUT


def test_import_contracts_are_kept() -> None:
    """The layers hold, and protected modules are imported only where allowed."""
    # In a process of its own: it sets up logging, which would silence the other tests' loggers.
    lint = (Path(sys.executable).with_name("lint-imports"), "--no-cache", "--no-logo")
    done = subprocess.run(lint, cwd=CHECKOUT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
