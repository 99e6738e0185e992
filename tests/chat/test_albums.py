"""Albums: several pictures, one answer."""

from bot.chat.sandbox import Sandbox
from tests.chat.samples import PHOTO
from tests.conftest import ALICE, StartBot, reaction_to, reply_with


async def test_albums_are_answered_once(sandbox: Sandbox, start_toned: StartBot) -> None:
    """Pictures next to one with words get no answer; an album without words is refused once."""
    async with start_toned():
        first = sandbox.send_fields(ALICE, {"photo": PHOTO, "media_group_id": "a"})
        captioned = sandbox.send_fields(
            ALICE, {"photo": PHOTO, "media_group_id": "a", "caption": "This is number 1."}
        )
        last = sandbox.send_fields(ALICE, {"photo": PHOTO, "media_group_id": "a"})
        await sandbox.wait_for(reaction_to(captioned, "👍"))
        wordless = [
            sandbox.send_fields(ALICE, {"photo": PHOTO, "media_group_id": "b"}) for _ in range(3)
        ]
        await sandbox.wait_for(reaction_to(wordless[0], "💔"))
        await sandbox.wait_for(reply_with("I can say texts", to=wordless[0]))

    reacted = {e.message_id for e in sandbox.events if e.kind == "reaction"}
    assert reacted == {captioned, wordless[0]}
    assert {first, last}.isdisjoint(e.reply_to for e in sandbox.events)
