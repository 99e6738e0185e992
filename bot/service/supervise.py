"""`crier run --service`: the bot without a terminal, as launchd and systemd start it.

A restart does not fix a wrong configuration, so the process does not exit: it logs the error,
notifies about it once, and waits until a .env file changes. Then it replaces itself with a new
process (exec), which reads everything again. On a Mac it also says that it has stopped, unless it
has to be quiet.
"""

import contextlib
import logging
import os
import signal
import sqlite3
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from bot import logs
from bot.core.quiet_hours import QuietHours
from bot.errors import FAILED, OK, WRONG_USAGE, CommandError
from bot.paths import CHECKOUT, find_setting, make_private
from bot.service.notify import Notices, notify, speak
from bot.service.process import restart_process

log = logging.getLogger(__name__)

_POLL_S = 2.0
# By exit code. Some errors go away without a change of .env: a network that is down, a full disk,
# a port that another program uses.
_RETRY_S = {FAILED: 60.0, WRONG_USAGE: 600.0}
# Don't notify about failures that a restart usually fixes until they recur.
_RECURRENCES = 3
_STOPPED = "Crier has stopped. A window on this Mac says why."
_RESTARTS = "Crier has to restart again and again. A window on this Mac says why."


class ServiceRunner(logging.Handler):
    """Runs the bot; logs errors that a terminal would show, notifies about them, and retries."""

    def __init__(self, data_dir: Path, checkout: Path = CHECKOUT) -> None:
        """Start the log, if it can be written, and record the state of the .env files."""
        super().__init__(logging.ERROR)
        self._data_dir, self._checkout = data_dir, checkout
        self._env_files = (checkout / ".env", data_dir / ".env")
        self._env_state = self._read_env_state()
        self._notices = Notices(data_dir / "notices.json")
        self._last_error = ""
        try:
            make_private(data_dir)
            logs.start("INFO", data_dir, "", form="text", terminal=False)
        except OSError:  # the start of the bot will report it
            logging.basicConfig(stream=sys.stderr)

    def run(self, start: Callable[[], int]) -> int:
        """Start the bot and return its exit code; if it can't start, wait and restart."""
        try:
            return start()
        except CommandError as exc:
            self._wait_and_restart(exc.exit_code, str(exc))
        except Exception:
            log.exception("Unexpected error in Crier")
            self._report(
                "An error of its own has stopped Crier several times; `crier logs` shows it.",
                min_count=_RECURRENCES,
            )
            return FAILED

    def listen(self) -> None:
        """Handle errors that are logged from now on."""
        logging.getLogger().addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Notify about a recurring critical error; store the last error as a reason."""
        self._last_error = logs.hide_tokens(record.getMessage())
        if record.levelno >= logging.CRITICAL:
            self._report(self._last_error, min_count=_RECURRENCES, has_stopped=False)

    def on_exit(self, code: int) -> int:
        """Return the exit code of the bot; after an error, wait and restart the process."""
        if code in _RETRY_S:
            self._wait_and_restart(
                code, self._last_error or "Crier has stopped; `crier logs` says why."
            )
        return code

    def show(self, message: str) -> None:
        """Show a message on the screen of this computer. Blocks for 5 s at most."""
        notify(message)

    def _report(self, reason: str, *, min_count: int = 1, has_stopped: bool = True) -> bool:
        """Show a failure once a day, and say that there is one; return whether it was shown now."""
        shown = self._notices.report(reason, min_count=min_count)
        if shown and not self._is_quiet():
            speak(_STOPPED if has_stopped else _RESTARTS)
        return shown

    def _is_quiet(self) -> bool:
        """Whether nothing may be said now; also if that can't be found out."""
        try:
            quiet = QuietHours(find_setting("QUIET_HOURS", self._checkout, self._data_dir))
            database = self._data_dir / "crier.db"
            if database.exists():
                with contextlib.closing(
                    sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)
                ) as connection:
                    sql = "SELECT value FROM choice WHERE name = 'mute'"
                    for (until,) in connection.execute(sql):
                        quiet.mute(float(until))
        except (ValueError, sqlite3.Error):
            return True
        return bool(quiet.reason())

    def _wait_and_restart(self, code: int, reason: str) -> NoReturn:
        """Report the reason, wait until it may have gone, and replace the process."""
        retry_s = _RETRY_S[code]
        if self._report(reason):
            if reason != self._last_error:
                log.error("%s", reason)
            files = " or ".join(map(str, self._env_files))
            log.info("Trying again when %s changes, and every %.0f s", files, retry_s)
        signal.signal(signal.SIGTERM, _exit)
        signal.signal(signal.SIGINT, _exit)
        deadline_s = time.monotonic() + retry_s
        while time.monotonic() < deadline_s:
            if self._read_env_state() != self._env_state:
                log.info("The configuration has changed; restarting")
                self._notices.clear()
                break
            time.sleep(_POLL_S)
        logging.shutdown()
        restart_process()

    def _read_env_state(self) -> list[tuple[int, int, int] | None]:
        """Return a value that changes with the .env files."""
        state: list[tuple[int, int, int] | None] = []
        for path in self._env_files:
            try:
                stat = path.stat()
            except OSError:
                state.append(None)
            else:
                state.append((stat.st_ino, stat.st_size, stat.st_mtime_ns))
        return state


def _exit(*_: object) -> NoReturn:
    """Exit with 0; no bot is running."""
    logging.shutdown()
    os._exit(OK)  # even if a thread hangs
