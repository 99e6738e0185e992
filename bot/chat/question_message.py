"""Questions of programs in a chat: shown with buttons, and answered by a button or a reply.

`QuestionMessages` implements `bot.core.questions.QuestionDisplay`. Runs on the event loop.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from telegram import InlineKeyboardButton, InlineKeyboardMarkup, Message, Update
from telegram.constants import ReactionEmoji

from bot.chat.buttons import Press
from bot.chat.fitting import cut
from bot.chat.kinds import words_of
from bot.chat.outbox import Outbox, thread_of
from bot.core.question_store import Question, QuestionStatus
from bot.core.questions import Questions, match_option

PREFIX = "ask:"
"""The callback data of the buttons begins with it."""
PATTERN = rf"^{PREFIX}"

TAKEN = ReactionEmoji.OK_HAND_SIGN
"""The reaction on a reply that is the answer."""

_MAX_SHOWN_CHARS = 1000
_ROW_CHARS = 24
"""Options with more letters than that in all have a row each."""
_BY_REPLY = "Reply to this message with your answer."
_OUT_OF_DATE = "That button is out of date."


class QuestionMessages:
    """Shows questions in chats."""

    def __init__(self, outbox: Outbox) -> None:
        """Send through *outbox*."""
        self._outbox = outbox

    def ask(
        self,
        question: Question,
        chat_id: int,
        on_sent: Callable[[int | None], Awaitable[None]],
    ) -> None:
        """Send a question with its buttons; it is owed until Telegram has answered."""

        async def answered(answer: Any) -> None:
            await on_sent(None if answer is None else answer.message_id)

        text = _shown(question) if question.options else f"{_shown(question)}\n\n{_BY_REPLY}"
        self._outbox.reply(chat_id, text, keyboard=_keyboard(question), on_answer=answered)

    def show_end(
        self, question: Question, chat_id: int, on_shown: Callable[[], Awaitable[None]]
    ) -> None:
        """Replace the buttons by who answered what, or why nobody can any more; it is owed."""

        async def edited(_: Any) -> None:
            await on_shown()

        message_id = question.copies[chat_id]
        self._outbox.edit(chat_id, message_id, _with_end(question), None, edited)


@dataclass(frozen=True, slots=True)
class QuestionAnswers:
    """Takes answers: pressed buttons, and replies in words."""

    questions: Questions
    outbox: Outbox
    bot_id: int

    async def press(self, press: Press) -> None:
        """Answer with a button; who comes too late is told so."""
        parts = press.data.split(":")
        number = parts[1]
        question = await self.questions.find(int(number)) if number.isdecimal() else None
        if question is None or press.chat_id not in question.copies:
            self.outbox.answer(press.chat_id, press.query_id, _OUT_OF_DATE)
            return
        options = {_data(question, index): text for index, text in enumerate(question.options)}
        answer = options.get(press.data)
        if answer is None:  # a question of the same number, long ago
            self.outbox.answer(press.chat_id, press.query_id, _OUT_OF_DATE)
            return
        now = await self.questions.answer(
            question, answer, user_id=press.user_id, name=press.user_name
        )
        self.outbox.answer(press.chat_id, press.query_id, _response(now, answer, press.user_id))
        if question.copies[press.chat_id] != press.message_id:
            # It was sent twice: a crash, or the network, came before Telegram's answer.
            self.outbox.edit(press.chat_id, press.message_id, _with_end(now), None)

    async def take_reply(self, update: Update) -> bool:
        """Answer with a reply to a question, which is not spoken; return whether it is one."""
        message, user = update.message, update.effective_user
        if message is None or user is None or message.reply_to_message is None:
            return False
        asked = message.reply_to_message
        if asked.from_user is None or asked.from_user.id != self.bot_id:
            return False
        question = await self._find(asked)
        if question is None or question.rest:
            return False
        answer = match_option(question, words_of(message).text)
        if answer is None and question.is_open:
            response = f"That is none of the answers. There are: {', '.join(question.options)}."
        else:
            now = await self.questions.answer(
                question, answer or "", user_id=user.id, name=user.full_name
            )
            if _is_answer(now, answer or "", user.id):
                self.outbox.react(message.chat_id, message.message_id, TAKEN)
                return True
            response = _response(now, answer or "", user.id)
        self.outbox.reply(
            message.chat_id,
            response,
            to=message.message_id,
            thread_id=thread_of(message),
            asked_for=True,
        )
        return True

    async def _find(self, asked: Message) -> Question | None:
        """Return the question that a message of the bot asks, if it does."""
        if question := await self.questions.find_by_copy(asked.chat_id, asked.message_id):
            return question
        return next(
            (
                question
                for question in await self.questions.list_open()
                # Telegram has not told the number of its message yet, or it was sent twice.
                if asked.chat_id in question.copies
                and (asked.text or "").startswith(_shown(question))
            ),
            None,
        )


def _shown(question: Question) -> str:
    mark = "🔈" if question.rest else "❓"
    return f"{mark} {cut(question.text, _MAX_SHOWN_CHARS)}"


def _keyboard(question: Question) -> InlineKeyboardMarkup | None:
    if not question.options:
        return None
    buttons = [
        InlineKeyboardButton(option, callback_data=_data(question, index))
        for index, option in enumerate(question.options)
    ]
    in_one_row = sum(map(len, question.options)) <= _ROW_CHARS
    return InlineKeyboardMarkup([buttons] if in_one_row else [[button] for button in buttons])


def _data(question: Question, index: int) -> str:
    """Return the callback data of an option; its time tells it from one of the same number."""
    return f"{PREFIX}{question.id}:{int(question.asked_at * 1000):x}:{index}"


def _with_end(question: Question) -> str:
    """Return the text of a question that has ended."""
    return f"{_shown(question)}\n\n{_end_of(question)}".strip()


def _end_of(question: Question) -> str:
    """Return the line that replaces the buttons."""
    match question.status:
        case QuestionStatus.ANSWERED:
            return f"✅ {question.answered_by}: {question.answer}"
        case QuestionStatus.TIMEOUT if not question.rest:
            return "⌛ Nobody answered in time."
        case QuestionStatus.STOPPED if not question.rest:
            return f"✖️ {question.reason}"
        case _:  # a rest that is not offered any more
            return ""


def _is_answer(question: Question, answer: str, user_id: int) -> bool:
    """Whether a question was answered like this by that person; Telegram may send it twice."""
    return (question.status, question.answer, question.user_id) == (
        QuestionStatus.ANSWERED,
        answer,
        user_id,
    )


def _response(question: Question, answer: str, user_id: int) -> str:
    """Return what a person who answered is told."""
    match question.status:
        case QuestionStatus.ANSWERED if _is_answer(question, answer, user_id):
            return "Reading on." if question.rest else f"Your answer: {answer}"
        case QuestionStatus.ANSWERED:
            first = "You" if question.user_id == user_id else question.answered_by
            return f"{first} answered before: {question.answer}"
        case QuestionStatus.TIMEOUT:
            return "Too late: the time for that question is over."
        case _:
            return "That question was withdrawn."
