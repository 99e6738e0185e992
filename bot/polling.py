"""The way in: getUpdates, for ever.

python-telegram-bot's own Updater confirms updates while handlers still work on them, dies without
a word when a token is revoked or a handler's queue fails, and sleeps up to 30 s through a request
to stop. This loop hands over each update and waits until it has been dealt with (a text is then on
the disk), and only then asks for more, which is what confirms it to Telegram. It can be cancelled
at any moment. Handlers only enqueue, so waiting for them costs nothing. Runs on the event loop.
"""

import asyncio
import functools
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from telegram import Bot, Update
from telegram.error import Conflict, InvalidToken, RetryAfter, TelegramError, TimedOut

from bot.receipts import retry_after_s

log = logging.getLogger(__name__)

_T = TypeVar("_T")

ALLOWED_UPDATES = (Update.MESSAGE, Update.CALLBACK_QUERY)
# A dead connection is noticed this long after the server should have answered, plus the request's
# own read timeout; the server allows up to 50 s.
_LONG_POLL_S = 20
_BACK_OFF_S = (1.0, 1.5, 2.5, 4.0, 6.0, 10.0, 15.0, 30.0)


class Polling:
    """Fetches updates and hands them over, one at a time and in order."""

    def __init__(
        self,
        bot: Bot,
        connect: Callable[[], Awaitable[None]],
        handle: Callable[[Update], Awaitable[None]],
        on_connected: Callable[[], Coroutine[Any, Any, None]],
    ) -> None:
        """Fetch with *bot*.

        Args:
            bot: asks Telegram.
            connect: called again and again until it works, before anything else.
            handle: gets each update; must not raise.
            on_connected: what may be done at leisure once Telegram has answered.
        """
        self._bot = bot
        self._connect = connect
        self._handle = handle
        self._on_connected = on_connected
        self._failures = 0
        self.last_success_s: float | None = None
        """`time.monotonic` of the last answer of Telegram's."""

    async def run(self) -> None:
        """Poll until cancelled.

        Raises:
            InvalidToken: Telegram does not know the token, or not any more.
        """
        await self._until_it_works(self._connect)
        log.info("Connected to Telegram as @%s", self._bot.username)
        # A webhook left over from another program would keep every update away.
        await self._until_it_works(lambda: self._bot.delete_webhook(drop_pending_updates=False))
        leisure = asyncio.create_task(self._on_connected())
        try:
            await self._fetch_for_ever()
        finally:
            leisure.cancel()

    async def _fetch_for_ever(self) -> None:
        offset: int | None = None
        while True:
            for update in await self._until_it_works(functools.partial(self._fetch, offset)):
                await self._handle(update)
                offset = update.update_id + 1

    async def _fetch(self, offset: int | None) -> tuple[Update, ...]:
        return await self._bot.get_updates(
            offset, timeout=_LONG_POLL_S, allowed_updates=ALLOWED_UPDATES
        )

    async def _until_it_works(self, call: Callable[[], Awaitable[_T]]) -> _T:
        """Call until Telegram answers, waiting longer after each failure."""
        while True:
            try:
                answer = await call()
            except InvalidToken:
                raise
            except RetryAfter as exc:
                pause_s = retry_after_s(exc)
                log.warning("Telegram asks to wait %.0f s", pause_s)
            except TimedOut as exc:
                pause_s = self._fail(exc)
            except Conflict as exc:
                pause_s = self._fail(exc)
                log.error("Another program uses the same bot token; only one may. %s", exc)  # noqa: TRY400
            except TelegramError as exc:
                pause_s = self._fail(exc)
            except Exception as exc:  # noqa: BLE001  # an answer that is not the Bot API's
                pause_s = self._fail(exc)
            else:
                if self._failures:
                    log.info("Telegram answers again")
                self._failures = 0
                self.last_success_s = time.monotonic()
                return answer
            await asyncio.sleep(pause_s)

    def _fail(self, error: Exception) -> float:
        """Log the first of a row of failures, and return how long to wait."""
        if self._failures == 0:
            what = str(error) if isinstance(error, TelegramError) else type(error).__name__
            log.warning("Telegram can't be reached, trying on: %s", what)
        pause_s = _BACK_OFF_S[min(self._failures, len(_BACK_OFF_S) - 1)]
        self._failures += 1
        return pause_s
