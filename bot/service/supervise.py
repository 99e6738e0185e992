"""The bot with nobody at a terminal: `crier run --service`, as launchd and systemd start it.

What is wrong with the configuration would be as wrong after another start, so it does not end the
process: it is logged, notified once, and waited out until a .env changes. Then the process becomes
a new one (exec), which reads everything afresh.
"""

import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from bot import logs
from bot.errors import FAILED, OK, WRONG_USAGE, CommandError
from bot.paths import CHECKOUT, make_private
from bot.service.notify import Notices, notify

log = logging.getLogger(__name__)

_LOOK_S = 2.0
# What may mend itself without a change of .env: a network, a full disk; a port that is taken.
_RETRY_S = {FAILED: 60.0, WRONG_USAGE: 600.0}
# What a new start may mend is worth a word only where it did not.
_TIMES = 3


class Unattended(logging.Handler):
    """Stands in for a person who would read the terminal."""

    def __init__(self, data_dir: Path, checkout: Path = CHECKOUT) -> None:
        """Begin to log, as far as that is possible, and look at the .env files."""
        super().__init__(logging.ERROR)
        self._env_files = (checkout / ".env", data_dir / ".env")
        self._seen = self._look()
        self._notices = Notices(data_dir / "notices.json")
        self._last_error = ""
        try:
            make_private(data_dir)
            logs.start("INFO", data_dir, "", form="text", terminal=False)
        except OSError:  # the start of the bot will say so
            logging.basicConfig(stream=sys.stderr)

    def run(self, start: Callable[[], int]) -> int:
        """Start the bot; where it can't be, wait and become a new process."""
        try:
            return start()
        except CommandError as exc:
            return self._wait(exc.exit_code, str(exc))
        except Exception:
            log.exception("Mistake in Crier")
            self._notices.tell(
                "Crier has ended by a mistake of its own again and again; `crier logs` says where.",
                from_time=_TIMES,
            )
            return FAILED

    def listen(self) -> None:
        """Hear of what is logged as an error from now on."""
        logging.getLogger().addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Notify of what ends the process again and again; keep the last error as a reason."""
        self._last_error = logs.hide_tokens(record.getMessage())
        if record.levelno >= logging.CRITICAL:
            self._notices.tell(self._last_error, from_time=_TIMES)

    def ended(self, code: int) -> int:
        """Return the exit code of a bot that has ended in order; wait where it had to end."""
        if code in _RETRY_S:
            return self._wait(code, self._last_error or "Crier ended; `crier logs` says why.")
        return code

    def show(self, message: str) -> None:
        """Show what concerns nobody but who sits at this computer. May take a moment."""
        notify(message)

    def _wait(self, code: int, why: str) -> NoReturn:
        """Tell what is wrong; then wait until it may be mended, and become a new process."""
        retry_s = _RETRY_S[code]
        if self._notices.tell(why):
            if why != self._last_error:
                log.error("%s", why)
            log.info(
                "Looking again when %s or %s changes, and every %.0f s",
                *(*self._env_files, retry_s),
            )
        signal.signal(signal.SIGTERM, _leave)
        signal.signal(signal.SIGINT, _leave)
        until_s = time.monotonic() + retry_s
        while time.monotonic() < until_s:
            if self._look() != self._seen:
                log.info("The configuration has changed; starting again")
                self._notices.forget()
                break
            time.sleep(_LOOK_S)
        logging.shutdown()
        sys.stderr.flush()
        os.dup2(sys.stderr.fileno(), 2)  # logs.keep_terminal_clean may have put it elsewhere
        os.execv(  # noqa: S606  # no shell is wanted
            sys.executable, [sys.executable, *sys.orig_argv[1:]]
        )

    def _look(self) -> list[tuple[int, int, int] | None]:
        """Return what tells whether a .env file has changed."""
        seen: list[tuple[int, int, int] | None] = []
        for path in self._env_files:
            try:
                stat = path.stat()
            except OSError:
                seen.append(None)
            else:
                seen.append((stat.st_ino, stat.st_size, stat.st_mtime_ns))
        return seen


def _leave(*_: object) -> NoReturn:
    """End in order: there is nothing under way."""
    logging.shutdown()
    os._exit(OK)  # a thread that hangs must not keep the process
