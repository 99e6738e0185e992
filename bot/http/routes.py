"""The HTTP face: one short coroutine for each thing that a program can ask for.

OpenAI's shapes where OpenAI has one. Runs on the event loop.
"""

import asyncio
import contextlib
import functools
import hashlib
import logging
import math
import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any
from weakref import WeakValueDictionary

from fastapi import Depends, FastAPI, Header, Response
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, PlainTextResponse

from audio.pipeline import SpeechPipeline
from audio.types import AudioError, Devices, Utterance
from audio.voices import VOICES, describe, language_of
from bot import __version__
from bot.core.delivery import Delivery
from bot.core.draft import Draft
from bot.core.events import Ending, Events, Listener, SpeechEvent, until_idle
from bot.core.health import STALLED_S, WEDGED_S, Fetching
from bot.core.inbox import Inbox
from bot.core.intake import Intake, RefusedError
from bot.core.message import ENDED, State
from bot.core.output import SoundOutput
from bot.core.preferences import lang_of
from bot.http import docs, schemas
from bot.http.audio_stream import FORMATS, MODELS, Speech, Studio
from bot.http.codes import LIFE_S, Codes
from bot.http.guard import Refused
from bot.http.metrics import Metrics
from bot.http.responses import (
    NOT_FOUND,
    WRONG,
    EventStream,
    StallGuardedStream,
    answer_errors,
    frame,
)
from bot.settings import Settings

log = logging.getLogger(__name__)

PAGE = Path(__file__).parent / "page"
PAGE_TOKEN = "/v1/page/token"  # noqa: S105  # a path

_HISTORY = 50
_DEVICES_TIMEOUT_S = 2.0
_STATUS_EVERY_S = 0.5
_ALIVE_EVERY_S = 15.0
_MAX_LISTENERS = 32


_SPEAK: dict[str, Any] = {
    "status_code": 202,
    "response_model": schemas.Queued,
    "responses": {
        200: {"model": schemas.Result, "description": "With wait: how it ended."},
        409: {
            "model": schemas.ErrorBody,
            "description": "What was sent again is not known any more.",
        },
    },
}
_SPEECH: dict[str, Any] = {
    "response_class": StallGuardedStream,
    "responses": {
        200: {
            "content": {how.media_type: {} for how in FORMATS.values()},
            "description": "The sound, as it is made.",
        }
    },
}


def _client(
    x_client: Annotated[
        str,
        Header(max_length=40, description="The name of the program, shown in queue and history."),
    ] = "http",
) -> str:
    name = x_client.strip()
    if not name.isprintable():
        raise Refused(422, "invalid_value", "X-Client: only printable characters make a name.")
    return "http" if name in ("", "telegram") else name


Client = Annotated[str, Depends(_client)]
Once = Annotated[
    str,
    Header(
        alias="Idempotency-Key",
        max_length=255,
        description="The same key again is the same message again: it is said once.",
    ),
]


@dataclass(frozen=True, slots=True)
class Api:
    """What the routes need."""

    settings: Settings
    pipeline: SpeechPipeline
    inbox: Inbox
    delivery: Delivery
    intake: Intake
    output: SoundOutput
    polling: Fetching
    events: Events
    studio: Studio
    metrics: Metrics
    bot_id: int
    token: str
    """What clients have to show; given to the page for a code."""
    codes: Codes = field(default_factory=Codes)
    under_way: WeakValueDictionary[int, asyncio.Lock] = field(default_factory=WeakValueDictionary)
    """By the number of a message: one at a time is looked for and stored."""

    def application(self) -> FastAPI:
        """Return the routes, as uvicorn takes them."""
        app = FastAPI(
            title="Crier",
            version=__version__,
            description="One voice for everything on this computer. Every request under /v1 needs "
            "the token: `Authorization: Bearer TOKEN`.",
            docs_url=None,
            redoc_url=None,
            responses=WRONG,
        )
        for method, path, endpoint, more in (
            ("POST", "/v1/audio/speak", self.speak, _SPEAK),
            ("POST", "/v1/audio/speech", self.speech, _SPEECH),
            ("POST", "/v1/audio/stop", self.stop, {}),
            ("POST", "/v1/audio/skip", self.skip, {}),
            ("POST", "/v1/audio/pause", self.pause, {}),
            ("POST", "/v1/audio/resume", self.resume, {}),
            ("GET", "/v1/status", self.status, {}),
            ("GET", "/v1/queue", self.queue, {}),
            ("POST", "/v1/queue/{id}/move", self.move, {"responses": NOT_FOUND}),
            ("DELETE", "/v1/queue/{id}", self.remove, {"responses": NOT_FOUND}),
            ("GET", "/v1/history", self.history, {}),
            ("GET", "/v1/devices", self.devices, {}),
            ("PUT", "/v1/device", self.choose_device, {"responses": NOT_FOUND}),
            ("GET", "/v1/voices", self.voices, {}),
            ("PUT", "/v1/volume", self.volume, {}),
            ("GET", "/v1/events", self.listen, {"response_class": EventStream}),
            ("GET", "/v1/models", self.models, {}),
            ("POST", "/v1/page/code", self.page_code, {}),
            ("POST", PAGE_TOKEN, self.page_token, {}),
            ("GET", "/metrics", self.measures, {"response_class": PlainTextResponse}),
            ("GET", "/healthz", self.health, {}),
        ):
            app.add_api_route(
                path, endpoint, methods=[method], response_description="Done.", **more
            )
        text = docs.page(app.openapi())

        async def read() -> HTMLResponse:
            return HTMLResponse(text)

        app.add_api_route("/docs", read, include_in_schema=False)
        answer_errors(app)
        for path, file in _page().items():  # no folder is served, so no path can lead out of one
            read_file = functools.partial(_read, file)
            app.add_api_route(path, read_file, methods=["GET", "HEAD"], include_in_schema=False)
        return app

    @staticmethod
    def open_paths() -> frozenset[str]:
        """Return what may be read without the token."""
        return frozenset({"/healthz", "/docs", "/openapi.json"} | _page().keys())

    @staticmethod
    def open_posts() -> frozenset[str]:
        """Return where something may be tried without the token."""
        return frozenset({PAGE_TOKEN})

    # ---- the page ----

    async def page_code(self) -> schemas.PageCode:
        """Make a code that opens the page in a browser, once and within a minute."""
        return schemas.PageCode(code=self.codes.make(), life_s=LIFE_S)

    async def page_token(self, given: schemas.GivenCode) -> schemas.PageToken:
        """Give the token for a code, once. Needs no token itself."""
        if not self.codes.use(given.code):
            why = (
                "This address has been used, or is older than a minute. `crier page` makes another."
            )
            raise Refused(403, "wrong_code", why)
        return schemas.PageToken(token=self.token)

    # ---- what is spoken ----

    async def speak(
        self, order: schemas.Speak, client: Client, key: Once = ""
    ) -> schemas.Queued | JSONResponse:
        """Say a text at the loudspeaker, in its turn.

        Answers 202 as soon as it is stored; with `wait`, 200 when it has ended or is held.
        """
        number = _number(client, key) if key else -1 - secrets.randbits(62)
        async with self.under_way.setdefault(number, asyncio.Lock()):
            # Sent again it is what it was, whatever waits now.
            earlier = await self.inbox.record(self.bot_id, number) if key else None
            id_ = earlier.id if earlier else await self._take(order, client, number)
        if not order.wait:
            return schemas.Queued(id=id_, position=self.delivery.queue.position(id_))
        ending = await self._ending(number, id_)
        if ending is None:
            why = f"Crier is stopping. Message {id_} is stored and will be said after its start."
            raise Refused(503, "stopping", why)
        result = schemas.Result(id=id_, outcome=ending.outcome, reason=ending.reason)
        return JSONResponse(result.model_dump())

    async def _take(self, order: schemas.Speak, client: str, number: int) -> int:
        """Store a text and queue it; return its id."""
        draft = Draft(
            key=number,
            text=order.input,
            voice=order.voice or "",
            speed=order.speed or 0.0,
            lang=order.lang or "",
            urgent=order.priority == "urgent",
            client=client,
            chime=order.chime,
        )
        try:
            stored = await self.intake.accept(draft)
        except RefusedError as exc:
            status, code = (429, "too_many") if exc.too_many else (422, "nothing_to_speak")
            raise Refused(status, code, str(exc)) from exc
        if stored is not None:
            return stored.id
        record = await self.inbox.record(self.bot_id, number)  # the same came at the same time
        if record is None:
            raise Refused(409, "gone", "A message of this Idempotency-Key has just been forgotten.")
        return record.id

    async def _ending(self, number: int, id_: int) -> Ending | None:
        """Wait for the end of a message; None where Crier ends first."""
        coming = self.events.ending(id_)
        record = await self.inbox.record(self.bot_id, number)  # it may have ended meanwhile
        if record is not None and record.outcome in ENDED:
            return Ending(record.outcome, record.reason)
        why = self.delivery.quiet_reason() or self.pipeline.status().blocked
        if record is not None and record.outcome == State.HELD and why:
            return Ending(State.HELD, why)
        return await coming

    async def speech(self, order: Speech, client: Client) -> Response:
        """Make a file of sound from a text, as OpenAI's endpoint does; nothing is heard here."""
        try:
            composed = await self.intake.compose(order.input, order.voice, order.lang or "")
        except RefusedError as exc:
            raise Refused(422, "nothing_to_speak", f"input: {exc}") from exc
        lang = order.lang or lang_of(order.voice, self.settings)
        utterance = Utterance(0, composed.text, order.voice, order.spoken_speed, lang)
        log.info("Making sound of %d characters for %s", len(composed.text), client)
        how = FORMATS[order.response_format]
        parts = await self.studio.speech(utterance, how)
        headers = {"X-Speed": f"{order.spoken_speed:g}"}
        return StallGuardedStream(parts, media_type=how.media_type, headers=headers)

    async def models(self) -> schemas.Models:
        """List the names to which the one model answers."""
        return schemas.Models(data=[schemas.Model(id=name) for name in MODELS])

    # ---- what sounds ----

    async def stop(self) -> schemas.Stopped:
        """Fall silent and forget everything that waits."""
        return schemas.Stopped(stopped=await self.delivery.stop())

    async def skip(self, what: schemas.Skip | None = None) -> schemas.Skipped:
        """End one message, or the one that sounds; the next one follows."""
        if what is None or what.id is None:
            skipped = self.delivery.under_way > 0
            self.pipeline.skip()
        else:
            skipped = await self.delivery.queue.remove(what.id)
        return schemas.Skipped(skipped=skipped)

    async def pause(self) -> schemas.Paused:
        """Fall silent and keep everything."""
        await self.delivery.pause.start()
        return schemas.Paused(paused=True)

    async def resume(self) -> schemas.Paused:
        """Go on with the word that was cut."""
        await self.delivery.pause.stop()
        return schemas.Paused(paused=False)

    # ---- what there is ----

    def now(self) -> dict[str, Any]:
        """Return what Crier does now, as JSON has it."""
        status = self.pipeline.status()
        quiet = self.delivery.quiet_reason()
        polling = self._polling_state()
        warnings = (
            *(status.warning, status.blocked, status.unheard),
            *(self.inbox.database.notice, self.polling.warning, self.polling.clock_warning),
        )
        facts = asdict(status)
        del facts["heartbeat_s"]  # means nothing outside this process
        return {
            **facts,
            "time": time.time(),
            "waiting": max(0, self.delivery.under_way - status.speaking),
            "voice": self.settings.kokoro_voice,
            "volume": round(100 * math.sqrt(status.gain)),
            "quiet": quiet,
            "version": __version__,
            "polling": polling.model_dump(),
            "warnings": [warning for warning in warnings if warning],
        }

    def _polling_state(self) -> schemas.PollingState:
        age_s = self.polling.age_s
        ok = age_s < STALLED_S and not self.polling.warning
        return schemas.PollingState(ok=ok, age_s=round(age_s, 1), warning=self.polling.warning)

    async def status(self) -> schemas.StatusNow:
        """Say what Crier does now."""
        return schemas.StatusNow(**self.now())

    async def queue(self) -> schemas.Queue:
        """List what has not ended, in the order in which it will be heard."""
        return schemas.Queue.model_validate(
            {
                "items": [
                    {
                        "id": place.message.id,
                        "text": place.message.text,
                        "source": place.message.source,
                        "state": place.state,
                        "position": place.position,
                        "estimate_s": place.estimate_s,
                    }
                    for place in self.delivery.queue.places()
                ]
            }
        )

    async def move(self, id: int, where: schemas.Move) -> schemas.Queue:  # noqa: A002  # the path's name
        """Put a message that waits before another one, or at the end."""
        if not await self.delivery.queue.move(id, where.before):
            raise Refused(404, "not_waiting", "One of these does not wait (any more).")
        return await self.queue()

    async def remove(self, id: int) -> schemas.Skipped:  # noqa: A002  # the path's name
        """Leave a message unsaid, or cut it."""
        if not await self.delivery.queue.remove(id):
            raise Refused(404, "not_waiting", f"Message {id} does not wait (any more).")
        return schemas.Skipped(skipped=True)

    async def history(self) -> schemas.History:
        """List what has ended, the latest first."""
        records = await self.inbox.history(self.bot_id, _HISTORY)
        return schemas.History.model_validate({"items": [asdict(record) for record in records]})

    # ---- where and how loud ----

    async def devices(self) -> schemas.DeviceList:
        """List where sound can go."""
        return schemas.DeviceList.model_validate(asdict(await self._ask_devices()))

    async def choose_device(self, choice: schemas.ChooseDevice) -> schemas.DeviceList:
        """Send sound elsewhere, from the next sentence on; it is remembered."""
        wanted = choice.name
        if wanted:
            names = [device.name for device in (await self._ask_devices()).outputs]
            if not any(wanted.casefold() in name.casefold() for name in names):
                there = ", ".join(names) or "none"
                raise Refused(404, "no_such_device", f"name: there is no such device. Now: {there}")
        await self.output.select_device(wanted)
        return await self.devices()

    async def _ask_devices(self) -> Devices:
        try:
            return await self.output.devices(_DEVICES_TIMEOUT_S)
        except AudioError as exc:
            raise Refused(503, "no_sound", str(exc)) from exc
        except TimeoutError:
            why = "The loudspeaker does not answer just now. Try again in a moment."
            raise Refused(503, "busy", why) from None

    async def voices(self) -> schemas.Voices:
        """List who can speak."""
        return schemas.Voices(
            voices=[
                schemas.VoiceItem(name=name, speaks=describe(name), lang=language_of(name))
                for name in VOICES
            ],
            default=self.settings.kokoro_voice,
        )

    async def volume(self, volume: schemas.Volume) -> schemas.Volume:
        """Be louder or softer, beside the computer's own volume; it is remembered."""
        await self.output.set_volume(volume.percent)
        return volume

    # ---- how it fares ----

    async def listen(self) -> Response:
        """Tell what happens as it happens: server-sent events."""
        if self.events.listeners >= _MAX_LISTENERS:
            raise Refused(429, "too_many", f"{_MAX_LISTENERS} listen already.")
        listening = contextlib.ExitStack()
        # At once: of many who ask at the same time none may pass uncounted.
        listener = listening.enter_context(self.events.listen())
        return EventStream(self._frames(listener), listening.close)

    async def _frames(self, listener: Listener) -> AsyncIterator[bytes]:
        yield frame(SpeechEvent(0, "status", self.now()))
        async for event in until_idle(listener, _ALIVE_EVERY_S):
            yield b": alive\n\n" if event is None else frame(event)

    async def report(self) -> None:
        """Tell those who listen when the status changes; until cancelled."""
        await self.events.report(self.now, _STATUS_EVERY_S)

    async def measures(self) -> Response:
        """Give the figures to Prometheus."""
        return Response(self.metrics.text(), media_type=self.metrics.media_type)

    async def health(self, response: Response) -> schemas.Health:
        """Say whether messages come in and sound goes out: 200, or 503 with the reasons."""
        status, polling = self.pipeline.status(), self._polling_state()
        beat_age_s = time.monotonic() - status.heartbeat_s
        reasons = [
            *([polling.warning] if polling.warning else []),
            *(
                [f"Telegram has not answered for {polling.age_s:.0f} s."]
                if polling.age_s >= STALLED_S
                else []
            ),
        ]
        wrong = [
            *([status.blocked] if status.blocked else []),
            *(
                [f"The audio thread has been stuck for {beat_age_s:.0f} s."]
                if beat_age_s >= WEDGED_S
                else []
            ),
        ]
        ok = not reasons and not wrong
        response.status_code = 200 if ok else 503
        return schemas.Health(
            ok=ok, polling=not reasons, sound=not wrong, reasons=[*reasons, *wrong]
        )


def _page() -> dict[str, Path]:
    """Return the files of the page by their paths."""
    return {"/": PAGE / "index.html", **{f"/{file.name}": file for file in PAGE.iterdir()}}


async def _read(file: Path) -> FileResponse:
    return FileResponse(file)


def _number(client: str, key: str) -> int:
    """Return the inbox's number of a message that its client can send again."""
    digest = hashlib.sha256(f"{client}\0{key}".encode()).digest()
    return -1 - (int.from_bytes(digest[:8]) >> 1)  # no update of Telegram's has a negative one
