"""The log: a rotating file, and the terminal where there is one; never the token."""

import logging
import logging.handlers
import os
import re
import sys
from pathlib import Path

# The form of a bot's token. Source: core.telegram.org/bots/api#authorizing-your-bot.
_TOKEN = re.compile(r"\d{3,}(?::|%3A)[A-Za-z0-9_-]{20,}")
_HIDDEN = "<token>"
_FORMAT = "%(asctime)s %(levelname)-7s %(threadName)-11s %(name)s: %(message)s"

_FILE_BYTES = 1_000_000
_FILES = 5


class _Redacting(logging.Formatter):
    """Hides tokens after everything, traceback included, has become text.

    httpx logs whole URLs, and a Bot API URL holds the token; errors quote them too.
    """

    def __init__(self, secret: str) -> None:
        super().__init__(_FORMAT)
        self._secret = secret

    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        if self._secret:
            line = line.replace(self._secret, _HIDDEN)
        return hide_tokens(line)


def hide_tokens(text: str) -> str:
    """Return *text* without anything that looks like a bot's token."""
    return _TOKEN.sub(_HIDDEN, text)


def start(level: str, data_dir: Path, token: str, *, terminal: bool) -> Path:
    """Log to ``crier.log`` in *data_dir*, and to the terminal from *terminal* on.

    Returns:
        The log file.

    Raises:
        OSError: the folder or the file can't be written.
    """
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = data_dir / "crier.log"
    formatter = _Redacting(token)
    handlers: list[logging.Handler] = [
        logging.handlers.RotatingFileHandler(
            path, maxBytes=_FILE_BYTES, backupCount=_FILES, encoding="utf-8"
        )
    ]
    if terminal:
        handlers.append(logging.StreamHandler(sys.stderr))
    for handler in handlers:
        handler.setFormatter(formatter)
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
