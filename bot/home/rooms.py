"""The bot's side of rooms: takes the messages for other rooms to their end.

A message has a part for each room that is meant. A part is sent again until its room has answered,
and then asked for from time to time, so neither side relies on the broker or on the other's memory.
Runs on the event loop.
"""

import asyncio
import contextlib
import hashlib
import logging
import re
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import aiomqtt

from audio.pipeline import SpeechPipeline
from audio.types import Outcome
from bot.core.delivery import Delivery
from bot.core.events import Events
from bot.core.expiry import TOO_LATE
from bot.core.inbox import Inbox, InboxError
from bot.core.message import ENDED, QueuedMessage, State
from bot.core.outcomes import OutcomeRecorder
from bot.core.queue import REPLACED
from bot.core.receipts import Receipts
from bot.core.room_store import PartState, RoomStore, StoredPart
from bot.core.rooms import RoomView, UnknownRoomError
from bot.core.store import Store
from bot.home.broker import BrokerClient, BrokerLostError, broker_of, make_client
from bot.home.connection import BrokerConnection
from bot.home.discovery import doing_of
from bot.home.room import Room
from bot.home.rooms_protocol import (
    PROTOCOL,
    UNKNOWN,
    Answer,
    Presence,
    Request,
    RoomTopics,
    Spoken,
    parsed,
)
from bot.home.tasks import until_one_ends
from bot.room_names import EVERYWHERE, HERE, slug_of
from bot.settings import Settings

log = logging.getLogger(__name__)

AWAY_AFTER_S = 5.0
"""A room that has not answered for this time counts as away, and senders are told."""
_FIRST_RETRY_S, _LONGEST_RETRY_S = 2.0, 60.0
_CHECK_EXPIRY_S = 5.0
"""The clock may be set, or jump after a sleep."""
_MAX_TRIES = 5
"""After this many, the pause between two is the longest."""
_MAX_SENDER_CHARS = 200
_MAX_WORDS = 8
"""The most words of a room's name that are looked for at the beginning of a text."""
_CLOSE_TIMEOUT_S = 0.5
"""Of the 3 s that a SIGTERM may take."""

_UNSENT = (PartState.NEW, PartState.AWAY)
_TO_SPEAK = (State.WAITING, State.HELD)
# Of two rooms' outcomes the worse is the message's.
_FROM_WORST = (Outcome.FAILED, Outcome.STOPPED, Outcome.SKIPPED, Outcome.HEARD)


@dataclass(slots=True)
class _Part:
    """What one room has to say of a message, in this process."""

    stored: StoredPart
    sounds: bool = False
    held: str = ""
    """Why its room holds it, as was reported; empty if it does not."""
    is_unknown: bool = False
    """Whether the room has said that it does not have it, and was not sent it since."""
    tries: int = 0
    """Since the room answered last, or came back."""
    due_s: float = 0.0
    """When it is sent next, in the loop's time; 0: at once."""

    @property
    def is_settled(self) -> bool:
        """Whether it has ended for its sender."""
        return self.stored.has_ended or self.stored.state == PartState.STOPPING


@dataclass(slots=True)
class _Entry:
    """A message that has not ended, or that some room still has to stop."""

    message: QueuedMessage | None
    """None: it has ended."""
    parts: dict[str, _Part]
    """By room."""
    is_undecided: bool = False
    """Whether its sender is asked if it is still to be said."""
    accepted_s: float = 0.0
    """In the loop's time."""


@dataclass(slots=True)
class _Place:
    """Another room that is known."""

    name: str
    presence: Presence | None = None
    """The last one on this connection; None: not known yet."""
    is_synced: bool = False
    """Whether it has been sent all that is wanted since it came back."""

    @property
    def is_present(self) -> bool:
        return self.presence is not None and self.presence.present

    @property
    def is_away(self) -> bool:
        """Whether it has said so."""
        return self.presence is not None and not self.presence.present


class RoomDelivery:
    """Implements `bot.core.rooms.Rooms`."""

    def __init__(
        self,
        *,
        settings: Settings,
        inbox: Inbox,
        store: Store,
        receipts: Receipts,
        delivery: Delivery,
        events: Events,
        pipeline: SpeechPipeline,
        bot_id: int,
        now: Callable[[], float],
    ) -> None:
        """Know no room yet; see `restore`.

        Args:
            settings: the broker, and the name of this computer's room.
            inbox: stores the messages.
            store: has the names of people.
            receipts: reports to senders.
            delivery: says what is for this computer; asks about late messages.
            events: reports to programs.
            pipeline: knows what sounds here.
            bot_id: the bot whose messages these are.
            now: returns the true time, in seconds since 1970.
        """
        self._inbox = inbox
        self._people = store
        self._store = RoomStore(inbox.database)
        self._receipts = receipts
        self._delivery = delivery
        self._events = events
        self._pipeline = pipeline
        self._bot_id = bot_id
        self._now = now
        self._outcomes = OutcomeRecorder(inbox, receipts, events)
        self._name = settings.room
        self._here = slug_of(settings.room)
        self._room = Room(
            inbox=inbox,
            delivery=delivery,
            events=events,
            pipeline=pipeline,
            bot_id=bot_id,
            answer=lambda _, answer: self._answers.put_nowait((self._here, answer)),
        )
        # Another connection of this process, that of `bot.home.mqtt`, logs why there is none.
        self._connection = BrokerConnection(broker_of(settings), self._connect, is_quiet=True)
        self._client: BrokerClient | None = None
        self._places: dict[str, _Place] = {}
        self._entries: dict[int, _Entry] = {}
        self._answers: asyncio.Queue[tuple[str, Answer]] = asyncio.Queue()
        self._changed = asyncio.Event()
        self._told_away: set[tuple[int, str]] = set()  # chats that know that a room is away
        self._told_held: set[tuple[int, str, str]] = set()  # chats, rooms, and why they are quiet
        self._unsuitable: set[str] = set()  # rooms of which the log has a warning
        self._tasks: set[asyncio.Task[None]] = set()
        delivery.rooms = self
        delivery.on_stop.append(self._silence_all)
        events.watch(self._on_event)

    # ---- restarts ----

    async def restore(self) -> None:
        """Find the rooms and parts of an earlier run; call it before `Delivery.restore`."""
        await self._room.restore()
        names = await self._store.names()
        self._places = {slug: _Place(name) for slug, name in names.items() if slug != self._here}
        undecided = State.LATE, State.OFFERED
        open_ = {
            message.id: _Entry(message, {}, is_undecided=state in undecided)
            for state in (*_TO_SPEAK, *undecided)
            for message in await self._inbox.list_in_rooms(self._bot_id, state)
        }
        for stored in await self._store.parts():
            entry = open_.get(stored.message_id) or self._entries.get(stored.message_id)
            part = _Part(stored)
            if entry is None or entry.message is None:
                if stored.has_ended:
                    await self._store.remove_part(stored.ref)
                    continue
                part.stored = replace(stored, state=PartState.STOPPING)
                entry = entry or _Entry(None, {})
            entry.parts[stored.room] = part
            self._entries[stored.message_id] = entry

    async def run(self) -> None:
        """Take messages to their end until cancelled."""
        await until_one_ends(self._connection.run(), self._pursue(), self._take_answers())

    # ---- in ----

    async def submit(self, message: QueuedMessage) -> None:
        """Deliver a stored message to its room, which says it in its turn, and report its end."""
        entry = self._entries.setdefault(message.id, _Entry(message, {}))
        entry.message, entry.is_undecided = message, False
        entry.accepted_s = asyncio.get_running_loop().time()
        if not entry.parts:
            meant = [message.room]
            if message.room == EVERYWHERE:
                meant = [self._here, *self._places]
            parts = await self._store.add_parts(message.id, meant)
            entry.parts = {part.room: _Part(part) for part in parts}
            if entry.message is None:  # it was stopped meanwhile
                await self._stop_parts(entry)
                return
        for part in entry.parts.values():
            part.due_s = 0.0
            if part.stored.state == PartState.LATE:  # its sender has decided to hear it
                await self._set(part, PartState.NEW)
        self._changed.set()
        if not self._is_open(message):
            return
        if self._is_anybody_away(message.id):  # as its sender has been told before a restart
            self._receipts.delayed(message)
        else:
            self._receipts.stored(message)
        self._events.queued(message, 0)
        await self._finish_if_settled(entry)

    # ---- changes ----

    async def revise(self, chat_id: int, message_id: int, text: str, skipped: str) -> None:
        """Replace the text of a chat's message that no room has yet; without one, end it anywhere.

        Its words are deleted on the disk then, too.
        """
        for entry in list(self._entries.values()):
            message = entry.message
            if message is None or (message.chat_id, message.message_id) != (chat_id, message_id):
                continue
            if not text:
                await self._outcomes.end(message, Outcome.SKIPPED)  # which stops its parts
            elif any(p.tries or p.stored.state not in _UNSENT for p in entry.parts.values()):
                continue
            await self._inbox.revise(message.id, text, skipped)
            if entry.message is not None:
                entry.message = replace(message, text=text, skipped=skipped)

    def waiting_count(self) -> int:
        """Return how many messages of this bot are for other rooms, and have not ended."""
        return sum(
            entry.message is not None and entry.parts.keys() != {self._here}
            for entry in self._entries.values()
        )

    # ---- stop ----

    async def withdraw(self, id_: int, reason: str = "", *, also_said: bool = False) -> bool:
        """End a message as skipped; unless *also_said*, only if no room is saying it."""
        entry = self._entries.get(id_)
        if entry is None or entry.message is None:
            return False
        if any(part.sounds for part in entry.parts.values()) and not also_said:
            return False
        await self._outcomes.end(entry.message, Outcome.SKIPPED, reason)  # which stops its parts
        return True

    async def stop(self, slug: str) -> int:
        """Silence one room, and end what waits for it; return how many messages that concerns."""
        await self._silence(slug)
        count = await self._end_parts(slug, "")
        for message in await self._inbox.list_unfetched(self._bot_id):
            if message.room == slug:  # a file that would be read there
                await self._outcomes.end(message, Outcome.STOPPED)
                count += 1
        return count

    async def forget(self, slug: str) -> None:
        """Forget a room that is away, and end what waits for it."""
        place = self._places.get(slug)
        if place is None or place.is_present:
            return
        await self._store.remove_room(slug)
        await self._end_parts(slug, "it was forgotten.")
        self._places.pop(slug, None)

    async def _end_parts(self, slug: str, reason: str) -> int:
        count = 0
        for entry in list(self._entries.values()):
            part = entry.parts.get(slug)
            if part is not None and entry.message is not None and not part.is_settled:
                await self._set(part, PartState.STOPPING, reason)
                count += 1
                await self._finish_if_settled(entry)
        self._changed.set()
        return count

    def _silence_all(self) -> None:
        """Ask every room for silence, as the delivery does here; what waits is ended with it."""
        for slug in self._places:
            self._start(self._silence(slug))

    async def _silence(self, slug: str) -> None:
        with contextlib.suppress(BrokerLostError):  # its parts are stopped when it is back
            await self._send(slug, Request(bot=self._bot_id, do="silence"))

    def _on_event(self, name: str, data: dict[str, Any]) -> None:
        """Stop the parts of a message that was ended elsewhere: by a stop, or by a decision."""
        if name == "ended" and (entry := self._entries.get(data["id"])) and entry.message:
            entry.message = None
            self._start(self._stop_parts(entry))

    async def _stop_parts(self, entry: _Entry) -> None:
        for part in list(entry.parts.values()):
            if part.stored.has_ended:
                await self._remove(part)
            else:
                # On the disk it follows from the message, which has ended.
                part.stored = replace(part.stored, state=PartState.STOPPING)
                part.due_s, part.tries = 0.0, 0
        self._changed.set()

    def _start(self, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # ---- what people see ----

    def views(self) -> Sequence[RoomView]:
        """Return the rooms, this computer first."""
        status = self._pipeline.status()
        here = RoomView(
            slug=self._here,
            name=self._name,
            is_here=True,
            is_present=True,
            doing=doing_of(status, is_quiet=bool(self._delivery.quiet_reason())),
            waiting=max(0, self._delivery.under_way_count - status.speaking),
            saying=self._sounding(self._here),
        )
        return [here, *(self._view(slug, place) for slug, place in self._places.items())]

    def _view(self, slug: str, place: _Place) -> RoomView:
        waiting_for = sum(
            entry.message is not None and slug in entry.parts and not entry.parts[slug].is_settled
            for entry in self._entries.values()
        )
        presence = place.presence if place.is_present else None
        return RoomView(
            slug=slug,
            name=place.name,
            is_here=False,
            is_present=presence is not None,
            doing=presence.doing if presence else "",
            waiting=presence.waiting if presence else waiting_for,
            saying=self._sounding(slug),
        )

    def _sounding(self, slug: str) -> QueuedMessage | None:
        for entry in self._entries.values():
            if slug in entry.parts and entry.parts[slug].sounds:
                return entry.message
        return None

    def find(self, name: str) -> str:
        """Return the slug of a room, or `EVERYWHERE`; empty if it is this computer."""
        slug = slug_of(name)
        if slug in (HERE, self._here):
            return ""
        if slug == EVERYWHERE or slug in self._places:
            return slug
        names = [self._name, *(place.name for place in self._places.values()), EVERYWHERE]
        raise UnknownRoomError(f"There is no room {name[:40]!r}. There are: {', '.join(names)}.")

    def split(self, words: str) -> tuple[str, int]:
        """Return the room that *words* begin with, as `find` does, and the length of its name."""
        first, *longer = [word.end() for word in re.finditer(r"\S+", words)][:_MAX_WORDS] or [0]
        for end in reversed(longer):
            with contextlib.suppress(UnknownRoomError):
                return self.find(words[:end]), end
        return self.find(words[:first]), first

    # ---- out ----

    async def _connect(self) -> None:
        try:
            async with await make_client(self._connection.broker) as client:
                everybody = RoomTopics("+")
                answers = everybody.answers(self._bot_id)
                await client.subscribe([(everybody.presence, 0), (answers, 0)])
                self._client = client
                async for message in client.messages:
                    await self._receive(message)
        finally:
            self._client = None
            for place in self._places.values():
                place.presence = None
            self._changed.set()

    async def _receive(self, message: aiomqtt.Message) -> None:
        topic = message.topic.value
        slug = RoomTopics.slug_in(topic)
        if topic == RoomTopics(slug).presence:
            await self._see(slug, parsed(Presence, message.payload))
        elif message.retain:
            log.warning("A retained answer of a room is ignored")
        elif (answer := parsed(Answer, message.payload)) is not None:
            self._answers.put_nowait((slug, answer))

    async def _see(self, slug: str, presence: Presence | None) -> None:
        """Note that a room is there, or away."""
        if presence is None or slug_of(presence.name) != slug or not self._suits(slug, presence):
            return
        place = self._places.get(slug)
        if place is None:
            if not presence.present:
                return  # it was forgotten
            place = self._places[slug] = _Place("")
        if place.name != presence.name:
            place.name = presence.name
            await self._store.add_room(slug, presence.name)
        before, place.presence = place.presence, presence
        is_back = presence.present and (
            before is None or not before.present or before.session != presence.session
        )
        if is_back:
            place.is_synced = False
            self._told_away = {key for key in self._told_away if key[1] != slug}
            for part in self._parts_of(slug):
                part.due_s, part.tries, part.is_unknown = 0.0, 0, False
        if is_back or not presence.present:
            self._changed.set()

    def _suits(self, slug: str, presence: Presence) -> bool:
        """Whether a room can be used; warn once if not."""
        warning = ""
        if slug == self._here:
            warning = f"Another computer is {self._name}, too, and is sent nothing. Set its ROOM."
        elif presence.protocol != PROTOCOL:
            warning = f"The room {presence.name} has another version of Crier. Update both."
        if warning and presence.present and slug not in self._unsuitable:
            self._unsuitable.add(slug)
            log.warning("%s", warning)
        return not warning

    def _parts_of(self, slug: str) -> Iterator[_Part]:
        return (entry.parts[slug] for entry in self._entries.values() if slug in entry.parts)

    async def _pursue(self) -> None:
        """Send each part when it is due, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            self._changed.clear()
            # Those that come back from now on get what is wanted in the next round.
            returned = [s for s, p in self._places.items() if p.is_present and not p.is_synced]
            next_s = loop.time() + _LONGEST_RETRY_S
            for entry in list(self._entries.values()):
                for slug, part in list(entry.parts.items()):
                    try:
                        await self._finish_if_settled(entry)  # if that has failed before
                        next_s = min(next_s, await self._advance(entry, slug, part))
                    except BrokerLostError:
                        part.due_s = loop.time() + _FIRST_RETRY_S
                    except (InboxError, sqlite3.Error) as exc:
                        log.error("A message for a room can't be stored: %s", exc)  # noqa: TRY400
                        part.due_s = loop.time() + _LONGEST_RETRY_S
                    except Exception:  # an error in one must not end the others
                        log.exception("Unexpected error in a message for a room")
                        part.due_s = loop.time() + _LONGEST_RETRY_S
            await self._sync(returned)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(next_s):
                    await self._changed.wait()

    async def _sync(self, returned: Sequence[str]) -> None:
        """Report to rooms that have come back that they have been sent everything."""
        for slug in returned:
            if place := self._places.get(slug):
                place.is_synced = True
            with contextlib.suppress(BrokerLostError):
                await self._send(slug, Request(bot=self._bot_id, do="synced"))

    async def _advance(self, entry: _Entry, slug: str, part: _Part) -> float:
        """Send a part if it is due; return when to look at it again, in the loop's time."""
        loop = asyncio.get_running_loop()
        state, message = part.stored.state, entry.message
        never = loop.time() + _LONGEST_RETRY_S
        if part.stored.has_ended or (entry.is_undecided and state in (*_UNSENT, PartState.LATE)):
            return never
        place = self._places.get(slug)
        if slug != self._here and (place is None or not place.is_present):
            if state not in _UNSENT or message is None:
                return never
            away_s = entry.accepted_s + AWAY_AFTER_S
            if (place is None or not place.is_away) and loop.time() < away_s:
                return away_s
            return await self._wait_for_room(entry, message, slug, part)
        if message is not None and part.is_unknown and (reason := self._outdated(message)):
            await self._skip(entry, part, reason)
            return never
        if part.due_s > loop.time():
            return part.due_s
        if message is not None and part.is_unknown and self._is_late(message, part):
            await self._ask_sender(entry, message)
            return never
        is_silent = part.tries and loop.time() >= entry.accepted_s + AWAY_AFTER_S
        if is_silent and state == PartState.NEW and message is not None and slug != self._here:
            await self._report_away(message, slug, part)
        wait_s = min(_LONGEST_RETRY_S, _FIRST_RETRY_S * 2 ** min(part.tries, _MAX_TRIES))
        part.tries += 1
        part.due_s = loop.time() + wait_s
        request = await self._request(message, part)
        if request.do == "say":
            part.is_unknown = False  # from now on it may have it
        await self._send(slug, request)
        return part.due_s

    async def _wait_for_room(
        self, entry: _Entry, message: QueuedMessage, slug: str, part: _Part
    ) -> float:
        """Report that a room is away; return when to look again, in the loop's time."""
        loop = asyncio.get_running_loop()
        if reason := self._outdated(message):
            await self._skip(entry, part, reason)
        elif part.stored.state == PartState.NEW:
            await self._report_away(message, slug, part)
        if not message.expires_at:
            return loop.time() + _LONGEST_RETRY_S
        left_s = max(0.0, message.expires_at - self._now())
        return loop.time() + min(left_s, _CHECK_EXPIRY_S)

    async def _request(self, message: QueuedMessage | None, part: _Part) -> Request:
        """Return what a room is asked for: to say a part, for its state, or to stop it."""
        ref, state = part.stored.ref, part.stored.state
        if message is None or state == PartState.STOPPING:
            return Request(bot=self._bot_id, do="stop", ref=ref)
        # It may have stored, or said, such a one before its answer was lost.
        if state not in _UNSENT or self._is_late(message, part) or self._outdated(message):
            return Request(bot=self._bot_id, do="ask", ref=ref)
        now = self._now()
        names = {} if message.client else await self._people.names()
        spoken = Spoken(
            text=message.text,
            sender=(message.client or names.get(message.user_id, ""))[:_MAX_SENDER_CHARS],
            voice=message.voice,
            speed=message.speed,
            lang=message.lang,
            urgent=message.urgent,
            chime=message.chime,
            volume=message.volume,
            age_s=max(0.0, now - message.fresh_at),
            expires_in_s=message.expires_at - now if message.expires_at else None,
            replaces=_digest(message.replaces) if message.replaces else "",
        )
        return Request(bot=self._bot_id, do="say", ref=ref, spoken=spoken)

    def _is_late(self, message: QueuedMessage, part: _Part) -> bool:
        """Whether a part is too old to be sent unasked."""
        return part.stored.state in _UNSENT and self._delivery.late.is_late(message.fresh_at)

    def _outdated(self, message: QueuedMessage) -> str:
        """Return why a message is not said any more where it is not yet; empty if it is."""
        if self._delivery.expiry.is_over(message):
            return TOO_LATE
        if message.replaces is None:
            return ""
        others = (entry.message for entry in self._entries.values() if entry.message is not None)
        is_replaced = any(o.id > message.id and o.replaces == message.replaces for o in others)
        return REPLACED if is_replaced else ""

    async def _skip(self, entry: _Entry, part: _Part, reason: str) -> None:
        """End a part that its room does not have, or can't be asked about."""
        await self._set(part, Outcome.SKIPPED, reason)
        await self._finish_if_settled(entry)

    async def _send(self, slug: str, request: Request) -> None:
        """Send a request to a room.

        Raises:
            BrokerLostError: there is no connection.
            InboxError: this computer can't store it.
            sqlite3.Error: likewise.
        """
        if slug == self._here:
            await self._room.handle(request)
        elif self._client is not None:
            payload = request.model_dump_json(exclude_defaults=True)
            await self._client.publish(RoomTopics(slug).requests, payload, 0)

    async def _report_away(self, message: QueuedMessage, slug: str, part: _Part) -> None:
        await self._set(part, PartState.AWAY)
        await self._inbox.change_state(message.id, (State.WAITING,), State.HELD)
        if not self._is_open(message):
            return  # it has ended meanwhile
        notice = f"{self._name_of(slug)} is away. I'll say it there when it is back."
        self._events.held(message, notice)
        is_news = (message.chat_id, slug) not in self._told_away
        self._told_away.add((message.chat_id, slug))
        self._receipts.delayed(message, notice if is_news else "")

    async def _ask_sender(self, entry: _Entry, message: QueuedMessage) -> None:
        """Ask whether a message is still to be said that has become too old."""
        if await self._inbox.change_state(message.id, _TO_SPEAK, State.LATE):
            entry.is_undecided = True
            self._delivery.late.report(message)

    def _name_of(self, slug: str) -> str:
        place = self._places.get(slug)
        return self._name if slug == self._here else place.name if place else slug

    # ---- answers ----

    async def _take_answers(self) -> None:
        while True:
            slug, answer = await self._answers.get()
            try:
                await self._take(slug, answer)
            except sqlite3.Error as exc:  # the room is asked again
                log.error("What a room says can't be stored: %s", exc)  # noqa: TRY400
            except Exception:  # an error in one must not end the others
                log.exception("Unexpected error in the answer of a room")

    async def _take(self, slug: str, answer: Answer) -> None:
        is_over = answer.state in (*ENDED, UNKNOWN)
        entry = self._entry_of(slug, answer.ref)
        if entry is None:
            if not is_over and slug != self._here:
                # It was stopped so long ago that this has been forgotten.
                with contextlib.suppress(BrokerLostError):
                    await self._send(slug, Request(bot=self._bot_id, do="stop", ref=answer.ref))
            return
        part, message = entry.parts[slug], entry.message
        part.sounds = answer.state == "sounding"
        if message is None:
            if is_over:
                await self._remove(part)
        elif not part.is_settled:
            await self._take_state(message, slug, entry, answer)
        elif is_over and part.stored.state == PartState.STOPPING:
            await self._set(part, Outcome.STOPPED, part.stored.reason)

    def _entry_of(self, slug: str, ref: str) -> _Entry | None:
        for entry in self._entries.values():
            if slug in entry.parts and entry.parts[slug].stored.ref == ref:
                return entry
        return None

    async def _take_state(
        self, message: QueuedMessage, slug: str, entry: _Entry, answer: Answer
    ) -> None:
        """Take the state of a part that has not ended for its sender."""
        part = entry.parts[slug]
        match answer.state:
            case "heard" | "stopped" | "skipped" | "failed":
                await self._set(part, answer.state, answer.reason)
                await self._finish_if_settled(entry)
            case "unknown":
                if part.stored.state not in _UNSENT:
                    await self._set(part, PartState.NEW)
                part.is_unknown, part.due_s = True, 0.0
                self._changed.set()
            case "late":
                await self._set(part, PartState.LATE)
                await self._ask_sender(entry, message)
            case _:
                await self._take_under_way(message, slug, part, answer)

    async def _take_under_way(
        self, message: QueuedMessage, slug: str, part: _Part, answer: Answer
    ) -> None:
        """Note that a room has a message, and report it if it is held there."""
        was_away = part.stored.state == PartState.AWAY
        if part.stored.state != PartState.STORED:
            await self._set(part, PartState.STORED)
            part.tries = _MAX_TRIES  # from now on it is asked for once in a while
            part.due_s = asyncio.get_running_loop().time() + _LONGEST_RETRY_S
        if not self._is_open(message):
            return  # it has ended meanwhile
        was_held, part.held = part.held, answer.reason if answer.state == "held" else ""
        if answer.state == "held":
            if was_held == answer.reason:
                return  # it was asked for again
            reason = f"{self._name_of(slug)}: {answer.reason}"
            key = message.chat_id, slug, answer.reason
            is_news = key not in self._told_held
            self._told_held.add(key)
            self._events.held(message, reason)
            self._receipts.delayed(message, reason if is_news else "")
        elif was_away and not self._is_anybody_away(message.id):
            await self._inbox.change_state(message.id, (State.HELD,), State.WAITING)
            self._receipts.stored(message)

    def _is_open(self, message: QueuedMessage) -> bool:
        entry = self._entries.get(message.id)
        return entry is not None and entry.message is not None

    def _is_anybody_away(self, message_id: int) -> bool:
        parts = self._entries[message_id].parts.values()
        return any(part.stored.state == PartState.AWAY for part in parts)

    # ---- the end ----

    async def _set(self, part: _Part, state: str, reason: str = "") -> None:
        stored = replace(part.stored, state=str(state), reason=reason)
        await self._store.set_part(stored)
        part.stored = stored

    async def _remove(self, part: _Part) -> None:
        """Remove a part that nobody needs any more."""
        await self._store.remove_part(part.stored.ref)
        entry = self._entries.get(part.stored.message_id)
        if entry is not None:
            entry.parts.pop(part.stored.room, None)
            if not entry.parts:
                del self._entries[part.stored.message_id]

    async def _finish_if_settled(self, entry: _Entry) -> None:
        """Report the end of a message once all of its parts have ended."""
        message, parts = entry.message, list(entry.parts.values())
        if message is None or not all(part.is_settled for part in parts):
            return
        entry.message = None
        self._told_held = {key for key in self._told_held if key[0] != message.chat_id}
        outcome, reason = self._result(message, parts)
        try:
            await self._outcomes.end(message, outcome, reason)
        except sqlite3.Error:
            entry.message = message  # tried again after the next answer or start
            raise
        await self._stop_parts(entry)

    def _result(self, message: QueuedMessage, parts: Sequence[_Part]) -> tuple[Outcome, str]:
        """Return the worst of the rooms' outcomes, and what the sender is told."""
        outcomes = {
            part.stored.room: Outcome.STOPPED
            if part.stored.state == PartState.STOPPING
            else Outcome(part.stored.state)
            for part in parts
        }
        outcome = min(outcomes.values(), key=_FROM_WORST.index)
        reasons = []
        for part in parts:
            room = part.stored.room
            ended = outcomes[room]
            reason = part.stored.reason
            if not reason and ended is not Outcome.HEARD and message.room == EVERYWHERE:
                reason = f"{ended}."
            if reason:
                reasons.append(f"{self._name_of(room)}: {reason}")
        if message.skipped and outcome is Outcome.HEARD:
            reasons.insert(0, f"Skipped: {message.skipped}.")
        return outcome, " ".join(reasons)


def _digest(replaces: tuple[int, str, str, str]) -> str:
    """Return what messages that replace each other have in common, in a room."""
    return hashlib.sha256(repr(replaces).encode()).hexdigest()[:16]


@contextlib.asynccontextmanager
async def with_rooms(rooms: RoomDelivery) -> AsyncIterator[None]:
    """Deliver messages to other rooms while the context is open."""
    task = asyncio.create_task(rooms.run(), name="rooms")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task}, timeout=_CLOSE_TIMEOUT_S)
