"""Checks whether the system has muted a device or set its volume to 0.

macOS answers at once. On Linux `pactl` answers, if there is PulseAudio or PipeWire; it runs in
parallel with the audio thread, which collects the answer later, and says whether the device is
connected by Bluetooth, too. Runs on: audio thread. Nothing here blocks.
"""

import contextlib
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from typing import IO, Any

from audio.output import coreaudio
from audio.output.pulse import has_server, is_bluetooth_output

MUTED, AT_ZERO = "muted", "at volume 0"

# After this time a sound server that does not answer is given up, until the next check.
_TIMEOUT_S = 2.0


class MuteCheck:
    """Checks a device at the start and at the end of each utterance."""

    def __init__(self, ask_system: Callable[[str], str | None] = coreaudio.mute_reason) -> None:
        """Create a check that asks *ask_system*, and `pactl` if that returns None."""
        self._ask_system = ask_system
        self._reason = ""
        self._is_bluetooth = False
        self._pactl: _Pactl | None = None
        self._pactl_at_start = False

    def check(self, device: str, *, at_start: bool) -> None:
        """Start to check *device*; *at_start* discards the result for the last utterance."""
        self._collect()
        reason = self._ask_system(device)
        if reason is not None:
            self._record(reason, at_start=at_start)
        elif self._pactl is None:
            self._pactl, self._pactl_at_start = _Pactl.start(), at_start

    def reason(self) -> str:
        """Return the last result: `MUTED`, `AT_ZERO`, or an empty string if it can be heard."""
        self._collect()
        return self._reason

    def is_bluetooth(self) -> bool:
        """Return whether `pactl` said so when the device was last checked."""
        self._collect()
        return self._is_bluetooth

    def cancel(self) -> None:
        """Cancel a check in progress."""
        if self._pactl is not None:
            self._pactl.kill()
            self._pactl = None

    def _collect(self) -> None:
        if self._pactl is not None and (listing := self._pactl.listing()) is not None:
            self._pactl = None
            reason = ""
            with contextlib.suppress(ValueError, KeyError, TypeError, AttributeError):
                parsed = json.loads(listing)  # an old pactl prints no JSON
                reason = process_mute_reason(parsed, os.getpid())
                self._is_bluetooth = is_bluetooth_output(parsed, os.getpid())
            self._record(reason, at_start=self._pactl_at_start)

    def _record(self, reason: str, *, at_start: bool) -> None:
        # An utterance muted at its start was not heard, even if the device was unmuted later.
        self._reason = reason if at_start else reason or self._reason


class _Pactl:
    """A `pactl` process that lists everything into a file; a pipe could fill up and block it."""

    def __init__(self, process: "subprocess.Popen[bytes]", listing: IO[bytes]) -> None:
        self._process = process
        self._listing = listing
        self._started_s = time.monotonic()

    @classmethod
    def start(cls) -> "_Pactl | None":
        """Start it; return None if there is no sound server to ask."""
        if not has_server() or shutil.which("pactl") is None:
            return None
        listing = tempfile.TemporaryFile()  # noqa: SIM115  # closed by `reason` or `kill`
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

    def listing(self) -> bytes | None:
        """Return what it printed; empty if it took too long, None while it runs."""
        if self._process.poll() is None:
            if time.monotonic() - self._started_s < _TIMEOUT_S:
                return None
            self.kill()
            return b""
        with self._listing:
            self._listing.seek(0)
            return self._listing.read()

    def kill(self) -> None:
        """Kill the process."""
        self._process.kill()
        self._process.wait()  # returns at once after SIGKILL
        self._listing.close()


def process_mute_reason(listing: Any, pid: int) -> str:
    """Return why no stream of a process can be heard; empty if one can, or if it has none.

    Args:
        listing: the parsed output of ``pactl -f json list``.
        pid: the process whose streams are checked.
    """
    sinks = {sink["index"]: sink for sink in listing["sinks"]}
    reasons = [
        control_mute_reason(stream) or control_mute_reason(sinks.get(stream["sink"], {}))
        for stream in listing["sink_inputs"]
        if stream["properties"].get("application.process.id") == str(pid)
    ]
    return reasons[0] if reasons and all(reasons) else ""


def control_mute_reason(control: Any) -> str:
    """Return why a sink or a stream of ``pactl -f json list`` can't be heard."""
    if control.get("mute"):
        return MUTED
    channels = control.get("volume", {}).values()
    return AT_ZERO if channels and not any(c["value"] for c in channels) else ""
