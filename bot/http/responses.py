"""How answers go out: streams that nobody can keep open for nothing, and errors in OpenAI's form.

Runs on the event loop.
"""

import asyncio
import json
import logging
import sqlite3
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from audio.types import AudioError
from bot.core.events import SpeechEvent
from bot.core.inbox import InboxError
from bot.http import schemas
from bot.http.guard import Refused, refusal

log = logging.getLogger(__name__)

_STALLED_S = 30.0

WRONG: dict[int | str, dict[str, Any]] = {
    status: {"model": schemas.ErrorBody, "description": what}
    for status, what in {
        400: "No HTTP.",
        401: "The token is missing or wrong.",
        403: "Asked by a web page, or under a name that is not this computer's.",
        408: "The body came too slowly.",
        413: "The body is too large.",
        415: "The body is no JSON.",
        422: "A field is wrong; the message names it.",
        429: "Too many at once, or too many waiting.",
        503: "It can't be done now; the message says why.",
    }.items()
}
NOT_FOUND: dict[int | str, dict[str, Any]] = {
    404: {"model": schemas.ErrorBody, "description": "There is none of that name or number."}
}


class StallGuardedStream(StreamingResponse):
    """Streams to whoever takes it; gives up on one who takes nothing for long."""

    async def stream_response(self, send: Any) -> None:
        """Send the parts."""

        async def send_soon(message: Any) -> None:
            async with asyncio.timeout(_STALLED_S):
                await send(message)

        try:
            await super().stream_response(send_soon)
        except TimeoutError:
            log.info("A client takes nothing any more and was let go")
        except AudioError as exc:  # the answer has begun: all it can do is break off
            log.warning("A stream of sound broke off: %s", exc)
        finally:
            if isinstance(self.body_iterator, AsyncGenerator):
                await self.body_iterator.aclose()  # now, not whenever it is collected


class EventStream(StallGuardedStream):
    """Server-sent events."""

    media_type = "text/event-stream"

    def __init__(
        self, frames: AsyncIterator[bytes], leave: Callable[[], None], status_code: int = 200
    ) -> None:
        """Send *frames*; call *leave* when that is over, also where it never began."""
        super().__init__(frames, status_code)  # which FastAPI looks for in the signature
        self._leave = leave

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send them."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._leave()


def frame(event: SpeechEvent) -> bytes:
    """Return an event as it goes over the wire."""
    data = json.dumps(event.data, ensure_ascii=False, separators=(",", ":"))
    return f"id: {event.id}\nevent: {event.name}\ndata: {data}\n\n".encode()


def answer_errors(app: FastAPI) -> None:
    """Have every error answered in the same form."""
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(InboxError, _no_room)
    app.add_exception_handler(sqlite3.Error, _no_room)
    app.add_exception_handler(Exception, _mistake)


async def _refused(_: Request, exc: Exception) -> JSONResponse:
    assert isinstance(exc, Refused)  # noqa: S101  # registered for it
    return refusal(exc.status, exc.code, str(exc))


async def _invalid(_: Request, exc: Exception) -> JSONResponse:
    assert isinstance(exc, RequestValidationError)  # noqa: S101  # registered for it
    return refusal(422, "invalid_value", schemas.in_words(exc.errors()))


async def _http_error(_: Request, exc: Exception) -> JSONResponse:
    assert isinstance(exc, HTTPException)  # noqa: S101  # registered for it
    answer = refusal(exc.status_code, "http_error", f"{exc.detail}.")
    answer.headers.update(exc.headers or {})
    return answer


async def _mistake(_: Request, __: Exception) -> JSONResponse:
    return refusal(500, "mistake", "Crier made a mistake; its log says more.")  # uvicorn logs it


async def _no_room(_: Request, exc: Exception) -> JSONResponse:
    log.error("A request failed at the database: %s", exc)
    why = str(exc) if isinstance(exc, InboxError) else f"The database can't be used ({exc})."
    return refusal(503, "storage", f"{why} Make room on the computer's disk.")
