"""The way in: getUpdates, for ever.

python-telegram-bot's own Updater confirms updates while handlers still work on them, dies without
a word when a token is revoked or a handler's queue fails, and sleeps up to 30 s through a request
to stop. This loop hands over each update and waits until it has been dealt with (a text is then on
the disk), and only then asks for more, which is what confirms it to Telegram. It can be cancelled
at any moment. Handlers only enqueue, so waiting for them costs nothing. Runs on the event loop.
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
# A dead connection is noticed this long after the server should have answered, plus the request's
# own read timeout; the server allows up to 50 s.
_LONG_POLL_S = 20
_CONFLICT = (
    "Another program uses the same bot token and takes messages away. Stop it, or make a new "
    "token with @BotFather."
)
_CLOSE_TIMEOUT_S = 1.0
_CLOCK_ERROR_S = 60.0
"""A smaller difference may come from the way to the server and back."""
_BACK_OFF_S = (1.0, 1.5, 2.5, 4.0, 6.0, 10.0, 15.0, 30.0)


class UpdatesRequest(HTTPXRequest):
    """The connection of getUpdates: one, so that a second request can't overtake the first."""

    def __init__(
        self, *, httpx_kwargs: dict[str, Any] | None = None, pool_timeout: float = 1.0
    ) -> None:
        """Connect as `HTTPXRequest` does."""
        hooks = {"response": [self._note_date]}
        super().__init__(
            connection_pool_size=1,
            pool_timeout=pool_timeout,
            httpx_kwargs={**(httpx_kwargs or {}), "event_hooks": hooks},
        )
        self.ahead_s = 0.0
        """By how much Telegram's clock is ahead of this computer's, in seconds."""

    async def _note_date(self, response: httpx.Response) -> None:
        with contextlib.suppress(TypeError, ValueError):  # a proxy may say anything
            date = parsedate_to_datetime(response.headers.get("date"))
            self.ahead_s = date.timestamp() - time.time()

    async def renew(self) -> None:
        """Begin anew with a fresh connection.

        A request that is cancelled at a bad moment may leave its connection marked as in use for
        ever; with a pool of one, every later request would time out waiting for it.
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
            bot: asks Telegram.
            request: the connection of *bot* for getUpdates.
            connect: called again and again until it works, before anything else.
            batch: the context in which the updates of one getUpdates are handled.
            handle: gets each update; must not raise.
            on_connected: what may be done at leisure once Telegram has answered.
        """
        self._bot = bot
        self._request = request
        self._renew = request.renew
        self._connect = connect
        self._batch = batch
        self._handle = handle
        self.looked = asyncio.Event()
        """Set once what waited at the server before the start has been handled."""
        self._clock_logged = False
        self._on_connected = on_connected
        self._failures = 0
        self._scope: asyncio.Timeout | None = None  # of the present try
        self.answers = 0
        """How often Telegram has answered, if only to refuse."""
        self._answered_s = time.monotonic()
        self.warning = ""
        """What keeps messages away although there is a network; empty where nothing."""

    async def run(self) -> None:
        """Poll until cancelled.

        Raises:
            InvalidToken: Telegram does not know the token, or not any more.
        """
        await self._until_it_works(self._connect)
        log.info("Connected to Telegram as @%s", self._bot.username)
        await self._until_it_works(self._remove_webhook)
        leisure = asyncio.create_task(self._on_connected())
        try:
            await self._fetch_for_ever()
        finally:
            leisure.cancel()

    def now(self) -> float:
        """Return the true time, in seconds since 1970: this computer's, or Telegram's."""
        return time.time() + self._clock_error_s

    @property
    def _clock_error_s(self) -> float:
        ahead_s = self._request.ahead_s
        return ahead_s if abs(ahead_s) > _CLOCK_ERROR_S else 0.0

    @property
    def clock_warning(self) -> str:
        """What is wrong with this computer's clock; empty where nothing is."""
        error_s = self._clock_error_s
        if not error_s:
            return ""
        way = "slow" if error_s > 0 else "fast"
        return (
            f"This computer's clock is {_span(abs(error_s))} {way}, so I go by Telegram's. "
            "Set it right: quiet hours and logs go by it."
        )

    @property
    def age_s(self) -> float:
        """How long ago Telegram gave what was asked for; at first, since when it has not."""
        return time.monotonic() - self._answered_s

    def poke(self) -> None:
        """Give the present request or pause up and ask anew: its connection may be dead."""
        self._failures = 0
        if self._scope is not None and not self._scope.expired():
            self._scope.reschedule(asyncio.get_running_loop().time())

    async def _remove_webhook(self) -> None:
        """Remove what another program may have left; it would keep every update away."""
        await self._bot.delete_webhook(drop_pending_updates=False)

    async def _fetch_for_ever(self) -> None:
        offset: int | None = None
        while True:
            updates = await self._until_it_works(functools.partial(self._fetch, offset))
            self._check_clock()
            known = [update for update in updates if isinstance(update, Update)]
            async with self._batch(known):
                for update in updates:
                    if isinstance(update, Update):
                        await self._handle(update)
                        offset = update.update_id + 1
                    else:
                        log.error("Update %d can't be understood and is skipped", update)
                        offset = update + 1
            if not updates:
                self.looked.set()

    def _check_clock(self) -> None:
        warning = self.clock_warning
        if warning and not self._clock_logged:
            log.warning("%s", warning)
        self._clock_logged = bool(warning)

    async def _fetch(self, offset: int | None) -> tuple[Update | int, ...]:
        """Return updates; the number alone of one that is not as Telegram describes them."""
        # The first look does not wait: what an earlier life left unsaid waits for it.
        timeout_s = _LONG_POLL_S if self.looked.is_set() else 0
        try:
            return await self._bot.get_updates(
                offset, timeout=timeout_s, allowed_updates=ALLOWED_UPDATES
            )
        except TelegramError:
            raise
        except Exception:  # noqa: BLE001  # one of them; without this it would come again for ever
            return await self._fetch_one(offset)

    async def _fetch_one(self, offset: int | None) -> tuple[Update | int, ...]:
        wanted = {"offset": offset, "limit": 1, "allowed_updates": list(ALLOWED_UPDATES)}
        with warnings.catch_warnings():  # that there is a method for it, which has just failed
            warnings.simplefilter("ignore")
            raw = await self._bot.do_api_request("getUpdates", api_kwargs=wanted)
        if not isinstance(raw, list):
            raise TelegramError("Telegram's answer is no list of updates")
        updates: list[Update | int] = []
        for one in raw:
            try:
                updates.append(Update.de_json(one, self._bot))
            except Exception:  # noqa: BLE001
                updates.append(int(one["update_id"]))
        return tuple(updates)

    async def _until_it_works(self, call: Callable[[], Awaitable[_T]]) -> _T:
        """Call until Telegram answers, waiting longer after each failure."""
        while True:
            try:
                async with asyncio.timeout(None) as self._scope:
                    try:
                        answer = await call()
                    except InvalidToken:
                        raise
                    except Exception as exc:  # noqa: BLE001  # also what is no answer of the Bot API
                        if isinstance(exc, TimedOut):
                            await self._renew()
                        await asyncio.sleep(await self._pause_s(exc))
                        continue
            except TimeoutError:
                log.info("Asking Telegram anew")
                await self._renew()
                continue
            finally:
                self._scope = None  # a finished one can't be moved
            if self._failures:
                log.info("Telegram answers again")
            self._failures = 0
            self.answers += 1
            self._answered_s = time.monotonic()
            self.warning = ""
            return answer

    async def _pause_s(self, error: Exception) -> float:
        """Log the first of a row of failures, and return how long to wait."""
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
                what = str(error) if isinstance(error, TelegramError) else type(error).__name__
                log.warning("Telegram can't be reached, trying on: %s", what)
        return pause_s


def _span(seconds: float) -> str:
    """Return a length of time as people say it."""
    minutes = round(seconds / 60)
    if minutes < 120:  # noqa: PLR2004  # two hours
        return f"{minutes} minute{'' if minutes == 1 else 's'}"
    hours = round(minutes / 60)
    return f"{hours} hours" if hours < 48 else f"{round(hours / 24)} days"  # noqa: PLR2004
