"""A home folder with a checkout, in which stand-ins for launchd and systemd run jobs."""

import argparse
import os
import shutil
import signal
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

import pytest

from bot.paths import CHECKOUT
from bot.service import launchd, systemd
from bot.service import manage as service
from tests.support import stand_ins
from tests.support.supervisor import Job
from tests.support.terminal import Terminal, terminal

TOKEN = "4217:canary-AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"
SLEEPS = "exec sleep 600"


@dataclass(frozen=True)
class Home:
    """A home folder with a checkout, and a stand-in for launchd or systemd."""

    platform: str
    folder: Path
    checkout: Path
    state: Path

    def program(self, script: str) -> None:
        """Replace `crier` by a shell script."""
        launcher = self.checkout / ".venv" / "bin" / "crier"
        launcher.parent.mkdir(parents=True, exist_ok=True)
        new = launcher.with_name("new")
        new.write_text(f"#!/bin/sh\n{script}\n")
        new.chmod(0o755)
        new.replace(launcher)

    def tool(self, name: str, script: str) -> None:
        """Put a shell script on the PATH."""
        program = self.folder / "bin" / name
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)

    def install(self, process_type: str | None = None) -> int:
        """Run `crier install --yes`."""
        return service.install_service(
            ask=False,
            process_type=process_type,
            platform=self.platform,
            checkout=self.checkout,
        )

    def install_in_terminal(self) -> AbstractAsyncContextManager[Terminal]:
        """Run `crier install` in a terminal."""
        return terminal(
            self.platform,
            str(self.checkout),
            environment={**os.environ, "PYTHONPATH": str(CHECKOUT)},
            cwd=self.folder,
            module="tests.support.run_install",
        )

    def uninstall(self) -> int:
        """Run `crier uninstall`."""
        return service.uninstall(
            argparse.Namespace(), platform=self.platform, checkout=self.checkout
        )

    def restart(self) -> int:
        """Run `crier restart`."""
        return service.restart(argparse.Namespace(), platform=self.platform, checkout=self.checkout)

    @property
    def file(self) -> Path:
        """The agent or the unit."""
        if self.platform == "darwin":
            return self.folder / "Library" / "LaunchAgents" / "org.crier.bot.plist"
        return self.folder / ".config" / "systemd" / "user" / "crier.service"

    @property
    def job(self) -> Job | None:
        """The job, if it is loaded."""
        name = "org.crier.bot" if self.platform == "darwin" else "crier.service"
        return Job.read(self.state / f"{name}.json")

    def wait_for(self, matches: Callable[[Job], bool]) -> Job:
        """Return the job as soon as it matches."""
        deadline_s = time.monotonic() + 20
        while (job := self.job) is None or not matches(job):
            assert time.monotonic() < deadline_s, job
            time.sleep(0.02)
        return job

    @property
    def pid(self) -> int:
        """The running process."""
        return self.wait_for(lambda job: job.pid is not None).pid or 0

    def calls(self) -> list[str]:
        """Return the calls of the stand-in, without queries."""
        lines = (self.state / "calls").read_text().splitlines()
        return [line for line in lines if line.split()[0] not in {"print", "show", "enable"}]

    def close(self) -> None:
        """Kill the processes that still run."""
        for file in self.state.glob("*.json"):
            if file.name != "environment.json" and (job := Job.read(file)):
                os.kill(job.supervisor, signal.SIGKILL)
                if job.pid:
                    os.kill(job.pid, signal.SIGKILL)


def make_home(platform: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """Create a home folder and point this process at it."""
    checkout = folder / "a %checkout & <its> $name"
    home = Home(platform, folder, checkout, folder / "state")
    shutil.copytree(CHECKOUT / "launchd", checkout / "launchd")
    (checkout / ".env").write_text(f"DATA_DIR={folder / 'data'}\nTELEGRAM_BOT_TOKEN={TOKEN}\n")
    home.program(SLEEPS)
    home.state.mkdir()
    (home.state / "scale").write_text("0.1")
    tool = "launchctl" if platform == "darwin" else "systemctl"
    (folder / "bin").mkdir()
    stand_in = folder / "bin" / tool
    stand_in.write_text(stand_ins.script(tool, home.state))
    stand_in.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("HOME", str(folder))
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("os.getuid", lambda: 501)
    for system in (launchd, systemd):  # these programs start and exit faster than a bot
        monkeypatch.setattr(system, "_POLL_S", 0.1)
        monkeypatch.setattr(system, "_STABLE_S", 0.4)
        monkeypatch.setattr(system, "_START_S", 20.0)
    monkeypatch.setattr(launchd, "_KICK_AFTER_S", 1.0)
    return home


def alive(pid: int) -> bool:
    """Whether a process runs."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
