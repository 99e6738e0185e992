"""The HTTP API: one short coroutine for each route.

Paths and shapes are OpenAI's if it has an equivalent endpoint. /docs shows the docstrings of
routes. Runs on the event loop.
"""

import asyncio
import contextlib
import functools
import logging
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from fastapi import FastAPI, Request, Response, WebSocket
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, PlainTextResponse
from pydantic import BaseModel, Field, ValidationError
from starlette.datastructures import Headers

from audio.pipeline import SpeechPipeline
from audio.text.scripts import language_by_script
from audio.types import Outcome, Utterance
from audio.voices import VOICES, describe, language_of
from bot import __version__
from bot.core.delivery import Delivery
from bot.core.draft import Draft
from bot.core.events import Events, Listener, SpeechEvent, WaitResult, until_idle
from bot.core.growing import RepeatedError
from bot.core.health import SourceHealth
from bot.core.inbox import Inbox, InboxError
from bot.core.intake import Intake, RefusedError
from bot.core.message import ENDED, State
from bot.core.output import SoundOutput
from bot.core.preferences import lang_of
from bot.core.questions import Questions
from bot.core.reading import read_draft
from bot.core.reminders import Reminders
from bot.core.rooms import NO_ROOMS, UnknownRoomError
from bot.core.when import WhenError
from bot.http import docs, schemas
from bot.http.ask import AskRoutes
from bot.http.audio_stream import (
    FORMATS,
    MODELS,
    SpeechPart,
    SpeechStreams,
    as_captions,
    as_events,
    as_file,
    caption,
    joined,
)
from bot.http.codes import LIFE_S, Codes
from bot.http.controls import ControlRoutes
from bot.http.guard import Refused, refusal
from bot.http.live import BrokenOffError, LiveTexts, TextRoute, posted, send_json, sent, whole
from bot.http.metrics import Metrics
from bot.http.openai_request import CaptionedSpeech, Speech
from bot.http.reminders import ReminderRoutes, item_of
from bot.http.responses import (
    ERRORS,
    MISTAKE,
    NOT_FOUND,
    EventStream,
    StallGuardedStream,
    add_error_handlers,
    format_event,
    storage_reason,
)
from bot.http.sender import (
    MAX_KEY_CHARS,
    MAX_NAME_CHARS,
    ClientName,
    IdempotencyKey,
    client_name,
    update_id_of,
)
from bot.http.state import BotState
from bot.settings import Settings

log = logging.getLogger(__name__)

PAGE = Path(__file__).parent / "page"
SPEAK = "/v1/audio/speak"
PAGE_TOKEN = "/v1/page/token"  # noqa: S105  # a path

_HISTORY = 50
_STATUS_EVERY_S = 0.5
_PING_EVERY_S = 15.0
_MAX_LISTENERS = 32
_DONE_CODE = 1000
_REFUSED_CODE = 1008  # RFC 6455, 7.4.1: against the policy of the server
_FAILED_CODE = 1011  # the server can't do it


_SPEAK: dict[str, Any] = {
    "status_code": 202,
    "response_model": schemas.Queued,
    "responses": {
        200: {"model": schemas.SpeakResult, "description": "With wait: how it ended."},
        201: {"model": schemas.ReminderItem, "description": "With at: the reminder."},
        409: {
            "model": schemas.ErrorBody,
            "description": "The message of this Idempotency-Key is not stored any more, or only a "
            "part of its text has arrived.",
        },
    },
}
_SPEECH: dict[str, Any] = {
    "response_class": StallGuardedStream,
    "responses": {
        200: {
            "content": {
                **{file_format.media_type: {} for file_format in FORMATS.values()},
                "text/event-stream": {},
            },
            "description": "The sound, while it is made.",
        }
    },
}


_CAPTIONED: dict[str, Any] = {
    "response_class": StallGuardedStream,
    "responses": {
        200: {
            "content": {"application/json": {}},
            "description": "The sound in base64, its media type, and the time of each word.",
        }
    },
}


class _SpeakHeaders(BaseModel):
    """The same headers of a text that arrives bit by bit."""

    client: str = Field("http", max_length=MAX_NAME_CHARS, alias="x-client")
    key: str = Field("", max_length=MAX_KEY_CHARS, alias="Idempotency-Key")


Checked = TypeVar("Checked", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Api:
    """The routes, and the objects that they use."""

    settings: Settings
    pipeline: SpeechPipeline
    inbox: Inbox
    delivery: Delivery
    intake: Intake
    reminders: Reminders
    output: SoundOutput
    polling: SourceHealth
    events: Events
    streams: SpeechStreams
    metrics: Metrics
    bot_id: int
    token: str
    """Authenticates clients; the page gets it in exchange for a code."""
    live: LiveTexts
    questions: Questions
    codes: Codes = field(default_factory=Codes)
    storing: WeakValueDictionary[int, asyncio.Lock] = field(default_factory=WeakValueDictionary)
    """By update id: requests with the same Idempotency-Key are stored one at a time."""

    @property
    def state(self) -> BotState:
        """The state of the bot, as clients get it."""
        return BotState(
            settings=self.settings,
            pipeline=self.pipeline,
            inbox=self.inbox,
            delivery=self.delivery,
            polling=self.polling,
        )

    def application(self) -> FastAPI:
        """Return the ASGI application with all routes."""
        app = FastAPI(
            title="Crier",
            version=__version__,
            description="One voice for everything on this computer. Every request under /v1 needs "
            "the token: `Authorization: Bearer TOKEN`.",
            docs_url=None,
            redoc_url=None,
            responses=ERRORS,
        )
        for method, path, endpoint, options in self._routes():
            app.add_api_route(
                path, endpoint, methods=[method], response_description="Done.", **options
            )

        async def read_docs() -> HTMLResponse:
            return HTMLResponse(docs.page(app.openapi()))  # made once, when somebody reads it

        app.add_api_route("/docs", read_docs, include_in_schema=False)
        app.add_api_websocket_route(SPEAK, self.speak_live)
        app.router.routes.insert(0, TextRoute(SPEAK, self.speak_text, methods=["POST"]))
        add_error_handlers(app)
        for path, file in _page().items():  # files instead of a folder: no path leads out of it
            read_file = functools.partial(_read, file)
            app.add_api_route(path, read_file, methods=["GET", "HEAD"], include_in_schema=False)
        return app

    def _routes(self) -> Iterator[tuple[str, str, Callable[..., Any], dict[str, Any]]]:
        """Yield method, path, endpoint and options of each documented route."""
        yield from AskRoutes(self.questions, self.intake, self._draft, self._queued).routes()
        yield from (
            ("POST", SPEAK, self.speak, _SPEAK),
            ("POST", "/v1/audio/speech", self.speech, _SPEECH),
            ("POST", "/v1/audio/phonemes", self.phonemes, {}),
        )
        yield from ControlRoutes(
            self.pipeline, self.delivery, self.output, self.intake.preferences
        ).routes()
        yield from ReminderRoutes(self.reminders).routes()
        yield from (
            ("GET", "/v1/status", self.status, {}),
            ("GET", "/v1/queue", self.queue, {}),
            ("POST", "/v1/queue/{id}/move", self.move, {"responses": NOT_FOUND}),
            ("DELETE", "/v1/queue/{id}", self.remove, {"responses": NOT_FOUND}),
            ("GET", "/v1/history", self.history, {}),
            ("GET", "/v1/voices", self.voices, {}),
            ("GET", "/v1/events", self.listen, {"response_class": EventStream}),
            ("POST", "/dev/captioned_speech", self.captioned_speech, _CAPTIONED),
            ("GET", "/v1/audio/voices", self.named_voices, {}),
            ("GET", "/v1/audio/models", self.speech_models, {}),
            ("GET", "/v1/models", self.models, {}),
            ("GET", "/v1/models/{id}", self.model, {"responses": NOT_FOUND}),
            ("POST", "/v1/page/code", self.page_code, {}),
            ("POST", PAGE_TOKEN, self.page_token, {}),
            ("GET", "/metrics", self.measures, {"response_class": PlainTextResponse}),
            ("GET", "/healthz", self.health, {}),
        )

    @staticmethod
    def open_paths() -> frozenset[str]:
        """Return the paths that may be read without the token."""
        return frozenset({"/healthz", "/docs", "/openapi.json"} | _page().keys())

    @staticmethod
    def public_paths() -> frozenset[str]:
        """Return the paths that anybody may read, by any name of this computer.

        Containers ask for the names of voices and models without a token.
        """
        models = {f"/v1/models/{name}" for name in MODELS}
        return frozenset({"/v1/audio/voices", "/v1/audio/models", "/v1/models"} | models)

    @staticmethod
    def open_posts() -> frozenset[str]:
        """Return the paths that accept a POST without the token."""
        return frozenset({PAGE_TOKEN})

    # ---- the page ----

    async def page_code(self) -> schemas.PageCode:
        """Create a code that opens the page in a browser, once and within a minute."""
        return schemas.PageCode(code=self.codes.make(), life_s=LIFE_S)

    async def page_token(self, request: schemas.GivenCode) -> schemas.PageToken:
        """Exchange a code for the token, once. Needs no token itself."""
        if not self.codes.redeem(request.code):
            reason = (
                "This address has been used, or is older than a minute. `crier page` makes another."
            )
            raise Refused(403, "wrong_code", reason)
        return schemas.PageToken(token=self.token)

    # ---- speaking ----

    async def speak(
        self, request: schemas.Speak, client: ClientName, key: IdempotencyKey = ""
    ) -> schemas.Queued | JSONResponse:
        """Speak a text at the loudspeaker, in its turn.

        Answers 202 as soon as it is stored; with `wait`, 200 when it has ended or is held; with
        `at`, 201 with the reminder.

        With `Content-Type: text/plain` the body is the text itself, which may arrive bit by bit:
        its sentences are spoken as they end. The other fields are in the address, as in
        `?voice=af_heart&wait=true`. A WebSocket at the same path takes pieces of text, of which an
        empty one after the first words is the end, and sends the events `queued` and `ended`, or
        `held` or `refused`, as JSON.
        """
        update_id = update_id_of(client, key)
        if request.at is not None:
            draft = self._draft(request, client, update_id, request.input)
            return await self._remind(request, draft)
        async with self.storing.setdefault(update_id, asyncio.Lock()):
            earlier = await self.inbox.find_record(self.bot_id, update_id) if key else None
            id_ = earlier.id if earlier else await self._take(request, client, update_id)
        return await self._queued(id_, wait=request.wait)

    async def speak_text(self, request: Request) -> Response:
        """Speak a text that arrives bit by bit: `speak` with a plain text."""
        options = _checked(schemas.TextOptions, request.query_params, "query")
        _refuse_room(options)
        client, key = _sender(request.headers)
        text_id, end_id = (
            update_id_of(client, key, "text"),
            update_id_of(client, key, "end of text"),
        )
        if options.at is not None:
            try:
                text = await whole(posted(request))
            except BrokenOffError:
                return Response(status_code=400)  # nobody reads it
            return await self._remind(options, self._draft(options, client, text_id, text))
        id_ = await self._find_text(text_id, end_id) if key else 0
        try:
            if not id_:
                draft = self._draft(options, client, text_id)
                id_ = await self.live.speak(draft, posted(request))
                if key:
                    await self.inbox.mark_handled(self.bot_id, end_id)
        except RepeatedError:  # another request has stored it meanwhile, or it is forgotten
            id_ = await self._find_text(text_id, end_id)
            if not id_:
                raise _forgotten() from None
        except BrokenOffError:
            return Response(status_code=400)  # nobody reads it
        answer = await self._queued(id_, wait=options.wait)
        if isinstance(answer, schemas.Queued):
            return JSONResponse(answer.model_dump(), 202)
        return answer

    async def _find_text(self, text_id: int, end_id: int) -> int:
        """Return the id of the message of a text that has arrived before; 0 if none has.

        Args:
            text_id: its update id.
            end_id: the update id that was stored when it had arrived completely.

        Raises:
            Refused: only a part of it has arrived, so this answer would hide that.
        """
        earlier = await self.inbox.find_record(self.bot_id, text_id)
        if earlier is None:
            return 0
        if not await self.inbox.has_seen(self.bot_id, end_id):
            reason = (
                f"Only a part of the text of this Idempotency-Key has come: message {earlier.id}. "
                "It is spoken as far as it came. Send the rest with another key."
            )
            raise Refused(409, "broken_off", reason)
        return earlier.id

    async def speak_live(self, websocket: WebSocket) -> None:
        """Speak a text that a WebSocket sends bit by bit."""
        try:
            options = _checked(schemas.TextOptions, websocket.query_params, "query")
            _refuse_room(options)
            client, _ = _sender(websocket.headers)
            if options.at is not None:
                reason = "at: a reminder is a whole text. Send it as the body of a POST."
                raise Refused(422, "invalid_value", reason, "at")
        except Refused as exc:
            answer = refusal(exc.status, exc.code, str(exc), exc.param)
            await websocket.send_denial_response(answer)
            return
        except RequestValidationError as exc:
            message = schemas.error_message(exc.errors())
            await websocket.send_denial_response(refusal(422, "invalid_value", message))
            return
        await websocket.accept()

        async def report_stored(id_: int) -> None:
            position = self.delivery.queue.position(id_)
            await send_json(websocket, {"event": "queued", "id": id_, "position": position})

        draft = self._draft(options, client, update_id_of(client, ""))
        try:
            id_ = await self.live.speak(draft, sent(websocket), report_stored)
            result = await self._result(id_)
        except BrokenOffError:
            return
        except Refused as exc:
            await send_json(websocket, {"event": "refused", "reason": str(exc)}, _REFUSED_CODE)
            return
        except (InboxError, sqlite3.Error) as exc:
            refused = {"event": "refused", "reason": storage_reason(exc)}
            await send_json(websocket, refused, _FAILED_CODE)
            return
        except Exception:
            await send_json(websocket, {"event": "refused", "reason": MISTAKE}, _FAILED_CODE)
            raise  # uvicorn logs it
        event = "held" if result.outcome == State.HELD else "ended"
        await send_json(websocket, {"event": event, **result.model_dump()}, _DONE_CODE)

    async def _queued(self, id_: int, *, wait: bool) -> schemas.Queued | JSONResponse:
        """Return the answer about a stored message, when it ends if *wait*."""
        if wait:
            return JSONResponse((await self._result(id_)).model_dump())
        return schemas.Queued(id=id_, position=self.delivery.queue.position(id_))

    async def _result(self, id_: int) -> schemas.SpeakResult:
        """Wait until a message ends or is held."""
        waited = await self._wait(id_)
        if waited is None:
            reason = f"Crier is stopping. Message {id_} is stored and will be said after its start."
            raise Refused(503, "stopping", reason)
        return schemas.SpeakResult(id=id_, outcome=waited.result, reason=waited.reason)

    async def _take(self, request: schemas.Speak, client: str, update_id: int) -> int:
        """Store a text and queue it; return its id."""
        draft = self._draft(request, client, update_id, request.input)
        try:
            stored = await self.intake.accept(draft)
        except RefusedError as exc:
            raise _refused(exc) from exc
        if stored is not None:
            return stored.id
        # Another request has stored it meanwhile.
        record = await self.inbox.find_record(self.bot_id, update_id)
        if record is None:
            raise _forgotten()
        return record.id

    def _draft(
        self, options: schemas.SpeakOptions, client: str, update_id: int, text: str = ""
    ) -> Draft:
        """Return the draft of a program's text; without *text*, of one that is about to arrive."""
        return Draft(
            update_id=update_id,
            text=text,
            voice=options.voice or "",
            speed=options.speed or 0.0,
            lang=options.lang or "",
            urgent=options.priority == "urgent",
            client=client,
            chime=options.chime,
            expires_at=self.intake.now() + options.expires_s if options.expires_s else 0.0,
            replace_key=options.replace or "",
            volume=options.volume,
            room=self._room(options.room),
        )

    async def _remind(self, options: schemas.TextOptions, draft: Draft) -> JSONResponse:
        """Set a reminder, and return the answer."""
        if options.wait:
            raise Refused(422, "invalid_value", "wait: nobody waits for a reminder.", "wait")
        try:
            when, rest = self.reminders.understand(options.at or "")
            if rest:
                raise WhenError(f"“{rest}” is too much. The text itself is the input.")
            reminder = await self.reminders.set(draft, when)
        except WhenError as exc:
            raise Refused(422, "invalid_value", f"at: {exc}", "at") from exc
        except RefusedError as exc:
            raise _refused(exc) from exc
        if reminder is None:
            raise _forgotten()
        return JSONResponse(item_of(reminder, self.reminders).model_dump(), 201)

    def _room(self, name: str | None) -> str:
        """Return where a message is said, as it is stored."""
        if name is None:
            return ""
        if self.delivery.rooms is None:
            raise Refused(422, "no_rooms", f"room: {NO_ROOMS}", "room")
        try:
            return self.delivery.rooms.find(name)
        except UnknownRoomError as exc:
            raise Refused(422, "unknown_room", f"room: {exc}", "room") from exc

    async def _wait(self, id_: int) -> WaitResult | None:
        """Wait until a message ends or is held; return None if Crier stops first."""
        # Before the database is read, so that no end is missed; it may have ended already.
        result = self.events.wait_result(id_)
        record = await self.inbox.find_record_of(id_)
        if record is not None and record.outcome in ENDED:
            return WaitResult(Outcome(record.outcome), record.reason)
        reason = self.delivery.quiet_reason() or self.pipeline.status().blocked
        is_here = self.delivery.queue.get(id_) is not None  # a room is quiet by itself
        if record is not None and record.outcome == State.HELD and reason and is_here:
            return WaitResult(State.HELD, reason)
        return await result

    async def speech(self, request: Speech, client: ClientName) -> Response:
        """Synthesize a text into a sound file, as OpenAI's endpoint does; nothing is played."""
        parts, headers = await self._synthesize(request, client)
        if request.stream_format == "sse":
            return StallGuardedStream(
                as_events(parts), media_type="text/event-stream", headers=headers
            )
        media_type = FORMATS[request.response_format].media_type
        return StallGuardedStream(as_file(parts), media_type=media_type, headers=headers)

    async def captioned_speech(self, request: CaptionedSpeech, client: ClientName) -> Response:
        """Synthesize a text into sound with the time of each word, as Kokoro-FastAPI does."""
        parts, headers = await self._synthesize(request, client)
        file_format, timed = FORMATS[request.response_format], request.return_timestamps
        if request.stream:
            lines = as_captions(parts, file_format, timed=timed)
            return StallGuardedStream(lines, media_type="application/json", headers=headers)
        body = caption(await joined(parts), file_format, timed=timed)
        return Response(body, media_type="application/json", headers=headers)

    async def _synthesize(
        self, request: Speech, client: str
    ) -> tuple[AsyncIterator[SpeechPart], dict[str, str]]:
        """Return the parts of a sound file while it is made, and the headers of the answer."""
        voice = request.voice or self.settings.kokoro_voice
        file_format, headers = FORMATS[request.response_format], request.headers(voice)
        if request.is_marks:
            return await self.streams.speech(None, file_format), headers
        lang = request.lang or request.lang_code
        lang = lang or language_by_script(request.input, lang_of(voice, self.settings))
        try:
            composed = await self.intake.compose_unstored(request.input, voice, lang)
        except RefusedError as exc:
            raise Refused(422, "nothing_to_speak", f"input: {exc}", "input") from exc
        utterance = Utterance(0, composed.text, voice, request.spoken_speed, lang)
        log.info("Synthesizing %d characters for %s", len(composed.text), client)
        volume = request.volume_multiplier
        return await self.streams.speech(utterance, file_format, volume), headers

    async def phonemes(self, request: schemas.ReadText) -> schemas.Reading:
        """Show how a text is read: its sentences, and the sounds of each word; nothing is played.

        It is what `crier say --dry-run --json` prints.
        """
        draft = Draft(
            update_id=0,
            text=request.input,
            voice=request.voice or "",
            lang=request.lang or "",
            client="http",
        )
        try:
            reading = await read_draft(draft, self.intake.composer)
        except RefusedError as exc:
            raise Refused(422, "nothing_to_speak", f"input: {exc}") from exc
        return schemas.Reading.model_validate(reading)

    async def voices(self) -> schemas.VoiceList:
        """List the voices."""
        return schemas.VoiceList(
            voices=[
                schemas.VoiceItem(name=name, speaks=describe(name), lang=language_of(name))
                for name in VOICES
            ],
            default=self.settings.kokoro_voice,
        )

    async def models(self) -> schemas.Models:
        """List the names of the one model. Needs no token."""
        return schemas.Models(data=[schemas.Model(id=name) for name in MODELS])

    async def model(self, id: str) -> schemas.Model:  # noqa: A002  # the path's name
        """Return the model of a name. Needs no token."""
        if id not in MODELS:
            raise Refused(404, "model_not_found", f"There is no model {id[:80]!r} in /v1/models.")
        return schemas.Model(id=id)

    async def speech_models(self) -> schemas.SpeechModels:
        """List the names of the one model, as Open WebUI asks for them. Needs no token."""
        return schemas.SpeechModels(models=[schemas.Model(id=name) for name in MODELS])

    async def named_voices(self) -> schemas.NamedVoices:
        """List the voices, as OpenAI-compatible servers do. Needs no token."""
        return schemas.NamedVoices(
            voices=[
                schemas.NamedVoice(
                    id=voice,
                    name=f"{voice[3:].capitalize()} ({describe(voice)})",
                    language=language_of(voice),
                )
                for voice in VOICES
            ]
        )

    # ---- state and queue ----

    async def status(self) -> schemas.StatusNow:
        """Return what Crier is doing."""
        return schemas.StatusNow(**self.state.snapshot())

    async def queue(self) -> schemas.Queue:
        """List the messages to be spoken, in the order in which they will be heard.

        Those that wait for a file or a decision are not among them.
        """
        return self.state.queue()

    async def move(self, id: int, target: schemas.Move) -> schemas.Queue:  # noqa: A002  # the path's name
        """Move a waiting message before another one, or to the end."""
        if not await self.delivery.queue.move(id, target.before):
            raise Refused(404, "not_waiting", "One of these does not wait (any more).")
        return self.state.queue()

    async def remove(self, id: int) -> schemas.Skipped:  # noqa: A002  # the path's name
        """Remove a waiting message, or cut the one that is playing."""
        if not await self.delivery.remove(id):
            raise Refused(404, "not_waiting", f"Message {id} does not wait (any more).")
        return schemas.Skipped(skipped=True)

    async def history(self) -> schemas.History:
        """List the messages that have ended, the latest first."""
        records = await self.inbox.list_history(self.bot_id, _HISTORY)
        return schemas.History.model_validate({"items": records})

    # ---- monitoring ----

    async def listen(self) -> Response:
        """Stream events as they happen: server-sent events."""
        if self.events.listeners >= _MAX_LISTENERS:
            raise Refused(429, "too_many", f"{_MAX_LISTENERS} listen already.")
        listening = contextlib.ExitStack()
        # Before the first await, so that concurrent requests are all counted.
        listener = listening.enter_context(self.events.listen())
        return EventStream(self._frames(listener), listening.close)

    async def _frames(self, listener: Listener) -> AsyncIterator[bytes]:
        yield format_event(SpeechEvent(0, "status", self.state.snapshot()))
        async for event in until_idle(listener, _PING_EVERY_S):
            yield b": alive\n\n" if event is None else format_event(event)

    async def report(self) -> None:
        """Send the status to listeners whenever it changes; until cancelled."""
        await self.events.report(self.state.snapshot, _STATUS_EVERY_S)

    async def measures(self) -> Response:
        """Return the metrics for Prometheus."""
        return Response(self.metrics.text(), media_type=self.metrics.media_type)

    async def health(self, response: Response) -> schemas.Health:
        """Check whether messages come in and sound goes out: 200, or 503 with the reasons."""
        health = self.state.health()
        response.status_code = 200 if health.ok else 503
        return health


def _page() -> dict[str, Path]:
    """Return the files of the page by their paths."""
    return {"/": PAGE / "index.html", **{f"/{file.name}": file for file in PAGE.iterdir()}}


async def _read(file: Path) -> FileResponse:
    return FileResponse(file)


def _refuse_room(options: schemas.SpeakOptions) -> None:
    if options.room is not None:
        reason = "room: only a text that comes as a whole, as JSON, is said in another room."
        raise Refused(422, "not_in_rooms", reason, "room")


def _checked(model: type[Checked], given: Mapping[str, str], part: str) -> Checked:
    """Return the fields of a model from a part of a request: query or header.

    Raises:
        RequestValidationError: a field is invalid.
    """
    try:
        return model.model_validate(dict(given))
    except ValidationError as exc:
        errors = [{**error, "loc": (part, *error["loc"])} for error in exc.errors()]
        raise RequestValidationError(errors) from exc


def _sender(headers: Headers) -> tuple[str, str]:
    """Return the name of the program that sends a text bit by bit, and its Idempotency-Key.

    Raises:
        Refused: the name can't be shown.
        RequestValidationError: either is too long.
    """
    names = [field.alias or "" for field in _SpeakHeaders.model_fields.values()]
    given = {name: headers[name] for name in names if name in headers}
    checked = _checked(_SpeakHeaders, given, "header")
    return client_name(checked.client), checked.key


def _refused(error: RefusedError) -> Refused:
    status, code = (429, "too_many") if error.too_many else (422, "nothing_to_speak")
    return Refused(status, code, str(error))


def _forgotten() -> Refused:
    return Refused(409, "gone", "A message of this Idempotency-Key has just been forgotten.")
