"""An embedded Bot API server, used by `crier demo` and by the tests.

It follows the real server's rules where a bot can run into them: the offset of the next getUpdates
confirms an update; a second poller ends the first with 409; 429 comes with retry_after; an edit
that changes nothing, a reaction that is not on the list and an expired button are refused.
Source: core.telegram.org/bots/api and tdlib/telegram-bot-api, Client.cpp.

Runs on the event loop, in memory, and listens on loopback only.
"""

import asyncio
import contextlib
import itertools
import json
import math
import secrets
import socket
import time
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from telegram.constants import KeyboardButtonStyle, ReactionEmoji

from bot.rate_limit import TokenBucket

Json = dict[str, Any]

_MAX_TEXT_CHARS = 4096
_MAX_CALLBACK_BYTES = 64
_MAX_ANSWER_CHARS = 200
_MAX_POLL_S = 50
_MAX_FILE_BYTES = 20_000_000
# "about one message a second per chat, bursts tolerated" (Bot API FAQ). The size of a burst is not
# documented.
_BURST = 30
_REFILL_PER_S = 1.0
_REACTIONS = frozenset(str(emoji) for emoji in ReactionEmoji)
_STYLES = frozenset({"", *map(str, KeyboardButtonStyle)})


@dataclass(frozen=True, slots=True)
class Person:
    """A Telegram user; the private chat with them has the same id."""

    id: int
    name: str = "You"

    def as_user(self) -> Json:
        """Return the Bot API's User."""
        return {"id": self.id, "is_bot": False, "first_name": self.name, "language_code": "en"}

    def as_chat(self) -> Json:
        """Return the Bot API's Chat."""
        return {"id": self.id, "type": "private", "first_name": self.name}


@dataclass(frozen=True, slots=True)
class Event:
    """Something the bot did, as its users see it."""

    kind: str
    """``message``, ``edit``, ``reaction``, ``answer``, ``voice`` or ``menu``."""
    at_s: float
    """`time.monotonic` when the server accepted it."""
    chat_id: int = 0
    message_id: int = 0
    """The bot's own message, or the message it reacted to."""
    text: str = ""
    """The text, or the emoji of a reaction."""
    buttons: tuple[tuple[str, str], ...] = ()
    """(label, data)."""
    reply_to: int = 0
    content: bytes = b""
    """The sound of a voice note."""
    thread_id: int = 0
    """The forum topic it was sent to."""
    styles: tuple[str, ...] = ()
    """Of the buttons, such as ``danger``; empty for one as the app likes."""


@dataclass(slots=True)
class Fault:
    """An error or delay of a method."""

    delay_s: float = 0.0
    status: int = 200
    """200: delay the call and then carry it out."""
    raw: bytes = b""
    """A response body that is not the Bot API's."""
    description: str = ""
    retry_after_s: int = 0
    times: int = -1
    """The number of calls it affects; -1 for all."""


class BotApiError(Exception):
    """The server refuses a call."""

    def __init__(
        self, status: int, description: str, retry_after_s: int = 0, migrate_to: int = 0
    ) -> None:
        super().__init__(description)
        self.status = status
        self.description = description
        self.parameters: Json = {}
        if retry_after_s:
            self.parameters["retry_after"] = retry_after_s
        if migrate_to:
            self.parameters["migrate_to_chat_id"] = migrate_to


class Sandbox:
    """The server, and the people who write to the bot through it."""

    def __init__(self, token: str) -> None:
        """Serve the bot that has *token*."""
        self.token = token
        self.bot_id = int(token.partition(":")[0])
        self.url = ""
        self.faults: dict[str, Fault] = {}
        """By lower-case method name; ``download``, or ``download:`` and a file_id."""
        self.ahead_s = 0.0
        """How far the server's clock is ahead of this computer's."""
        self.events: list[Event] = []
        self.calls: list[tuple[float, str, Json]] = []
        """Every request: `time.monotonic`, lower-case method (or ``download``), parameters."""
        self.without_reactions: set[int] = set()
        """The ids of chats that allow no reactions."""
        self.blocked: set[int] = set()
        """The ids of people who have blocked the bot."""
        self._migrated: dict[int, int] = {}
        self._happened = asyncio.Condition()
        self._updates: deque[Json] = deque()
        self._update_ids = itertools.count(secrets.randbelow(10**8) + 1)
        self._message_ids = itertools.count(1)
        self._messages: dict[tuple[int, int], Json] = {}
        self._files: dict[str, bytes] = {}
        self._queries: set[str] = set()
        self._arrived = asyncio.Event()
        self._poll: asyncio.Event | None = None  # set to end the current poll with 409
        self._poll_over = False
        # By chat; a token for each message.
        self._tokens = defaultdict[int, TokenBucket](lambda: TokenBucket(_BURST, _REFILL_PER_S))

    # ---- the people's side ----

    def send(self, person: Person, text: str, chat: Json | None = None) -> int:
        """Send *text* to the bot and return the message's id."""
        fields: Json = {"text": text}
        if text.startswith("/"):
            length = len(text.split(maxsplit=1)[0])
            fields["entities"] = [{"type": "bot_command", "offset": 0, "length": length}]
        return self.send_fields(person, fields, chat)

    def send_fields(self, person: Person, fields: Json, chat: Json | None = None) -> int:
        """Send a message of any kind, such as ``{"sticker": {...}}``, and return its id."""
        message = {
            "message_id": next(self._message_ids),
            "date": int(time.time() + self.ahead_s),
            "from": person.as_user(),
            "chat": chat or person.as_chat(),
            **fields,
        }
        self._messages[message["chat"]["id"], message["message_id"]] = message
        self.push({"message": message})
        return int(message["message_id"])

    def edit(self, person: Person, message_id: int, text: str) -> None:
        """Edit a message sent earlier."""
        # A copy: an update still waiting to be fetched keeps its original text.
        changed = {"text": text, "edit_date": int(time.time())}
        message = {**self._messages[person.id, message_id], **changed}
        self._messages[person.id, message_id] = message
        self.push({"edited_message": message})

    def press(self, person: Person, message_id: int, data: str, chat: Json | None = None) -> str:
        """Press the button with *data* below a message of the bot; return the query's id."""
        message = self._messages[(chat or person.as_chat())["id"], message_id]
        query_id = str(secrets.randbelow(10**15))
        self._queries.add(query_id)
        query = {"id": query_id, "from": person.as_user(), "message": message, "data": data}
        self.push({"callback_query": {**query, "chat_instance": "1"}})
        return query_id

    def migrate(self, group: Json) -> Json:
        """Turn a group into a supergroup and return it; messages get new ids there."""
        supergroup = {**group, "id": group["id"] - 10**12, "type": "supergroup"}
        self._migrated[group["id"]] = supergroup["id"]
        # The server knows a chat from its first (service) message on.
        number = next(self._message_ids)
        self._messages[supergroup["id"], number] = {
            "message_id": number,
            "chat": supergroup,
            "migrate_from_chat_id": group["id"],
        }
        return supergroup

    def push(self, update: Json) -> int:
        """Queue any update for the bot and return its id."""
        update_id = next(self._update_ids)
        self._updates.append({"update_id": update_id, **update})
        self._arrived.set()
        return update_id

    def end_poll(self) -> None:
        """End the current poll with an empty answer, so that the next one meets a new fault."""
        self._poll_over = self._poll is not None
        self._arrived.set()

    def add_file(self, content: bytes) -> str:
        """Store a file for the bot to fetch and return its file_id."""
        file_id = secrets.token_hex(8)
        self._files[file_id] = content
        return file_id

    @property
    def pending(self) -> int:
        """The number of unconfirmed updates."""
        return len(self._updates)

    async def wait_for(
        self, wanted: Callable[[Event], bool], timeout_s: float = 60.0, since: int = 0
    ) -> Event:
        """Wait for the first event that is *wanted*, from index *since* on, and return it.

        Raises:
            TimeoutError: no such event within *timeout_s*.
        """
        async with asyncio.timeout(timeout_s), self._happened:
            while True:
                for event in itertools.islice(self.events, since, None):
                    if wanted(event):
                        return event
                since = len(self.events)
                await self._happened.wait()

    async def wait_for_call(self, method: str, times: int = 1, timeout_s: float = 30.0) -> None:
        """Wait until the bot has called *method* *times* times.

        Raises:
            TimeoutError: it has not within *timeout_s*.
        """
        async with asyncio.timeout(timeout_s), self._happened:
            await self._happened.wait_for(
                lambda: sum(called == method for _, called, _ in self.calls) >= times
            )

    async def _record(self, event: Event) -> None:
        async with self._happened:
            self.events.append(event)
            self._happened.notify_all()

    # ---- the server ----

    @contextlib.asynccontextmanager
    async def serve(self, port: int = 0) -> AsyncIterator[None]:
        """Serve on 127.0.0.1 while the context is open; port 0 selects a free port."""
        app = Starlette(
            routes=[
                Route("/bot{token}/{method}", self._call, methods=["GET", "POST"]),
                Route("/file/bot{token}/{path:path}", self._download, methods=["GET"]),
            ]
        )
        config = uvicorn.Config(
            app,
            log_config=None,
            lifespan="off",
            ws="none",  # the Bot API has no WebSocket, and its protocol takes 0.1 s to import
            timeout_graceful_shutdown=1,
            access_log=False,
            date_header=False,
        )
        server = uvicorn.Server(config)
        # The program it is embedded in handles the signals.
        server.capture_signals = contextlib.nullcontext  # type: ignore[assignment]
        # asyncio disables Nagle's algorithm only if the protocol is named; otherwise each answer
        # waits 40 ms for the previous one's acknowledgement (asyncio/base_events.py, _set_nodelay).
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(128)
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        task = asyncio.create_task(server.serve([listener]), name="sandbox")
        try:
            yield
        finally:
            server.should_exit = True
            if self._poll is not None:
                self._poll.set()
            await task
            listener.close()

    async def _call(self, request: Request) -> Response:
        response = await self._answer(request)
        response.headers["date"] = formatdate(time.time() + self.ahead_s, usegmt=True)
        return response

    async def _answer(self, request: Request) -> Response:
        try:
            self._check_token(request.path_params["token"])
            method = request.path_params["method"].lower()
            parameters = await _parameters(request)
            async with self._happened:
                self.calls.append((time.monotonic(), method, parameters))
                self._happened.notify_all()
            if raw := await self._inject_fault(method):
                return Response(raw)
            answer = getattr(self, f"_do_{method}", None)
            if answer is None:
                raise BotApiError(404, "Not Found: method not found")
            self._check_chat(int(parameters.get("chat_id") or 0))
            result = await answer(parameters)
        except ClientDisconnect:
            return Response(status_code=400)  # the bot is gone; nobody reads this
        except BotApiError as exc:
            body: Json = {
                "ok": False,
                "error_code": exc.status,
                "description": exc.description,
            }
            if exc.parameters:
                body["parameters"] = exc.parameters
            return JSONResponse(body, exc.status)
        return JSONResponse({"ok": True, "result": result})

    def _check_token(self, token: str) -> None:
        if not token.partition(":")[0].isdigit():
            raise BotApiError(404, "Not Found")
        if not secrets.compare_digest(token.encode(), self.token.encode()):
            raise BotApiError(401, "Unauthorized")

    def _check_chat(self, chat_id: int) -> None:
        if new_chat_id := self._migrated.get(chat_id):
            description = "Bad Request: group chat was upgraded to a supergroup chat"
            raise BotApiError(400, description, migrate_to=new_chat_id)
        if chat_id in self.blocked:
            raise BotApiError(403, "Forbidden: bot was blocked by the user")

    async def _inject_fault(self, method: str) -> bytes:
        """Apply a method's fault; return the raw body to answer with instead, if any."""
        fault = self._fault(method)
        if fault is None:
            return b""
        await asyncio.sleep(fault.delay_s)
        if fault.status != 200:  # noqa: PLR2004
            raise BotApiError(fault.status, fault.description, fault.retry_after_s)
        return fault.raw

    def _fault(self, method: str) -> Fault | None:
        """Return the fault of this call, if any, and count it down."""
        fault = self.faults.get(method)
        if fault is None or fault.times == 0:
            return None
        fault.times -= 1
        return fault

    def _chat(self, chat_id: int) -> Json:
        """Return the chat with this id; a private one if nobody has written there."""
        chats = (m["chat"] for (chat, _), m in self._messages.items() if chat == chat_id)
        return next(chats, {"id": chat_id, "type": "private"})

    def _spend(self, chat_id: int) -> None:
        """Use up one message of a chat's allowance.

        Raises:
            BotApiError: 429; the chat has none left.
        """
        if not self._tokens[chat_id].take():
            wait_s = math.ceil(1 / _REFILL_PER_S)
            raise BotApiError(429, f"Too Many Requests: retry after {wait_s}", wait_s)

    async def _download(self, request: Request) -> Response:
        file_id = request.path_params["path"].removeprefix("files/")
        try:
            self._check_token(request.path_params["token"])
            async with self._happened:
                self.calls.append((time.monotonic(), "download", {"file_id": file_id}))
                self._happened.notify_all()
            for name in ("download", f"download:{file_id}"):
                if raw := await self._inject_fault(name):
                    return Response(raw)
        except BotApiError as exc:
            return JSONResponse({"ok": False, "error_code": exc.status}, exc.status)
        content = self._files.get(file_id)
        return Response(content) if content is not None else Response(status_code=404)

    # ---- methods ----

    async def _do_getme(self, _: Json) -> Json:
        return {
            "id": self.bot_id,
            "is_bot": True,
            "first_name": "Crier",
            "username": "crier_bot",
            "can_join_groups": False,
            "can_read_all_group_messages": False,
            "supports_inline_queries": False,
        }

    async def _do_deletewebhook(self, parameters: Json) -> bool:
        if parameters.get("drop_pending_updates"):
            self._updates.clear()
        return True

    async def _do_getwebhookinfo(self, _: Json) -> Json:
        pending = len(self._updates)
        return {"url": "", "has_custom_certificate": False, "pending_update_count": pending}

    async def _do_getupdates(self, parameters: Json) -> list[Json]:
        if self._poll is not None:
            self._poll.set()  # the newer request wins
        superseded = self._poll = asyncio.Event()
        offset = int(parameters.get("offset") or 0)
        limit = min(100, int(parameters.get("limit") or 100))
        timeout_s = min(_MAX_POLL_S, float(parameters.get("timeout") or 0))
        allowed = parameters.get("allowed_updates")
        if offset < 0:
            while len(self._updates) > -offset:
                self._updates.popleft()
        while self._updates and self._updates[0]["update_id"] < offset:
            self._updates.popleft()
        deadline_s = time.monotonic() + timeout_s
        while True:
            if superseded.is_set():
                raise BotApiError(
                    409,
                    "Conflict: terminated by other getUpdates request; "
                    "make sure that only one bot instance is running",
                )
            if allowed:  # the real server drops updates of other kinds
                self._updates = deque(u for u in self._updates if _is_allowed(u, allowed))
            left_s = deadline_s - time.monotonic()
            if self._updates or left_s <= 0 or self._poll_over:
                self._poll_over = False
                break
            self._arrived.clear()
            waits = [asyncio.ensure_future(e.wait()) for e in (self._arrived, superseded)]
            await asyncio.wait(waits, timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
            for wait in waits:
                wait.cancel()
        self._poll = None
        return list(itertools.islice(self._updates, limit))

    async def _do_sendmessage(self, parameters: Json) -> Json:
        chat_id = int(parameters["chat_id"])
        text = _checked_text(parameters)
        reply = parameters.get("reply_parameters") or {}
        reply_to = int(reply.get("message_id") or 0)
        if not any(chat == chat_id for chat, _ in self._messages):
            raise BotApiError(400, "Bad Request: chat not found")
        answered = self._messages.get((chat_id, reply_to))
        if reply_to and not answered and not reply.get("allow_sending_without_reply"):
            raise BotApiError(400, "Bad Request: message to be replied not found")
        buttons, styles = _buttons(parameters), _styles(parameters)
        self._spend(chat_id)
        message: Json = {
            "message_id": next(self._message_ids),
            "date": int(time.time()),
            "chat": self._chat(chat_id),
            "from": await self._do_getme({}),
            "text": text,
        }
        if parameters.get("reply_markup"):
            message["reply_markup"] = parameters["reply_markup"]
        self._messages[chat_id, message["message_id"]] = message
        event = Event(
            "message",
            time.monotonic(),
            chat_id=chat_id,
            message_id=message["message_id"],
            text=text,
            buttons=buttons,
            styles=styles,
            reply_to=reply_to,
            thread_id=_put_in_topic(message, parameters),
        )
        await self._record(event)
        return message

    async def _do_sendvoice(self, parameters: Json) -> Json:
        chat_id = int(parameters["chat_id"])
        self._spend(chat_id)
        content = parameters["voice"]
        message: Json = {
            "message_id": next(self._message_ids),
            "date": int(time.time()),
            "chat": self._chat(chat_id),
            "from": await self._do_getme({}),
            "voice": {
                "file_id": self.add_file(content),
                "file_unique_id": "voice",
                "duration": 1,
            },
        }
        self._messages[chat_id, message["message_id"]] = message
        event = Event(
            "voice",
            time.monotonic(),
            chat_id=chat_id,
            message_id=message["message_id"],
            content=content,
            thread_id=_put_in_topic(message, parameters),
        )
        await self._record(event)
        return message

    async def _do_editmessagetext(self, parameters: Json) -> Json:
        chat_id, number = int(parameters["chat_id"]), int(parameters["message_id"])
        text = _checked_text(parameters)
        message = self._messages.get((chat_id, number))
        if message is None or not message["from"]["is_bot"]:
            raise BotApiError(400, "Bad Request: message to edit not found")
        markup = parameters.get("reply_markup")
        if (message["text"], message.get("reply_markup")) == (text, markup):
            raise BotApiError(
                400,
                "Bad Request: message is not modified: specified new message content and reply "
                "markup are exactly the same as a current content and reply markup of the message",
            )
        buttons, styles = _buttons(parameters), _styles(parameters)
        self._spend(chat_id)
        message = {**message, "text": text, "reply_markup": markup}
        if markup is None:
            del message["reply_markup"]
        self._messages[chat_id, number] = message  # a copy: a pressed button refers to the old one
        event = Event(
            "edit",
            time.monotonic(),
            chat_id=chat_id,
            message_id=number,
            text=text,
            buttons=buttons,
            styles=styles,
        )
        await self._record(event)
        return message

    async def _do_setmessagereaction(self, parameters: Json) -> bool:
        chat_id, number = int(parameters["chat_id"]), int(parameters["message_id"])
        reactions = parameters.get("reaction") or []
        if (chat_id, number) not in self._messages:
            raise BotApiError(400, "Bad Request: message to react not found")
        if len(reactions) > 1:
            raise BotApiError(400, "Bad Request: REACTIONS_TOO_MANY")
        emoji = reactions[0].get("emoji", "") if reactions else ""
        if reactions and (emoji not in _REACTIONS or chat_id in self.without_reactions):
            raise BotApiError(400, "Bad Request: REACTION_INVALID")
        event = Event("reaction", time.monotonic(), chat_id=chat_id, message_id=number, text=emoji)
        await self._record(event)
        return True

    async def _do_answercallbackquery(self, parameters: Json) -> bool:
        query_id = str(parameters["callback_query_id"])
        if query_id not in self._queries:
            raise BotApiError(
                400,
                "Bad Request: query is too old and response timeout expired or query ID is invalid",
            )
        if len(parameters.get("text") or "") > _MAX_ANSWER_CHARS:
            raise BotApiError(400, "Bad Request: MESSAGE_TOO_LONG")
        self._queries.discard(query_id)
        await self._record(Event("answer", time.monotonic(), text=parameters.get("text") or ""))
        return True

    async def _do_setmycommands(self, parameters: Json) -> bool:
        names = ", ".join(command["command"] for command in parameters["commands"])
        await self._record(Event("menu", time.monotonic(), text=names))
        return True

    async def _do_getfile(self, parameters: Json) -> Json:
        file_id = parameters.get("file_id", "")
        content = self._files.get(file_id)
        if content is None:
            raise BotApiError(400, "Bad Request: invalid file_id")
        if len(content) > _MAX_FILE_BYTES:
            raise BotApiError(400, "Bad Request: file is too big")
        path = f"files/{file_id}"
        unique = file_id[:8]
        return {
            "file_id": file_id,
            "file_unique_id": unique,
            "file_size": len(content),
            "file_path": path,
        }


def _is_allowed(update: Json, allowed: list[str]) -> bool:
    """Whether the bot asked for updates of this kind."""
    return any(kind in update for kind in allowed)


async def _parameters(request: Request) -> Json:
    """Return the parameters of a call: from its query, its form and its JSON."""
    parameters: Json = dict(request.query_params)
    kind = request.headers.get("content-type", "")
    if kind.startswith("application/json"):
        parameters.update(await request.json())
    elif kind:
        async with request.form() as form:
            for name, value in form.multi_items():
                parameters[name] = await value.read() if isinstance(value, UploadFile) else value
    for name, value in parameters.items():
        if (
            name != "text"
            and isinstance(value, str)
            and value.startswith(("[", "{", "true", "fal"))
        ):
            with contextlib.suppress(json.JSONDecodeError):
                parameters[name] = json.loads(value)
    return parameters


def _checked_text(parameters: Json) -> str:
    text = str(parameters.get("text") or "").strip()
    if not text:
        raise BotApiError(400, "Bad Request: message text is empty")
    if len(text.encode("utf-16-le", "surrogatepass")) // 2 > _MAX_TEXT_CHARS:
        raise BotApiError(400, "Bad Request: message is too long")
    return text


def _put_in_topic(message: Json, parameters: Json) -> int:
    """Put a new message into the requested forum topic and return the topic's id."""
    thread_id = int(parameters.get("message_thread_id") or 0)
    if thread_id:
        message.update(message_thread_id=thread_id, is_topic_message=True)
    return thread_id


def _buttons(parameters: Json) -> tuple[tuple[str, str], ...]:
    buttons = []
    for button in _keyboard(parameters):
        data = button.get("callback_data", "")
        if not 1 <= len(data.encode()) <= _MAX_CALLBACK_BYTES:
            raise BotApiError(400, "Bad Request: BUTTON_DATA_INVALID")
        buttons.append((button["text"], data))
    return tuple(buttons)


def _styles(parameters: Json) -> tuple[str, ...]:
    styles = tuple(button.get("style", "") for button in _keyboard(parameters))
    if not _STYLES.issuperset(styles):
        raise BotApiError(400, "Bad Request: invalid button style specified")
    return styles


def _keyboard(parameters: Json) -> list[Json]:
    """Return the buttons of all rows."""
    markup = parameters.get("reply_markup") or {}
    return [button for row in markup.get("inline_keyboard", []) for button in row]
