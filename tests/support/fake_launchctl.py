"""A stand-in for launchctl, which only a Mac has.

It runs the job of the plist, and behaves as launchctl(1), launchd.plist(5) and bug reports say:

- bootout is asynchronous: it returns at once, the job gets SIGTERM and, after ExitTimeOut, SIGKILL;
  launchd knows it for a while longer, and then refuses to load it for some seconds, with 37
  (operation already in progress) and then 5 (input/output error)
- bootstrap of a registered job fails with 5
- kickstart of an unregistered job fails with 113; -k kills the running one
- KeepAlive with SuccessfulExit false restarts it after a failure, at most every ThrottleInterval
- the job has almost no environment

STATE is a folder. Files in it change the behaviour: ``no-session``, nobody is logged in;
``idle``, a job that is bootstrapped does not run before a kickstart; ``stuck``, a job exits but is
never forgotten; ``disabled``, as after `launchctl disable`; ``scale``, a factor on all times of
launchd; ``environment.json``, as `launchctl setenv`. ``calls`` lists the calls.
"""

import json
import os
import plistlib
import re
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from tests.support import supervisor
from tests.support.supervisor import Job

OK, NO_SUCH_PROCESS, IO_ERROR, NOW_IN_PROGRESS, IN_PROGRESS = 0, 3, 5, 36, 37
NOT_FOUND, DISABLED, NO_SUCH_DOMAIN = 113, 119, 125
_SPAWN_TYPES = {"Interactive": "interactive (4)", "Adaptive": "adaptive (6)"}
_LINGER_S, _REFUSES_S = 1.0, 5.0


class Launchctl:
    """One call of launchctl."""

    def __init__(self, state: Path) -> None:
        """Store everything in the folder *state*."""
        self.state = state
        self.scale = float((state / "scale").read_text())

    def main(self, verb: str, *arguments: str) -> int:
        """Run one command and return the exit code."""
        with (self.state / "calls").open("a") as calls:
            calls.write(" ".join((verb, *arguments)) + "\n")
        match verb, *arguments:
            case "print", target if "/" in target.removeprefix("gui/"):
                return self.print_job(target)
            case "print", domain:
                return self.print_domain(domain)
            case "enable", _:
                (self.state / "disabled").unlink(missing_ok=True)
                return OK
            case "bootstrap", domain, file:
                return self.bootstrap(domain, Path(file))
            case "bootout", target:
                return self.bootout(target)
            case "kickstart", "-k", target:
                return self.kickstart(target, signal.SIGUSR1)
            case "kickstart", target:
                return self.kickstart(target, signal.SIGUSR2)
        return _fail(64, f"Unrecognized subcommand: {verb}")

    def print_domain(self, domain: str) -> int:
        """Print a domain."""
        if (self.state / "no-session").exists():
            return _fail(NOT_FOUND, f"Could not find domain for {domain}")
        print(f"{domain} = {{\n\ttype = login\n}}")
        return OK

    def print_job(self, target: str) -> int:
        """Print a job."""
        job = Job.read(self._file(target))
        label = target.rpartition("/")[2]
        if job is None:
            return _fail(NOT_FOUND, f'Could not find service "{label}" in domain for user gui: 501')
        agent = plistlib.loads((self.state / f"{label}.plist").read_bytes())
        ended = "(never exited)" if job.last_exit is None else str(job.last_exit)
        kind = _SPAWN_TYPES.get(agent.get("ProcessType", ""), "daemon (3)")
        print(
            printed_job(
                target,
                command=job.command,
                pid=job.pid,
                starts=job.starts,
                path=agent["Path"],
                spawn_type=kind,
                last_exit=ended,
            )
        )
        return OK

    def bootstrap(self, domain: str, file: Path) -> int:
        """Load a plist, and run its job."""
        if (self.state / "no-session").exists():
            return _fail(NO_SUCH_DOMAIN, f"Bootstrap failed: 125: Domain does not support {domain}")
        agent = plistlib.loads(file.read_bytes())
        label = agent["Label"]
        if (self.state / "disabled").exists():
            return _fail(DISABLED, "Bootstrap failed: 119: Service is disabled")
        if Job.read(self._file(f"{domain}/{label}")):
            return _fail(IO_ERROR, "Bootstrap failed: 5: Input/output error")
        gone = self.state / f"{label}.gone"
        gone_s = time.time() - gone.stat().st_mtime if gone.exists() else _REFUSES_S
        if gone_s < _REFUSES_S / 2 * self.scale:
            return _fail(IN_PROGRESS, "Bootstrap failed: 37: Operation already in progress")
        if gone_s < _REFUSES_S * self.scale:
            return _fail(IO_ERROR, "Bootstrap failed: 5: Input/output error")
        kept_alive = "KeepAlive" in agent
        assert agent.get("KeepAlive", {"SuccessfulExit": False}) == {"SuccessfulExit": False}
        (self.state / f"{label}.plist").write_bytes(plistlib.dumps({**agent, "Path": str(file)}))
        extra = self.state / "environment.json"
        added = json.loads(extra.read_text()) if extra.exists() else {}
        job = Job(
            command=agent["ProgramArguments"],
            folder=agent["WorkingDirectory"],
            environment=supervisor.job_environment(
                os.environ, {"XPC_SERVICE_NAME": label, **added}
            ),
            output=agent["StandardErrorPath"],
            clean=[0] if kept_alive else list(range(-64, 256)),
            pause_s=agent.get("ThrottleInterval", 10) * self.scale,
            after_end=False,
            stop_s=agent["ExitTimeOut"] * self.scale,
            linger_s=1e6 if (self.state / "stuck").exists() else _LINGER_S * self.scale,
            starts_itself=not (self.state / "idle").exists(),
        )
        supervisor.start(job, self._file(f"{domain}/{label}"))
        return OK

    def bootout(self, target: str) -> int:
        """Stop a job, and forget it some time later."""
        file = self._file(target)
        job = Job.read(file)
        if job is None:
            return _fail(NO_SUCH_PROCESS, "Boot-out failed: 3: No such process")
        if job.leaving:
            return _fail(NOW_IN_PROGRESS, "Boot-out failed: 36: Operation now in progress")
        supervisor.send_signal(file, signal.SIGTERM)
        return OK

    def kickstart(self, target: str, number: int) -> int:
        """Start or restart a job."""
        file = self._file(target)
        job = Job.read(file)
        if job is None or job.leaving:
            label = target.rpartition("/")[2]
            return _fail(NOT_FOUND, f'Could not find service "{label}" in domain for user gui: 501')
        supervisor.send_signal(file, number)
        return OK

    def _file(self, target: str) -> Path:
        domain, _, label = target.rpartition("/")
        assert re.fullmatch(r"gui/\d+", domain), target
        return self.state / f"{label}.json"


def printed_job(
    target: str,
    *,
    pid: int | None,
    spawn_type: str,
    last_exit: str,
    command: Sequence[str] = ("/checkout/.venv/bin/crier", "run", "--service"),
    starts: int = 1,
    path: str = "/agent.plist",
) -> str:
    """Return a job as `launchctl print` shows it, inner parts included.

    The coalitions of a job have a state of their own, which is ``active`` whether or not it runs.
    """
    label = target.rpartition("/")[2]
    lines = [
        f"active count = {int(pid is not None)}",
        f"path = {path}",
        "type = LaunchAgent",
        f"state = {'running' if pid else 'not running'}",
        "",
        f"program = {command[0]}",
        "arguments = {",
        *(f"\t{argument}" for argument in command),
        "}",
        "",
        "default environment = {",
        "\tPATH => /usr/bin:/bin:/usr/sbin:/sbin",
        "}",
        "",
        f"domain = {target.rpartition('/')[0]} [100005]",
        "asid = 100005",
        "minimum runtime = 10",
        "exit timeout = 20",
        "nice = -10",
        f"runs = {starts}",
        *([f"pid = {pid}"] if pid else []),
        "immediate reason = semaphore",
        "forks = 0",
        "execs = 1",
        f"last exit code = {last_exit}",
        "",
        "semaphores = {",
        "\tsuccessful exit => 0",
        "}",
        "",
        *_coalition(label, "resource", 1021),
        *_coalition(label, "jetsam", 1022),
        f"spawn type = {spawn_type}",
        "jetsam priority = 40",
        "jetsam memory limit (active) = (unlimited)",
        # Not from a report: any inner part may repeat a name.
        "submodules = {",
        "\tstate = waiting",
        "\tpid = 2",
        "\tlast exit code = 9",
        "\tspawn type = adaptive (6)",
        "}",
        "",
        "properties = keepalive | runatload | inferred program",
    ]
    return f"{target} = {{\n" + "".join(f"\t{line}\n" for line in lines) + "}"


def _coalition(label: str, kind: str, number: int) -> list[str]:
    return [
        f"{kind} coalition = {{",
        f"\tID = {number}",
        f"\ttype = {kind}",
        "\tstate = active",
        "\tactive count = 1",
        f"\tname = {label}",
        "}",
        "",
    ]


def _fail(code: int, message: str) -> int:
    print(message, file=sys.stderr)
    return code
