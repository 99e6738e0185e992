"""The LaunchAgent with which macOS starts Crier at login. Only this module runs launchctl.

The project's tests don't run it on a Mac, but against a fake that behaves as described in
launchctl(1) and in the reports cited at the constants.
"""

import os
import plistlib
import re
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.errors import CommandError, UsageError
from bot.service.process import Completed, run

LABEL = "org.crier.bot"
_ONCE_LABEL = "org.crier.doctor"
PROCESS_TYPES = ("interactive", "standard", "adaptive")

_POLL_S = 0.25
# The agent's ExitTimeOut is 20 s; launchd forgets a job some seconds after it has exited.
_BOOTOUT_S = 30.0
# For about 5 s after a bootout, bootstrap fails with 5 (input/output error) or 37 (operation
# already in progress). Sources: headroom#1289, cc-connect#1834, d-inference#1102.
_BOOTSTRAP_S = 15.0
_RETRY_CODES = (5, 37)
# The job has been booted out, although `print` may still show it: d-inference#1102.
_NOT_FOUND = 113
# After a quick bootstrap a job may be registered but not run before a kickstart: openbase#15.
_KICK_AFTER_S = 3.0
# launchd starts a job at most every 10 s (ThrottleInterval, launchd.plist(5)).
_START_S = 25.0
_STABLE_S = 2.0
"""A job that fails to start has exited by then."""

_GUARDED = (
    "Desktop",
    "Documents",
    "Downloads",
    "Library/Mobile Documents",
    "Library/CloudStorage",
)
_DISKS = Path("/Volumes")
_SWITCHED_OFF = (
    "It may be switched off: look at System Settings, General, Login Items & Extensions, Allow in "
    "the Background. `launchctl print-disabled gui/$(id -u)` lists what is disabled. If it is not "
    "there either, log out and in, and install again."
)


@dataclass(frozen=True, slots=True)
class AgentStatus:
    """The agent, as ``launchctl print`` shows it."""

    pid: int | None
    state: str
    """Such as ``running``."""
    last_exit: str
    """An exit code, or the reason why there is none; empty if it is not shown."""
    spawn_type: str
    """Such as ``interactive``; empty if it is not shown."""


class Launchd:
    """The LaunchAgent of the user logged in at the screen."""

    def __init__(self, checkout: Path, data_dir: Path, process_type: str = "interactive") -> None:
        """Manage the LaunchAgent for *checkout*; its log goes to *data_dir*."""
        self._checkout = checkout
        self._data_dir = data_dir
        self._process_type = process_type
        self._domain = _domain()
        self._service = f"{self._domain}/{LABEL}"
        self.file = agent_file()

    def content(self) -> bytes:
        """Return the plist: the template in launchd/, filled in."""
        template = (self._checkout / "launchd" / f"{LABEL}.plist").read_bytes()
        values = {"@CHECKOUT@": str(self._checkout), "@DATA_DIR@": str(self._data_dir)}
        agent = _fill_in(plistlib.loads(template), values)
        agent["ProcessType"] = self._process_type.capitalize()
        return plistlib.dumps(agent, sort_keys=False)

    def steps(self) -> list[str]:
        """Return the commands that `install` runs."""
        return [f"launchctl bootstrap {self._domain} {self.file}"]

    def warnings(self) -> list[str]:
        """Return what may prevent it from working.

        Raises:
            UsageError: macOS would not let an agent read its folders.
        """
        self._check_place()
        warnings = []
        if not self._has_session():
            warnings.append(
                "Nobody is logged in at this Mac's screen as you, so it can't be started now. It "
                "starts at your next login there."
            )
        if self._process_type == "adaptive":
            warnings.append(
                "An adaptive job stays in the background, which is slow, unless it serves XPC, "
                "and Crier does not: speech may stutter (launchd.plist(5), ProcessType)."
            )
        return warnings

    def install(self) -> str:
        """Write the agent and start or restart it; return the result in words. Blocks.

        Can be repeated at any time, even after an interruption.

        Raises:
            CommandError: launchd refuses, or the bot exits.
        """
        if os.getuid() == 0:
            raise UsageError(
                "An agent belongs to the person at the screen, not to root: run it without sudo."
            )
        self._check_place()
        content = self.content()
        self._data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)  # for launchd.log
        if self._installed_content() == content and (restarted := self._restarted()):
            return restarted
        new = self._write_beside(content)
        # Boot out before replacing the file, so that the registered agent and the file always
        # agree, even if this is interrupted.
        self._bootout()
        new.replace(self.file)
        if not self._has_session():
            return "It starts when you log in at this Mac's screen."
        self._bootstrap()
        return f"Crier runs (process {self._wait_until_stable()}), and starts at every login."

    def uninstall(self) -> bool:
        """Stop the agent and remove its file; return whether there was one. Blocks.

        Raises:
            CommandError: launchd does not stop it.
        """
        existed = self.status() is not None or self.file.exists()
        self._bootout()
        self.file.unlink(missing_ok=True)
        return existed

    def restart(self) -> str:
        """Restart the agent; return the result in words. Blocks.

        Raises:
            CommandError: it is not installed, or exits.
        """
        if restarted := self._restarted():
            return restarted
        if self.file.exists():
            raise CommandError(
                "It is installed, but launchd does not know it: nobody is logged in at the screen, "
                "or it was booted out. `crier install` loads it."
            )
        raise CommandError("It is not installed. `crier install` does that.")

    def _restarted(self) -> str:
        """Restart the agent; return the result in words, nothing if launchd does not know it.

        After a bootout launchd shows a job for a while longer, and does not start it.

        Raises:
            CommandError: launchd refuses, or the bot exits.
        """
        before = self.status()
        if before is None:
            return ""
        done = _launchctl("kickstart", "-k", self._service)
        if done.code == _NOT_FOUND:
            return ""
        if done.code != 0:
            raise CommandError(f"launchd does not restart it: {done.message}.")
        return f"Crier was restarted (process {self._wait_until_stable(other_than=before.pid)})."

    @staticmethod
    def status() -> AgentStatus | None:
        """Return the status of the agent; None if it is not loaded. Blocks.

        Raises:
            CommandError: launchctl can't be run.
        """
        done = _launchctl("print", f"{_domain()}/{LABEL}")
        if done.code:
            return None
        fields = _fields(done.output)
        pid = fields.get("pid", "")
        return AgentStatus(
            pid=int(pid) if pid.isdigit() else None,
            state=fields.get("state", "unknown"),
            last_exit=fields.get("last exit code", ""),
            spawn_type=fields.get("spawn type", "").partition(" (")[0],
        )

    def _check_place(self) -> None:
        """Raise UsageError if macOS guards one of the folders that the agent needs."""
        for folder, move in (
            (self._checkout, "Move the checkout, such as to your home folder, run `make setup`"),
            (self._data_dir, "Set DATA_DIR in .env to another folder"),
        ):
            if is_guarded(folder):
                raise UsageError(
                    f"{folder} is in a folder that macOS guards (Desktop, Documents, Downloads, "
                    "iCloud, another disk): an agent may not read it, or it may not be there at "
                    f"login. {move}, and install from there."
                )

    def _has_session(self) -> bool:
        return _launchctl("print", self._domain).code == 0

    def _installed_content(self) -> bytes:
        try:
            return self.file.read_bytes()
        except OSError:
            return b""

    def _write_beside(self, content: bytes) -> Path:
        """Write the new plist under a name that launchd ignores; return its path."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        new = self.file.with_name(f".{LABEL}.new")
        new.write_bytes(content)
        if shutil.which("plutil"):
            done = run("plutil", "-lint", str(new))
            if done.code:
                raise CommandError(f"plutil finds an error in {new}: {done.message}.")
        return new

    def _bootout(self) -> None:
        """Unload the agent, and wait until launchd has forgotten it."""
        if self.status() is None:
            return
        done = _launchctl("bootout", self._service)
        deadline_s = time.monotonic() + _BOOTOUT_S
        while self.status() is not None:
            if time.monotonic() > deadline_s:
                raise CommandError(
                    f"launchd has not stopped the running Crier within {_BOOTOUT_S:.0f} s"
                    f"{f' ({done.message})' if done.code else ''}. Try again in a minute."
                )
            time.sleep(_POLL_S)

    def _bootstrap(self) -> None:
        # It may have been switched off in System Settings or by `launchctl disable`; a disabled
        # agent can't be loaded (launchctl(1), enable).
        _launchctl("enable", self._service)
        deadline_s = time.monotonic() + _BOOTSTRAP_S
        while True:
            done = _launchctl("bootstrap", self._domain, str(self.file))
            if done.code == 0:
                return
            # Another install at the same time may have loaded it.
            if done.code in _RETRY_CODES and self.status() is not None:
                return
            if done.code not in _RETRY_CODES:
                raise CommandError(f"launchd does not accept {self.file}: {done.message}.")
            if time.monotonic() > deadline_s:
                raise CommandError(
                    f"launchd does not accept {self.file} ({done.message}). {_SWITCHED_OFF}"
                )
            time.sleep(_POLL_S * 2)

    def _wait_until_stable(self, other_than: int | None = None) -> int:
        """Wait until the agent has run for `_STABLE_S`; return its process id."""
        started_s = time.monotonic()
        pid, since_s, kicked, last_exit = None, started_s, False, ""
        while (now_s := time.monotonic()) < started_s + _START_S:
            status = self.status()
            if status is None:
                raise CommandError("It has been booted out meanwhile. `crier install` loads it.")
            last_exit = status.last_exit or "unknown"
            if status.pid != pid:
                pid, since_s = status.pid, now_s
            if pid is None and not kicked and now_s - since_s > _KICK_AFTER_S:
                _launchctl("kickstart", self._service)
                kicked = True
            if pid is not None and pid != other_than and now_s - since_s > _STABLE_S:
                return pid
            time.sleep(_POLL_S)
        raise CommandError(
            f"It is installed, but exits again (last exit code: {last_exit}). `crier logs` "
            f"or {self._data_dir / 'launchd.log'} says why."
        )


def run_once(checkout: Path, command: Sequence[str], *, timeout_s: float = 60.0) -> str:
    """Run a command as a LaunchAgent of its own, and return what it prints. Blocks.

    Raises:
        CommandError: launchd refuses, or the command does not end.
    """
    service = f"{_domain()}/{_ONCE_LABEL}"
    with tempfile.TemporaryDirectory(prefix="crier-") as name:
        output, file = Path(name) / "output", Path(name) / f"{_ONCE_LABEL}.plist"
        agent = {
            "Label": _ONCE_LABEL,
            "ProgramArguments": list(command),
            "WorkingDirectory": str(checkout),
            "ProcessType": "Interactive",
            "RunAtLoad": True,
            "ExitTimeOut": 5,
            "StandardOutPath": str(output),
            "StandardErrorPath": str(output),
        }
        file.write_bytes(plistlib.dumps(agent))
        _launchctl("bootout", service)  # left by one that was interrupted
        deadline_s = time.monotonic() + timeout_s
        try:
            while (done := _launchctl("bootstrap", _domain(), str(file))).code:
                if done.code not in _RETRY_CODES or time.monotonic() > deadline_s:
                    raise CommandError(f"launchd runs no agent: {done.message}.")
                time.sleep(_POLL_S)
            while not _has_exited(_launchctl("print", service).output):
                if time.monotonic() > deadline_s:
                    raise CommandError(f"The agent did not end within {timeout_s:.0f} s.")
                time.sleep(_POLL_S)
            return output.read_text(errors="replace") if output.exists() else ""
        finally:
            _launchctl("bootout", service)


def _has_exited(printed: str) -> bool:
    """Whether a printed job ran, and runs no more."""
    fields = _fields(printed)
    return "pid" not in fields and fields.get("last exit code", "(never")[0] != "("


def _fields(printed: str) -> dict[str, str]:
    """Return the values of a printed job.

    One tab: the job's own lines. Those of its coalitions, which are always ``active``, and of its
    endpoints have two.
    """
    return dict(re.findall(r"^\t([a-z ]+?) = (.*)$", printed, re.MULTILINE))


def is_guarded(folder: Path) -> bool:
    """Whether macOS may deny an agent to read *folder*, or it may be missing at login.

    Privacy protection covers these folders of a home, of iCloud and other clouds, and other disks;
    an agent gets EPERM there, or exit code 126. Sources: syke#11, skillsmith#1009.
    """
    home = Path.home()
    guarded = [home / name for name in _GUARDED]
    if not home.is_relative_to(_DISKS):
        guarded.append(_DISKS)
    # A Mac's disk ignores case.
    paths = [_folded(path) for path in (folder, folder.resolve())]
    return any(path.is_relative_to(_folded(other)) for path in paths for other in guarded)


def _folded(path: Path) -> Path:
    return Path(str(path).casefold())


def agent_file() -> Path:
    """Return the path of the agent's plist, which may not exist."""
    return Path.home() / "Library" / "LaunchAgents" / f"{LABEL}.plist"


def _domain() -> str:
    return f"gui/{os.getuid()}"


def _fill_in(template: Any, values: Mapping[str, str]) -> Any:
    """Return the plist template with its placeholders replaced."""
    if isinstance(template, str):
        for placeholder, value in values.items():
            template = template.replace(placeholder, value)
        return template
    if isinstance(template, dict):
        return {key: _fill_in(part, values) for key, part in template.items()}
    if isinstance(template, list):
        return [_fill_in(part, values) for part in template]
    return template


def _launchctl(*arguments: str) -> Completed:
    return run("launchctl", *arguments)
