"""The doctor's checks of what is around Crier: Telegram, the clock, the running bot, its system."""

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
    CannotLookError,
    Context,
    Finding,
    fail,
    skip,
    warn,
    well,
)
from bot.doctor.local import lock_holder
from bot.service.launchd import LABEL
from bot.service.systemd import UNIT

if TYPE_CHECKING:
    from bot.client import Client

_ANSWER_S = 8.0
_CLOCK_OFF_S = 30.0
_POLLING_OLD_S = 90.0  # as bot.core.health has it
_BUSY = 2.0  # times the processors
# `ps -o pri=` of a process on macOS, by what its launchd job may use. Measured on macOS 26.
_THROTTLED, _STANDARD, _INTERACTIVE = 4, 20, 31


# ---- Telegram ----


def telegram(context: Context) -> Finding:
    """Whether Telegram can be reached, and knows the token."""
    import httpx  # noqa: PLC0415  # may be what is missing

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
        with httpx.Client(timeout=_ANSWER_S, trust_env=not local) as client:
            began_s = time.monotonic()
            answer = client.get(f"{settings.telegram_api_url}/bot{token}/getMe")
            took_ms = 1000 * (time.monotonic() - began_s)
    except httpx.HTTPError as exc:
        return _unreachable(exc, host)
    context.clock_off_s = _clock_off_s(answer.headers.get("date", ""))
    try:
        said = answer.json()
    except ValueError:
        said = None
    if answer.status_code in (401, 404):
        return fail(
            f"Telegram does not know the token ({answer.status_code}): revoked or mistyped.",
            "Copy it from @BotFather and give it to `crier setup`.",
        )
    if not (isinstance(said, dict) and said.get("ok")):
        return fail(
            f"{host} answers {answer.status_code}, but not as Telegram does; maybe a network that "
            "asks for a login first.",
            "Open a page in a browser on this computer; look at TELEGRAM_API_URL.",
        )
    return well(f"@{said['result'].get('username', '?')}, answered within {took_ms:.0f} ms")


def _unreachable(error: Exception, host: str) -> Finding:
    """Say what stands between here and Telegram."""
    import httpx  # noqa: PLC0415

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
            "Look at the clock; try another network; on a company's network ask for its "
            "certificate and set SSL_CERT_FILE.",
        )
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        return fail(
            f"The name {host} can't be looked up (DNS): no network, or one without names.",
            f"Look at the network; `ping 1.1.1.1` and `nslookup {host}` tell which.",
        )
    if isinstance(error, httpx.TimeoutException):
        return fail(
            f"{host} does not answer within {_ANSWER_S:.0f} s: a firewall may drop it.",
            "Try another network, or a proxy: HTTPS_PROXY=...",
        )
    why = type(causes[-1]).__name__ if causes else type(error).__name__
    return fail(
        f"{host} can't be reached ({why}): no network, or nothing listens there.",
        "Look at the network and at TELEGRAM_API_URL.",
    )


_PROXIES = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__ or seen.__context__


def _clock_off_s(date: str) -> float | None:
    try:
        return time.time() - email.utils.parsedate_to_datetime(date).timestamp()
    except (TypeError, ValueError):
        return None


def clock(context: Context) -> Finding:
    """Whether this computer's clock is right; Telegram's answer says what time it is."""
    off_s = context.clock_off_s
    if off_s is None:
        return skip("Nobody to compare it with; see telegram")
    if abs(off_s) < _CLOCK_OFF_S:
        return well("Right, by Telegram's")
    side = "ahead of" if off_s > 0 else "behind"
    mend = (
        "`sudo sntp -sS time.apple.com`"
        if context.platform == "darwin"
        else "`sudo timedatectl set-ntp true`"
    )
    late_after_s = context.settings.late_after_s
    found = f"{abs(off_s):.0f} s {side} Telegram's"
    if late_after_s and off_s > late_after_s:
        return fail(f"{found}, so every message seems to be late and is asked about.", mend)
    return warn(f"{found}; what is late, and quiet hours, are measured by it.", mend)


# ---- the bot that runs ----


def client_of(context: Context) -> "Client | None":
    """Return who asks the running bot, or the last one; None where that has left no trace."""
    from bot.client import Client, ClientError  # noqa: PLC0415  # what it needs may be missing

    try:
        return Client("doctor", context.settings.data_dir)
    except ClientError:
        return None


def bot(context: Context) -> Finding:
    """Whether a bot runs on this data folder, and answers."""
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
    who = f"process {pid}" if pid else "another process"
    if client is None:
        return warn(
            f"{who} holds {folder / 'crier.lock'}, but does not say where it can be asked: it is "
            "just starting, or it hangs.",
            f"Look again in a minute; then `kill {pid or 'PID'}` and start Crier anew.",
        )
    try:
        client.call("GET", "/v1/status", timeout_s=_ANSWER_S)
    except ClientError as exc:
        return fail(
            f"{who} holds the data folder, but: {exc}",
            f"`crier restart`, or `kill {client.pid}` and start it anew.",
        )
    return well(f"Runs as process {client.pid} and answers")


def _status(context: Context) -> dict[str, Any]:
    """Return what the running bot says about itself.

    Raises:
        CannotLookError: none runs, or it does not say.
    """
    from bot.client import ClientError  # noqa: PLC0415

    client = client_of(context)
    if client is None or lock_holder(context) is None:
        raise CannotLookError("The bot does not run")
    try:
        return client.call("GET", "/v1/status", timeout_s=_ANSWER_S)
    except ClientError as exc:
        raise CannotLookError("The bot does not say; see bot") from exc


def api_token(context: Context) -> str:
    """Return the token of the HTTP face; empty where there is none."""
    if (given := context.settings.api_token) is not None:
        return given.get_secret_value()
    try:
        return (context.settings.data_dir / "api-token").read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def polling(context: Context) -> Finding:
    """Whether the running bot still hears from Telegram."""
    about = _status(context).get("polling") or {}
    age_s = float(about.get("age_s") or 0.0)
    if about.get("warning"):
        return fail(str(about["warning"]), "See what the sentence before this one says.")
    if not about.get("ok", True) or age_s > _POLLING_OLD_S:
        return warn(
            f"Telegram last answered {age_s:.0f} s ago; messages wait there.",
            "See telegram; where that is well, `crier restart`.",
        )
    return well(f"Telegram answered {age_s:.0f} s ago")


def running_warnings(context: Context) -> Finding:
    """What the running bot itself complains of."""
    warnings = [str(one) for one in _status(context).get("warnings") or []]
    if warnings:
        return warn(" ".join(warnings), "Each says what to do; /status in the chat shows them too.")
    return well("None")


def port(context: Context) -> Finding:
    """Whether the HTTP face has, or could have, its port."""
    host, number = context.settings.api_host, context.settings.api_port
    client = client_of(context)
    if client is not None and lock_holder(context) is not None:
        return well(f"The bot has {client.port}")
    if number == 0:
        return well("Any that is free")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((host, number))
        except OSError as exc:
            return fail(
                f"{host}:{number} can't be had ({exc.strerror}){_listener(context, number)}, so "
                "the bot would not start.",
                f"End that program, or set API_PORT in .env, to {number + 1} or to 0 for any.",
            )
    return well(f"{number} is free")


def _listener(context: Context, number: int) -> str:
    """Say which program has a port, where that can be told."""
    pids = context.output("lsof", "-t", f"-iTCP:{number}", "-sTCP:LISTEN").split()
    name = context.output("ps", "-o", "comm=", "-p", pids[0]) if pids else ""
    return f": {Path(name).name} (process {pids[0]}) has it" if name else ""


# ---- the system that starts it ----


def service(context: Context) -> Finding:
    """Whether it starts at login, and how the last start went."""
    if context.platform == "darwin":
        return _launchd(context)
    return _systemd(context)


def _launchd(context: Context) -> Finding:
    plist = Path.home() / "Library" / "LaunchAgents" / f"{LABEL}.plist"
    said = context.output("launchctl", "print", f"gui/{os.getuid()}/{LABEL}")
    if not plist.exists() and not said:
        return skip("Not installed", "`crier install` starts it at each login.")
    if not said:
        return fail(f"{plist} is there, but launchd has not loaded it.", "`crier install`")
    job = dict(re.findall(r"^\s*([a-z ]+) = (.+)$", said, re.MULTILINE))
    state, code = job.get("state", "?"), job.get("last exit code", "")
    kind = re.sub(r" \(\d+\)", "", job.get("spawn type", ""))
    found = f"{state}, {kind or 'kind unknown'}" + (f", last exit code {code}" if code else "")
    if state != "running":
        return fail(f"launchd has it, but it does not run: {found}.", "`crier restart`, then "
                    "`crier logs` shows why it ended.")  # fmt: skip
    if kind and kind != "interactive":
        return warn(
            f"{found}: a job of this kind is throttled, and speech may stop and start.",
            "`crier install --process-type interactive`",
        )
    return well(found)


def _systemd(context: Context) -> Finding:
    said = context.output("systemctl", "--user", "show", UNIT, "--property",
                          "LoadState,ActiveState,SubState,NRestarts,Result")  # fmt: skip
    unit = dict(line.partition("=")[::2] for line in said.splitlines())
    if unit.get("LoadState") != "loaded":
        return skip("Not installed", "`crier install` starts it at each login.")
    found = f"{unit.get('ActiveState')}, {unit.get('SubState')}, {unit.get('NRestarts')} restarts"
    if unit.get("ActiveState") != "active":
        return fail(f"systemd has it, but it does not run: {found} ({unit.get('Result')}).",
                    "`crier restart`, then `crier logs` shows why it ended.")  # fmt: skip
    return well(found)


def priority(context: Context) -> Finding:
    """Whether the running bot gets the processor when it needs it."""
    client = client_of(context)
    if client is None or lock_holder(context) is None:
        raise CannotLookError("The bot does not run")
    if context.platform != "darwin":
        nice = os.getpriority(os.PRIO_PROCESS, client.pid)
        if nice > 0:
            return warn(
                f"Nice {nice}: everything else goes first, and speech may stop and start.",
                f"`renice 0 {client.pid}`, and look at who starts it.",
            )
        return well(f"Nice {nice}")
    said = context.output("ps", "-o", "pri=", "-p", str(client.pid))
    if not said.isdigit():
        raise CannotLookError("ps does not tell")
    number = int(said)
    mend = "`crier install --process-type interactive`"
    if number <= _THROTTLED:
        return fail(
            f"Priority {number}: macOS has it in the background, on slow cores; speech will stop "
            "and start.",
            mend,
        )
    if number < _INTERACTIVE and number <= _STANDARD:
        return warn(f"Priority {number}: a little throttled; an app has {_INTERACTIVE}.", mend)
    return well(f"Priority {number}, as an app")


def load(context: Context) -> Finding:
    """Whether this computer is slowed down, by itself or by others."""
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
                "Low Power Mode is on: the voice is made more slowly.",
                "System Settings, Battery, Low Power Mode: Never.",
            )
    cores = os.cpu_count() or 1
    now = os.getloadavg()[0]
    if now > _BUSY * cores:
        return warn(
            f"{now:.1f} programs wanted one of {cores} processors in the last minute; the voice "
            "has to share them.",
            "See what keeps it busy: `top`.",
        )
    return well(f"{now:.1f} programs on {cores} processors")
