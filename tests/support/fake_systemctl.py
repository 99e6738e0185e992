"""A stand-in for ``systemctl --user``.

``python -m tests.support.fake_systemctl STATE ARGUMENT...``.

For where no systemd runs, as in a container. It executes the unit as systemd.unit(5) and
systemd.service(5) say: a changed file counts after daemon-reload; on-failure means an exit code
that is not 0 or a signal other than SIGHUP, SIGINT, SIGTERM, SIGPIPE; more than 5 starts within
10 s are the last unless StartLimitIntervalSec is 0; what does not end within TimeoutStopSec is
killed.

STATE is a folder. ``no-bus`` in it: no systemd of this user's can be reached. ``environment.json``:
the environment of the user's manager. ``scale``: a factor on RestartSec. ``calls`` lists the calls.
"""

import json
import os
import re
import shutil
import signal
import sys
import time
from pathlib import Path

from tests.support import supervisor
from tests.support.supervisor import Job

_WANTS = "default.target.wants"


class Systemctl:
    """One call of systemctl."""

    def __init__(self, state: Path) -> None:
        """Keep everything in the folder *state*."""
        self.state = state
        config = os.environ.get("XDG_CONFIG_HOME") or str(Path(os.environ["HOME"]) / ".config")
        self.units = Path(config) / "systemd" / "user"
        self.loaded = state / "loaded"

    def main(self, user: str, verb: str, *arguments: str) -> int:
        """Do one thing and return the exit code."""
        assert user == "--user"
        with (self.state / "calls").open("a") as calls:
            calls.write(" ".join((verb, *arguments)) + "\n")
        if (self.state / "no-bus").exists():
            return _fail("Failed to connect to bus: No medium found")
        match verb, *arguments:
            case ["show-environment"]:
                return 0
            case ["daemon-reload"]:
                shutil.rmtree(self.loaded, ignore_errors=True)
                self.loaded.mkdir()
                for unit in self.units.glob("*.service"):
                    shutil.copy(unit, self.loaded)
                return 0
            case "enable", unit:
                return self.enable(unit)
            case "disable", "--now", unit:
                return self.stop(unit) or self.disable(unit)
            case "restart", unit:
                return self.stop(unit) or self.start(unit)
            case "show", unit, "--property=MainPID", "--value":
                job = Job.read(self._file(unit))
                print(job.pid or 0 if job else 0)
                return 0
        return _fail(f"Unknown command verb '{verb}'.")

    def enable(self, unit: str) -> int:
        """Have the unit started at login."""
        if not (self.units / unit).exists():
            return _fail(f"Failed to enable unit: Unit file {unit} does not exist.")
        wants = self.units / _WANTS
        wants.mkdir(exist_ok=True)
        (wants / unit).unlink(missing_ok=True)
        (wants / unit).symlink_to(self.units / unit)
        return 0

    def disable(self, unit: str) -> int:
        """Have it started no more."""
        (self.units / _WANTS / unit).unlink(missing_ok=True)
        return 0

    def start(self, unit: str) -> int:
        """Execute the unit as it was when it was loaded."""
        file = self.loaded / unit
        if not file.exists():
            return _fail(f"Failed to start {unit}: Unit {unit} not found.")
        said = dict(re.findall(r"^(\w+)=(.*)$", file.read_text(), re.MULTILINE))
        assert (said["Restart"], said["KillSignal"]) == ("on-failure", "SIGTERM")
        scale = float((self.state / "scale").read_text())
        extra = self.state / "environment.json"
        added = json.loads(extra.read_text()) if extra.exists() else {}
        command = words(said["ExecStart"])
        if said["Type"] == "exec" and not os.access(command[0], os.X_OK):
            return _fail(f"Job for {unit} failed because the control process exited with error.")
        job = Job(
            command=command,
            folder=said["WorkingDirectory"].replace("%%", "%"),
            environment=supervisor.plain(os.environ, {"INVOCATION_ID": "0" * 32, **added}),
            output=str(self.state / "journal"),
            clean=[0, -signal.SIGHUP, -signal.SIGINT, -signal.SIGTERM, -signal.SIGPIPE],
            pause_s=float(said["RestartSec"]) * scale,
            after_end=True,
            stop_s=float(said["TimeoutStopSec"]),
            burst=0 if said.get("StartLimitIntervalSec") == "0" else 5,
        )
        supervisor.begin(job, self._file(unit))
        return 0

    def stop(self, unit: str) -> int:
        """End it; returns when it has ended."""
        supervisor.order(self._file(unit), signal.SIGTERM)
        while self._file(unit).exists():
            time.sleep(supervisor.LOOK_S)
        return 0

    def _file(self, unit: str) -> Path:
        return self.state / f"{unit}.json"


def words(line: str) -> list[str]:
    """Split a command line as systemd does: quotes, and %% everywhere."""
    found = re.findall(r'"([^"]*)"|(\S+)', line)
    return [(quoted or bare).replace("%%", "%") for quoted, bare in found]


def _fail(message: str) -> int:
    print(message, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(Systemctl(Path(sys.argv[1])).main(*sys.argv[2:]))
