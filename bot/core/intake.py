"""The one way in: a draft -> composed, limited, stored, queued; or refused with a reason.

Runs on the event loop.
"""

import functools
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from audio.text import inline
from audio.text.scripts import without_unread
from audio.text.sentences import speakable
from audio.types import Outcome
from bot.core.access import Access
from bot.core.composing import ComposeError, run_composer
from bot.core.delivery import Delivery
from bot.core.draft import Draft
from bot.core.inbox import Inbox, InboxError
from bot.core.limits import Limits
from bot.core.message import NO_CHAT, QueuedMessage, State
from bot.core.plain_text import Composed, compose_text, nothing_to_say
from bot.core.preferences import Preferences, SpeechStyle, lang_of
from bot.core.receipts import Receipts
from bot.settings import Settings

# After a break of this length the sender is named again.
_REMEMBERED_S = 600.0


class RefusedError(Exception):
    """A draft is refused; the message says why."""

    def __init__(
        self,
        reason: str,
        *,
        too_many: bool = False,
        empty: bool = False,
        notify_sender: bool = True,
    ) -> None:
        super().__init__(reason)
        self.too_many = too_many
        """Whether it exceeds a limit."""
        self.empty = empty
        """Whether it had no content at all: no words, and nothing that was left out."""
        self.notify_sender = notify_sender
        """Whether to reply with the reason; not to each message of a flood."""


@dataclass(frozen=True, slots=True)
class DraftComposer:
    """Composes drafts, whoever sent them, and whether or not they are stored."""

    settings: Settings
    preferences: Preferences

    async def style(self, draft: Draft) -> SpeechStyle:
        """Return the style of a draft; called once per message."""
        if draft.client:
            given = (draft.voice, draft.speed, draft.lang)
            return await self.preferences.style_of_program(*given, draft.text)
        return await self.preferences.style(draft.user_id, draft.text)

    async def compose(self, draft: Draft, style: SpeechStyle) -> Composed:
        """Return what is spoken of a draft, with taught pronunciations applied.

        Raises:
            RefusedError: there is nothing to say, or it can't be composed.
        """
        try:
            composed = await self.words(draft, style)
            if not draft.attachment and not speakable(composed.text):
                raise RefusedError(nothing_to_say(composed), empty=not composed.skipped)
            return replace(composed, text=await self.preferences.pronounced(composed.text))
        except ComposeError as exc:
            if draft.attachment:  # the file can still be spoken
                return Composed("", "1 caption")
            raise RefusedError(str(exc)) from exc

    async def words(self, draft: Draft, style: SpeechStyle) -> Composed:
        """Return what is spoken of a draft, without taught pronunciations.

        Raises:
            ComposeError: it can't be composed.
        """
        composer = draft.composer or functools.partial(
            compose_text, draft.text, name_emoji=self.settings.speak_emoji
        )
        composed = await run_composer(len(draft.text), composer, style.lang)
        skipped = ", ".join(filter(None, (composed.skipped, draft.left_out)))
        return replace(composed, skipped=skipped)


@dataclass(slots=True)
class _LastSpeaker:
    user_id: int = 0
    at_s: float = float("-inf")


@dataclass(frozen=True, slots=True)
class Intake:
    """Accepts drafts, whoever sent them."""

    settings: Settings
    inbox: Inbox
    receipts: Receipts
    delivery: Delivery
    access: Access
    limits: Limits
    preferences: Preferences
    bot_id: int
    now: Callable[[], float]
    """Returns the true time, in seconds since 1970."""
    clock_warning: Callable[[], str]
    """Returns what is wrong with this computer's clock; empty if nothing is."""
    _clock_warned: list[str] = field(default_factory=list)
    _last_speaker: _LastSpeaker = field(default_factory=_LastSpeaker)

    @property
    def composer(self) -> DraftComposer:
        """Composes drafts as `accept` does, without storing them."""
        return DraftComposer(self.settings, self.preferences)

    async def accept(self, draft: Draft, style: SpeechStyle | None = None) -> QueuedMessage | None:
        """Store a draft, and queue it unless it has a file to fetch or becomes a voice note.

        Args:
            draft: the message as it was sent.
            style: its style, if that is known already.

        Returns:
            The stored message; None if the same draft was accepted or refused before.

        Raises:
            RefusedError: it is refused; see `refuse`.
            InboxError: it can't be stored; see `Receipts.refused`.
            sqlite3.Error: likewise.
        """
        if await self.inbox.has_seen(self.bot_id, draft.update_id):
            return None
        style = style or await self.composer.style(draft)
        composed = await self.composer.compose(draft, style)
        if not draft.as_note:
            await self._check_limits(draft)
        message, state = self._message(draft, style, composed), self._first_state(draft)
        stored = await self.inbox.accept(self.bot_id, draft.update_id, message, state)
        if draft.user_id and (notice := await self.preferences.accent_notice(draft.user_id, style)):
            self.receipts.warned(draft, notice)
        if warning := self.clock_warning():
            self._warn_of_clock(draft, warning)
        if stored is not None and state is State.LATE:
            self.delivery.late.report(stored)
        elif stored is not None and state is State.WAITING:
            if draft.grows:
                self.delivery.queue.begin_growth(stored)
            await self.delivery.submit(stored)
        return stored

    async def revise(self, draft: Draft) -> None:
        """Replace the text of a message that still waits; without words it is withdrawn."""
        style = await self.composer.style(draft)
        composed = await self.composer.words(draft, style)
        if not speakable(composed.text):
            await self.delivery.remove_edited(draft.chat_id, draft.message_id)
            return
        text = await self.preferences.pronounced(composed.text)
        earlier = await self.inbox.find_text(self.bot_id, draft.chat_id, draft.message_id)
        name = f"{inline.shown(draft.user_name)}: "
        text = name + text if earlier.startswith(name) else text
        await self.delivery.revise(
            draft.chat_id, draft.message_id, text=text, skipped=composed.skipped
        )

    async def replay(self, chat_id: int) -> bool:
        """Queue the last message heard in a chat again; return whether there is one."""
        last = await self.inbox.find_last_heard(self.bot_id, chat_id)
        if last is None:
            return False
        update_id = -time.time_ns()  # no chat's update has a negative number
        again = replace(last, fresh_at=self.now())
        stored = await self.inbox.accept(self.bot_id, update_id, again)
        if stored is not None:
            await self.delivery.submit(stored)
        return True

    async def refuse(self, draft: Draft, reason: str) -> None:
        """Store a refusal and report it; its receipt survives a crash.

        Args:
            draft: the refused draft.
            reason: what its sender is told; empty if a reaction is enough.
        """
        symbol = self.receipts.symbol(Outcome.FAILED)
        message = QueuedMessage(
            id=0,
            chat_id=draft.chat_id,
            message_id=draft.message_id,
            text="",
            thread_id=draft.thread_id,
        )
        try:
            refused = await self.inbox.store_refusal(
                self.bot_id, draft.update_id, message, symbol, reason
            )
        except InboxError:
            self.receipts.refused(draft, reason)
            return
        if refused is not None:  # None: it was refused or accepted before
            self.receipts.ended(refused, symbol, reason)

    async def compose_unstored(self, text: str, voice: str, lang: str) -> Composed:
        """Return what would be spoken of a program's text, without storing it.

        Raises:
            RefusedError: there is nothing to say.
        """
        draft = Draft(update_id=0, text=text, voice=voice, lang=lang, client="http")
        return await self.composer.compose(draft, await self.composer.style(draft))

    # ---- steps ----

    async def _check_limits(self, draft: Draft) -> None:
        """Raise RefusedError if a person or a program has sent too much."""
        count, length = await self.inbox.measure_unfinished(
            self.bot_id, draft.user_id, draft.client, draft.replace_key
        )
        waiting_s = self.delivery.queue.duration_s(length)
        if refusal := self.limits.check(draft.client or draft.user_id, count, waiting_s):
            raise RefusedError(refusal.reason, too_many=True, notify_sender=refusal.notify_sender)

    def _first_state(self, draft: Draft) -> State:
        if draft.as_note:
            return State.NOTING
        if draft.attachment:
            return State.FETCHING
        late = draft.sent_at and self.delivery.late.is_late(draft.sent_at)
        return State.LATE if late else State.WAITING

    def _message(self, draft: Draft, style: SpeechStyle, composed: Composed) -> QueuedMessage:
        text = composed.text
        by_default = draft.client and style.lang == lang_of(style.voice, self.settings)
        is_spoken = not (draft.attachment or draft.as_note)
        if is_spoken and not draft.client:
            # A file's caption is spoken only if the file can't be.
            text = self._announced(draft, text, style.lang)
        message = QueuedMessage(
            id=0,
            chat_id=draft.chat_id,
            message_id=draft.message_id,
            text=text,
            user_id=draft.user_id,
            voice=draft.voice if draft.client else style.voice,
            speed=style.speed,
            lang=draft.lang if by_default else style.lang,
            urgent=draft.urgent or (composed.urgent and is_spoken),
            skipped=composed.skipped,
            file=draft.attachment,
            client=draft.client,
            chime=draft.chime,
            fresh_at=draft.sent_at or self.now(),
            thread_id=draft.thread_id,
            expires_at=draft.expires_at,
            replace_key=draft.replace_key,
            volume=draft.volume,
            room=draft.room,
        )
        return message.as_note() if draft.as_note else message

    def _announced(self, draft: Draft, text: str, lang: str) -> str:
        """Return a text, prefixed with its sender's name if the sender has changed."""
        now_s, last = time.monotonic(), self._last_speaker
        changed = draft.user_id != last.user_id or now_s - last.at_s > _REMEMBERED_S
        last.user_id, last.at_s = draft.user_id, now_s
        if self.access.people < 2 or not changed or not draft.user_name:  # noqa: PLR2004
            return text
        is_unreadable = without_unread(draft.user_name, lang)[1]
        return text if is_unreadable else f"{inline.shown(draft.user_name)}: {text}"

    def _warn_of_clock(self, draft: Draft, warning: str) -> None:
        """Warn about this computer's clock, once, in the first chat that writes."""
        if draft.chat_id != NO_CHAT and not self._clock_warned:
            self._clock_warned.append(warning)
            self.receipts.warned(draft, warning)
