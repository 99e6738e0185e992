"""Telegram before there is a bot: whose token it is, and which phone knows the code.

Runs on the event loop.
"""

import asyncio
import contextlib
from collections.abc import Callable

from telegram import Message, Update
from telegram.error import InvalidToken, TelegramError

from bot.app import make_bot
from bot.chat.handlers import HELP
from bot.core.access import Access, Pairing, code_in
from bot.core.database import Database
from bot.core.lock import only_one
from bot.core.store import Store
from bot.settings import Settings

_LONG_POLL_S = 10
_RETRY_S = 2.0


async def who(settings: Settings) -> str:
    """Return the name of the bot that the token belongs to.

    Raises:
        InvalidToken: Telegram does not know the token.
        TelegramError: Telegram can't be reached.
    """
    bot = make_bot(settings)
    try:
        return str((await bot.get_me()).username)
    finally:
        await bot.shutdown()


async def who_may_speak(settings: Settings) -> list[str]:
    """Return the names of the people who are let in, numbers for those of the settings.

    Raises:
        InboxError: the database can't be used, or a bot uses it now.
    """
    with only_one(settings.data_dir):
        database = await Database.open(settings.data_dir / "crier.db")
        try:
            names = await Store(database).names()
        finally:
            await database.close()
    fixed = [str(number) for number in sorted(settings.telegram_allowed_users - set(names))]
    return fixed + list(names.values())


async def first_phone(
    settings: Settings,
    show_code: Callable[[str], None],
    show_link: Callable[[str], None],
    note: Callable[[str], None],
) -> str:
    """Wait for the first person who sends the code, and let them in; return their name.

    What others send meanwhile is dropped, as the bot itself drops it while nobody may speak.

    Args:
        settings: with the token.
        show_code: shows a code on this computer.
        show_link: shows the link that sends it.
        note: told when Telegram can't be reached.

    Raises:
        InboxError: the database can't be used, or a bot uses it now.
        InvalidToken: Telegram does not know the token.
    """
    bot = make_bot(settings)
    with only_one(settings.data_dir):
        database = await Database.open(settings.data_dir / "crier.db")
        try:
            store = Store(database)
            access = Access(settings.telegram_allowed_users, store, show_code, show_link)
            await access.start()
            with contextlib.suppress(TelegramError):  # it works without the link, too
                access.know_bot(str((await bot.get_me()).username))
            offset: int | None = None
            while True:
                try:
                    updates = await bot.get_updates(
                        offset, timeout=_LONG_POLL_S, allowed_updates=[Update.MESSAGE]
                    )
                except InvalidToken:
                    raise
                except TelegramError as exc:
                    note(f"Telegram can't be reached, trying on: {exc}")
                    await asyncio.sleep(_RETRY_S)
                    continue
                for update in updates:
                    offset = update.update_id + 1
                    if update.message is None or not await _paired(access, update.message):
                        continue
                    with contextlib.suppress(TelegramError):  # else the bot is sent it again
                        await bot.get_updates(offset, limit=1, timeout=0)
                    return update.message.from_user.full_name if update.message.from_user else ""
        finally:
            await database.close()
            await bot.shutdown()


async def _paired(access: Access, message: Message) -> bool:
    """Say whether a message lets its sender in, and answer it if it is a try."""
    code, user = code_in(message.text or ""), message.from_user
    if not code or user is None or message.chat.type != message.chat.PRIVATE:
        return False
    match await access.pair(user.id, user.full_name, code):
        case Pairing.PAIRED:
            answer = f"Paired. Welcome! When Crier runs on your computer:\n\n{HELP}"
        case Pairing.WRONG_CODE:
            answer = "That is not the code that the computer shows now."
        case Pairing.LOCKED | Pairing.CLOSED:
            return False
    with contextlib.suppress(TelegramError):
        await message.reply_text(answer)
    return access.allows(user.id)
