"""What someone sent, before it is composed and stored."""

from collections.abc import Callable
from dataclasses import dataclass

from bot.core.message import NO_CHAT
from bot.core.plain_text import Composed


@dataclass(frozen=True, slots=True)
class Draft:
    """A message as a front end hands it to `bot.core.intake`, whoever sent it."""

    update_id: int
    """Identifies it: a draft with the same one is the same message. The chat's number of the update
    with the message; without an update, a negative number of ours."""
    text: str
    """Its words as they were sent, from which its language is detected."""
    composer: Callable[[str], Composed] | None = None
    """Returns what is spoken of it in a language (espeak-ng's code). None: it is plain text."""
    left_out: str = ""
    """What its front end left out of it, in words."""
    chat_id: int = NO_CHAT
    message_id: int = 0
    thread_id: int | None = None
    """The forum topic that it was sent in."""
    user_id: int = 0
    """Who sent it; 0 for a program."""
    user_name: str = ""
    """Spoken before it when another person starts to speak."""
    client: str = ""
    """Which program sent it over HTTP; empty for a person."""
    sent_at: float = 0.0
    """In seconds since 1970; 0: now."""
    voice: str = ""
    """Of a program's text; empty: as the settings say. A person's is in their preferences."""
    speed: float = 0.0
    """Likewise; 0: as the settings say."""
    lang: str = ""
    """Likewise; empty: the voice's own."""
    urgent: bool = False
    chime: bool | None = None
    """None: as the settings say."""
    attachment: str = ""
    """The file to fetch, which is spoken instead of the text; empty if there is none."""
    as_note: bool = False
    """Whether it is sent back as a voice note instead of being spoken."""
    expires_at: float = 0.0
    """It is not spoken after that time, in seconds since 1970; 0: always."""
    replace_key: str = ""
    """A newer message of the same sender with the same key takes its place while it waits."""
    volume: int | None = None
    """In percent, of this message alone; None: as it is set."""
    room: str = ""
    """Where it is spoken: a room's slug, or ``everywhere``; empty: on this computer."""
    grows: bool = False
    """Whether more of its text follows; see `bot.core.growing`."""
