"""The reactions that Crier puts on messages."""

from telegram.constants import ReactionEmoji

STORED = ReactionEmoji.EYES
HEARD = ReactionEmoji.THUMBS_UP
CUT = ReactionEmoji.SPEAK_NO_EVIL_MONKEY
HELD = ReactionEmoji.SLEEPING_FACE
FAILED = ReactionEmoji.BROKEN_HEART

NO_REACTIONS = (
    "Reactions are not allowed here, so I can't show what becomes of your messages. An admin can "
    f"allow {STORED} {HEARD} {CUT} {HELD} {FAILED} in the group's settings. What goes wrong I say "
    "in words."
)
