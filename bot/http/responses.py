"""Streaming responses that abort when a client stops reading, and errors in OpenAI's shape.

Runs on the event loop.
"""

import asyncio
import json
import logging
import sqlite3
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, StreamingResponse
from starlette.exceptions import HTTPException
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from audio.types import AudioError
from bot.core.events import SpeechEvent
from bot.core.inbox import InboxError
from bot.http import schemas
from bot.http.guard import Refused, refusal

log = logging.getLogger(__name__)

MISTAKE = "Crier made a mistake; its log says more."
"""What a client is told about an error that is not its own."""

_STALL_TIMEOUT_S = 30.0

_ERROR_BODY = {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorBody"}}}
"""As the model `schemas.ErrorBody` is described where it is given, in `NOT_FOUND`."""

# By reference: FastAPI would make a validator of a model for each status of each route, at start.
ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"content": _ERROR_BODY, "description": meaning}
    for status, meaning in {
        400: "The request is not HTTP.",
        401: "The token is missing or wrong.",
        403: "Sent by a foreign web page, or to a name that is not this computer's.",
        408: "The body arrived too slowly.",
        413: "The body is too large.",
        415: "The body is not JSON.",
        422: "A field is invalid; the message names it.",
        429: "Too many requests at once, or too many messages waiting.",
        503: "Not possible now; the message says why.",
    }.items()
}
NOT_FOUND: dict[int | str, dict[str, Any]] = {
    404: {"model": schemas.ErrorBody, "description": "Nothing has that name or number."}
}


class StallGuardedStream(StreamingResponse):
    """Aborts when the client reads nothing for `_STALL_TIMEOUT_S`.

    `fastapi.sse` always builds a plain StreamingResponse, regardless of a route's response class,
    so events are sent by `EventStream` instead.
    """

    async def stream_response(self, send: Any) -> None:
        """Send the parts; close their iterator afterwards."""

        async def send_in_time(message: Any) -> None:
            async with asyncio.timeout(_STALL_TIMEOUT_S):
                await send(message)

        try:
            await super().stream_response(send_in_time)
        except TimeoutError:
            log.info("Client stopped reading; response aborted")
        except AudioError as exc:  # the status has been sent already
            log.warning("Sound stream aborted: %s", exc)
        finally:
            if isinstance(self.body_iterator, AsyncGenerator):
                await self.body_iterator.aclose()  # now, not at garbage collection


class EventStream(StallGuardedStream):
    """Server-sent events."""

    media_type = "text/event-stream"

    def __init__(
        self, frames: AsyncIterator[bytes], on_close: Callable[[], None], status_code: int = 200
    ) -> None:
        """Send *frames*; call *on_close* at the end, even if nothing was sent."""
        super().__init__(frames, status_code)  # FastAPI looks for status_code in the signature
        self._on_close = on_close

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._on_close()


def format_event(event: SpeechEvent) -> bytes:
    """Return an event in the text/event-stream format."""
    data = json.dumps(event.data, ensure_ascii=False, separators=(",", ":"))
    return f"id: {event.id}\nevent: {event.name}\ndata: {data}\n\n".encode()


def add_error_handlers(app: FastAPI) -> None:
    """Answer every error in the same shape."""
    app.add_exception_handler(Refused, _answer_refused)
    app.add_exception_handler(RequestValidationError, _answer_invalid)
    app.add_exception_handler(HTTPException, _answer_http_error)
    app.add_exception_handler(InboxError, _answer_storage_error)
    app.add_exception_handler(sqlite3.Error, _answer_storage_error)
    app.add_exception_handler(Exception, _answer_unexpected)


async def _answer_refused(_: Request, exc: Exception) -> JSONResponse:
    assert isinstance(exc, Refused)  # noqa: S101  # registered for it
    return refusal(exc.status, exc.code, str(exc), exc.param)


async def _answer_invalid(_: Request, exc: Exception) -> JSONResponse:
    assert isinstance(exc, RequestValidationError)  # noqa: S101  # registered for it
    errors = exc.errors()
    return refusal(422, "invalid_value", schemas.error_message(errors), schemas.wrong_field(errors))


async def _answer_http_error(request: Request, exc: Exception) -> JSONResponse:
    assert isinstance(exc, HTTPException)  # noqa: S101  # registered for it
    answer = refusal(exc.status_code, "http_error", f"{str(exc.detail).rstrip('.')}.")
    answer.headers.update(exc.headers or {})
    if exc.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        answer.headers["Allow"] = ", ".join(_methods(request))  # Starlette has the first route's
    return answer


def _methods(request: Request) -> list[str]:
    """Return the methods of all routes of a path."""
    routes = [route for route in request.app.routes if isinstance(route, Route)]
    matching = [route for route in routes if route.path_regex.match(request.scope["path"])]
    return sorted({method for route in matching for method in route.methods or ()})


async def _answer_unexpected(_: Request, __: Exception) -> JSONResponse:
    return refusal(500, "mistake", MISTAKE)  # uvicorn logs it


async def _answer_storage_error(_: Request, exc: Exception) -> JSONResponse:
    return refusal(503, "storage", storage_reason(exc))


def storage_reason(exc: Exception) -> str:
    """Log an error of the database; return what a client is told about it."""
    log.error("Database error in a request: %s", exc)
    reason = str(exc) if isinstance(exc, InboxError) else f"The database can't be used ({exc})."
    return f"{reason} Make room on the computer's disk."
