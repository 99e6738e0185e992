"""The import-linter contracts of pyproject.toml."""

import subprocess
import sys
from pathlib import Path

from bot.settings import CHECKOUT


def test_import_contracts_hold() -> None:
    """A module imports only from layers below its own, and protected modules only where allowed."""
    # In a separate process, since it configures logging, which would silence other tests' loggers.
    lint = (Path(sys.executable).with_name("lint-imports"), "--no-cache", "--no-logo")
    done = subprocess.run(lint, cwd=CHECKOUT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
