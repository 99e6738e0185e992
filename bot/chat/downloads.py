"""Telegram's files -> the disk, a few at a time. Runs on the event loop.

A permanent refusal fails at once. Anything else is retried until it has failed for `_GIVE_UP_S`;
time without a network does not count, since that is not the file's fault.
"""

import asyncio
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx
from telegram import Bot
from telegram.error import BadRequest, Forbidden, InvalidToken, RetryAfter, TelegramError

from bot.chat.decode import AttachmentError
from bot.chat.outbox import retry_after_s

log = logging.getLogger(__name__)

MAX_BYTES = 20_000_000
"""The largest file a bot may fetch. Source: Bot API, getFile."""
TOO_LARGE = "Telegram lets me fetch 20 MB at most. Send a smaller file."

_MAX_CONCURRENT = 3
_GIVE_UP_S = 600.0
_MAX_TRY_S = 300.0  # 20 MB at 70 kB/s
_BACK_OFF_S = (1.0, 2.0, 5.0, 10.0, 30.0)

# No server was reached.
_OFFLINE = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
_OK, _UNAUTHORIZED, _TIMEOUT, _TOO_MANY, _SERVER_ERROR = 200, 401, 408, 429, 500


@dataclass(frozen=True, slots=True)
class _TemporaryError:
    """Why a try failed that may succeed later."""

    reason: str
    counts: bool = True
    """Whether it counts toward `_GIVE_UP_S`: Telegram could be reached."""
    retry_after_s: float | None = None
    """The pause that Telegram asks for, if any."""


class Downloads:
    """Fetches files, at most `_MAX_CONCURRENT` at a time."""

    def __init__(self, bot: Bot) -> None:
        """Fetch with *bot*."""
        self._bot = bot
        self._slots = asyncio.Semaphore(_MAX_CONCURRENT)

    async def fetch(self, file_id: str, path: Path, on_retry: Callable[[], None]) -> None:
        """Fetch a file to *path*, readable by its owner only.

        Args:
            file_id: Telegram's id of the file.
            path: where to write it.
            on_retry: called before each retry.

        Raises:
            AttachmentError: Telegram refuses it, or has failed for too long.
            OSError: it can't be stored.
        """
        loop = asyncio.get_running_loop()
        failed_s, tries = 0.0, 0
        while True:
            async with self._slots:
                started_s = loop.time()
                error = await self._try(file_id, path)
            if error is None:
                return
            log.debug("A file can't be fetched yet: %s", error.reason)
            back_off_s = _BACK_OFF_S[min(tries, len(_BACK_OFF_S) - 1)]
            tries += 1
            if error.counts:
                failed_s += loop.time() - started_s + back_off_s
            if failed_s > _GIVE_UP_S:
                raise AttachmentError(
                    f"Telegram did not give me the file for {_GIVE_UP_S / 60:.0f} minutes "
                    f"({error.reason}). Send it again later."
                )
            on_retry()
            await asyncio.sleep(back_off_s if error.retry_after_s is None else error.retry_after_s)

    async def _try(self, file_id: str, path: Path) -> _TemporaryError | None:
        """Fetch a file once; return the error if it may be temporary."""
        try:
            async with asyncio.timeout(_MAX_TRY_S):
                content = await self._content(file_id)
        except RetryAfter as exc:
            return _TemporaryError(str(exc), retry_after_s=retry_after_s(exc))
        except (BadRequest, Forbidden) as exc:
            raise AttachmentError(_refused(str(exc))) from exc
        except InvalidToken as exc:  # for 401, and for 404
            if "unauthorized" in str(exc).lower():
                return _TemporaryError(str(exc))  # not about this file; the token may be replaced
            raise AttachmentError(_refused(str(exc))) from exc
        except TimeoutError:
            return _TemporaryError("it came too slowly")
        except TelegramError as exc:
            return _TemporaryError(str(exc), counts=not isinstance(exc.__cause__, _OFFLINE))
        await asyncio.to_thread(_write, path, content)
        return None

    async def _content(self, file_id: str) -> bytes:
        file = await self._bot.get_file(file_id)
        if (file.file_size or 0) > MAX_BYTES:
            raise AttachmentError(TOO_LARGE)
        address = file.file_path or ""
        if not address.startswith("http"):  # a Bot API server on this computer
            return bytes(await file.download_as_bytearray())
        # Not with File.download, which does not distinguish HTTP status codes.
        status, content = await self._bot.request.do_request(address, "GET")
        if status in (_UNAUTHORIZED, _TIMEOUT, _TOO_MANY) or status >= _SERVER_ERROR:
            raise TelegramError(f"HTTP {status}")
        if status != _OK:
            raise AttachmentError(_refused(f"HTTP {status}"))
        return content


def _refused(reason: str) -> str:
    return f"Telegram does not give me the file ({reason}). Send it again."


def _write(path: Path, content: bytes) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(file, "wb") as out:
        out.write(content)
