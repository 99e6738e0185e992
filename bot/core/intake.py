"""A text of someone who may speak -> the disk -> the queue, or a refusal with its reason.

Runs on the event loop.
"""

import logging
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from telegram import Message, User

from audio.cost import SynthesisCost
from audio.text.normalize import pronounce
from audio.text.scripts import without_unread
from audio.text.sentences import speakable
from bot.chat import outbox as receipts
from bot.chat.attachments import Attachment
from bot.chat.outbox import Outbox, thread_of
from bot.core.access import Access, Limits, Refusal
from bot.core.composing import ComposeError, composing
from bot.core.delivery import Delivery
from bot.core.inbox import Inbox, InboxError
from bot.core.message import QueuedMessage, State
from bot.core.plain_text import Composed, compose_text, nothing_to_say
from bot.core.preferences import Preferences
from bot.core.store import Store
from bot.settings import Settings

log = logging.getLogger(__name__)


# After so long a break it is said again who speaks.
_REMEMBERED_S = 600.0


class RefusedError(Exception):
    """A text of a program's is not taken; the message says why."""

    def __init__(self, why: str, *, too_many: bool) -> None:
        super().__init__(why)
        self.too_many = too_many


@dataclass(slots=True)
class _Speaker:
    user_id: int = 0
    at_s: float = float("-inf")


@dataclass(frozen=True, slots=True)
class Intake:
    """The one way into the queue."""

    settings: Settings
    inbox: Inbox
    store: Store
    outbox: Outbox
    delivery: Delivery
    access: Access
    limits: Limits
    preferences: Preferences
    bot_id: int
    now: Callable[[], float]
    """Returns the true time, in seconds since 1970."""
    clock_warning: Callable[[], str]
    """Returns what is wrong with this computer's clock; empty where nothing is."""
    _told_clock: list[str] = field(default_factory=list)
    _last: _Speaker = field(default_factory=_Speaker)

    async def take(
        self,
        update_id: int,
        message: Message,
        user: User,
        composed: Composed,
        *,
        urgent: bool = False,
        attachment: Attachment | None = None,
    ) -> QueuedMessage | None:
        """Store a text or a file of a person's; a text is queued, a file returned to be fetched.

        Where it can't be taken its sender is told why.
        """
        if attachment is None and not speakable(composed.text):
            await self.refuse(update_id, message, nothing_to_say(composed))
            return None
        sent_at = message.date.timestamp()
        late = self.delivery.is_late(sent_at)
        try:
            if await self.inbox.seen(self.bot_id, update_id):
                return None
            if refusal := await self._refusal(user.id):
                await self.refuse(update_id, message, refusal.reason if refusal.say else "")
                return None
            style = await self.preferences.style(user.id, composed.text)
            text = await self._pronounced(composed.text)
            stored = await self.inbox.accept(
                self.bot_id,
                update_id,
                QueuedMessage(
                    0,
                    message.chat_id,
                    message.message_id,
                    # Beside a file it is what is said where the file can't be.
                    self._announced(user, text, style.lang) if attachment is None else text,
                    user_id=user.id,
                    voice=style.voice,
                    speed=style.speed,
                    lang=style.lang,
                    urgent=urgent,
                    skipped=composed.skipped,
                    file=str(attachment or ""),
                    fresh_at=sent_at,
                    thread_id=thread_of(message),
                ),
                State.FETCHING if attachment else State.LATE if late else State.WAITING,
            )
        except (InboxError, sqlite3.Error) as exc:
            self.refuse_unstored(message, str(exc))
            return None
        if (warning := self.clock_warning()) and not self._told_clock:
            self._told_clock.append(warning)
            self.outbox.reply(message.chat_id, warning, thread_id=thread_of(message))
        if stored is None or attachment is not None:
            return stored  # None: this update was stored before
        if late:
            self.delivery.set_late(stored)
        else:
            await self.delivery.submit(stored)
        return None

    async def take_from_program(self, draft: QueuedMessage, key: int) -> QueuedMessage | None:
        """Store a text that came over HTTP, and queue it.

        Args:
            draft: the text, who sent it, and how it shall be said where that differs.
            key: the same number again means the same message again.

        Returns:
            What was stored; None where that had been stored before.

        Raises:
            RefusedError: it can't be taken.
        """
        composed = await self.compose(draft.text, draft.voice, draft.lang)
        if refusal := await self._refusal(draft.client):
            raise RefusedError(refusal.reason, too_many=True)
        message = replace(draft, text=composed.text, skipped=composed.skipped, fresh_at=self.now())
        stored = await self.inbox.accept(self.bot_id, key, message)
        if stored is not None:
            await self.delivery.submit(stored)
        return stored

    async def _refusal(self, who: int | str) -> Refusal | None:
        """Return why no more is taken of a person, by their id, or of a program, by its name."""
        user_id, client = (who, "") if isinstance(who, int) else (0, who)
        waiting, characters = await self.inbox.pending(self.bot_id, user_id, client)
        waiting_s = SynthesisCost().audio_s(characters, self.settings.kokoro_speed)
        return self.limits.check(who, waiting, waiting_s)

    async def revise(self, message: Message, user: User, composed: Composed) -> None:
        """Change what a person sent, where it still waits; without words it is taken back."""
        ids = message.chat_id, message.message_id
        if not speakable(composed.text):
            await self.delivery.take_back(*ids)
            return
        text = await self._pronounced(composed.text)
        earlier = await self.inbox.text_of(self.bot_id, *ids)
        name = f"{user.first_name}: "
        text = name + text if earlier.startswith(name) else text
        await self.delivery.revise(*ids, text, composed.skipped)

    async def compose(self, text: str, voice: str, lang: str) -> Composed:
        """Return what shall be spoken of a program's text.

        Raises:
            RefusedError: nothing.
        """
        lang = lang or self.delivery.lang_of(voice or self.settings.kokoro_voice)
        names = self.settings.speak_emoji
        try:
            composed = await composing(len(text), compose_text, text, lang, name_emoji=names)
            if not speakable(composed.text):
                raise RefusedError(nothing_to_say(composed), too_many=False)
            return replace(composed, text=await self._pronounced(composed.text))
        except ComposeError as exc:
            raise RefusedError(str(exc), too_many=False) from exc

    async def _pronounced(self, text: str) -> str:
        return await composing(len(text), pronounce, text, await self.store.pronunciations())

    async def refuse(self, update_id: int, message: Message, why: str) -> None:
        """React with 💔 and, if given, reply with the reason; both are owed, also over a crash."""
        ids = (0, message.chat_id, message.message_id)
        draft = QueuedMessage(*ids, "", thread_id=thread_of(message))
        try:
            refused = await self.inbox.refuse(self.bot_id, update_id, draft, receipts.FAILED, why)
        except InboxError:
            self.refuse_unstored(message, why)
            return
        if refused is not None:  # None: this update came before
            self.delivery.tell_end(refused, receipts.FAILED, why)

    def refuse_unstored(self, message: Message, why: str) -> None:
        """React with 💔 and, if given, reply with the reason, where it can't be stored."""
        self.outbox.react(message.chat_id, message.message_id, receipts.FAILED)
        if why:
            self.outbox.reply(
                message.chat_id, why, to=message.message_id, thread_id=thread_of(message)
            )

    def _announced(self, user: User, text: str, lang: str) -> str:
        """Begin with the sender's name where the speaker changes, if several people speak."""
        now_s = time.monotonic()
        changed = user.id != self._last.user_id or now_s - self._last.at_s > _REMEMBERED_S
        self._last.user_id, self._last.at_s = user.id, now_s
        if self.access.people < 2 or not changed or not user.first_name:  # noqa: PLR2004
            return text
        spelled = without_unread(user.first_name, lang)[1]
        return text if spelled else f"{user.first_name}: {text}"
