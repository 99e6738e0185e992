"""Whether what a device takes can be heard: not where the system has it muted or at volume 0.

macOS tells at once. On Linux `pactl` does, where there is a PulseAudio or PipeWire; it runs beside
the audio thread, which looks at its answer later. Runs on: audio thread. Nothing here blocks.
"""

import contextlib
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from audio.output import coreaudio

MUTED, AT_ZERO = "muted", "at volume 0"

# A sound server that does not answer is asked again at the next look.
_PATIENCE_S = 2.0


class Audibility:
    """Looks at the beginning and at the end of an utterance."""

    def __init__(self, ask_system: Callable[[str], str | None] = coreaudio.mute_reason) -> None:
        """Ask *ask_system*, and `pactl` where that does not know."""
        self._ask_system = ask_system
        self._found = ""
        self._asked: _Pactl | None = None
        self._asked_first = False

    def look(self, device: str, *, first: bool) -> None:
        """Begin to look at *device*; *first* forgets what was found for the last utterance."""
        self._take()
        found = self._ask_system(device)
        if found is not None:
            self._note(found, first=first)
        elif self._asked is None:
            self._asked, self._asked_first = _Pactl.begin(), first

    def answer(self) -> str:
        """Return what was found last: `MUTED`, `AT_ZERO`, or nothing."""
        self._take()
        return self._found

    def end(self) -> None:
        """Give up a look that is under way."""
        if self._asked is not None:
            self._asked.end()
            self._asked = None

    def _take(self) -> None:
        if self._asked is not None and (found := self._asked.answer()) is not None:
            self._asked = None
            self._note(found, first=self._asked_first)

    def _note(self, found: str, *, first: bool) -> None:
        # What was muted as it began was not heard, even if it is not muted any more.
        self._found = found if first else found or self._found


class _Pactl:
    """A `pactl` that lists everything into a file, which a full pipe can't keep waiting."""

    def __init__(self, process: "subprocess.Popen[bytes]", listing: IO[bytes]) -> None:
        self._process = process
        self._listing = listing
        self._began_s = time.monotonic()

    @classmethod
    def begin(cls) -> "_Pactl | None":
        """Start it; None where there is no sound server to ask."""
        if not _has_server() or shutil.which("pactl") is None:
            return None
        listing = tempfile.TemporaryFile()  # noqa: SIM115  # it is closed with the answer
        try:
            process = subprocess.Popen(
                ["pactl", "-f", "json", "list"],
                stdin=subprocess.DEVNULL,
                stdout=listing,
                stderr=subprocess.DEVNULL,
            )
        except OSError:
            listing.close()
            return None
        return cls(process, listing)

    def answer(self) -> str | None:
        """Return what it said; nothing where that can't be understood; None while it runs."""
        if self._process.poll() is None:
            if time.monotonic() - self._began_s < _PATIENCE_S:
                return None
            self.end()
            return ""
        with self._listing:
            self._listing.seek(0)
            raw = self._listing.read()
        with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):
            return of_process(json.loads(raw), os.getpid())
        return ""  # an old one, without JSON

    def end(self) -> None:
        """End it by force."""
        self._process.kill()
        self._process.wait()  # at once, after such a signal
        self._listing.close()


def _has_server() -> bool:
    """Say whether a sound server runs: `pactl` would start one where there is none."""
    if "PULSE_SERVER" in os.environ:
        return True
    return Path(os.environ.get("XDG_RUNTIME_DIR", "/nowhere"), "pulse", "native").exists()


def of_process(listing: Any, pid: int) -> str:
    """Return why the streams of process *pid* can't be heard; nothing where one can or none is.

    Args:
        listing: what ``pactl -f json list`` says.
        pid: whose streams.
    """
    sinks = {sink["index"]: sink for sink in listing["sinks"]}
    found = [
        of_control(stream) or of_control(sinks.get(stream["sink"], {}))
        for stream in listing["sink_inputs"]
        if stream["properties"].get("application.process.id") == str(pid)
    ]
    return found[0] if found and all(found) else ""


def of_control(control: Any) -> str:
    """Return why a sink or a stream can't be heard, as ``pactl -f json`` describes it."""
    if control.get("mute"):
        return MUTED
    channels = control.get("volume", {}).values()
    return AT_ZERO if channels and not any(c["value"] for c in channels) else ""
