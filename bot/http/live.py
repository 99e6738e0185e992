"""Texts that arrive bit by bit, by a chunked POST or a WebSocket, and are spoken meanwhile.

Runs on the event loop.
"""

import asyncio
import codecs
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from fastapi import Request, WebSocket, WebSocketDisconnect
from starlette.routing import Match, Route
from starlette.types import Scope

from audio.types import Outcome
from bot.core.draft import Draft
from bot.core.events import Events, WaitResult
from bot.core.growing import GrowingMessage
from bot.core.intake import Intake, RefusedError
from bot.http.guard import STREAMED, Refused
from bot.http.schemas import MAX_INPUT_CHARS

SETTLE_S = 0.5
"""After this time a sentence counts as ended, although no other one has begun."""
BREAK_S = 20.0
"""A message that has not grown for this time ends, so that others are spoken."""
GONE_S = 600.0
"""A client that has sent nothing for this time is taken for gone; its system may not say so."""

_MAX_TEXTS = 16
_CLOSED_NORMALLY = (1000, 1001, 1005)
"""RFC 6455, 7.4.1; 1005: without a code. uvicorn reports 1005 for a lost connection, too, but a
reason, even an empty one, only for a close that the client has sent."""


class BrokenOffError(Exception):
    """The client is gone before the end of its text."""


class TextRoute(Route):
    """Matches requests whose body is plain text; those with JSON have a route of their own."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Return whether a request is for this route."""
        return super().matches(scope) if STREAMED in scope else (Match.NONE, {})


@dataclass(slots=True)
class LiveTexts:
    """Speaks texts while they arrive."""

    intake: Intake
    events: Events
    _reading: int = field(default=0, init=False)

    async def speak(
        self,
        draft: Draft,
        pieces: AsyncIterator[str],
        on_stored: Callable[[int], Awaitable[None]] | None = None,
    ) -> int:
        """Speak a text until its end, or until its message is stopped or skipped.

        Args:
            draft: how it is spoken.
            pieces: the text; may raise BrokenOffError.
            on_stored: called with the id of each message, as soon as its first sentence is stored.

        Returns:
            The id of the message; of the last one, if there was a break or it is very long.

        Raises:
            Refused: it is refused, nothing comes any more, or Crier stops; what came before is
                spoken.
            RepeatedError: a draft with this update id was accepted before.
            BrokenOffError: the client is gone; the sentences before are spoken.
            InboxError: it can't be stored.
            sqlite3.Error: likewise.
        """
        if self._reading >= _MAX_TEXTS:
            raise Refused(429, "too_many", f"{_MAX_TEXTS} texts arrive already. Try again later.")
        growing = GrowingMessage(self.intake, draft)
        self._reading += 1
        try:
            return await self._read(growing, pieces, on_stored)
        except RefusedError as exc:
            status, code = (429, "too_many") if exc.too_many else (422, "nothing_to_speak")
            raise Refused(status, code, str(exc)) from exc
        finally:
            self._reading -= 1
            growing.close()

    async def _read(
        self,
        growing: GrowingMessage,
        pieces: AsyncIterator[str],
        on_stored: Callable[[int], Awaitable[None]] | None,
    ) -> int:
        arrival = _Arrival(growing, self.events, on_stored)
        chars = 0
        reading = _next(pieces)
        try:
            while await arrival.comes(reading) and (piece := reading.result()) is not None:
                chars += len(piece)
                if not await growing.add(piece):
                    break
                await arrival.report()
                if chars > MAX_INPUT_CHARS:
                    chars = 0
                    arrival.rest()
                reading = _next(pieces)
            else:
                if not arrival.is_over:
                    await growing.finish()
                    await arrival.report()
            return arrival.id_
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)


def _next(pieces: AsyncIterator[str]) -> "asyncio.Future[str | None]":
    """Return the next piece, as soon as it comes; None at the end."""
    return asyncio.ensure_future(anext(pieces, None))


@dataclass(slots=True)
class _Arrival:
    """Watches for breaks of a text, and for the end of its message, while pieces are awaited."""

    growing: GrowingMessage
    events: Events
    on_stored: Callable[[int], Awaitable[None]] | None
    id_: int = 0
    is_over: bool = False
    """Whether the message was stopped or skipped."""
    _ended: "asyncio.Future[WaitResult | None] | None" = None
    _text: str = ""
    _grown_s: float = field(default_factory=time.monotonic)

    async def comes(self, reading: "asyncio.Future[str | None]") -> bool:
        """Wait for a piece; return False if the message ends before.

        Raises:
            Refused: none comes any more, or Crier stops.
        """
        began_s = time.monotonic()
        settle_s = began_s + SETTLE_S
        while not reading.done():
            now_s = time.monotonic()
            if now_s >= began_s + GONE_S:
                raise Refused(408, "too_slow", f"No text has come for {GONE_S:.0f} s.")
            if now_s >= settle_s:
                settle_s = float("inf")
                await self.growing.settle()
                await self.report()
            self._rest_if_still()
            waits: set[asyncio.Future[Any]] = {reading}
            if self._ended is not None:
                waits.add(self._ended)
            next_s = min(settle_s, self._still_s, began_s + GONE_S)
            await asyncio.wait(
                waits, timeout=next_s - time.monotonic(), return_when=asyncio.FIRST_COMPLETED
            )
            if self._has_ended():
                self.is_over = True
                return False
        self._rest_if_still()  # also while pieces come of which nothing is spoken
        return True

    @property
    def _still_s(self) -> float:
        """When the message has not grown for too long; never if there is none."""
        return float("inf") if self._ended is None else self._grown_s + BREAK_S

    def _rest_if_still(self) -> None:
        if time.monotonic() >= self._still_s:
            self.rest()

    def _has_ended(self) -> bool:
        """Return whether the message has ended; a mute only holds it."""
        if self._ended is None or not self._ended.done():
            return False
        result = self._ended.result()
        if result is None:
            reason = (
                "Crier is stopping. What has arrived is stored and will be said after its start."
            )
            raise Refused(503, "stopping", reason)
        has_ended = isinstance(result.result, Outcome)
        self._ended = None if has_ended else self.events.wait_result(self.id_)
        return has_ended

    def rest(self) -> None:
        """End the message, so that others are spoken; its end is of no interest to what follows."""
        self.growing.rest()
        self._ended = None

    async def report(self) -> None:
        """Report a message that has just been stored, and notice that it has grown."""
        message = self.growing.message
        if message is None:
            return
        if message.text != self._text:
            self._text, self._grown_s = message.text, time.monotonic()
        if message.id != self.id_:
            self.id_ = message.id
            self._ended = self.events.wait_result(message.id)
            if self.on_stored is not None:
                await self.on_stored(message.id)


async def posted(request: Request) -> AsyncIterator[str]:
    """Yield the pieces of the text in the body of a request.

    Raises:
        BrokenOffError: the client is gone.
    """
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    more = True
    while more:
        message = await request.receive()
        if message["type"] == "http.disconnect":
            raise BrokenOffError
        more = message.get("more_body", False)
        yield decoder.decode(message.get("body", b""), final=not more)


async def whole(pieces: AsyncIterator[str]) -> str:
    """Return a text when all of it has come.

    Raises:
        Refused: it is too long, or comes too slowly.
        BrokenOffError: the client is gone.
    """
    text = ""
    try:
        async with asyncio.timeout(BREAK_S):
            async for piece in pieces:
                text += piece
                if len(text) > MAX_INPUT_CHARS:
                    reason = f"A text may have {MAX_INPUT_CHARS} characters."
                    raise Refused(413, "too_large", reason)
    except TimeoutError:
        raise Refused(408, "too_slow", f"The text did not come within {BREAK_S:.0f} s.") from None
    return text


async def sent(websocket: WebSocket) -> AsyncIterator[str]:
    """Yield the pieces of the text that a WebSocket sends; an empty one after a text is the end.

    Empty ones before it are ignored: the first piece of many models is empty.

    Raises:
        BrokenOffError: the client is gone without a word.
    """
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    begun = ended = False
    while not ended:
        message = await websocket.receive()
        if message["type"] == "websocket.disconnect":
            if "reason" not in message or message["code"] not in _CLOSED_NORMALLY:
                raise BrokenOffError
            ended = True
        data = message.get("bytes") or b""
        given = message.get("text") or ""
        ended = ended or (begun and not (data or given))
        # A letter may be cut between two frames of bytes, but not by a text or the end.
        piece = decoder.decode(data, final=ended or bool(given)) + given
        begun = begun or bool(piece.strip())
        yield piece


async def send_json(websocket: WebSocket, data: dict[str, Any], close: int | None = None) -> None:
    """Send an event, then close with this code if it is the last; a closed socket gets nothing."""
    with contextlib.suppress(WebSocketDisconnect, RuntimeError):  # starlette raises either
        await websocket.send_json(data)
        if close is not None:
            await websocket.close(close)
