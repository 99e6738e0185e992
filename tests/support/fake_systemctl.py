"""A stand-in for ``systemctl --user``, for machines without systemd, such as containers.

It executes the unit as systemd.unit(5) and systemd.service(5) say: a changed file counts after
daemon-reload; on-failure means an exit code that is not 0, or a signal other than SIGHUP, SIGINT,
SIGTERM, SIGPIPE; after more than 5 starts within 10 s there are no more, unless
StartLimitIntervalSec is 0; a process that does not exit within TimeoutStopSec is killed.

STATE is a folder. ``no-bus`` in it: the user's systemd can't be reached. ``environment.json``:
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
        """Store everything in the folder *state*."""
        self.state = state
        config = os.environ.get("XDG_CONFIG_HOME") or str(Path(os.environ["HOME"]) / ".config")
        self.units = Path(config) / "systemd" / "user"
        self.loaded = state / "loaded"

    def main(self, user: str, verb: str, *arguments: str) -> int:
        """Run one command and return the exit code."""
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
            case "show", unit, properties:
                self.show(unit, properties.removeprefix("--property=").split(","))
                return 0
        return _fail(f"Unknown command verb '{verb}'.")

    def show(self, unit: str, properties: list[str]) -> None:
        """Print properties of the unit."""
        job = Job.read(self._file(unit))
        pid = job.pid if job else None
        values = {
            "LoadState": "loaded" if (self.loaded / unit).exists() else "not-found",
            "ActiveState": "active" if pid else "inactive",
            "SubState": "running" if pid else "dead",
            "NRestarts": max(0, job.starts - 1) if job else 0,
            "Result": "success",
            "MainPID": pid or 0,
        }
        for name in properties:
            print(f"{name}={values[name]}")

    def enable(self, unit: str) -> int:
        """Start the unit at login."""
        if not (self.units / unit).exists():
            return _fail(f"Failed to enable unit: Unit file {unit} does not exist.")
        wants = self.units / _WANTS
        wants.mkdir(exist_ok=True)
        (wants / unit).unlink(missing_ok=True)
        (wants / unit).symlink_to(self.units / unit)
        return 0

    def disable(self, unit: str) -> int:
        """Disable the unit's start at login."""
        (self.units / _WANTS / unit).unlink(missing_ok=True)
        return 0

    def start(self, unit: str) -> int:
        """Execute the unit as it was at the last daemon-reload."""
        file = self.loaded / unit
        if not file.exists():
            return _fail(f"Failed to start {unit}: Unit {unit} not found.")
        unit_file = dict(re.findall(r"^(\w+)=(.*)$", file.read_text(), re.MULTILINE))
        assert (unit_file["Restart"], unit_file["KillSignal"]) == ("on-failure", "SIGTERM")
        scale = float((self.state / "scale").read_text())
        extra = self.state / "environment.json"
        added = json.loads(extra.read_text()) if extra.exists() else {}
        command = words(unit_file["ExecStart"])
        if unit_file["Type"] == "exec" and not os.access(command[0], os.X_OK):
            return _fail(f"Job for {unit} failed because the control process exited with error.")
        job = Job(
            command=command,
            folder=unit_file["WorkingDirectory"].replace("%%", "%"),
            environment=supervisor.job_environment(
                os.environ, {"INVOCATION_ID": "0" * 32, **added}
            ),
            output=str(self.state / "journal"),
            clean=[0, -signal.SIGHUP, -signal.SIGINT, -signal.SIGTERM, -signal.SIGPIPE],
            pause_s=float(unit_file["RestartSec"]) * scale,
            after_end=True,
            stop_s=float(unit_file["TimeoutStopSec"]),
            burst=0 if unit_file.get("StartLimitIntervalSec") == "0" else 5,
        )
        supervisor.start(job, self._file(unit))
        return 0

    def stop(self, unit: str) -> int:
        """Stop the unit, and wait until its process has exited."""
        supervisor.send_signal(self._file(unit), signal.SIGTERM)
        while self._file(unit).exists():
            time.sleep(supervisor.POLL_S)
        return 0

    def _file(self, unit: str) -> Path:
        return self.state / f"{unit}.json"


def words(line: str) -> list[str]:
    """Split a command line as systemd does, with quotes, and %% for a percent sign."""
    parts = re.findall(r'"([^"]*)"|(\S+)', line)
    return [(quoted or bare).replace("%%", "%") for quoted, bare in parts]


def _fail(message: str) -> int:
    print(message, file=sys.stderr)
    return 1
