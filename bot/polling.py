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
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from telegram import Bot, Update
from telegram.error import Conflict, InvalidToken, RetryAfter, TelegramError, TimedOut
from telegram.request import HTTPXRequest

from bot.receipts import retry_after_s

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
_BACK_OFF_S = (1.0, 1.5, 2.5, 4.0, 6.0, 10.0, 15.0, 30.0)


class UpdatesRequest(HTTPXRequest):
    """The connection of getUpdates: one, so that a second request can't overtake the first."""

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
        renew: Callable[[], Awaitable[None]],
        connect: Callable[[], Awaitable[None]],
        handle: Callable[[Update], Awaitable[None]],
        on_connected: Callable[[], Coroutine[Any, Any, None]],
    ) -> None:
        """Fetch with *bot*.

        Args:
            bot: asks Telegram.
            renew: gives *bot* a fresh connection for the next getUpdates.
            connect: called again and again until it works, before anything else.
            handle: gets each update; must not raise.
            on_connected: what may be done at leisure once Telegram has answered.
        """
        self._bot = bot
        self._renew = renew
        self._connect = connect
        self._handle = handle
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
            for update in await self._until_it_works(functools.partial(self._fetch, offset)):
                if isinstance(update, Update):
                    await self._handle(update)
                    offset = update.update_id + 1
                else:
                    log.error("Update %d can't be understood and is skipped", update)
                    offset = update + 1

    async def _fetch(self, offset: int | None) -> tuple[Update | int, ...]:
        """Return updates; the number alone of one that is not as Telegram describes them."""
        try:
            return await self._bot.get_updates(
                offset, timeout=_LONG_POLL_S, allowed_updates=ALLOWED_UPDATES
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
