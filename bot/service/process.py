"""This process, and the system tools that it runs, such as launchctl and systemctl. Blocks."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NoReturn

from bot.errors import CommandError

# A restart waits until the old process has exited, which may take 20 s.
_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Completed:
    """The result of a tool."""

    code: int
    output: str
    message: str
    """The first line of stderr or, if that is empty, of stdout."""


def run(*command: str) -> Completed:
    """Run a tool and wait until it exits.

    Raises:
        CommandError: it is missing, or does not exit.
    """
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
    except OSError as exc:
        raise CommandError(f"{command[0]} can't be run ({exc.strerror}).") from exc
    except subprocess.TimeoutExpired as exc:
        raise CommandError(f"`{' '.join(command)}` does not end.") from exc
    lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
    message = lines[0].rstrip(".") if lines else f"exit code {done.returncode}"
    return Completed(done.returncode, done.stdout, message)


def restart_process() -> NoReturn:
    """Replace this process with a new one that has the same command line."""
    sys.stdout.flush()
    sys.stderr.flush()
    with contextlib.suppress(OSError, ValueError):  # it is no file in tests
        os.dup2(sys.stderr.fileno(), 2)  # undoes logs.keep_terminal_clean
    os.execv(  # noqa: S606  # no shell is needed
        sys.executable, [sys.executable, *sys.orig_argv[1:]]
    )


@contextlib.contextmanager
def quiet_stderr() -> Iterator[None]:
    """Discard output of C libraries on stderr; ALSA prints every underrun."""
    sys.stderr.flush()
    terminal = os.dup(2)
    discard_stderr()
    try:
        yield
    finally:
        os.dup2(terminal, 2)
        os.close(terminal)


def discard_stderr() -> None:
    """Point file descriptor 2 at /dev/null for the rest of this process."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    os.close(null)
