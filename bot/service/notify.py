"""A word on the screen of the computer, for what no sender sees."""

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
# The text is an argument and never part of the script. Source: osascript(1), "argument".
_MACOS = (
    *("osascript", "-e", "on run argv"),
    *("-e", 'display notification (item 1 of argv) with title "Crier"'),
    *("-e", "end run"),
)
_LINUX = ("notify-send", "--app-name=Crier", "Crier")

_FORGOTTEN_AFTER_S = 86_400.0


def notify(text: str) -> None:
    """Show *text*, where there is something to show it with. Blocks for 5 s at most."""
    command = _MACOS if sys.platform == "darwin" else _LINUX
    text = clean_line(text)
    if (
        command[0] == "notify-send"
    ):  # where a text may have markup. Source: Desktop Notifications, "Markup"
        text = html.escape(text, quote=False)
    if text.startswith("-"):  # no option of the command's
        text = f" {text}"
    if shutil.which(command[0]):
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            subprocess.run(
                [*command, text], timeout=_TIMEOUT_S, check=False, stdin=subprocess.DEVNULL
            )


class Notices:
    """What went wrong in the last day, also in earlier lives of the process."""

    def __init__(self, path: Path) -> None:
        """Remember in the file *path*."""
        self._path = path

    def tell(self, text: str, *, from_time: int = 1) -> bool:
        """Notify once of what happens again and again; return whether this was the time.

        Args:
            text: what happened, and what to do.
            from_time: how often it has to happen within a day to be worth a notification.
        """
        now_s = time.time()
        times_s = [
            at_s for at_s in self._known().get(text, []) if now_s - at_s < _FORGOTTEN_AFTER_S
        ]
        due = len(times_s) + 1 == from_time
        if len(times_s) < from_time:
            self._keep({**self._known(), text: [*times_s, now_s]})
        if due:
            notify(text)
        return due

    def forget(self) -> None:
        """Tell anew what is still wrong."""
        with contextlib.suppress(OSError):
            self._path.unlink(missing_ok=True)

    def _known(self) -> dict[str, list[float]]:
        try:
            known = json.loads(self._path.read_text())
        except (OSError, ValueError):
            return {}
        return known if isinstance(known, dict) else {}

    def _keep(self, known: dict[str, list[float]]) -> None:
        with contextlib.suppress(OSError):  # it is told once more, then
            self._path.write_text(json.dumps(known))
