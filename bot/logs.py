"""The log: a rotating file, and the terminal if there is one; without tokens and message texts.

Lines are text, or JSON objects with the facts in separate fields. Text from outside can neither
start a new line nor control the terminal that shows it.
"""

import datetime as dt
import json
import logging
import logging.handlers
import os
import re
import sqlite3
import sys
import traceback
from pathlib import Path
from typing import Any, Literal

from bot.clean import clean, clean_line, cleaned

# The format of a bot's token. Source: core.telegram.org/bots/api#authorizing-your-bot.
_TOKEN = re.compile(r"\d{3,}(?::|%3A)[A-Za-z0-9_-]{20,}")
_HIDDEN = "<token>"
_FORMAT = "%(asctime)s %(levelname)-7s %(threadName)-11s %(name)s: %(message)s"

# Errors whose messages contain no text of a person: the system's, and those of these packages.
# Other errors may quote a message, as a KeyError quotes its key.
_QUOTABLE = (OSError, sqlite3.Error)
_QUOTABLE_PACKAGES = ("bot.", "audio.", "telegram.", "httpx.", "httpcore.")

_FILE_BYTES = 1_000_000
_FILES = 5
FILE_NAME = "crier.log"


class _Redacting(logging.Formatter):
    """Formats a record as text, traceback included, and hides tokens in it.

    httpx logs whole URLs, and a Bot API URL contains the token; errors quote them too.
    """

    def __init__(self, secret: str, *, texts: bool = False) -> None:
        """Hide *secret* and, unless *texts* is set, messages of errors that may quote a text."""
        super().__init__(_FORMAT)
        self._secret = secret
        self._texts = texts

    def format(self, record: logging.LogRecord) -> str:
        line = self.line(record)
        if self._secret:
            line = line.replace(self._secret, _HIDDEN)
        return clean(hide_tokens(line))

    def line(self, record: logging.LogRecord) -> str:
        """Format a record before redaction."""
        # Not cached in the record, where another handler's formatter would use it.
        record.exc_text = None
        line = super().format(record)
        record.exc_text = None
        return line

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  # logging's name
        """Format the record as a single line; newlines in it are escaped."""
        record.message = record.message.rstrip()
        if record.name == "asyncio" and not self._texts:  # the other lines quote the error
            record.message = record.message.partition("\n")[0]
        return clean_line(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:  # noqa: N802  # likewise
        """Format a traceback with each line indented, so that none looks like a record."""
        text = super().formatException(ei) if self._texts else _without_texts(ei[1])
        return "\n".join(f"  {line}" for line in text.splitlines())


class _Json(_Redacting):
    """Formats a record as a JSON object; its ``facts`` become additional fields."""

    def line(self, record: logging.LogRecord) -> str:
        at = dt.datetime.fromtimestamp(record.created, dt.UTC)
        fields = {
            "at": at.isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "thread": record.threadName,
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "facts", {}),
        }
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        return json.dumps(fields, ensure_ascii=False)


def _without_texts(error: BaseException | None) -> str:
    """Return a traceback without the messages of errors that may quote a text."""
    parts: list[str] = []
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        kind = type(error)
        name = f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")
        quotable = isinstance(error, _QUOTABLE) or name.startswith(_QUOTABLE_PACKAGES)
        message = f": {error}" if quotable else " (LOG_LEVEL=DEBUG shows what it says)"
        parts.append("".join(traceback.format_tb(error.__traceback__)) + f"{name}{message}")
        # As in Python's own tracebacks: the cause, or else the error that was being handled.
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "\nwhich led to\n".join(reversed(parts))


def hide_tokens(text: str) -> str:
    """Return *text* with everything that looks like a bot's token replaced."""
    return _TOKEN.sub(_HIDDEN, text)


def start(
    level: str, data_dir: Path, token: str, *, terminal: bool, form: Literal["text", "json"]
) -> Path:
    """Log to ``crier.log`` in *data_dir* and, if *terminal* is set, to stderr as text.

    Returns:
        The log file.

    Raises:
        OSError: the folder or the file can't be written.
    """
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = data_dir / FILE_NAME
    file = logging.handlers.RotatingFileHandler(
        path, maxBytes=_FILE_BYTES, backupCount=_FILES, encoding="utf-8"
    )
    texts = level == "DEBUG"
    file.setFormatter((_Json if form == "json" else _Redacting)(token, texts=texts))
    handlers: list[logging.Handler] = [file]
    if terminal:
        stderr = logging.StreamHandler(sys.stderr)
        stderr.setFormatter(_Redacting(token, texts=texts))
        handlers.append(stderr)
    logging.basicConfig(level=level, handlers=handlers, force=True)
    for chatty in ("httpx", "httpcore", "aiosqlite", "asyncio", "uvicorn", "telegram"):
        logging.getLogger(chatty).setLevel(max(logging.getLevelName(level), logging.WARNING))
    # If an update can't be parsed, these two quote the whole batch, including texts.
    for quoting in ("telegram.Bot", "telegram.ext.ExtBot"):
        quiet = logging.NOTSET if level == "DEBUG" else logging.CRITICAL + 1
        logging.getLogger(quoting).setLevel(quiet)
    if level == "DEBUG":
        logging.getLogger("telegram").setLevel(level)
        logging.getLogger("httpx").setLevel(level)
    return path


def keep_terminal_clean(data_dir: Path) -> None:
    """Redirect C libraries' output on stderr to a file; `sys.stderr` stays on the terminal.

    ALSA prints each underrun there; and while PortAudio starts, file descriptor 2 is /dev/null,
    which would swallow our own lines (sounddevice.py, _initialize).
    """
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    sys.stderr.flush()
    terminal = os.dup(2)
    noise = os.open(data_dir / "libraries.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(noise, 2)
    os.close(noise)
    sys.stderr = cleaned(os.fdopen(terminal, "w", buffering=1, closefd=False))
