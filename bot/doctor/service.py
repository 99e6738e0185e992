"""Checks of the service: launchd or systemd, and how much of the processor it gets."""

import os

from bot.doctor.check import CheckSkipped, Context, Finding, fail, ok, skip, warn
from bot.doctor.local import lock_holder
from bot.doctor.running_bot import client_of
from bot.errors import CommandError
from bot.service.launchd import Launchd, agent_file
from bot.service.systemd import Systemd

# `ps -o pri=` of a process on macOS, by the type of its launchd job. Measured on macOS 26.
_THROTTLED, _STANDARD, _INTERACTIVE = 4, 20, 31
_RESTART = "`crier restart`, then `crier logs` shows why it ended."


def service(context: Context) -> Finding:
    """Check that Crier starts at login, and runs."""
    if context.platform == "darwin":
        return _launchd()
    return _systemd()


def _launchd() -> Finding:
    file = agent_file()
    try:
        status = Launchd.status()
    except CommandError:  # there is no launchctl
        status = None
    if status is None:
        if file.exists():
            return fail(f"{file} is there, but launchd has not loaded it.", "`crier install`")
        return skip("Not installed", "`crier install` starts it at each login.")
    found = f"{status.state}, {status.spawn_type or 'type unknown'}"
    if status.last_exit:
        found += f", last exit code {status.last_exit}"
    if status.state != "running":
        return fail(f"launchd has it, but it does not run: {found}.", _RESTART)
    if status.spawn_type not in ("", "interactive"):
        return warn(
            f"{found}: a job of this type is throttled, and speech may stop and start.",
            "`crier install --process-type interactive`",
        )
    return ok(found)


def _systemd() -> Finding:
    try:
        status = Systemd.status()
    except CommandError:  # there is no systemctl
        status = None
    if status is None:
        return skip("Not installed", "`crier install` starts it at each login.")
    found = f"{status.active_state}, {status.sub_state}, {status.restarts} restarts"
    if status.active_state != "active":
        return fail(f"systemd has it, but it does not run: {found} ({status.result}).", _RESTART)
    return ok(found)


def priority(context: Context) -> Finding:
    """Check that the running bot gets the processor when it needs it."""
    client = client_of(context)
    if client is None or lock_holder(context) is None:
        raise CheckSkipped("The bot does not run")
    if context.platform != "darwin":
        nice = os.getpriority(os.PRIO_PROCESS, client.pid)
        if nice > 0:
            return warn(
                f"Nice {nice}: everything else goes first, and speech may stop and start.",
                f"`renice 0 {client.pid}`, and see what starts it with that.",
            )
        return ok(f"Nice {nice}")
    output = context.output("ps", "-o", "pri=", "-p", str(client.pid))
    if not output.isdigit():
        raise CheckSkipped("ps does not show it")
    number = int(output)
    fix = "`crier install --process-type interactive`"
    if number <= _THROTTLED:
        return fail(
            f"Priority {number}: macOS has it in the background, on slow cores; speech will stop "
            "and start.",
            fix,
        )
    if number < _INTERACTIVE and number <= _STANDARD:
        return warn(f"Priority {number}: a little throttled; an app has {_INTERACTIVE}.", fix)
    return ok(f"Priority {number}, as an app")
