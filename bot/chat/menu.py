"""The menu of commands that Telegram shows, in every language with a translation."""

import logging
from collections.abc import Mapping

from telegram import Bot, BotCommand
from telegram.error import TelegramError

log = logging.getLogger(__name__)

COMMANDS = (
    BotCommand("stop", "silence now, forget what waits"),
    BotCommand("pause", "silence now, keep everything"),
    BotCommand("resume", "go on after a pause"),
    BotCommand("skip", "end this message, go on with the next"),
    BotCommand("replay", "say the last message again"),
    BotCommand("in", "say it after a while: /in 20m Turn the oven off"),
    BotCommand("at", "say it later: /at 18:30 Dinner"),
    BotCommand("mute", "quiet for a while: /mute 2h"),
    BotCommand("unmute", "end a mute"),
    BotCommand("volume", "how loud, 0 to 150 percent"),
    BotCommand("queue", "what waits"),
    BotCommand("status", "speaking or idle, and what waits"),
    BotCommand("help", "what I can do"),
    BotCommand("devices", "where sound can go, and where it goes"),
    BotCommand("voice", "choose and hear voices; reset: as in the settings"),
    BotCommand("speed", "how fast, 0.5 to 2; reset: as in the settings"),
    BotCommand("every", "say it again and again: /every weekday 7:15 Up!"),
    BotCommand("reminders", "what is said later, to pause or delete"),
    BotCommand("note", "send a text back as a voice note"),
    BotCommand("urgent", "say a text next: /urgent The bath is full"),
    BotCommand("pronounce", "teach a word: /pronounce Nguyen = win"),
    BotCommand("invite", "let one more person speak"),
    BotCommand("people", "who may speak"),
)
"""Those of every bot, the most used first: a phone shows about six at a time."""

ROOM_COMMANDS = (
    BotCommand("to", "say a text in a room: /to study Dinner is ready"),
    BotCommand("rooms", "who is there, and where you usually speak"),
)
"""Those of other rooms, which need a broker."""

TRANSLATIONS: Mapping[str, Mapping[str, str]] = {}
"""Two-letter language code (ISO 639-1) -> command -> description. A command without a translation
is described in English; a language that is not here gets the English menu."""


async def register(
    bot: Bot,
    translations: Mapping[str, Mapping[str, str]] = TRANSLATIONS,
    *,
    with_rooms: bool = False,
) -> None:
    """Register the menu with Telegram; a refusal is only logged."""
    commands = COMMANDS + ROOM_COMMANDS * with_rooms
    try:
        await bot.set_my_commands(commands)
        for language, descriptions in translations.items():
            menu = [
                BotCommand(known.command, descriptions.get(known.command, known.description))
                for known in commands
            ]
            await bot.set_my_commands(menu, language_code=language)
    except TelegramError as exc:
        log.info("The command menu could not be registered: %s", exc)
