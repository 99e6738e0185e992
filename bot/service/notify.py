"""Notifications on the computer's screen, for failures that no sender sees."""

import contextlib
import html
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

from bot.clean import clean_line

_TIMEOUT_S = 5.0
# The text is an argument, never part of the script. Source: osascript(1), "argument".
_SCRIPT = ("on run argv", 'display notification (item 1 of argv) with title "Crier"', "end run")
_MACOS = ("osascript", *(argument for line in _SCRIPT for argument in ("-e", line)))
_LINUX = ("notify-send", "--app-name=Crier", "Crier")

_WINDOW_S = 86_400.0


def notify(text: str) -> None:
    """Show *text*, if there is a tool for that. Blocks for 5 s at most."""
    command = _MACOS if sys.platform == "darwin" else _LINUX
    text = clean_line(text)
    if command[0] == "notify-send":  # it reads markup. Source: Desktop Notifications, "Markup"
        text = html.escape(text, quote=False)
    if text.startswith("-"):  # it would be an option
        text = f" {text}"
    if shutil.which(command[0]):
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            subprocess.run(
                [*command, text], timeout=_TIMEOUT_S, check=False, stdin=subprocess.DEVNULL
            )


class Notices:
    """The failures of the last day, including those of earlier processes."""

    def __init__(self, path: Path) -> None:
        """Store failures in the file *path*."""
        self._path = path

    def report(self, text: str, *, min_count: int = 1) -> bool:
        """Record a failure, and notify about it once a day; return whether it notified now.

        Args:
            text: what happened, and what to do.
            min_count: how often it has to happen within a day before the notification.
        """
        now_s = time.time()
        times_s = [at_s for at_s in self._read().get(text, []) if now_s - at_s < _WINDOW_S]
        due = len(times_s) + 1 == min_count
        if len(times_s) < min_count:
            self._write({**self._read(), text: [*times_s, now_s]})
        if due:
            notify(text)
        return due

    def clear(self) -> None:
        """Forget all failures, so that each causes a notification again."""
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)

    def _read(self) -> dict[str, list[float]]:
        try:
            failures = json.loads(self._path.read_text())
        except (OSError, ValueError):
            return {}
        return failures if isinstance(failures, dict) else {}

    def _write(self, failures: dict[str, list[float]]) -> None:
        with contextlib.suppress(OSError):  # then it notifies once more
            self._path.write_text(json.dumps(failures))
