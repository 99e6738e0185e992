"""The names of rooms, as settings, topics and people have them."""

import unicodedata

EVERYWHERE = "everywhere"
"""The slug of all rooms that are known when a message comes, this computer's too."""

HERE = "here"
"""What people may call the bot's own computer."""

MAX_NAME_CHARS = 40


def slug_of(name: str) -> str:
    """Return a room's name as topics have it: small letters and digits, and ``-`` between words."""
    plain = unicodedata.normalize("NFKC", name).casefold()
    return "-".join("".join(char if char.isalnum() else " " for char in plain).split())
