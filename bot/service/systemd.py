"""The user unit with which systemd starts Crier at login. Only this module runs systemctl."""

import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from bot.errors import CommandError
from bot.service.process import run

UNIT = "crier.service"

_POLL_S = 0.25
_START_S = 20.0
_STABLE_S = 2.0
"""A job that fails to start has exited by then."""

# Source: systemctl(1), show.
_PROPERTIES = ("LoadState", "ActiveState", "SubState", "NRestarts", "Result", "MainPID")

_CONTENT = """\
[Unit]
Description=Crier says your messages aloud
After=pipewire.service pipewire-pulse.service pulseaudio.service
# A loudspeaker may be away for a night: never give up.
StartLimitIntervalSec=0

[Service]
Type=exec
ExecStart="{checkout}/.venv/bin/crier" run --service
WorkingDirectory={checkout}
# After a failure, not after an exit with 0.
Restart=on-failure
RestartSec=5
KillSignal=SIGTERM
TimeoutStopSec=20

[Install]
WantedBy=default.target
"""


@dataclass(frozen=True, slots=True)
class UnitStatus:
    """The unit, as ``systemctl show`` shows it."""

    pid: int | None
    active_state: str
    """Such as ``active``."""
    sub_state: str
    """Such as ``running``."""
    restarts: str
    result: str
    """Such as ``success`` or ``exit-code``."""


class Systemd:
    """The user unit, in the user's own systemd."""

    def __init__(self, checkout: Path) -> None:
        """Manage the unit for *checkout*."""
        self._checkout = checkout
        self._program = checkout / ".venv" / "bin" / "crier"
        config = os.environ.get("XDG_CONFIG_HOME", "")
        folder = Path(config) if config.startswith("/") else Path.home() / ".config"
        self.file = folder / "systemd" / "user" / UNIT

    def content(self) -> bytes:
        """Return the unit file."""
        checkout = str(self._checkout).replace("%", "%%")
        return _CONTENT.format(checkout=checkout).encode()

    def steps(self) -> list[str]:
        """Return the commands that `install` runs."""
        return [
            "systemctl --user daemon-reload",
            f"systemctl --user enable {UNIT}",
            f"systemctl --user restart {UNIT}",
        ]

    def warnings(self) -> list[str]:
        """Return what may prevent it from working.

        Raises:
            CommandError: systemd can't be reached, or would refuse the path of the program.
        """
        self._check_bus()
        self._check_path()
        if not shutil.which("loginctl"):
            return []
        done = run("loginctl", "show-user", str(os.getuid()), "--property=Linger", "--value")
        if done.output.strip() == "yes":
            return []
        logout = "It runs from your login until your last logout. To have it run from boot on: "
        return [logout + "loginctl enable-linger"]

    def install(self) -> str:
        """Write the unit and start or restart it; return the result in words. Blocks.

        Raises:
            CommandError: systemd can't be reached or refuses, or the bot exits.
        """
        self._check_bus()
        self._check_path()
        self.file.parent.mkdir(parents=True, exist_ok=True)
        new = self.file.with_name(f".{UNIT}.new")
        new.write_bytes(self.content())
        new.replace(self.file)
        self._systemctl("daemon-reload")
        self._systemctl("enable", UNIT)
        self._systemctl("restart", UNIT)
        return f"Crier runs (process {self._wait_until_stable()}), and starts at every login."

    def uninstall(self) -> bool:
        """Stop the unit and remove its file; return whether there was one. Blocks.

        Raises:
            CommandError: systemd can't be reached or refuses.
        """
        if not self.file.exists():
            return False
        self._check_bus()
        self._systemctl("disable", "--now", UNIT)
        self.file.unlink(missing_ok=True)
        self._systemctl("daemon-reload")
        return True

    def restart(self) -> str:
        """Restart the unit; return the result in words. Blocks.

        Raises:
            CommandError: it is not installed, or exits.
        """
        if not self.file.exists():
            raise CommandError("It is not installed. `crier install` does that.")
        self._check_bus()
        self._systemctl("restart", UNIT)
        return f"Crier was restarted (process {self._wait_until_stable()})."

    @staticmethod
    def status() -> UnitStatus | None:
        """Return the status of the unit; None if it is not loaded. Blocks.

        Raises:
            CommandError: systemctl can't be run.
        """
        done = run("systemctl", "--user", "show", UNIT, f"--property={','.join(_PROPERTIES)}")
        values = dict(line.partition("=")[::2] for line in done.output.splitlines())
        if done.code or values.get("LoadState") != "loaded":
            return None
        return UnitStatus(
            pid=int(values.get("MainPID") or 0) or None,
            active_state=values.get("ActiveState", "unknown"),
            sub_state=values.get("SubState", "unknown"),
            restarts=values.get("NRestarts", "unknown"),
            result=values.get("Result", "unknown"),
        )

    def _check_bus(self) -> None:
        """Raise CommandError if this user has no systemd."""
        reason = "there is no systemctl"
        if shutil.which("systemctl"):
            done = run("systemctl", "--user", "show-environment")
            if done.code == 0:
                return
            reason = done.message
        raise CommandError(
            f"systemd can't be reached as your user here ({reason}), so Crier can't be installed. "
            f"Start it by hand, or from whatever starts programs here:\n\n"
            f"    nohup {self._program} run --service &"
        )

    def _check_path(self) -> None:
        """Raise CommandError if systemd can't start a program at this path, even if quoted."""
        if any(sign in str(self._program) for sign in "\"'\\\n"):
            raise CommandError(
                f"systemd starts no program whose path has a quote, a backslash or a line break in "
                f"it, as {self._program} has. Move the checkout and run `make setup` there."
            )

    def _systemctl(self, *arguments: str) -> None:
        done = run("systemctl", "--user", *arguments)
        if done.code:
            raise CommandError(f"systemctl --user {' '.join(arguments)}: {done.message}.")

    def _wait_until_stable(self) -> int:
        """Wait until the unit has run for `_STABLE_S`; return its process id."""
        started_s = time.monotonic()
        pid, since_s = None, started_s
        while (now_s := time.monotonic()) < started_s + _START_S:
            status = self.status()
            new_pid = status.pid if status else None
            if new_pid != pid:
                pid, since_s = new_pid, now_s
            if pid is not None and now_s - since_s > _STABLE_S:
                return pid
            time.sleep(_POLL_S)
        raise CommandError(
            f"It is installed, but exits again. `crier logs` or `journalctl --user -u {UNIT}` "
            "says why."
        )
