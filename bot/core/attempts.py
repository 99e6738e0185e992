"""How often the process died while a piece of work was under way.

What kills the process (a native crash in the voice, a decoder, a PDF) would be tried again in every
following life. So each piece of work is written down before it begins and struck out when it is
over; what is still there at the next start was under way when the process died. Plain writes are
enough: they survive the process, and that the power failed is no message's fault.

Nobody inside can tell who killed the process. But what the work itself kills dies during the work,
again and again at the same place. So a death during the work counts as one, and a death while its
result was only being played, without the trace of a native crash, counts little: a process that is
killed from outside again and again loses no message by it.
"""

import contextlib
import json
import logging
import os
import threading
from collections.abc import Collection
from pathlib import Path

log = logging.getLogger(__name__)

MAX_DEATHS = 2
"""So many lives may end during a piece of work; then it is given up."""
_WHILE_PLAYED = 0.2
"""What the end of a life counts where the work was done, and its result was being played."""


class Attempts:
    """What is under way, and how many lives of the process ended during it.

    May be used from any thread. Each call writes a small file, and never raises: where it can't be
    written, deaths are not counted.
    """

    def __init__(self, path: Path, *, crashed: bool = False) -> None:
        """Read what earlier lives left at *path*, and count the last of them.

        Args:
            path: the file.
            crashed: whether the last life left the trace of a native crash.
        """
        self._path = path
        self._lock = threading.Lock()
        self._deaths: dict[str, float] = {}
        self._under_way: dict[str, bool] = {}  # whether the work goes on, or its result is played
        self._suspended: dict[str, bool] = {}
        with contextlib.suppress(OSError, ValueError, TypeError, AttributeError, KeyError):
            left = json.loads(path.read_text())
            self._deaths = {str(key): float(deaths) for key, deaths in left["deaths"].items()}
            for key, at_work in left["under_way"].items():
                died = 1.0 if at_work or crashed else _WHILE_PLAYED
                self._deaths[str(key)] = self._deaths.get(str(key), 0.0) + died
        if self._deaths:
            log.warning("The process died during: %s", ", ".join(sorted(self._deaths)))
        self._write()

    def deaths(self, key: str) -> float:
        """Return how many lives ended during this piece of work, without progress."""
        return self._deaths.get(key, 0.0)

    def begin(self, key: str) -> None:
        """Write down that a piece of work begins."""
        with self._lock:
            self._under_way[key] = True
            self._write()

    def rest(self, key: str) -> None:
        """Write down that the work is done, and its result is on its way."""
        with self._lock:
            if key in self._under_way:
                self._under_way[key] = False
                self._write()

    def keep(self, prefix: str, keys: Collection[str]) -> None:
        """Forget the deaths of those whose keys begin with *prefix* and are not among *keys*."""
        with self._lock:
            for key in [k for k in self._deaths if k.startswith(prefix) and k not in keys]:
                del self._deaths[key]
            self._write()

    def progress(self, key: str) -> None:
        """Forget earlier deaths: this life got further than they did."""
        with self._lock:
            if self._deaths.pop(key, None) is not None:
                self._write()

    def end(self, key: str) -> None:
        """Strike out a piece of work that is over, however it ended."""
        with self._lock:
            deaths = self._deaths.pop(key, None)
            self._suspended.pop(key, None)
            if self._under_way.pop(key, None) is not None or deaths is not None:
                self._write()

    def suspend(self, prefix: str) -> None:
        """Count no death during the work whose keys begin with *prefix*: it stands still."""
        with self._lock:
            for key in [key for key in self._under_way if key.startswith(prefix)]:
                self._suspended[key] = self._under_way.pop(key)
            self._write()

    def resume(self) -> None:
        """Count deaths again during the work that was suspended and has not ended."""
        with self._lock:
            self._under_way |= self._suspended
            self._suspended.clear()
            self._write()

    def close(self) -> None:
        """Say that the process ends on purpose: nothing that is under way is to blame."""
        with self._lock:
            self._under_way.clear()
            self._write()

    def _write(self) -> None:
        content = json.dumps({"deaths": self._deaths, "under_way": self._under_way})
        part = self._path.with_name(f"{self._path.name}.part")
        with contextlib.suppress(OSError):
            file = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            try:
                os.write(file, content.encode())
            finally:
                os.close(file)
            part.replace(self._path)
