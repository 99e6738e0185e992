"""A user unit: how Linux starts Crier at login. The only file that knows systemctl."""

import os
import shutil
import time
from pathlib import Path

from bot.errors import CommandError
from bot.service.process import run

UNIT = "crier.service"

_LOOK_S = 0.25
_RUN_S = 20.0
_STAYS_S = 2.0
"""Who can't be started at all has ended by then."""

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
# Again after a failure, not after an orderly end.
Restart=on-failure
RestartSec=5
KillSignal=SIGTERM
TimeoutStopSec=20

[Install]
WantedBy=default.target
"""


class Systemd:
    """The user's own systemd."""

    def __init__(self, checkout: Path) -> None:
        """Be about the program of *checkout*."""
        self._checkout = checkout
        self._program = checkout / ".venv" / "bin" / "crier"
        config = os.environ.get("XDG_CONFIG_HOME", "")
        folder = Path(config) if config.startswith("/") else Path.home() / ".config"
        self.file = folder / "systemd" / "user" / UNIT

    def content(self) -> bytes:
        """Return the unit."""
        checkout = str(self._checkout).replace("%", "%%")
        return _CONTENT.format(checkout=checkout).encode()

    def steps(self) -> list[str]:
        """Return the commands that installing runs."""
        return [
            "systemctl --user daemon-reload",
            f"systemctl --user enable {UNIT}",
            f"systemctl --user restart {UNIT}",
        ]

    def warnings(self) -> list[str]:
        """Return what may be in the way."""
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
        """Write the unit and start it, or start it anew; return what came of it. Blocks.

        Raises:
            CommandError: systemd can't be reached or refuses, or the bot does not stay.
        """
        self._check_bus()
        self._check_path()
        self.file.parent.mkdir(parents=True, exist_ok=True)
        new = self.file.with_name(f".{UNIT}.new")
        new.write_bytes(self.content())
        new.replace(self.file)
        self._order("daemon-reload")
        self._order("enable", UNIT)
        self._order("restart", UNIT)
        return f"Crier runs (process {self._running()}), and starts at every login."

    def uninstall(self) -> bool:
        """End the unit and remove its file; return whether there was one. Blocks.

        Raises:
            CommandError: systemd can't be reached or refuses.
        """
        if not self.file.exists():
            return False
        self._check_bus()
        self._order("disable", "--now", UNIT)
        self.file.unlink(missing_ok=True)
        self._order("daemon-reload")
        return True

    def restart(self) -> str:
        """Start it anew; return what came of it. Blocks.

        Raises:
            CommandError: it is not installed, or does not stay.
        """
        if not self.file.exists():
            raise CommandError("It is not installed. `crier install` does that.")
        self._check_bus()
        self._order("restart", UNIT)
        return f"Crier runs anew (process {self._running()})."

    def _check_bus(self) -> None:
        """Raise where there is no systemd that belongs to this user."""
        why = "there is no systemctl"
        if shutil.which("systemctl"):
            done = run("systemctl", "--user", "show-environment")
            if done.code == 0:
                return
            why = done.said
        raise CommandError(
            f"systemd can't be reached as your user here ({why}), so Crier can't be installed. "
            f"Start it by hand, or from whatever starts programs here:\n\n"
            f"    nohup {self._program} run --service &"
        )

    def _check_path(self) -> None:
        """Raise where systemd would not start a program of that name, however it is quoted."""
        if any(sign in str(self._program) for sign in "\"'\\\n"):
            raise CommandError(
                f"systemd starts no program whose path has a quote, a backslash or a line break in "
                f"it, as {self._program} has. Move the checkout and run `make setup` there."
            )

    def _order(self, *arguments: str) -> None:
        done = run("systemctl", "--user", *arguments)
        if done.code:
            raise CommandError(f"systemctl --user {' '.join(arguments)}: {done.said}.")

    def _running(self) -> int:
        """Return the process's id as soon as it runs and stays."""
        began_s = time.monotonic()
        pid, since_s = 0, began_s
        while (now_s := time.monotonic()) < began_s + _RUN_S:
            done = run("systemctl", "--user", "show", UNIT, "--property=MainPID", "--value")
            found = int(done.output.strip() or 0)
            if found != pid:
                pid, since_s = found, now_s
            if pid and now_s - since_s > _STAYS_S:
                return pid
            time.sleep(_LOOK_S)
        raise CommandError(
            f"It is installed, but does not stay. `crier logs` or `journalctl --user -u {UNIT}` "
            "says why."
        )
