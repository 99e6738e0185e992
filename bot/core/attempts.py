"""How often the process died while a piece of work was under way.

What kills the process (a native crash in the voice, a decoder, a PDF) would be tried again in every
following life. So each piece of work is written down before it begins and struck out when it is
over; what is still there at the next start was under way when the process died. Plain writes are
enough: they survive the process, and that the power failed is no message's fault.
"""

import contextlib
import json
import logging
import os
import threading
from pathlib import Path

log = logging.getLogger(__name__)

MAX_DEATHS = 2
"""So many lives may end with a piece of work under way; then it is given up."""


class Attempts:
    """What is under way, and how many lives of the process ended during it.

    May be used from any thread. Each call writes a small file, and never raises: where it can't be
    written, deaths are not counted.
    """

    def __init__(self, path: Path) -> None:
        """Read what earlier lives left at *path*, and count the last of them."""
        self._path = path
        self._lock = threading.Lock()
        self._deaths: dict[str, int] = {}
        self._under_way: set[str] = set()
        self._suspended: set[str] = set()
        with contextlib.suppress(OSError, ValueError, TypeError, AttributeError):
            left = json.loads(path.read_text())
            self._deaths = {str(key): int(deaths) for key, deaths in left["deaths"].items()}
            for key in left["under_way"]:
                self._deaths[str(key)] = self._deaths.get(str(key), 0) + 1
        if self._deaths:
            log.warning("The process died during: %s", ", ".join(sorted(self._deaths)))
        self._write()

    def deaths(self, key: str) -> int:
        """Return how many lives ended with this piece of work under way, without progress."""
        return self._deaths.get(key, 0)

    def begin(self, key: str) -> None:
        """Write down that a piece of work begins."""
        with self._lock:
            if key not in self._under_way:
                self._under_way.add(key)
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
            self._suspended.discard(key)
            if key in self._under_way or deaths is not None:
                self._under_way.discard(key)
                self._write()

    def suspend(self, prefix: str) -> None:
        """Count no death during the work whose keys begin with *prefix*: it stands still."""
        with self._lock:
            self._suspended |= {key for key in self._under_way if key.startswith(prefix)}
            self._under_way -= self._suspended
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
        content = json.dumps({"deaths": self._deaths, "under_way": sorted(self._under_way)})
        part = self._path.with_name(f"{self._path.name}.part")
        with contextlib.suppress(OSError):
            file = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            try:
                os.write(file, content.encode())
            finally:
                os.close(file)
            part.replace(self._path)
