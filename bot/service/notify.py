"""Messages on the computer's screen, for failures that no sender sees.

macOS counts a notification of osascript as one of Script Editor, whose notifications may be off; it
then shows nothing, and reports no error. A window (`alert`) needs no permission.
"""

import contextlib
import html
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from bot.clean import clean_line

_TIMEOUT_S = 5.0
# The text is an argument, never part of the script. Source: osascript(1), "argument".
_SCRIPT = ("on run argv", 'display notification (item 1 of argv) with title "Crier"', "end run")
_MACOS = ("osascript", *(argument for line in _SCRIPT for argument in ("-e", line)))
_ALERT_SCRIPT = (
    "on run argv",
    'display alert "Crier" message (item 1 of argv) as critical giving up after 43200',
    "end run",
)
_MACOS_ALERT = ("osascript", *(argument for line in _ALERT_SCRIPT for argument in ("-e", line)))
_LINUX = ("notify-send", "--app-name=Crier", "Crier")

# The shell returns at once, and its child belongs to nobody who would have to wait for it.
_DETACHED = ("/bin/sh", "-c", '"$@" >/dev/null 2>&1 &', "sh")

_WINDOW_S = 86_400.0


def notify(text: str) -> None:
    """Show *text*, if there is a tool for that. Blocks for 5 s at most."""
    _run(_MACOS if sys.platform == "darwin" else _LINUX, text)


def alert(text: str) -> None:
    """Show *text* in a window on a Mac, elsewhere as a notification. Blocks for 5 s at most.

    The window stays for half a day, also after this process has exited.
    """
    if sys.platform == "darwin":
        _run((*_DETACHED, *_MACOS_ALERT), text)
    else:
        notify(text)


def speak(text: str) -> None:
    """Speak *text* with a voice of macOS, since Crier's own may not work. Returns at once."""
    if sys.platform == "darwin":
        _run((*_DETACHED, "say"), text)


def _run(command: Sequence[str], text: str) -> None:
    """Run a tool with *text* as its last argument, if it is there."""
    text = clean_line(text)
    if command[0] == "notify-send":  # it reads markup. Source: Desktop Notifications, "Markup"
        text = html.escape(text, quote=False)
    if text.startswith("-"):  # it would be an option
        text = f" {text}"
    if shutil.which(command[0]):
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            subprocess.run(
                [*command, text],
                timeout=_TIMEOUT_S,
                check=False,
                stdin=subprocess.DEVNULL,
                # When a job exits, launchd kills its process group. Source: launchd.plist(5),
                # AbandonProcessGroup.
                start_new_session=True,
            )


class Notices:
    """The failures of the last day, including those of earlier processes."""

    def __init__(self, path: Path) -> None:
        """Store failures in the file *path*."""
        self._path = path

    def report(self, text: str, *, min_count: int = 1) -> bool:
        """Record a failure, and show it once a day; return whether it was shown now.

        Args:
            text: what happened, and what to do.
            min_count: how often it has to happen within a day before it is shown.
        """
        now_s = time.time()
        times_s = [at_s for at_s in self._read().get(text, []) if now_s - at_s < _WINDOW_S]
        due = len(times_s) + 1 == min_count
        if len(times_s) < min_count:
            self._write({**self._read(), text: [*times_s, now_s]})
        if due:
            alert(text)
        return due

    def clear(self) -> None:
        """Forget all failures, so that each is shown again."""
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)

    def _read(self) -> dict[str, list[float]]:
        try:
            failures = json.loads(self._path.read_text())
        except (OSError, ValueError):
            return {}
        return failures if isinstance(failures, dict) else {}

    def _write(self, failures: dict[str, list[float]]) -> None:
        with contextlib.suppress(OSError):  # then it is shown once more
            self._path.write_text(json.dumps(failures))
