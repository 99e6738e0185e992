"""Telegram during setup, without a running bot: the token's bot, and the first phone.

Runs on the event loop.
"""

import asyncio
import contextlib
from collections.abc import Callable

from telegram import Bot, Message, Update
from telegram.error import InvalidToken, TelegramError

from bot.chat.handlers import HELP
from bot.core.access import Access, PairResult, code_in
from bot.core.database import Database
from bot.core.lock import only_one
from bot.core.store import Store
from bot.settings import Settings
from bot.start.chat import make_bot

_LONG_POLL_S = 10
_RETRY_S = 2.0


async def bot_name(settings: Settings) -> str:
    """Return the user name of the bot that the token belongs to.

    Raises:
        InvalidToken: Telegram does not know the token.
        TelegramError: Telegram is unreachable.
    """
    bot = make_bot(settings)
    try:
        return str((await bot.get_me()).username)
    finally:
        await bot.shutdown()


async def allowed_people(settings: Settings) -> list[str]:
    """Return the names of the people who may speak; user ids for those in the settings.

    Raises:
        InUseError: a bot is running.
        InboxError: the database can't be used.
    """
    with only_one(settings.data_dir):
        database = await Database.open(settings.data_dir / "crier.db")
        try:
            names = await Store(database).names()
        finally:
            await database.close()
    in_settings = [str(number) for number in sorted(settings.telegram_allowed_users - set(names))]
    return in_settings + list(names.values())


async def pair_first_phone(
    settings: Settings,
    *,
    show_code: Callable[[str], None],
    show_link: Callable[[str], None],
    on_error: Callable[[str], None],
) -> str:
    """Wait for the first person who sends the code, pair them, and return their name.

    Other messages are dropped, as the bot does while nobody may speak.

    Args:
        settings: has the token.
        show_code: shows a code on this computer.
        show_link: shows the link that sends the code.
        on_error: called with a sentence each time Telegram is unreachable.

    Raises:
        InUseError: a bot is running.
        InboxError: the database can't be used.
        InvalidToken: Telegram does not know the token.
    """
    bot = make_bot(settings)
    with only_one(settings.data_dir):
        database = await Database.open(settings.data_dir / "crier.db")
        try:
            store = Store(database)
            access = Access(settings.telegram_allowed_users, store, show_code, show_link)
            await access.start()
            with contextlib.suppress(TelegramError):  # the code works without a link
                access.set_bot_name(str((await bot.get_me()).username))
            return await _wait_for_code(bot, access, on_error)
        finally:
            await database.close()
            await bot.shutdown()


async def _wait_for_code(bot: Bot, access: Access, on_error: Callable[[str], None]) -> str:
    """Fetch messages until one pairs its sender; return their name."""
    offset: int | None = None
    while True:
        try:
            updates = await bot.get_updates(
                offset, timeout=_LONG_POLL_S, allowed_updates=[Update.MESSAGE]
            )
        except InvalidToken:
            raise
        except TelegramError as exc:
            on_error(f"Telegram is unreachable; retrying: {exc}")
            await asyncio.sleep(_RETRY_S)
            continue
        for update in updates:
            offset = update.update_id + 1
            if update.message is None or not await _pair(access, update.message):
                continue
            with contextlib.suppress(TelegramError):  # confirms it, or the bot would get it too
                await bot.get_updates(offset, limit=1, timeout=0)
            return update.message.from_user.full_name if update.message.from_user else ""


async def _pair(access: Access, message: Message) -> bool:
    """Pair the sender of a correct code; answer the sender of a wrong one."""
    code, user = code_in(message.text or ""), message.from_user
    if not code or user is None or message.chat.type != message.chat.PRIVATE:
        return False
    match await access.pair(user.id, user.full_name, code):
        case PairResult.PAIRED:
            answer = f"Paired. Welcome! When Crier runs on your computer:\n\n{HELP}"
        case PairResult.WRONG_CODE:
            answer = "That is not the code that the computer shows now."
        case PairResult.LOCKED | PairResult.CLOSED:
            return False
    with contextlib.suppress(TelegramError):
        await message.reply_text(answer)
    return access.allows(user.id)
