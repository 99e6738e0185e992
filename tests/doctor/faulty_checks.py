"""Checks that misbehave. In a module of their own, since checks run in another process."""

import os
import time

from bot.doctor.check import Context, Finding, ok


def raise_error(_: Context) -> Finding:
    """Raise an unexpected error."""
    raise ZeroDivisionError("an error of the check")


def crash(_: Context) -> Finding:
    """Crash the process, as a library in C can."""
    os.abort()


def hang(_: Context) -> Finding:
    """Block for longer than any test waits."""
    time.sleep(600)
    return ok("too late")


def succeed(_: Context) -> Finding:
    """Return a finding at once."""
    return ok("fine")
