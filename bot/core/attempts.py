"""How often the process died during a piece of work.

Work that kills the process (a native crash in the voice, a decoder, a PDF) would be retried after
every restart. So each piece of work is recorded before it starts and removed when it ends; work
that is still recorded at the next start was in progress when the process died. Plain writes are
enough: they survive the process, and a power failure is no message's fault.

The process can't know what killed it. But work that kills it does so repeatedly, at the same place.
So a death during the work counts as one, and a death while its result was only being played,
without the trace of a native crash, counts little: repeated kills from outside lose no message.
"""

import contextlib
import faulthandler
import json
import logging
import os
import threading
from collections.abc import Collection, Iterator
from enum import Enum, auto
from pathlib import Path

log = logging.getLogger(__name__)

MAX_DEATHS = 2
"""A piece of work is given up after this many deaths during it."""
_WHILE_PLAYED = 0.2
"""How much a death counts while the result of the work was being played."""
_MAX_TRACE_CHARS = 4000


class Phase(Enum):
    """How far a piece of work in progress has come."""

    WORKING = auto()
    """A death now is blamed on it."""
    PLAYING = auto()
    """It is done, and its result is being played; a death now counts little."""


class Attempts:
    """Work in progress, and how often the process died during it.

    May be used from any thread. Each call writes a small file and never raises: if the file can't
    be written, deaths are not counted.
    """

    def __init__(self, path: Path, *, crashed: bool = False) -> None:
        """Read the records of earlier runs, and count how the last run ended.

        Args:
            path: the file with the records.
            crashed: whether the last run left the trace of a native crash.
        """
        self._path = path
        self._lock = threading.Lock()
        self._deaths: dict[str, float] = {}
        self._under_way: dict[str, Phase] = {}
        self._suspended: dict[str, Phase] = {}
        with contextlib.suppress(OSError, ValueError, TypeError, AttributeError, KeyError):
            stored = json.loads(path.read_text())
            self._deaths = {str(key): float(deaths) for key, deaths in stored["deaths"].items()}
            for key, is_working in stored["under_way"].items():
                died = 1.0 if is_working or crashed else _WHILE_PLAYED
                self._deaths[str(key)] = self._deaths.get(str(key), 0.0) + died
        if self._deaths:
            log.warning("The process died during: %s", ", ".join(sorted(self._deaths)))
        self._write()

    def deaths(self, key: str) -> float:
        """Return how often the process died during this piece of work, without progress."""
        return self._deaths.get(key, 0.0)

    def start(self, key: str) -> None:
        """Record that a piece of work starts."""
        with self._lock:
            self._under_way[key] = Phase.WORKING
            self._write()

    def mark_playing(self, key: str) -> None:
        """Record that the work is done and its result is being played."""
        with self._lock:
            if key in self._under_way:
                self._under_way[key] = Phase.PLAYING
                self._write()

    def forget_all_but(self, prefix: str, keys: Collection[str]) -> None:
        """Forget the deaths of work whose key starts with *prefix* and is not among *keys*."""
        with self._lock:
            for key in [k for k in self._deaths if k.startswith(prefix) and k not in keys]:
                del self._deaths[key]
            self._write()

    def forget_deaths(self, key: str) -> None:
        """Forget earlier deaths: this run got further."""
        with self._lock:
            if self._deaths.pop(key, None) is not None:
                self._write()

    def finish(self, key: str) -> None:
        """Remove a piece of work, however it ended."""
        with self._lock:
            deaths = self._deaths.pop(key, None)
            self._suspended.pop(key, None)
            if self._under_way.pop(key, None) is not None or deaths is not None:
                self._write()

    def suspend(self, prefix: str) -> None:
        """Stop counting deaths during work whose key starts with *prefix*: it is paused."""
        with self._lock:
            for key in [key for key in self._under_way if key.startswith(prefix)]:
                self._suspended[key] = self._under_way.pop(key)
            self._write()

    def resume(self) -> None:
        """Count deaths again during suspended work that has not ended."""
        with self._lock:
            self._under_way |= self._suspended
            self._suspended.clear()
            self._write()

    def close(self) -> None:
        """Record that the process ends on purpose, so that no work in progress is blamed."""
        with self._lock:
            self._under_way.clear()
            self._write()

    def _write(self) -> None:
        # True: WORKING. Older versions read it, too.
        under_way = {key: phase is Phase.WORKING for key, phase in self._under_way.items()}
        content = json.dumps({"deaths": self._deaths, "under_way": under_way})
        part = self._path.with_name(f"{self._path.name}.part")
        with contextlib.suppress(OSError):
            file = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            try:
                os.write(file, content.encode())
            finally:
                os.close(file)
            part.replace(self._path)


@contextlib.contextmanager
def crash_trace(data_dir: Path) -> Iterator[bool]:
    """Record the trace of a native crash; yield whether the last run left one."""
    path = data_dir / "crash.txt"
    try:
        trace = path.read_text(errors="replace") if path.exists() else ""
        file = path.open("w")
    except OSError as exc:
        log.warning("%s can't be written (%s); a crash will leave no trace", path, exc)
        yield False
        return
    if trace:
        log.error("The last run ended in a native crash:\n%s", trace[:_MAX_TRACE_CHARS])
    with file:
        faulthandler.enable(file)
        try:
            yield bool(trace)
        finally:
            faulthandler.disable()
