"""Removes private data from the doctor's findings."""

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from audio.output import coreaudio
from bot.doctor.check import CheckSkipped, Context, Finding
from bot.doctor.running_bot import api_token
from bot.logs import hide_tokens

_MIN_ID_DIGITS = 5
_MIN_TEXT_CHARS = 8  # shorter texts may be words of Crier's own; only DEBUG logs texts
_MIN_CHARS = 3  # of any secret
# Apple names devices after their owners: "Jane's AirPods", with U+2019.
_OWNER = re.compile(
    r"[^\W\d_]+(['\u2019])s (?=AirPods|Beats|HomePod|iPhone|iPad|iMac|Mac|Studio|Head)"
)


_KIND = re.compile(
    r"AirPods(?: Pro| Max)?|Beats \w+|HomePod(?: mini)?|External Headphones"
    r"|(?:MacBook (?:Pro|Air)|iMac|Mac (?:mini|Studio|Pro)|Studio Display) Speakers"
)


class Redactor:
    """Replaces tokens, ids, names, texts of messages, and the home folder."""

    def __init__(self, context: Context) -> None:
        """Read the secrets from the settings and the database, if possible."""
        secrets: list[tuple[str, str]] = []
        with contextlib.suppress(CheckSkipped):  # a check that can't read them can't print them
            secrets.extend(_tokens_and_allowed(context))
            secrets.extend(_people_and_texts(context))
        secrets.extend(_owned_devices())
        # The longest first: a secret may contain another.
        self._secrets = sorted(
            (pair for pair in secrets if len(pair[1]) >= _MIN_CHARS), key=lambda pair: -len(pair[1])
        )
        self._home = str(Path.home())

    def redact(self, text: str) -> str:
        """Return *text* without secrets."""
        for placeholder, secret in self._secrets:
            text = text.replace(secret, placeholder)
        text = _OWNER.sub(r"<name>\1s ", hide_tokens(text))
        return text if self._home == "/" else text.replace(self._home, "~")

    def redact_finding(self, finding: Finding) -> Finding:
        """Return *finding* without secrets."""
        return Finding(finding.state, self.redact(finding.found), self.redact(finding.fix))


def _owned_devices() -> Iterator[tuple[str, str]]:
    """Yield (kind, name) for each loudspeaker that may be named after a person."""
    for output in coreaudio.outputs():
        known = _KIND.search(output.name)
        kind = known[0] if known else "<device>"
        if kind != output.name:
            yield kind, output.name


def _tokens_and_allowed(context: Context) -> Iterator[tuple[str, str]]:
    """Yield (placeholder, secret) for each secret of the settings."""
    settings = context.settings
    if settings.telegram_bot_token is not None:
        yield "<token>", settings.telegram_bot_token.get_secret_value()
    yield "<token>", api_token(context)
    if settings.mqtt_password is not None:
        yield "<password>", settings.mqtt_password.get_secret_value()
    if settings.heard_secret is not None:
        yield "<password>", settings.heard_secret.get_secret_value()
    if settings.heard_url is not None:
        yield "<url>", settings.heard_url.get_secret_value()
    if settings.mqtt_url is not None:
        yield "<password>", urlsplit(settings.mqtt_url.get_secret_value()).password or ""
    for user_id in settings.telegram_allowed_users:
        yield from _id(user_id)


def _people_and_texts(context: Context) -> Iterator[tuple[str, str]]:
    """Yield (placeholder, secret) for each secret of the database."""
    for user_id, name in context.query("SELECT user_id, name FROM person"):
        yield from _id(user_id)
        yield "<name>", str(name)
    for user_id, chat_id, text in context.query("SELECT user_id, chat_id, text FROM message"):
        yield from _id(user_id)
        yield from _id(chat_id)
        if len(str(text)) >= _MIN_TEXT_CHARS:
            yield "<text>", str(text)
    for (text,) in context.query("SELECT text FROM question UNION SELECT answer FROM question"):
        if len(str(text)) >= _MIN_TEXT_CHARS:
            yield "<text>", str(text)


def _id(number: object) -> Iterator[tuple[str, str]]:
    if len(str(number)) >= _MIN_ID_DIGITS:
        yield "<id>", str(number)
