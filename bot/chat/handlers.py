"""Texts, edits and files -> drafts for the intake; greetings, decisions, errors.

A handler starts work and returns: it never waits for speech or for the Bot API, so that nothing
delays /stop. `bot.chat.commands` maps updates to handlers. Runs on the event loop.
"""

import logging
import sqlite3
from dataclasses import dataclass, field, replace
from typing import Any

from telegram import Message, Update
from telegram.constants import ChatType

from bot.chat.albums import Albums
from bot.chat.attachments import Attachments, attachment_of
from bot.chat.buttons import Press
from bot.chat.decode import SOUND, AttachmentError
from bot.chat.drafts import draft_of, wordless_draft
from bot.chat.kinds import command_of, is_picture, speaks_by_file, why_unspeakable
from bot.chat.outbox import Outbox
from bot.chat.receipts import LATE_CHOICES
from bot.core.composing import ComposeError
from bot.core.delivery import Delivery
from bot.core.draft import Draft
from bot.core.inbox import InboxError
from bot.core.intake import Intake, RefusedError
from bot.core.message import QueuedMessage
from bot.core.preferences import ROOM
from bot.core.receipts import Receipts
from bot.core.rooms import UnknownRoomError
from bot.settings import Settings

log = logging.getLogger(__name__)

HELP = """Send me a text and I say it aloud here, in its turn; with ! in front it comes next. \
Edit it to a dot to take it back. I also play voice notes, and read text and PDF files.

/stop silence, forget what waits
/pause, /resume, /skip, /replay
/in 20m Tea, /at 18:30 Dinner
/mute 2h, /unmute; what comes is kept
/volume 80, /speed 1.2, /voice
/devices where sound goes
/queue, /status what is going on
/help more for the rest

On your messages: 👀 stored, 👍 heard to the end, 🙊 cut off, 😴 held, 💔 not spoken."""

ROOMS_HELP = """

/to study Dinner is ready; or: /to everywhere …
/rooms who is there; /stop study"""

MORE_HELP = """/every weekday 7:15 Good morning
/reminders what is said later; pause, delete
/note Good night: as a voice note, not aloud
/urgent The bath is full: as with !
/pronounce Nguyen = win
/invite one more person, /people

As a reply, /in 20m or /at 18:30 alone says that message then. Polls, checklists, places, contacts \
and captions are read out; code, tables and spoilers are left out. In a group, mention me or \
reply to me."""

_OUT_OF_DATE = "That button is out of date."


@dataclass(frozen=True, slots=True)
class Handlers:
    """One method for each kind of update."""

    settings: Settings
    outbox: Outbox
    receipts: Receipts
    delivery: Delivery
    intake: Intake
    attachments: Attachments
    albums: Albums = field(init=False)

    def __post_init__(self) -> None:
        """Refuse albums without words in the same way as single pictures."""
        object.__setattr__(self, "albums", Albums(self._refuse_album))

    # ---- messages ----

    async def speak(self, update: Update, context: Any, left_out: str = "") -> None:
        """Queue the words of a message; a leading ! makes them urgent."""
        message = update.message
        if message is None or update.effective_user is None:
            return
        self.albums.add(message, has_words=True)
        draft = self._draft(update, message, context)
        room = await self.usual_room(draft.user_id)
        await self._accept(replace(draft, left_out=left_out, room=room))

    async def urgent(self, update: Update, context: Any) -> None:
        """Speak a text next, after the current sentence."""
        message = update.effective_message
        if message is None or update.effective_user is None:
            return
        bot_name = context.bot.username
        draft = draft_of(update, message, bot_name=bot_name, after_command=True)
        example = "Send the words along, such as: /urgent The bath is full"
        room = await self.usual_room(draft.user_id)
        await self._accept(replace(draft, urgent=True, room=room), if_empty=example, update=update)

    async def attached(self, update: Update, context: Any) -> None:
        """Fetch a voice note, a sound, a video or a text file, and queue it."""
        message = update.message
        if message is None or update.effective_user is None:
            return
        self.albums.add(message, has_words=True)
        try:
            attachment = attachment_of(message)
        except AttachmentError as exc:
            if message.caption:
                await self.speak(update, context, exc.left_out)
            else:
                await self.intake.refuse(wordless_draft(message, update.update_id), str(exc))
            return
        if attachment is None:
            await (self.speak if message.caption else self.refuse_wordless)(update, context)
            return
        draft = self._draft(update, message, context)
        # Sound is played here.
        room = await self.usual_room(draft.user_id) if attachment.kind != SOUND else ""
        stored = await self._accept(replace(draft, attachment=str(attachment), room=room))
        if stored is not None:
            self.attachments.fetch(stored)

    async def edited(self, update: Update, context: Any) -> None:
        """Change or withdraw a message that still waits; heard text can't be changed."""
        message = update.edited_message
        if message is None or update.effective_user is None or speaks_by_file(message):
            return  # the file is spoken, not its caption
        draft = self._draft(update, message, context)
        if command_of(message) is not None:  # no longer a text, and too late to carry it out
            draft = replace(draft, text="", composer=None)
        await self.intake.revise(draft)

    async def refuse_wordless(self, update: Update, _: Any) -> None:
        """Refuse a message without words, such as a sticker or a dice."""
        message = update.message
        if message is None or message.chat.type != ChatType.PRIVATE:
            return
        if message.media_group_id and is_picture(message):
            self.albums.add(message, has_words=False)
        else:
            await self.intake.refuse(
                wordless_draft(message, update.update_id), why_unspeakable(message)
            )

    def _refuse_album(self, message: Message) -> None:
        self.receipts.refused(wordless_draft(message), why_unspeakable(message))

    async def ignore(self, update: Update, _: Any) -> None:
        """Ignore service messages, such as a pinned message."""

    def _draft(self, update: Update, message: Message, context: Any) -> Draft:
        return draft_of(
            update,
            message,
            bot_name=context.bot.username,
            name_emoji=self.settings.speak_emoji,
        )

    async def usual_room(self, user_id: int) -> str:
        """Return where a person's texts are said; empty: here."""
        rooms = self.delivery.rooms
        if rooms is None:
            return ""
        chosen = (await self.intake.preferences.chosen(user_id)).get(ROOM, "")
        try:
            return rooms.find(chosen) if chosen else ""
        except UnknownRoomError:  # it was forgotten
            return ""

    async def accept(self, draft: Draft, *, if_empty: str, update: Update) -> None:
        """Accept a draft, or refuse it; see `_accept`."""
        await self._accept(draft, if_empty=if_empty, update=update)

    async def _accept(
        self, draft: Draft, *, if_empty: str = "", update: Update | None = None
    ) -> QueuedMessage | None:
        """Accept a draft, or refuse it with 💔 and the reason.

        Args:
            draft: the draft.
            if_empty: the answer to *update* instead, if there is nothing in the draft.
            update: the update that contains it.
        """
        try:
            return await self.intake.accept(draft)
        except RefusedError as exc:
            if exc.empty and if_empty and update is not None:
                self.outbox.respond(update, if_empty)
            else:
                await self.intake.refuse(draft, str(exc) if exc.notify_sender else "")
        except (InboxError, sqlite3.Error) as exc:
            self.receipts.refused(draft, str(exc))
        return None

    # ---- commands ----

    async def start(self, update: Update, _: Any) -> None:
        """Welcome someone who may speak."""
        self.outbox.respond(update, f"Hello. {self._help()}")

    async def help(self, update: Update, context: Any) -> None:
        """Send the help: what people need first, or the rest."""
        wants_more = [word.casefold() for word in context.args or ()] == ["more"]
        self.outbox.respond(update, MORE_HELP if wants_more else self._help())

    def _help(self) -> str:
        return HELP if self.delivery.rooms is None else HELP + ROOMS_HELP

    async def pair(self, update: Update, _: Any) -> None:
        """Answer someone who is paired already."""
        self.outbox.respond(update, "You are paired already. Send me a text and I say it.")

    async def unknown_command(self, update: Update, _: Any) -> None:
        """Point to /help; in a group only if the command names the bot, as others may know it."""
        command = command_of(update.message) if update.message else None
        chat = update.effective_chat
        if command is None or chat is None:
            return
        if chat.type == ChatType.PRIVATE or command.bot_name:
            self.outbox.respond(update, f"I don't know {command}. /help lists what I can do.")

    # ---- buttons ----

    async def decide_late(self, press: Press) -> None:
        """Speak all, the latest or none of the late messages."""
        choice = LATE_CHOICES.get(press.data)
        if choice is None:
            self.outbox.answer(press.chat_id, press.query_id, _OUT_OF_DATE)
            return
        decision = await self.delivery.late.decide(press.chat_id, choice)
        if not decision.undecided:
            answer = "Nothing waits for a decision any more."
        elif not decision.said:
            answer = "Left unsaid."
        elif decision.said == 1:
            answer = "Saying it now."
        else:
            answer = f"Saying {decision.said} messages now."
        self._answer_question(press, answer)

    async def decide_file(self, press: Press) -> None:
        """Speak a long file or its start, send it as a voice note, or drop it."""
        answer = await self.attachments.decide(press.chat_id, press.data)
        self._answer_question(press, answer)

    def _answer_question(self, press: Press, answer: str) -> None:
        """Answer a button, and show the answer instead of the question."""
        self.outbox.answer(press.chat_id, press.query_id, answer)
        self.outbox.edit(press.chat_id, press.message_id, answer, None)

    async def old_button(self, update: Update, _: Any) -> None:
        """Answer a button from an earlier version."""
        if update.callback_query and update.effective_chat:
            self.outbox.answer(update.effective_chat.id, update.callback_query.id, _OUT_OF_DATE)

    # ---- errors ----

    async def error(self, update: object, context: Any) -> None:
        """Log an error in a handler, and tell the sender."""
        reason = "I made a mistake on that one; my log says more."
        if isinstance(context.error, ComposeError):
            reason = str(context.error)
        else:
            log.error("Unexpected error in a handler", exc_info=context.error)
        if not isinstance(update, Update):
            return
        message = update.message
        if message is not None and command_of(message) is None:
            await self.intake.refuse(wordless_draft(message, update.update_id), reason)
        else:  # the text from before an edit is still spoken
            self.outbox.respond(update, reason)
