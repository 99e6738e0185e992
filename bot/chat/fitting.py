"""Texts and buttons within Telegram's length limits, counted in UTF-16 code units. Pure."""

import itertools

from telegram import InlineKeyboardButton, InlineKeyboardMarkup

_BMP_END = 0xFFFF  # characters beyond it have two UTF-16 code units
_BUTTON_UNITS = 64  # more would not be shown on a phone


def split(text: str, limit_units: int) -> list[str]:
    """Return *text* in parts that fit a message, split at line ends, else spaces, else anywhere."""
    parts: list[str] = []
    text = text.strip()  # as Telegram does
    while _units(text) > limit_units:
        end = _fitting_chars(text, limit_units)
        for mark in ("\n", " "):
            if (at := text.rfind(mark, 0, end + 1)) > 0:
                end = at
                break
        parts.append(text[:end])
        text = text[end:].lstrip()
    return [*parts, text]


def cut(text: str, limit_units: int) -> str:
    """Return as much of *text* as fits."""
    if _units(text) <= limit_units:
        return text
    return f"{text[: _fitting_chars(text, limit_units - 1)]}…"


def _units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _fitting_chars(text: str, limit_units: int) -> int:
    """Return how many characters of *text* fit into *limit_units*."""
    units = itertools.accumulate(2 if ord(character) > _BMP_END else 1 for character in text)
    return sum(1 for _ in itertools.takewhile(lambda total: total <= limit_units, units))


def within_limits(keyboard: InlineKeyboardMarkup | None) -> InlineKeyboardMarkup | None:
    """Return the same buttons with labels that fit; names in them come from outside."""
    if keyboard is None:
        return None
    return InlineKeyboardMarkup(
        [
            [
                InlineKeyboardButton(
                    cut(button.text.strip(), _BUTTON_UNITS) or "?",
                    callback_data=button.callback_data,
                    style=button.style,
                )
                for button in row
            ]
            for row in keyboard.inline_keyboard
        ]
    )
