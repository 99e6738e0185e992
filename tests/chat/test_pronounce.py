"""/pronounce, and sounds and pauses in messages of the chat."""

import pytest

from bot.chat.sandbox import Sandbox
from bot.core.inbox import Inbox
from tests.chat.steps import answer_to, edit, mute
from tests.conftest import ALICE, StartBot, reaction_to, reply_with

WIN = "[Nguyen](/wˈɪn/)"


async def stored_texts(inbox: Inbox) -> list[str]:
    """Return the texts of the stored messages."""
    rows = await inbox._database.execute_fetchall("SELECT text FROM message ORDER BY id")
    return [row[0] for row in rows]


async def test_pronounce_takes_sounds(sandbox: Sandbox, start_toned: StartBot) -> None:
    """A word taught in sounds has them in later messages; the answers show the word alone."""
    async with start_toned() as bot:
        taught = await answer_to(sandbox, "/pronounce Nguyen = /w'ɪn/")
        listed = await answer_to(sandbox, "/pronounce")
        await mute(sandbox)
        message = sandbox.send(ALICE, "Nguyen's dog is out.")
        await sandbox.wait_for(reaction_to(message, "😴"))
        sandbox.send(ALICE, "/queue")
        await sandbox.wait_for(reply_with("1. Nguyen's dog is out."))
        forgot = await answer_to(sandbox, "/pronounce Nguyen =")
        texts = await stored_texts(bot.delivery._inbox)

    assert taught == "I say Nguyen as /wˈɪn/."
    assert listed.startswith("nguyen = /wˈɪn/\n")
    assert texts == [f"{WIN}'s dog is out."]
    assert forgot == "Forgot Nguyen."


@pytest.mark.parametrize(
    ("given", "answer"),
    [
        ("/ŋ9ˈaШ/", "I don't know these signs: 9 Ш. The alphabet is in docs/pronunciation.md."),
        ("/win/", "Put a ˈ before the vowel that is stressed, as in /wˈɪn/. The alphabet is in"),
        ("/wˈɪn", "I say Nguyen as “/wˈɪn”."),
    ],
)
async def test_pronounce_says_what_is_wrong(
    sandbox: Sandbox, start_toned: StartBot, given: str, answer: str
) -> None:
    """Sounds that the model does not know are refused, with the unknown signs."""
    async with start_toned():
        answered = await answer_to(sandbox, f"/pronounce Nguyen = {given}")

    assert answered.startswith(answer)


async def test_message_keeps_sounds_and_pauses(sandbox: Sandbox, start_toned: StartBot) -> None:
    """They are stored with a message, whatever Telegram marks in it; an edit may change them."""
    text = f"Ask {WIN} [pause:99s] now."
    command = {"type": "bot_command", "offset": text.index("/"), "length": 2}
    async with start_toned() as bot:
        await mute(sandbox)
        message = sandbox.send_fields(ALICE, {"text": text, "entities": [command]})
        await sandbox.wait_for(reaction_to(message, "😴"))
        first = await stored_texts(bot.delivery._inbox)
        edit(sandbox, message, {"text": "Ask [Nguyen](/nˈɡujən/) again."})
        while (edited := await stored_texts(bot.delivery._inbox)) == first:
            await answer_to(sandbox, "/queue")
        sandbox.send(ALICE, "/queue")
        await sandbox.wait_for(reply_with("1. Ask Nguyen again. (held)"))

    assert first == [f"Ask {WIN} [pause:10s] now."]
    assert edited == ["Ask [Nguyen](/nˈɡujən/) again."]
