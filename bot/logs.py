"""The log: a rotating file, and the terminal where there is one; never the token.

Each line is text, or JSON for programs: then what a line is about is in fields of its own.
"""

import datetime as dt
import json
import logging
import logging.handlers
import os
import re
import sys
from pathlib import Path
from typing import Literal

# The form of a bot's token. Source: core.telegram.org/bots/api#authorizing-your-bot.
_TOKEN = re.compile(r"\d{3,}(?::|%3A)[A-Za-z0-9_-]{20,}")
_HIDDEN = "<token>"
_FORMAT = "%(asctime)s %(levelname)-7s %(threadName)-11s %(name)s: %(message)s"

_FILE_BYTES = 1_000_000
_FILES = 5
FILE_NAME = "crier.log"


class _Redacting(logging.Formatter):
    """Hides tokens after everything, traceback included, has become text.

    httpx logs whole URLs, and a Bot API URL holds the token; errors quote them too.
    """

    def __init__(self, secret: str) -> None:
        super().__init__(_FORMAT)
        self._secret = secret

    def format(self, record: logging.LogRecord) -> str:
        line = self.line(record)
        if self._secret:
            line = line.replace(self._secret, _HIDDEN)
        return hide_tokens(line)

    def line(self, record: logging.LogRecord) -> str:
        """Return a record as it would be without anything secret in the world."""
        return super().format(record)


class _Json(_Redacting):
    """One JSON object to a line; what a record says in ``facts`` stands beside its text."""

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


def hide_tokens(text: str) -> str:
    """Return *text* without anything that looks like a bot's token."""
    return _TOKEN.sub(_HIDDEN, text)


def start(
    level: str, data_dir: Path, token: str, *, terminal: bool, form: Literal["text", "json"]
) -> Path:
    """Log to ``crier.log`` in *data_dir*, and to the terminal, in text, where *terminal* is set.

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
    file.setFormatter(_Json(token) if form == "json" else _Redacting(token))
    handlers: list[logging.Handler] = [file]
    if terminal:
        shown = logging.StreamHandler(sys.stderr)
        shown.setFormatter(_Redacting(token))
        handlers.append(shown)
    logging.basicConfig(level=level, handlers=handlers, force=True)
    for chatty in ("httpx", "httpcore", "aiosqlite", "asyncio", "uvicorn", "telegram"):
        logging.getLogger(chatty).setLevel(max(logging.getLevelName(level), logging.WARNING))
    # When an update can't be parsed, these two quote the whole batch, texts included.
    for quoting in ("telegram.Bot", "telegram.ext.ExtBot"):
        quiet = logging.NOTSET if level == "DEBUG" else logging.CRITICAL + 1
        logging.getLogger(quoting).setLevel(quiet)
    if level == "DEBUG":
        logging.getLogger("telegram").setLevel(level)
        logging.getLogger("httpx").setLevel(level)
    return path


def keep_terminal_clean(data_dir: Path) -> None:
    """Send what C libraries print on stderr to a file, and keep `sys.stderr` on the terminal.

    ALSA prints its every underrun there; and PortAudio's start points file descriptor 2 at
    /dev/null for a moment, which would swallow lines of ours (sounddevice.py, _initialize).
    """
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    sys.stderr.flush()
    terminal = os.dup(2)
    noise = os.open(data_dir / "libraries.log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(noise, 2)
    os.close(noise)
    sys.stderr = os.fdopen(terminal, "w", buffering=1, closefd=False)
