"""A text that somebody publishes: plain, or JSON with more about it."""

import json
from dataclasses import dataclass
from typing import Any

from audio.types import UnknownLanguageError, UnknownVoiceError
from audio.voices import check_language, check_voice
from bot.core.intake import RefusedError

SENDER = "mqtt"
"""Who a text is from if it does not say."""

_MAX_TEXT_CHARS = 60_000  # as over HTTP
_MAX_NAME_CHARS = 40
_MAX_KEY_CHARS = 100  # as over HTTP
_MAX_NUMBER = 1e12  # a time in seconds since 1970 is less


@dataclass(frozen=True, slots=True)
class Said:
    """What is to be said, and how."""

    text: str
    sender: str = SENDER
    voice: str = ""
    lang: str = ""
    urgent: bool = False
    at: float = 0.0
    """When it was sent, in seconds since 1970; 0: it is not known."""
    expires_s: float = 0.0
    """Its first word is spoken within that time, or none; 0: at any time."""
    replace_key: str = ""
    """A newer one of the same sender with the same key takes its place while it waits."""
    volume: int | None = None
    """In percent, of this text alone; None: as it is set."""


def parse_said(payload: bytes) -> Said:
    """Return what a payload asks for.

    Raises:
        RefusedError: it can't be said; the message says why.
    """
    try:
        text = payload.decode()
    except UnicodeDecodeError as exc:
        raise RefusedError("This is no text in UTF-8. Publish words, or JSON.") from exc
    fields = _fields(text)
    volume = _positive(fields.get("volume"))
    said = Said(
        text=fields["message"],
        sender=_sender(fields.get("from")),
        voice=_string(fields, "voice"),
        lang=_string(fields, "lang"),
        urgent=fields.get("urgent") is True,
        at=_positive(fields.get("at")) or 0.0,
        expires_s=_positive(fields.get("expires_s")) or 0.0,
        replace_key=_string(fields, "replace")[:_MAX_KEY_CHARS],
        volume=None if volume is None else round(volume),
    )
    if len(said.text) > _MAX_TEXT_CHARS:
        raise RefusedError(f"A text has at most {_MAX_TEXT_CHARS} characters. Send it in parts.")
    try:
        if said.voice:
            check_voice(said.voice)
        if said.lang:
            check_language(said.lang)
    except (UnknownVoiceError, UnknownLanguageError) as exc:
        raise RefusedError(str(exc)) from exc
    return said


def _fields(text: str) -> dict[str, Any]:
    """Return the fields of a JSON object with a message; other texts are the message."""
    if text.lstrip().startswith("{"):
        try:
            fields = json.loads(text)
        except (ValueError, RecursionError):
            fields = {}
        if isinstance(fields.get("message"), str):
            return dict(fields)
    return {"message": text}


def _string(fields: dict[str, Any], name: str) -> str:
    value = fields.get(name)
    return value if isinstance(value, str) else ""


def _sender(name: object) -> str:
    if not isinstance(name, str) or not name.isprintable() or len(name) > _MAX_NAME_CHARS:
        return SENDER
    return SENDER if name.strip() in ("", "telegram", "http") else name.strip()


def _positive(value: object) -> float | None:
    """Return a number that is not negative; None if it is none, or too large."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if 0 <= value <= _MAX_NUMBER else None
