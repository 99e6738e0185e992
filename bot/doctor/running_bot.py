"""Checks of the running bot, through its HTTP API, and of its port."""

import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bot.doctor.check import CheckSkipped, Context, Finding, fail, ok, skip, warn
from bot.doctor.local import lock_holder

if TYPE_CHECKING:
    from bot.client import Client

_POLLING_OLD_S = 90.0  # as in bot.core.health


def client_of(context: Context) -> "Client | None":
    """Return a client of the running bot, or of the last; None if there is no api.json."""
    from bot.client import Client, ClientError  # noqa: PLC0415  # its packages may be missing

    try:
        return Client("doctor", context.settings.data_dir)
    except ClientError:
        return None


def bot(context: Context) -> Finding:
    """Check that a bot runs with this data folder, and answers."""
    from bot.client import ClientError  # noqa: PLC0415

    folder = context.settings.data_dir
    pid = lock_holder(context)
    client = client_of(context)
    if pid is None and client is None:
        return skip("Not running", "`crier run` starts it, `crier install` does at each login.")
    if pid is None:
        return warn(
            f"Not running; the last one ended by force and left {folder / 'api.json'} behind.",
            "Start it: `crier run`, or `crier restart` where it is installed.",
        )
    holder = f"process {pid}" if pid else "another process"
    if client is None:
        return warn(
            f"{holder} holds {folder / 'crier.lock'}, but there is no api.json: it is starting, or "
            "it hangs.",
            f"Try again in a minute; then `kill {pid or 'PID'}` and start Crier again.",
        )
    try:
        client.call("GET", "/v1/status", timeout_s=context.answer_timeout_s)
    except ClientError as exc:
        return fail(
            f"{holder} holds the data folder, but: {exc}",
            f"`crier restart`, or `kill {client.pid}` and start it again.",
        )
    return ok(f"Runs as process {client.pid} and answers")


def _status(context: Context) -> dict[str, Any]:
    """Return the status of the running bot.

    Raises:
        CheckSkipped: it does not run, or does not answer.
    """
    from bot.client import ClientError  # noqa: PLC0415

    client = client_of(context)
    if client is None or lock_holder(context) is None:
        raise CheckSkipped("The bot does not run")
    try:
        return client.call("GET", "/v1/status", timeout_s=context.answer_timeout_s)
    except ClientError as exc:
        raise CheckSkipped("The bot does not answer; see bot") from exc


def api_token(context: Context) -> str:
    """Return the token of the HTTP API; empty if there is none."""
    if (given := context.settings.api_token) is not None:
        return given.get_secret_value()
    try:
        return (context.settings.data_dir / "api-token").read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def polling(context: Context) -> Finding:
    """Check that the running bot still gets answers from Telegram."""
    state = _status(context).get("polling") or {}
    age_s = float(state.get("age_s") or 0.0)
    if state.get("warning"):
        return fail(str(state["warning"]), "Do as the sentence before this one says.")
    if context.settings.is_room:
        return ok("Connected to the broker")
    if not state.get("ok", True) or age_s > _POLLING_OLD_S:
        return warn(
            f"Telegram last answered {age_s:.0f} s ago; messages wait there.",
            "See telegram; if that is well, `crier restart`.",
        )
    return ok(f"Telegram answered {age_s:.0f} s ago")


def bot_warnings(context: Context) -> Finding:
    """Report the warnings of the running bot."""
    warnings = [str(warning) for warning in _status(context).get("warnings") or []]
    if warnings:
        return warn(" ".join(warnings), "Each says what to do; /status in the chat shows them too.")
    return ok("None")


def port(context: Context) -> Finding:
    """Check that the HTTP API has its port, or that the port is free."""
    host, number = context.settings.api_host, context.settings.api_port
    client = client_of(context)
    if client is not None and lock_holder(context) is not None:
        return ok(f"The bot has {client.port}")
    if number == 0:
        return ok("Any free one")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((host, number))
        except OSError as exc:
            return fail(
                f"{host}:{number} can't be used ({exc.strerror}){_listener(context, number)}, so "
                "the bot would not start.",
                f"Stop that program, or set API_PORT in .env to {number + 1}, or to 0 for any.",
            )
    return ok(f"{number} is free")


def _listener(context: Context, number: int) -> str:
    """Return the program that listens on a port; empty if it is unknown."""
    pids = context.output("lsof", "-t", f"-iTCP:{number}", "-sTCP:LISTEN").split()
    name = context.output("ps", "-o", "comm=", "-p", pids[0]) if pids else ""
    return f": {Path(name).name} (process {pids[0]}) has it" if name else ""
