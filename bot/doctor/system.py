"""Checks of Telegram, the clock, the running bot, and the system service."""

import email.utils
import os
import re
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from bot.doctor.check import (
    CheckSkipped,
    Context,
    Finding,
    fail,
    ok,
    skip,
    warn,
)
from bot.doctor.local import lock_holder
from bot.errors import CommandError
from bot.service.launchd import Launchd, agent_file
from bot.service.systemd import Systemd

if TYPE_CHECKING:
    from bot.client import Client

_CLOCK_OFF_S = 30.0
_POLLING_OLD_S = 90.0  # as in bot.core.health
_BUSY_PER_CORE = 2.0
# `ps -o pri=` of a process on macOS, by the type of its launchd job. Measured on macOS 26.
_THROTTLED, _STANDARD, _INTERACTIVE = 4, 20, 31
_PROXIES = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")
_RESTART = "`crier restart`, then `crier logs` shows why it ended."


# ---- Telegram ----


def telegram(context: Context) -> Finding:
    """Check that Telegram can be reached and knows the token."""
    import httpx  # noqa: PLC0415  # may be missing

    settings = context.settings
    if settings.telegram_bot_token is None:
        return skip(
            "No token: `crier` is a chat in the terminal",
            "`crier setup` says how to get one, and stores it.",
        )
    token = settings.telegram_bot_token.get_secret_value()
    host = urlsplit(settings.telegram_api_url).hostname or ""
    local = host in ("127.0.0.1", "localhost", "::1")
    try:
        with httpx.Client(timeout=context.answer_timeout_s, trust_env=not local) as client:
            started_s = time.monotonic()
            answer = client.get(f"{settings.telegram_api_url}/bot{token}/getMe")
            took_ms = 1000 * (time.monotonic() - started_s)
    except httpx.HTTPError as exc:
        return _unreachable(exc, host, context.answer_timeout_s)
    context.clock_off_s = _clock_off_s(answer.headers.get("date", ""))
    try:
        body = answer.json()
    except ValueError:
        body = None
    if answer.status_code in (401, 404):
        return fail(
            f"Telegram does not know the token ({answer.status_code}): revoked or mistyped.",
            "Copy it from @BotFather and give it to `crier setup`.",
        )
    if not (isinstance(body, dict) and body.get("ok")):
        return fail(
            f"{host} answers {answer.status_code}, but not as Telegram does; maybe a network that "
            "asks for a login first.",
            "Open a page in a browser on this computer; check TELEGRAM_API_URL.",
        )
    return ok(f"@{body['result'].get('username', '?')}, answered within {took_ms:.0f} ms")


def _unreachable(error: Exception, host: str, timeout_s: float) -> Finding:
    """Return why a request to Telegram failed."""
    import httpx  # noqa: PLC0415  # may be missing

    causes = list(_causes(error))
    proxy = next((name for name in _PROXIES if os.environ.get(name)), "")
    if isinstance(error, httpx.ProxyError) or (proxy and isinstance(error, httpx.ConnectError)):
        return fail(
            f"The proxy that {proxy or 'the environment'} names does not let it through.",
            f"Correct or unset {proxy or 'it'}, or start the proxy.",
        )
    if any(isinstance(cause, ssl.SSLError) for cause in causes) or "CERTIFICATE" in str(error):
        return fail(
            f"The secure connection to {host} fails (TLS): something on the way pretends to be it, "
            "or this computer's clock or certificates are wrong.",
            "Check the clock; try another network; on a company's network ask for its "
            "certificate and set SSL_CERT_FILE.",
        )
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        return fail(
            f"The name {host} can't be looked up (DNS): no network, or one without names.",
            f"Check the network; `ping 1.1.1.1` and `nslookup {host}` tell which.",
        )
    if isinstance(error, httpx.TimeoutException):
        return fail(
            f"{host} does not answer within {timeout_s:.0f} s: a firewall may drop the connection.",
            "Try another network, or a proxy: HTTPS_PROXY=...",
        )
    name = type(causes[-1]).__name__ if causes else type(error).__name__
    return fail(
        f"{host} can't be reached ({name}): no network, or nothing listens there.",
        "Check the network and TELEGRAM_API_URL.",
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def _clock_off_s(date: str) -> float | None:
    try:
        return time.time() - email.utils.parsedate_to_datetime(date).timestamp()
    except (TypeError, ValueError):
        return None


def clock(context: Context) -> Finding:
    """Compare this computer's clock with the time of Telegram's answer."""
    off_s = context.clock_off_s
    if off_s is None:
        return skip("Nobody to compare it with; see telegram")
    if abs(off_s) < _CLOCK_OFF_S:
        return ok("As Telegram's")
    direction = "ahead of" if off_s > 0 else "behind"
    fix = (
        "`sudo sntp -sS time.apple.com`"
        if context.platform == "darwin"
        else "`sudo timedatectl set-ntp true`"
    )
    late_after_s = context.settings.late_after_s
    found = f"{abs(off_s):.0f} s {direction} Telegram's"
    if late_after_s and off_s > late_after_s:
        return fail(f"{found}, so every message seems to be late and is asked about.", fix)
    return warn(f"{found}; late messages and quiet hours are measured by it.", fix)


# ---- the running bot ----


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


# ---- launchd, systemd and the processor ----


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


def load(context: Context) -> Finding:
    """Check that nothing slows this computer down."""
    if context.platform == "darwin":
        limit = re.search(r"CPU_Speed_Limit\s*=\s*(\d+)", context.output("pmset", "-g", "therm"))
        if limit and int(limit[1]) < 100:  # noqa: PLR2004  # percent
            return warn(
                f"macOS runs the processor at {limit[1]} % to keep it cool; speech may stop and "
                "start.",
                "Give it air, or less to do.",
            )
        if re.search(r"lowpowermode\s+1", context.output("pmset", "-g")):
            return warn(
                "Low Power Mode is on, so speech is synthesized more slowly.",
                "System Settings, Battery, Low Power Mode: Never.",
            )
    cores = os.cpu_count() or 1
    now = os.getloadavg()[0]
    if now > _BUSY_PER_CORE * cores:
        return warn(
            f"{now:.1f} programs wanted one of {cores} processors in the last minute; Crier has "
            "to share them.",
            "See what keeps it busy: `top`.",
        )
    return ok(f"{now:.1f} programs on {cores} processors")
