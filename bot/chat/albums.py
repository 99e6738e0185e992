"""Albums: Telegram sends each picture as a separate message, usually only one with a caption.

Runs on the event loop.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from telegram import Message

# An album arrives within one or two batches of updates; it is complete this long after its last
# message.
_COMPLETE_AFTER_S = 3.0


@dataclass(slots=True)
class _Album:
    has_words: bool
    wordless: Message | None
    """The first message without words."""
    timer: asyncio.TimerHandle


class Albums:
    """Groups the messages of each album, and refuses an album without words once."""

    def __init__(self, refuse: Callable[[Message], None]) -> None:
        """Call *refuse* with the first message of each album without words."""
        self._refuse = refuse
        self._albums: dict[str, _Album] = {}

    def add(self, message: Message, *, has_words: bool) -> None:
        """Add a message to its album, if it belongs to one."""
        id_ = message.media_group_id
        if id_ is None:
            return
        timer = asyncio.get_running_loop().call_later(_COMPLETE_AFTER_S, self._complete, id_)
        album = self._albums.setdefault(id_, _Album(has_words, None, timer))
        if album.timer is not timer:
            album.timer.cancel()
            album.timer = timer
        album.has_words |= has_words
        if not has_words and album.wordless is None:
            album.wordless = message

    def _complete(self, id_: str) -> None:
        album = self._albums.pop(id_)
        if album.wordless is not None and not album.has_words:
            self._refuse(album.wordless)
