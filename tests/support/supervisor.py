"""Runs one job as launchd and systemd do; shared by their stand-ins.

A supervisor is a process that runs the job in a file, and stores its state in the same file.
SIGTERM stops the job and the supervisor, SIGUSR1 restarts the job, SIGUSR2 starts it if it waits.
"""

import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

POLL_S = 0.02


class Job(NamedTuple):  # a dataclass takes as long to import as the rest of a stand-in
    """What to run, and its state."""

    command: list[str]
    folder: str
    environment: dict[str, str]
    output: str
    """The file that its output is appended to."""
    clean: list[int]
    """Return codes after which it is not restarted; a signal is negative, as in `Popen`."""
    pause_s: float
    """Between two starts."""
    after_end: bool
    """Whether the pause is counted from the job's exit, or else from its start."""
    stop_s: float
    """How long it may take to exit before it is killed."""
    linger_s: float = 0.0
    """How long it is known after it has exited."""
    starts_itself: bool = True
    burst: int = 0
    """The limit of starts within 10 s; 0: none."""
    pid: int | None = None
    last_exit: int | None = None
    starts: int = 0
    supervisor: int = 0
    leaving: bool = False
    """Whether it is being removed."""

    @classmethod
    def read(cls, file: Path) -> "Job | None":
        """Return the job in a file; None if there is no file."""
        try:
            return cls(**json.loads(file.read_text()))
        except FileNotFoundError:
            return None

    def write(self, file: Path) -> None:
        """Store it, atomically."""
        new = file.with_name(f"{file.name}.{os.getpid()}")
        new.write_text(json.dumps(self._asdict()))
        new.replace(file)


def start(job: Job, file: Path) -> None:
    """Start a supervisor that outlives this process, which has no threads, and wait for it."""
    job.write(file)
    if not os.fork():
        os.setsid()
        nothing = os.open(os.devnull, os.O_RDWR)
        for stream in range(3):
            os.dup2(nothing, stream)
        os.closerange(3, 256)
        try:
            _Supervisor(job, file).run()
        finally:
            os._exit(0)
    while (stored := Job.read(file)) is not None and not stored.supervisor:
        time.sleep(POLL_S)


def send_signal(file: Path, number: int) -> None:
    """Send a signal to the supervisor of the job in a file."""
    if job := Job.read(file):
        os.kill(job.supervisor, number)


class _Supervisor:
    def __init__(self, job: Job, file: Path) -> None:
        self.job = job._replace(supervisor=os.getpid())
        self.file = file
        self.signals: set[int] = set()
        self.process: subprocess.Popen[bytes] | None = None
        self.next_s = 0.0 if job.starts_itself else float("inf")
        self.started_at_s: list[float] = []
        for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2):
            signal.signal(number, lambda got, _: self.signals.add(got))
        self.job.write(file)

    def run(self) -> None:
        while signal.SIGTERM not in self.signals:
            if signal.SIGUSR1 in self.signals:
                self.signals.discard(signal.SIGUSR1)
                self._stop(signal.SIGKILL)
                self.next_s = 0.0
            if signal.SIGUSR2 in self.signals:
                self.signals.discard(signal.SIGUSR2)
                self.next_s = 0.0
            if self.process is None and time.monotonic() >= self.next_s:
                self._start()
            elif self.process is not None and self.process.poll() is not None:
                self._exited(self.process.returncode)
            time.sleep(POLL_S)
        self._update(leaving=True)
        self._stop(signal.SIGTERM)
        time.sleep(self.job.linger_s)
        self.file.with_suffix(".gone").touch()
        self.file.unlink()

    def _start(self) -> None:
        self.started_at_s = [at_s for at_s in self.started_at_s if time.monotonic() - at_s < 10]
        if self.job.burst and len(self.started_at_s) >= self.job.burst:
            self.next_s = float("inf")
            return
        self.started_at_s.append(time.monotonic())
        self._update(starts=self.job.starts + 1)
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
                self._exited(78)  # EX_CONFIG, as launchd reports a missing program
            else:
                self._update(pid=self.process.pid)

    def _exited(self, code: int) -> None:
        self.process = None
        self._update(pid=None, last_exit=code)
        since_s = time.monotonic() if self.job.after_end else self.started_at_s[-1]
        self.next_s = float("inf") if code in self.job.clean else since_s + self.job.pause_s

    def _stop(self, number: int) -> None:
        if self.process is None:
            return
        self.process.send_signal(number)
        try:
            code = self.process.wait(self.job.stop_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        self.process = None
        self._update(pid=None, last_exit=code)

    def _update(self, **changes: int | None) -> None:
        self.job = self.job._replace(**changes)  # type: ignore[arg-type]
        self.job.write(self.file)


def job_environment(environment: Mapping[str, str], extra: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a job: a few variables of *environment*, and *extra*."""
    names = ("HOME", "USER", "LOGNAME", "SHELL")
    return {
        "PATH": "/usr/bin:/bin:/usr/sbin:/sbin",
        **{name: environment[name] for name in names if name in environment},
        **extra,
    }
