"""A room: says what bots ask it to say, and answers them from its own database.

The bot's own computer is one too, reached without the broker. Runs on the event loop.
"""

import asyncio
import contextlib
import hashlib
import logging
import secrets
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from typing import Any

import aiomqtt

from audio.pipeline import SpeechPipeline
from audio.types import Outcome
from bot.core.delivery import Delivery
from bot.core.events import Events, until_idle
from bot.core.inbox import Inbox, InboxError
from bot.core.message import ENDED, NO_CHAT, QueuedMessage, State
from bot.home.broker import Broker, BrokerClient, BrokerLostError, broker_of, make_client
from bot.home.connection import BrokerConnection
from bot.home.discovery import doing_of
from bot.home.rooms_protocol import (
    LATE,
    UNKNOWN,
    Answer,
    Presence,
    Request,
    RoomTopics,
    Spoken,
    parsed,
)
from bot.home.tasks import until_one_ends
from bot.room_names import slug_of
from bot.settings import Settings

log = logging.getLogger(__name__)

_UNDECIDED = (State.LATE, State.OFFERED)
_SHOW_EVERY_S = 1.0
_CLOSE_TIMEOUT_S = 0.5
"""Of the 3 s that a SIGTERM may take."""


class Room:
    """Stores each message of a bot once, and reports its state when it changes or is asked for."""

    def __init__(
        self,
        *,
        inbox: Inbox,
        delivery: Delivery,
        events: Events,
        pipeline: SpeechPipeline,
        bot_id: int,
        answer: Callable[[int, Answer], None],
    ) -> None:
        """Start with nothing to say; see `restore`.

        Args:
            inbox: stores the messages.
            delivery: says them.
            events: tell what becomes of them.
            pipeline: knows what sounds.
            bot_id: the one under which this process stores its messages.
            answer: sends an answer to a bot; it may get lost, since the bot asks again.
        """
        self._inbox = inbox
        self._delivery = delivery
        self._pipeline = pipeline
        self._bot_id = bot_id
        self._answer = answer
        self._origins: dict[int, str] = {}  # of unfinished messages, by id
        self._answered: dict[int, Answer] = {}  # the last answer, by id
        delivery.late.on_other_bots = self._report_late
        events.watch(self._on_event)

    async def restore(self) -> None:
        """Find the unfinished messages of an earlier run; call it before `Delivery.restore`."""
        for message in await self._inbox.list_of_bots(self._bot_id):
            self._origins[message.id] = message.origin

    async def handle(self, request: Request) -> None:
        """Carry out a request and answer it.

        Raises:
            InboxError: a message can't be stored; the bot sends it again.
            sqlite3.Error: likewise.
        """
        if request.do == "silence":
            await self._delivery.stop()
        elif request.ref is None:
            return
        elif request.do == "say" and request.spoken is not None:
            await self._say(request.bot, request.ref, request.spoken)
        elif request.do == "stop":
            await self._stop(request.bot, request.ref)
        elif request.do == "ask":
            await self._answer_from_disk(request.bot, request.ref)

    # ---- requests ----

    async def _say(self, bot: int, ref: str, spoken: Spoken) -> None:
        origin = f"{bot}/{ref}"
        if await self._inbox.has_seen(self._bot_id, _update_id(origin)):
            if not await self._release(origin, spoken):
                await self._answer_from_disk(bot, ref)
            return
        message = _message(origin, spoken)
        stored = await self._inbox.accept(self._bot_id, _update_id(origin), message)
        if stored is not None:
            self._origins[stored.id] = origin
            await self._delivery.submit(stored)

    async def _release(self, origin: str, spoken: Spoken) -> bool:
        """Queue a message that became too old here, if its sender has decided to hear it."""
        record = await self._inbox.find_record(self._bot_id, _update_id(origin))
        if (
            record is None
            or record.outcome not in _UNDECIDED
            or self._delivery.late.is_old(spoken.age_s)
        ):
            return False
        now = time.time()
        for message in await self._inbox.list_late(self._bot_id, NO_CHAT):
            if message.id == record.id and await self._inbox.change_state(
                message.id, _UNDECIDED, State.WAITING, fresh_at=now
            ):
                self._origins[message.id] = origin
                await self._delivery.submit(replace(message, fresh_at=now))
                return True
        return False

    async def _stop(self, bot: int, ref: str) -> None:
        update_id = _update_id(f"{bot}/{ref}")
        record = await self._inbox.find_record(self._bot_id, update_id)
        if record is None:
            # It may be on its way still.
            await self._inbox.mark_handled(self._bot_id, update_id)
        elif record.outcome in _UNDECIDED:
            for message in await self._inbox.list_late(self._bot_id, NO_CHAT):
                if message.id == record.id:
                    await self._delivery.end_message(message, Outcome.STOPPED)
            return
        elif record.outcome not in ENDED and await self._delivery.queue.remove(record.id):
            return  # its end is reported
        await self._answer_from_disk(bot, ref)

    # ---- answers ----

    async def _answer_from_disk(self, bot: int, ref: str) -> None:
        """Send the present state of a message."""
        update_id = _update_id(f"{bot}/{ref}")
        record = await self._inbox.find_record(self._bot_id, update_id)
        reason = ""
        if record is None:
            is_stopped = await self._inbox.has_seen(self._bot_id, update_id)
            state = Outcome.STOPPED.value if is_stopped else UNKNOWN
        elif record.outcome in ENDED:
            state, reason = record.outcome, record.reason
        elif record.outcome in _UNDECIDED:
            state = LATE
        else:
            status = self._pipeline.status()
            is_quiet = self._delivery.quiet_reason() != ""
            # In the words of the first report, so that senders are not told again.
            reason = self._delivery.quiet_hold.explanation() if is_quiet else status.blocked
            is_held = record.outcome == State.HELD and reason
            sounds = record.id == status.speaking_id
            state = "sounding" if sounds else State.HELD.value if is_held else "waiting"
            reason = reason if state == State.HELD else ""
        self._answer(bot, Answer.model_validate({"ref": ref, "state": state, "reason": reason}))

    def _on_event(self, name: str, data: dict[str, Any]) -> None:
        match name:
            case "queued":
                self._report(data["id"], "waiting")
            case "held":
                self._report(data["id"], State.HELD, data["reason"])
            case "sounding":
                self._report(data["id"], "sounding")
            case "ended":
                self._report(data["id"], data["outcome"], data["reason"])
                self._origins.pop(data["id"], None)
                self._answered.pop(data["id"], None)

    def _report_late(self, message: QueuedMessage) -> None:
        self._origins[message.id] = message.origin
        self._report(message.id, LATE)

    def _report(self, id_: int, state: str, reason: str = "") -> None:
        """Report the state of a message to its bot, unless it is the same as before."""
        origin = self._origins.get(id_)
        if origin is None:
            return
        bot, _, ref = origin.partition("/")
        answer = Answer.model_validate({"ref": ref, "state": str(state), "reason": reason[:2000]})
        if self._answered.get(id_) != answer:
            self._answered[id_] = answer
            self._answer(int(bot), answer)


def _message(origin: str, spoken: Spoken) -> QueuedMessage:
    now = time.time()
    return QueuedMessage(
        id=0,
        chat_id=NO_CHAT,
        message_id=0,
        text=spoken.text,
        voice=spoken.voice,
        speed=spoken.speed,
        lang=spoken.lang,
        urgent=spoken.urgent,
        client=spoken.sender or "telegram",
        chime=spoken.chime,
        fresh_at=now - spoken.age_s,
        expires_at=0.0 if spoken.expires_in_s is None else now + spoken.expires_in_s,
        replace_key=f"{origin.partition('/')[0]}/{spoken.replaces}" if spoken.replaces else "",
        volume=spoken.volume,
        origin=origin,
    )


def _update_id(origin: str) -> int:
    """Return the update id of a bot's message: the same whenever it is sent."""
    digest = hashlib.sha256(f"room\0{origin}".encode()).digest()
    return -1 - (int.from_bytes(digest[:8]) >> 1)  # Telegram's numbers are not negative


@dataclass(eq=False, slots=True)
class RoomAtBroker:
    """Shows a room at the broker, and passes requests and answers on."""

    name: str
    broker: Broker
    pipeline: SpeechPipeline
    delivery: Delivery
    events: Events
    synced: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a bot has sent all that it wants."""
    connection: BrokerConnection = field(init=False)
    room: Room | None = None
    """Set before `run`."""
    _answers: asyncio.Queue[tuple[int, Answer]] | None = None
    _session: str = ""
    _lost_s: float | None = field(default_factory=time.monotonic)
    _has_twin: bool = False

    def __post_init__(self) -> None:
        """Connect when `run` is called."""
        self.connection = BrokerConnection(self.broker, self._connect)

    # ---- as a source of messages: `bot.core.health.SourceHealth` ----

    @property
    def source(self) -> str:
        """What messages come from, in words."""
        return "The broker"

    @property
    def age_s(self) -> float:
        """The time since the connection was lost."""
        return 0.0 if self._lost_s is None else time.monotonic() - self._lost_s

    @property
    def warning(self) -> str:
        """Why there is no connection, or what is wrong with it."""
        return self.connection.reason or self._twin_warning()

    @property
    def clock_warning(self) -> str:
        """Nothing: bots send ages."""
        return ""

    def _twin_warning(self) -> str:
        if not self._has_twin:
            return ""
        return f"Another computer is the room {self.name}, too. Give each a ROOM of its own."

    # ---- the connection ----

    def answer(self, bot_id: int, answer: Answer) -> None:
        """Send an answer, if there is a connection."""
        if self._answers is not None:
            self._answers.put_nowait((bot_id, answer))

    async def run(self) -> None:
        """Stay connected until cancelled."""
        await self.connection.run()

    @property
    def _topics(self) -> RoomTopics:
        return RoomTopics(slug_of(self.name))

    async def _connect(self) -> None:
        self._session = secrets.token_hex(8)
        absent = Presence(name=self.name, present=False, session=self._session)
        will = aiomqtt.Will(self._topics.presence, absent.model_dump_json(), qos=1, retain=True)
        try:
            async with await make_client(self.broker, will=will) as client:
                await client.subscribe([(self._topics.requests, 0), (self._topics.presence, 0)])
                log.info("The room %s is at the broker on %s", self.name, self.broker.address)
                self._answers, self._lost_s, self._has_twin = asyncio.Queue(), None, False
                try:
                    await until_one_ends(
                        self._receive(client), self._send(client, self._answers), self._show(client)
                    )
                finally:
                    # If the connection is lost, the broker publishes the will.
                    with contextlib.suppress(BrokerLostError, TimeoutError):
                        async with asyncio.timeout(_CLOSE_TIMEOUT_S):
                            await self._publish(client, absent)
        finally:
            self._answers = None
            if self._lost_s is None:
                self._lost_s = time.monotonic()

    async def _receive(self, client: BrokerClient) -> None:
        async for message in client.messages:
            if message.topic.value == self._topics.presence:
                self._notice_twin(parsed(Presence, message.payload), is_old=message.retain)
                continue
            request = parsed(Request, message.payload)
            if request is None or message.retain or self.room is None:
                log.warning("A request at the broker is invalid or retained, and is ignored")
            elif request.do == "synced":
                self.synced.set()
            else:
                try:
                    await self.room.handle(request)
                except (InboxError, sqlite3.Error) as exc:  # the bot sends it again
                    log.error("A request of a bot can't be stored: %s", exc)  # noqa: TRY400

    def _notice_twin(self, presence: Presence | None, *, is_old: bool) -> None:
        if presence is None or is_old or not presence.present or self._has_twin:
            return
        if presence.session != self._session:
            self._has_twin = True
            log.error("%s", self._twin_warning())

    async def _send(self, client: BrokerClient, answers: asyncio.Queue[tuple[int, Answer]]) -> None:
        while True:
            bot_id, answer = await answers.get()
            await client.publish(self._topics.answers(bot_id), answer.model_dump_json(), 0)

    async def _show(self, client: BrokerClient) -> None:
        """Publish what the room is doing, when it changes."""
        shown = self._presence()
        await self._publish(client, shown)
        with self.events.listen() as listener:
            async for _ in until_idle(listener, _SHOW_EVERY_S):
                if (presence := self._presence()) != shown:
                    await self._publish(client, presence)
                    shown = presence
        await asyncio.Event().wait()  # Crier is stopping

    async def _publish(self, client: BrokerClient, presence: Presence) -> None:
        await client.publish(self._topics.presence, presence.model_dump_json(), 1, retain=True)

    def _presence(self) -> Presence:
        status = self.pipeline.status()
        quiet = bool(self.delivery.quiet_reason())
        return Presence(
            name=self.name,
            present=True,
            session=self._session,
            doing=doing_of(status, is_quiet=quiet),
            waiting=max(0, self.delivery.under_way_count - status.speaking),
        )


@contextlib.asynccontextmanager
async def as_room(
    settings: Settings,
    *,
    pipeline: SpeechPipeline,
    delivery: Delivery,
    events: Events,
    inbox: Inbox,
    bot_id: int,
) -> AsyncIterator[RoomAtBroker]:
    """Restore what an earlier run left, and be a room at the broker while the context is open.

    Nothing is said before `Delivery.start_speaking`.
    """
    place = RoomAtBroker(settings.room, broker_of(settings), pipeline, delivery, events)
    place.room = Room(
        inbox=inbox,
        delivery=delivery,
        events=events,
        pipeline=pipeline,
        bot_id=bot_id,
        answer=place.answer,
    )
    await place.room.restore()
    await delivery.restore()
    task = asyncio.create_task(place.run(), name="room")
    try:
        yield place
    finally:
        task.cancel()
        await asyncio.wait({task}, timeout=_CLOSE_TIMEOUT_S)
