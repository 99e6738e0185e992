"""A LaunchAgent: how macOS starts Crier at login. The only file that knows launchctl.

Nothing here has been seen on a Mac by the project's own tests; they run it against a stand-in that
behaves as launchctl(1) and the reports beside the constants say.
"""

import os
import plistlib
import re
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.errors import CommandError, UsageError
from bot.service.process import Done, run

LABEL = "org.crier.bot"
PROCESS_TYPES = ("interactive", "standard", "adaptive")

_LOOK_S = 0.25
# The agent's ExitTimeOut is 20 s; launchd forgets a job some seconds after it has ended.
_BOOTOUT_S = 30.0
# For about 5 s after a bootout, bootstrap fails with 5 (input/output error) or 37 (operation
# already in progress). Sources: headroom#1289, cc-connect#1834, d-inference#1102.
_BOOTSTRAP_S = 15.0
_NOT_YET = (5, 37)
# Of a job that has been booted out, although `print` may still show it: d-inference#1102.
_NOT_FOUND = 113
# After a quick bootstrap a job may be registered and not run until it is kicked: openbase#15.
_KICK_AFTER_S = 3.0
# launchd starts a job at most every 10 s (ThrottleInterval, launchd.plist(5)).
_RUN_S = 25.0
_STAYS_S = 2.0
"""Who can't be started at all has ended by then."""


@dataclass(frozen=True, slots=True)
class Job:
    """What ``launchctl print`` says of the agent."""

    pid: int | None
    last_exit: str
    """An exit code, or why there is none."""


class Launchd:
    """The agent of whoever is logged in at the screen."""

    def __init__(self, checkout: Path, data_dir: Path, process_type: str = "interactive") -> None:
        """Be about the program of *checkout*, which logs into *data_dir*."""
        self._checkout = checkout
        self._data_dir = data_dir
        self._process_type = process_type
        self._domain = f"gui/{os.getuid()}"
        self._service = f"{self._domain}/{LABEL}"
        self.file = Path.home() / "Library" / "LaunchAgents" / f"{LABEL}.plist"

    def content(self) -> bytes:
        """Return the plist: the template of launchd/, filled in."""
        template = (self._checkout / "launchd" / f"{LABEL}.plist").read_bytes()
        places = {"@CHECKOUT@": str(self._checkout), "@DATA_DIR@": str(self._data_dir)}
        agent = _filled(plistlib.loads(template), places)
        agent["ProcessType"] = self._process_type.capitalize()
        return plistlib.dumps(agent, sort_keys=False)

    def steps(self) -> list[str]:
        """Return the commands that installing runs."""
        return [f"launchctl bootstrap {self._domain} {self.file}"]

    def warnings(self) -> list[str]:
        """Return what may be in the way."""
        found = []
        guarded = [Path.home() / name for name in ("Desktop", "Documents", "Downloads")]
        if any(self._checkout.is_relative_to(folder) for folder in guarded):
            found.append(
                f"{self._checkout} is in a folder that macOS guards: it may not let an agent read "
                "it. Move the checkout elsewhere, such as to your home folder, run `make setup` "
                "and install from there."
            )
        if not self._has_session():
            found.append(
                "Nobody is logged in at this Mac's screen as you, so it can't be started now. It "
                "starts at your next login there."
            )
        if self._process_type == "adaptive":
            found.append(
                "An adaptive job stays in the background, which is slow, unless it serves XPC, "
                "and Crier does not: speech may stutter (launchd.plist(5), ProcessType)."
            )
        return found

    def install(self) -> str:
        """Write the agent and start it, or start it anew; return what came of it. Blocks.

        May be done again at any time, also after it was cut short.

        Raises:
            CommandError: launchd refuses, or the bot does not stay.
        """
        if os.getuid() == 0:
            raise UsageError(
                "An agent belongs to the person at the screen, not to root: run it without sudo."
            )
        content = self.content()
        self._data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)  # for launchd.log
        if self.job() is not None and self._installed() == content:
            return self.restart()
        new = self._write_beside(content)
        # launchd has read the old file, so that one goes first: what is registered and what is on
        # the disk are then the same at every moment, wherever this may be cut short.
        self._bootout()
        new.replace(self.file)
        if not self._has_session():
            return "It starts when you log in at this Mac's screen."
        self._bootstrap()
        return f"Crier runs (process {self._running()}), and starts at every login."

    def uninstall(self) -> bool:
        """End the agent and remove its file; return whether there was one. Blocks.

        Raises:
            CommandError: launchd does not let go of it.
        """
        there = self.job() is not None or self.file.exists()
        self._bootout()
        self.file.unlink(missing_ok=True)
        return there

    def restart(self) -> str:
        """Start it anew; return what came of it. Blocks.

        Raises:
            CommandError: it is not installed, or does not stay.
        """
        before = self.job()
        if before is not None:
            done = _launchctl("kickstart", "-k", self._service)
            if done.code == 0:
                pid = self._running(other_than=before.pid)
                return f"Crier runs anew (process {pid})."
            if done.code != _NOT_FOUND:
                raise CommandError(f"launchd does not start it anew: {done.said}.")
        if self.file.exists():
            raise CommandError(
                "It is installed, but launchd does not know it: nobody is logged in at the screen, "
                "or it was booted out. `crier install` loads it."
            )
        raise CommandError("It is not installed. `crier install` does that.")

    def job(self) -> Job | None:
        """Return what launchd knows of the agent; None where it does not know it."""
        done = _launchctl("print", self._service)
        if done.code:
            return None
        # One tab: the job's own lines, not those of its sockets and endpoints.
        said = dict(re.findall(r"^\t([a-z ]+?) = (.*)$", done.output, re.MULTILINE))
        pid = said.get("pid", "")
        return Job(int(pid) if pid.isdigit() else None, said.get("last exit code", "unknown"))

    def _has_session(self) -> bool:
        return _launchctl("print", self._domain).code == 0

    def _installed(self) -> bytes:
        try:
            return self.file.read_bytes()
        except OSError:
            return b""

    def _write_beside(self, content: bytes) -> Path:
        """Write what is to be the agent's file, under a name that launchd passes over."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        new = self.file.with_name(f".{LABEL}.new")
        new.write_bytes(content)
        if shutil.which("plutil"):
            done = run("plutil", "-lint", str(new))
            if done.code:
                raise CommandError(f"plutil finds a fault in {new}: {done.said}.")
        return new

    def _bootout(self) -> None:
        """Have launchd forget the agent, which it does in its own time."""
        if self.job() is None:
            return
        done = _launchctl("bootout", self._service)
        until_s = time.monotonic() + _BOOTOUT_S
        while self.job() is not None:
            if time.monotonic() > until_s:
                raise CommandError(
                    f"launchd has not ended the running Crier within {_BOOTOUT_S:.0f} s"
                    f"{f' ({done.said})' if done.code else ''}. Try again in a minute."
                )
            time.sleep(_LOOK_S)

    def _bootstrap(self) -> None:
        # Who has switched it off before, in System Settings or by `launchctl disable`, wants it
        # now; a disabled one can't be loaded (launchctl(1), enable).
        _launchctl("enable", self._service)
        until_s = time.monotonic() + _BOOTSTRAP_S
        while True:
            done = _launchctl("bootstrap", self._domain, str(self.file))
            if done.code == 0:
                return
            # Another install beside this one may have been quicker.
            if done.code in _NOT_YET and self.job() is not None:
                return
            if done.code not in _NOT_YET or time.monotonic() > until_s:
                raise CommandError(f"launchd does not take {self.file}: {done.said}.")
            time.sleep(_LOOK_S * 2)

    def _running(self, other_than: int | None = None) -> int:
        """Return the process's id as soon as it runs and stays."""
        began_s = time.monotonic()
        pid, since_s, kicked, last_exit = None, began_s, False, ""
        while (now_s := time.monotonic()) < began_s + _RUN_S:
            job = self.job()
            if job is None:
                raise CommandError("It has been booted out meanwhile. `crier install` loads it.")
            last_exit = job.last_exit
            if job.pid != pid:
                pid, since_s = job.pid, now_s
            if pid is None and not kicked and now_s - since_s > _KICK_AFTER_S:
                _launchctl("kickstart", self._service)
                kicked = True
            if pid is not None and pid != other_than and now_s - since_s > _STAYS_S:
                return pid
            time.sleep(_LOOK_S)
        raise CommandError(
            f"It is installed, but does not stay (last exit code: {last_exit}). `crier logs` "
            f"or {self._data_dir / 'launchd.log'} says why."
        )


def _filled(value: Any, places: Mapping[str, str]) -> Any:
    """Return a plist's value with the places' names replaced in its strings."""
    if isinstance(value, str):
        for name, place in places.items():
            value = value.replace(name, place)
        return value
    if isinstance(value, dict):
        return {key: _filled(part, places) for key, part in value.items()}
    if isinstance(value, list):
        return [_filled(part, places) for part in value]
    return value


def _launchctl(*arguments: str) -> Done:
    return run("launchctl", *arguments)
