"""Telegram's files -> the disk, some at a time. Runs on the event loop.

What will never be given is given up at once. What may be given later is tried again, as long as
Telegram can be reached and does not give it for not more than `_GIVE_UP_S`; that there is no
network is no file's fault.
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
"""What a bot may fetch. Source: Bot API, getFile."""
TOO_LARGE = "Telegram lets me fetch 20 MB at most. Send a smaller file."

_AT_ONCE = 3
_GIVE_UP_S = 600.0
_MAX_TRY_S = 300.0  # 20 MB at 70 kB/s
_BACK_OFF_S = (1.0, 2.0, 5.0, 10.0, 30.0)

# There was nobody to ask.
_OFFLINE = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
_OK, _UNAUTHORIZED, _TIMEOUT, _TOO_MANY, _SERVER_ERROR = 200, 401, 408, 429, 500


@dataclass(frozen=True, slots=True)
class _Trouble:
    """Why a try failed that may succeed later."""

    why: str
    counts: bool = True
    """Whether Telegram could be reached."""
    pause_s: float | None = None
    """How long it asks to be left alone."""


class Downloads:
    """Fetches files, a few of them beside each other."""

    def __init__(self, bot: Bot) -> None:
        """Fetch with *bot*."""
        self._bot = bot
        self._slots = asyncio.Semaphore(_AT_ONCE)

    async def fetch(self, file_id: str, path: Path, on_trouble: Callable[[], None]) -> None:
        """Fetch a file to *path*, readable by its owner only; *on_trouble* is called if that takes
        more than one try.

        Raises:
            AttachmentError: Telegram does not give it.
            OSError: it can't be kept.
        """  # noqa: D205
        loop = asyncio.get_running_loop()
        failed_s, tries = 0.0, 0
        while True:
            async with self._slots:
                began_s = loop.time()
                trouble = await self._try(file_id, path)
            if trouble is None:
                return
            log.debug("A file can't be fetched yet: %s", trouble.why)
            back_off_s = _BACK_OFF_S[min(tries, len(_BACK_OFF_S) - 1)]
            tries += 1
            if trouble.counts:
                failed_s += loop.time() - began_s + back_off_s
            if failed_s > _GIVE_UP_S:
                raise AttachmentError(
                    f"Telegram did not give me the file for {_GIVE_UP_S / 60:.0f} minutes "
                    f"({trouble.why}). Send it again later."
                )
            on_trouble()
            await asyncio.sleep(back_off_s if trouble.pause_s is None else trouble.pause_s)

    async def _try(self, file_id: str, path: Path) -> _Trouble | None:
        """Fetch a file once; return what was in the way, if it may be gone later."""
        try:
            async with asyncio.timeout(_MAX_TRY_S):
                content = await self._content(file_id)
        except RetryAfter as exc:
            return _Trouble(str(exc), pause_s=retry_after_s(exc))
        except (BadRequest, Forbidden) as exc:
            raise AttachmentError(_refused(str(exc))) from exc
        except InvalidToken as exc:  # for 401, and for 404
            if "unauthorized" in str(exc).lower():
                return _Trouble(str(exc))  # of no file; a new token may be on its way
            raise AttachmentError(_refused(str(exc))) from exc
        except TimeoutError:
            return _Trouble("it came too slowly")
        except TelegramError as exc:
            return _Trouble(str(exc), counts=not isinstance(exc.__cause__, _OFFLINE))
        await asyncio.to_thread(_write, path, content)
        return None

    async def _content(self, file_id: str) -> bytes:
        file = await self._bot.get_file(file_id)
        if (file.file_size or 0) > MAX_BYTES:
            raise AttachmentError(TOO_LARGE)
        address = file.file_path or ""
        if not address.startswith("http"):  # a Bot API server on this computer
            return bytes(await file.download_as_bytearray())
        # Not by File.download, which can't tell the server's answers apart.
        status, content = await self._bot.request.do_request(address, "GET")
        if status in (_UNAUTHORIZED, _TIMEOUT, _TOO_MANY) or status >= _SERVER_ERROR:
            raise TelegramError(f"HTTP {status}")
        if status != _OK:
            raise AttachmentError(_refused(f"HTTP {status}"))
        return content


def _refused(why: str) -> str:
    return f"Telegram does not give me the file ({why}). Send it again."


def _write(path: Path, content: bytes) -> None:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(file, "wb") as out:
        out.write(content)
