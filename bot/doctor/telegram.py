"""Checks of Telegram, and of the clock by Telegram's."""

import email.utils
import os
import socket
import ssl
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

from bot.doctor.check import Context, Finding, fail, ok, skip, warn

_CLOCK_OFF_S = 30.0
_PROXIES = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")


def telegram(context: Context) -> Finding:
    """Check that Telegram can be reached and knows the token."""
    import httpx  # noqa: PLC0415  # may be missing

    from audio.certificates import tls_context  # noqa: PLC0415  # likewise

    settings = context.settings
    if settings.is_room:
        return skip(f"This is the room {settings.room}; its bot is on another computer")
    if settings.telegram_bot_token is None:
        return skip(
            "No token: `crier` is a chat in the terminal",
            "`crier setup` says how to get one, and stores it.",
        )
    token = settings.telegram_bot_token.get_secret_value()
    host = urlsplit(settings.telegram_api_url).hostname or ""
    local = host in ("127.0.0.1", "localhost", "::1")
    try:
        with httpx.Client(
            timeout=context.answer_timeout_s, trust_env=not local, verify=tls_context()
        ) as client:
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
