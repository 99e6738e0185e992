"""Runs checks, which may raise, hang, or crash the process that they run in.

They run one after another in a separate process; after a check that hangs or crashes, the next one
gets a new process. The checks of `--mac` talk to the person at the terminal, so they run in threads
of this process.
"""

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection
from typing import Self

from bot.doctor.check import Check, CheckSkipped, Context, Finding, fail, skip
from bot.service.process import discard_stderr

_REPORT_IT = "Please report it: `crier doctor --report`."
_THREAD_PREFIX = "check "

Run = Callable[[Check, Context], Finding | None]
"""Runs one check; None if it hangs."""


def run_checks(
    context: Context,
    checks: Sequence[Check],
    progress: Callable[[str, str], None] = lambda _name, _step: None,
) -> Iterator[tuple[Check, Finding]]:
    """Run checks in order, in another process, and yield each with its finding.

    Args:
        context: passed to each check.
        checks: the checks to run.
        progress: called with a check's name and its current step.
    """
    with Worker() as worker:
        yield from _run_each(worker.run, context, checks, progress)


def run_checks_here(
    context: Context,
    checks: Sequence[Check],
    progress: Callable[[str, str], None] = lambda _name, _step: None,
) -> Iterator[tuple[Check, Finding]]:
    """Run checks in order, in threads of this process, and yield each with its finding."""
    yield from _run_each(_run_in_thread, context, checks, progress)


def exit_code_or_exit(code: int) -> int:
    """Return *code*; exit with it at once if a check still hangs in a thread."""
    if any(thread.name.startswith(_THREAD_PREFIX) for thread in threading.enumerate()):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    return code


def _run_each(
    run: Run, context: Context, checks: Sequence[Check], progress: Callable[[str, str], None]
) -> Iterator[tuple[Check, Finding]]:
    for check in checks:
        progress(check.name, "")
        context.progress = lambda step, name=check.name: progress(name, step)  # type: ignore[misc]
        if check.audio and context.hung_check:
            yield check, skip(f"PortAudio hangs; see {context.hung_check}")
        else:
            yield check, run(check, context) or _hung(check, context)


def _hung(check: Check, context: Context) -> Finding:
    found = f"No answer within {check.limit_s:.0f} s."
    if not check.audio:
        return fail(found, _REPORT_IT)
    context.hung_check = check.name
    restart = (
        "`sudo killall coreaudiod`"
        if context.platform == "darwin"
        else "`systemctl --user restart pipewire pipewire-pulse` or `pulseaudio -k`"
    )
    return fail(
        found,
        f"Take the loudspeaker out and put it in again, or restart the sound server: {restart}.",
    )


def _run_guarded(check: Check, context: Context) -> Finding:
    """Run a check; an exception becomes a finding."""
    try:
        return check.run(context)
    except CheckSkipped as exc:
        return skip(str(exc))
    except ImportError as exc:
        return fail(f"{type(exc).__name__}: {exc}.", "`make setup`")
    except Exception as exc:  # noqa: BLE001  # the other checks run anyway
        return fail(f"The check itself failed ({type(exc).__name__}: {exc}).", _REPORT_IT)


def _run_in_thread(check: Check, context: Context) -> Finding | None:
    """Run a check in a thread; None if it hangs."""
    findings: list[Finding] = []
    # A daemon: a check that hangs must not keep the process from exiting.
    thread = threading.Thread(
        target=lambda: findings.append(_run_guarded(check, context)),
        name=f"{_THREAD_PREFIX}{check.name}",
        daemon=True,
    )
    thread.start()
    thread.join(check.limit_s)
    return findings[0] if findings else None


class Worker:
    """A process that runs checks one by one; replaced after a check that hangs or crashes."""

    def __init__(self) -> None:
        """Start no process before the first check."""
        self._process: multiprocessing.process.BaseProcess | None = None
        self._pipe: Connection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._kill()

    def run(self, check: Check, context: Context) -> Finding | None:
        """Run a check, and pass on its progress; None if it hangs."""
        deadline_s = time.monotonic() + check.limit_s
        try:
            pipe = self._pipe or self._start(context)
            pipe.send(check)
            while pipe.poll(max(0.0, deadline_s - time.monotonic())):
                received = pipe.recv()
                if isinstance(received, Finding):
                    return received
                context.progress(str(received))
        except (EOFError, ConnectionError):
            return self._crashed()
        self._kill()
        return None

    def _start(self, context: Context) -> Connection:
        spawn = multiprocessing.get_context("spawn")
        self._pipe, child_pipe = spawn.Pipe()
        self._process = spawn.Process(
            target=_serve, args=(child_pipe, context.picklable()), daemon=True
        )
        self._process.start()
        child_pipe.close()
        return self._pipe

    def _crashed(self) -> Finding:
        assert self._process is not None  # noqa: S101  # it crashed
        self._process.join()
        code = self._process.exitcode or 0
        self._kill()
        cause = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return fail(
            f"It crashed ({cause}): one of the libraries under it does not work here.",
            "`make setup`; if that does not help, please report it: `crier doctor --report`.",
        )

    def _kill(self) -> None:
        """Kill the process: PortAudio's own exit handler can hang."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
        if self._pipe is not None:
            self._pipe.close()
        self._process = self._pipe = None


def _serve(pipe: Connection, context: Context) -> None:
    """Run the checks received through *pipe*; send back the progress and finding of each."""
    discard_stderr()  # libraries print there
    context.progress = pipe.send
    while True:
        check = pipe.recv()
        pipe.send(_run_guarded(check, context))
