"""Polls Telegram for updates (getUpdates) until cancelled. Runs on the event loop.

python-telegram-bot's own Updater confirms updates that handlers are still working on, dies silently
when a token is revoked or a handler's queue fails, and may sleep for 30 s before it notices a
request to stop. This loop hands over each update and waits until it has been handled (a text is on
the disk by then). Only then does it ask for more, which confirms it to Telegram. Handlers only
enqueue, so waiting for them costs nothing. It can be cancelled at any moment.
"""

import asyncio
import contextlib
import functools
import logging
import time
import warnings
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

import httpx
from telegram import Bot, Update
from telegram.error import Conflict, InvalidToken, RetryAfter, TelegramError, TimedOut
from telegram.request import HTTPXRequest

from bot.chat.outbox import retry_after_s

log = logging.getLogger(__name__)

_T = TypeVar("_T")

ALLOWED_UPDATES = (Update.MESSAGE, Update.EDITED_MESSAGE, Update.CALLBACK_QUERY)
# A dead connection is noticed after this and the request's read timeout. The server allows 50 s.
_LONG_POLL_S = 20
_CONFLICT = (
    "Another program uses the same bot token and takes messages away. Stop it, or make a new "
    "token with @BotFather."
)
_CLOSE_TIMEOUT_S = 1.0
_CLOCK_ERROR_S = 60.0
"""A smaller difference may be latency."""
_BACK_OFF_S = (1.0, 1.5, 2.5, 4.0, 6.0, 10.0, 15.0, 30.0)


class UpdatesRequest(HTTPXRequest):
    """The only connection for getUpdates, so that a second request can't overtake the first."""

    def __init__(
        self, *, httpx_kwargs: dict[str, Any] | None = None, pool_timeout: float = 1.0
    ) -> None:
        """Create an `HTTPXRequest` that also reads the server's clock."""
        hooks = {"response": [self._read_date]}
        super().__init__(
            connection_pool_size=1,
            pool_timeout=pool_timeout,
            httpx_kwargs={**(httpx_kwargs or {}), "event_hooks": hooks},
        )
        self.ahead_s = 0.0
        """How far Telegram's clock is ahead of this computer's."""

    async def _read_date(self, response: httpx.Response) -> None:
        with contextlib.suppress(TypeError, ValueError):  # a proxy may send anything
            date = parsedate_to_datetime(response.headers.get("date"))
            self.ahead_s = date.timestamp() - time.time()

    async def renew(self) -> None:
        """Replace the connection.

        Cancelling a request at a bad moment can leave its connection marked as in use. With a pool
        of one, every later request would time out waiting for it.
        """
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.shutdown(), _CLOSE_TIMEOUT_S)
        await self.initialize()


class Polling:
    """Fetches updates and hands them over, one at a time and in order."""

    def __init__(
        self,
        bot: Bot,
        request: UpdatesRequest,
        connect: Callable[[], Awaitable[None]],
        batch: Callable[[Sequence[Update]], AbstractAsyncContextManager[None]],
        handle: Callable[[Update], Awaitable[None]],
        on_connected: Callable[[], Coroutine[Any, Any, None]],
    ) -> None:
        """Fetch with *bot*.

        Args:
            bot: calls the Bot API.
            request: the connection that *bot* uses for getUpdates.
            connect: called first, and retried until it succeeds.
            batch: the context in which the updates of one getUpdates are handled.
            handle: handles one update; must not raise.
            on_connected: runs in the background once connected; cancelled when polling stops.
        """
        self._bot = bot
        self._request = request
        self._renew = request.renew
        self._connect = connect
        self._batch = batch
        self._handle = handle
        self.caught_up = asyncio.Event()
        """Set once the updates that waited at the server before the start have been handled."""
        self._clock_logged = False
        self._on_connected = on_connected
        self._failures = 0
        self._scope: asyncio.Timeout | None = None  # of the current try; lets `poke` cancel it
        self.answers = 0
        """The number of answers from Telegram, refusals included."""
        self._answered_s = time.monotonic()
        self.warning = ""
        """Why no updates come in although there is a network; empty if they do."""

    async def run(self) -> None:
        """Poll until cancelled.

        Raises:
            InvalidToken: Telegram does not know the token (any more).
        """
        await self._retry(self._connect)
        log.info("Connected to Telegram as @%s", self._bot.username)
        await self._retry(self._remove_webhook)
        background = asyncio.create_task(self._on_connected())
        try:
            await self._poll()
        finally:
            background.cancel()

    def now(self) -> float:
        """Return seconds since 1970, by Telegram's clock if this computer's is wrong."""
        return time.time() + self._clock_error_s

    @property
    def _clock_error_s(self) -> float:
        ahead_s = self._request.ahead_s
        return ahead_s if abs(ahead_s) > _CLOCK_ERROR_S else 0.0

    @property
    def clock_warning(self) -> str:
        """What is wrong with this computer's clock; empty if nothing is."""
        error_s = self._clock_error_s
        if not error_s:
            return ""
        direction = "slow" if error_s > 0 else "fast"
        return (
            f"This computer's clock is {_span(abs(error_s))} {direction}, so I go by Telegram's. "
            "Set it right: quiet hours and logs go by it."
        )

    @property
    def source(self) -> str:
        """What messages come from, in words."""
        return "Telegram"

    @property
    def age_s(self) -> float:
        """Seconds since the last successful call; at first, since the start."""
        return time.monotonic() - self._answered_s

    def poke(self) -> None:
        """Abandon the current request or pause and retry at once: the connection may be dead."""
        self._failures = 0
        if self._scope is not None and not self._scope.expired():
            self._scope.reschedule(asyncio.get_running_loop().time())

    async def _remove_webhook(self) -> None:
        """Remove a webhook that another program may have set; it would receive every update."""
        await self._bot.delete_webhook(drop_pending_updates=False)

    async def _poll(self) -> None:
        offset: int | None = None
        while True:
            updates = await self._retry(functools.partial(self._fetch, offset))
            self._check_clock()
            valid = [update for update in updates if isinstance(update, Update)]
            async with self._batch(valid):
                for update in updates:
                    if isinstance(update, Update):
                        await self._handle(update)
                        offset = update.update_id + 1
                    else:
                        log.error("Update %d can't be parsed and is skipped", update)
                        offset = update + 1
            if not updates:
                self.caught_up.set()

    def _check_clock(self) -> None:
        warning = self.clock_warning
        if warning and not self._clock_logged:
            log.warning("%s", warning)
        self._clock_logged = bool(warning)

    async def _fetch(self, offset: int | None) -> tuple[Update | int, ...]:
        """Return updates, or only the id of an update that can't be parsed."""
        # The first poll does not wait: restored messages are spoken only after it.
        timeout_s = _LONG_POLL_S if self.caught_up.is_set() else 0
        try:
            return await self._bot.get_updates(
                offset, timeout=timeout_s, allowed_updates=ALLOWED_UPDATES
            )
        except TelegramError:
            raise
        except Exception:  # noqa: BLE001  # one can't be parsed, and would come again endlessly
            return await self._fetch_one(offset)

    async def _fetch_one(self, offset: int | None) -> tuple[Update | int, ...]:
        parameters = {"offset": offset, "limit": 1, "allowed_updates": list(ALLOWED_UPDATES)}
        with warnings.catch_warnings():  # it advises get_updates, which has just failed
            warnings.simplefilter("ignore")
            raw = await self._bot.do_api_request("getUpdates", api_kwargs=parameters)
        if not isinstance(raw, list):
            raise TelegramError("Telegram's answer is not a list of updates")
        updates: list[Update | int] = []
        for fields in raw:
            try:
                updates.append(Update.de_json(fields, self._bot))
            except Exception:  # noqa: BLE001
                updates.append(int(fields["update_id"]))
        return tuple(updates)

    async def _retry(self, call: Callable[[], Awaitable[_T]]) -> _T:
        """Call until it succeeds, waiting longer after each failure."""
        while True:
            try:
                async with asyncio.timeout(None) as self._scope:
                    try:
                        answer = await call()
                    except InvalidToken:
                        raise
                    except Exception as exc:  # noqa: BLE001  # any answer, even not the Bot API's
                        if isinstance(exc, TimedOut):
                            await self._renew()
                        await asyncio.sleep(await self._pause_s(exc))
                        continue
            except TimeoutError:
                log.info("Asking Telegram again")
                await self._renew()
                continue
            finally:
                self._scope = None  # a finished scope can't be rescheduled
            if self._failures:
                log.info("Telegram answers again")
            self._failures = 0
            self.answers += 1
            self._answered_s = time.monotonic()
            self.warning = ""
            return answer

    async def _pause_s(self, error: Exception) -> float:
        """Log the first of consecutive failures; return how long to wait before the next try."""
        pause_s = _BACK_OFF_S[min(self._failures, len(_BACK_OFF_S) - 1)]
        self._failures += 1
        match error:
            case RetryAfter():
                self.answers += 1
                pause_s = retry_after_s(error)
                log.warning("Telegram asks to wait %.0f s", pause_s)
            case Conflict() if "webhook" in str(error):
                self.answers += 1
                with contextlib.suppress(TelegramError):
                    await self._remove_webhook()
            case Conflict():
                self.answers += 1
                self.warning = _CONFLICT
                if self._failures == 1:
                    log.error("%s (%s)", _CONFLICT, error)
            case _ if self._failures == 1:
                reason = str(error) if isinstance(error, TelegramError) else type(error).__name__
                log.warning("Telegram is unreachable; retrying: %s", reason)
        return pause_s


def _span(seconds: float) -> str:
    """Return a duration in words, rounded."""
    minutes = round(seconds / 60)
    if minutes < 120:  # noqa: PLR2004  # two hours
        return f"{minutes} minute{'' if minutes == 1 else 's'}"
    hours = round(minutes / 60)
    return f"{hours} hours" if hours < 48 else f"{round(hours / 24)} days"  # noqa: PLR2004
