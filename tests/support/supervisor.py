"""Runs one job as launchd and systemd do: the common half of their stand-ins.

``python -m tests.support.supervisor FILE`` does what the FILE asks for, and keeps in the same FILE
what has become of it. SIGTERM ends the job and the supervisor, SIGUSR1 starts the job anew, SIGUSR2
starts it where it waits.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

LOOK_S = 0.02


@dataclass(frozen=True)
class Job:
    """What to run, and what has become of it."""

    command: list[str]
    folder: str
    environment: dict[str, str]
    output: str
    """The file that takes what it prints."""
    clean: list[int]
    """Return codes after which it is not started again; a signal is negative, as in `Popen`."""
    pause_s: float
    """Between two starts."""
    after_end: bool
    """Whether the pause is counted from the end of the job, or else from its start."""
    stop_s: float
    """How long it may take to end before it is killed."""
    linger_s: float = 0.0
    """How long it is known after it has ended."""
    starts_itself: bool = True
    burst: int = 0
    """So many starts within 10 s are one too many; 0: any number."""
    pid: int | None = None
    last_exit: int | None = None
    starts: int = 0
    supervisor: int = 0
    leaving: bool = False
    """It is being ended for good."""

    @classmethod
    def read(cls, file: Path) -> "Job | None":
        """Return the job of a file; None where there is none."""
        try:
            return cls(**json.loads(file.read_text()))
        except FileNotFoundError:
            return None

    def write(self, file: Path) -> None:
        """Keep it, at one stroke."""
        new = file.with_name(f"{file.name}.{os.getpid()}")
        new.write_text(json.dumps(asdict(self)))
        new.replace(file)


def begin(job: Job, file: Path) -> None:
    """Start a supervisor that outlives this process; returns when it is there."""
    job.write(file)
    subprocess.Popen(
        [sys.executable, "-m", "tests.support.supervisor", str(file)],
        start_new_session=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while (known := Job.read(file)) is not None and not known.supervisor:
        time.sleep(LOOK_S)


def order(file: Path, number: int) -> None:
    """Send a signal to the supervisor of a file's job."""
    if job := Job.read(file):
        os.kill(job.supervisor, number)


class _Supervisor:
    def __init__(self, job: Job, file: Path) -> None:
        self.job = replace(job, supervisor=os.getpid())
        self.file = file
        self.orders: set[int] = set()
        self.process: subprocess.Popen[bytes] | None = None
        self.next_s = 0.0 if job.starts_itself else float("inf")
        self.began: list[float] = []
        for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2):
            signal.signal(number, lambda got, _: self.orders.add(got))
        self.job.write(file)

    def run(self) -> None:
        while signal.SIGTERM not in self.orders:
            if signal.SIGUSR1 in self.orders:
                self.orders.discard(signal.SIGUSR1)
                self._end(signal.SIGKILL)
                self.next_s = 0.0
            if signal.SIGUSR2 in self.orders:
                self.orders.discard(signal.SIGUSR2)
                self.next_s = 0.0
            if self.process is None and time.monotonic() >= self.next_s:
                self._start()
            elif self.process is not None and self.process.poll() is not None:
                self._note_end(self.process.returncode)
            time.sleep(LOOK_S)
        self._note(leaving=True)
        self._end(signal.SIGTERM)
        time.sleep(self.job.linger_s)
        self.file.with_suffix(".gone").touch()
        self.file.unlink()

    def _start(self) -> None:
        self.began = [at_s for at_s in self.began if time.monotonic() - at_s < 10]
        if self.job.burst and len(self.began) >= self.job.burst:
            self.next_s = float("inf")
            return
        self.began.append(time.monotonic())
        self._note(starts=self.job.starts + 1)
        with Path(self.job.output).open("ab") as output:
            try:
                self.process = subprocess.Popen(
                    self.job.command,
                    cwd=self.job.folder,
                    env=self.job.environment,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                )
            except OSError:
                self._note_end(78)  # EX_CONFIG, as launchd says of a program that is not there
            else:
                self._note(pid=self.process.pid)

    def _note_end(self, code: int) -> None:
        self.process = None
        self._note(pid=None, last_exit=code)
        since_s = time.monotonic() if self.job.after_end else self.began[-1]
        self.next_s = float("inf") if code in self.job.clean else since_s + self.job.pause_s

    def _end(self, number: int) -> None:
        if self.process is None:
            return
        self.process.send_signal(number)
        try:
            code = self.process.wait(self.job.stop_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        self.process = None
        self._note(pid=None, last_exit=code)

    def _note(self, **changes: int | None) -> None:
        self.job = replace(self.job, **changes)  # type: ignore[arg-type]
        self.job.write(self.file)


def plain(environment: Mapping[str, str], extra: Mapping[str, str]) -> dict[str, str]:
    """Return what a job gets of an environment: little, and what the test adds."""
    names = ("HOME", "USER", "LOGNAME", "SHELL")
    return {
        "PATH": "/usr/bin:/bin:/usr/sbin:/sbin",
        **{name: environment[name] for name in names if name in environment},
        **extra,
    }


if __name__ == "__main__":
    _file = Path(sys.argv[1])
    _job = Job.read(_file)
    assert _job is not None
    _Supervisor(_job, _file).run()
