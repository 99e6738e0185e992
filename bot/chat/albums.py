"""Albums: Telegram sends each picture as a message of its own, most of them without words.

Runs on the event loop.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from telegram import Message

# An album comes within one or two batches of updates; this long after the last of it, it is whole.
_WHOLE_AFTER_S = 3.0


@dataclass(slots=True)
class _Album:
    has_words: bool
    wordless: Message | None
    """The first one that has no words."""
    timer: asyncio.TimerHandle


class Albums:
    """Knows which pictures belong to one with words, and refuses an album that has none once."""

    def __init__(self, refuse: Callable[[Message], None]) -> None:
        """Call *refuse* with one message of each album without words."""
        self._refuse = refuse
        self._albums: dict[str, _Album] = {}

    def note(self, message: Message, *, has_words: bool) -> None:
        """Count a message in, if it belongs to an album."""
        id_ = message.media_group_id
        if id_ is None:
            return
        timer = asyncio.get_running_loop().call_later(_WHOLE_AFTER_S, self._end, id_)
        album = self._albums.setdefault(id_, _Album(has_words, None, timer))
        if album.timer is not timer:
            album.timer.cancel()
            album.timer = timer
        album.has_words |= has_words
        if not has_words and album.wordless is None:
            album.wordless = message

    def _end(self, id_: str) -> None:
        album = self._albums.pop(id_)
        if album.wordless is not None and not album.has_words:
            self._refuse(album.wordless)
