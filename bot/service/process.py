"""Runs the system's own tools, such as launchctl and systemctl. Blocks."""

import subprocess
from dataclasses import dataclass

from bot.errors import CommandError

# A restart may take as long as a program may take to end, 20 s.
_TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Done:
    """How a tool has ended."""

    code: int
    output: str
    said: str
    """The first line of what it complained of or, without complaint, said."""


def run(*command: str) -> Done:
    """Run a tool to its end.

    Raises:
        CommandError: it is missing, or does not end.
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
    said = lines[0].rstrip(".") if lines else f"exit code {done.returncode}"
    return Done(done.returncode, done.stdout, said)
