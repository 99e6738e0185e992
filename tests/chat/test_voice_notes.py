"""Voice notes that the bot sends: for /note, and for a long file."""

import io
import time
from pathlib import Path

import soundfile

from bot.chat.sandbox import Fault, Json, Sandbox
from tests.chat.steps import ask_about_long_file, bot_process
from tests.conftest import ALICE, StartBot, reaction_to, reply_with
from tests.support.commandline import Environment
from tests.support.fake_voice import find_tones
from tests.support.loudspeaker import Ear


async def test_note_sends_a_text_back_as_a_voice_note(
    sandbox: Sandbox, start_toned: StartBot, ear_a: Ear
) -> None:
    """It contains the words after the command or of the message replied to, without code."""
    code: Json = {"type": "pre", "offset": 18, "length": 1}
    answered = {
        "message_id": 1,
        "date": 1,
        "from": ALICE.as_user(),
        "chat": ALICE.as_chat(),
        "text": "This is number 21 7",
        "entities": [code],
    }
    command = {"type": "bot_command", "offset": 0, "length": 5}
    requests: tuple[Json, ...] = (
        {"text": "/note This is number 11", "entities": [command]},
        {"text": "/note", "entities": [command], "reply_to_message": answered},
    )
    notes = []
    async with start_toned():
        for fields in requests:
            seen = len(sandbox.events)
            sandbox.send_fields(ALICE, fields)
            note = await sandbox.wait_for(lambda e: e.kind == "voice", since=seen)
            samples, rate_hz = soundfile.read(io.BytesIO(note.content), dtype="float32")
            notes.append([tone.code for tone in find_tones(samples, rate_hz)])

    assert notes == [[11], [21]]
    assert ear_a.spans() == []


async def test_notes_survive_a_kill(sandbox: Sandbox, bot_environment: Environment) -> None:
    """A requested note that was not sent before kill -9 is sent after it, once."""
    sandbox.faults["sendvoice"] = Fault(status=502, description="Bad Gateway")
    async with bot_process(bot_environment) as process:
        message = sandbox.send(ALICE, "/note Number 9.")
        await sandbox.wait_for_call("sendvoice")
        process.kill()
        await process.wait()
    sandbox.faults.clear()
    async with bot_process(bot_environment):
        await sandbox.wait_for(lambda event: event.kind == "voice")
        await sandbox.wait_for(reaction_to(message, "👍"))

    assert len([event for event in sandbox.events if event.kind == "voice"]) == 1


async def test_notes_that_crash_the_bot_twice_are_refused(
    sandbox: Sandbox, bot_environment: Environment
) -> None:
    """A note that was being made when the bot died twice is reported, and not made again."""
    sandbox.faults["sendvoice"] = Fault(status=502, description="Bad Gateway")
    async with bot_process(bot_environment) as process:
        message = sandbox.send(ALICE, "/note Number 9.")
        await sandbox.wait_for_call("sendvoice")
        process.kill()
        await process.wait()
    attempts = Path(bot_environment["DATA_DIR"]) / "attempts.json"
    attempts.write_text('{"deaths": {"note:1": 1}, "under_way": {"note:1": true}}')
    async with bot_process(bot_environment):
        await sandbox.wait_for(reply_with("ended twice while making", to=message))
        await sandbox.wait_for(reaction_to(message, "💔"))


async def test_replay_ignores_notes(sandbox: Sandbox, start_toned: StartBot, ear_a: Ear) -> None:
    """A voice note did not sound here, and /replay repeats only what did."""
    async with start_toned():
        note = sandbox.send(ALICE, "/note Number 9.")
        await sandbox.wait_for(reaction_to(note, "👍"))
        sandbox.send(ALICE, "/replay")
        await sandbox.wait_for(reply_with("to say again"))

    assert ear_a.spans() == []


async def test_notes_that_telegram_refuses_are_reported(
    sandbox: Sandbox, start_toned: StartBot
) -> None:
    """The reply to /note says how to allow voice notes."""
    sandbox.faults["sendvoice"] = Fault(
        status=400, description="Bad Request: VOICE_MESSAGES_FORBIDDEN"
    )
    async with start_toned():
        sandbox.send(ALICE, "/note Good night.")
        await sandbox.wait_for(reply_with("Privacy and Security"))


async def test_notes_of_files_survive_a_kill(
    sandbox: Sandbox, bot_environment: Environment
) -> None:
    """A requested voice note that was not sent before kill -9 is sent after it."""
    sandbox.faults["sendvoice"] = Fault(status=502, description="Bad Gateway")
    async with bot_process(bot_environment) as process:
        message, question = await ask_about_long_file(sandbox)
        sandbox.press(ALICE, question.message_id, dict(question.buttons)["A voice note"])
        await sandbox.wait_for_call("sendvoice")
        process.kill()
        await process.wait()
    sandbox.faults.clear()
    async with bot_process(bot_environment):
        await sandbox.wait_for(lambda event: event.kind == "voice")
        await sandbox.wait_for(reaction_to(message, "👍"))


async def test_notes_of_files_that_telegram_refuses_are_reported(
    sandbox: Sandbox, start_toned: StartBot
) -> None:
    """In a chat that accepts no voice notes: 💔 and how to change that."""
    sandbox.faults["sendvoice"] = Fault(
        status=400, description="Bad Request: VOICE_MESSAGES_FORBIDDEN"
    )
    async with start_toned():
        message, question = await ask_about_long_file(sandbox)
        sandbox.press(ALICE, question.message_id, dict(question.buttons)["A voice note"])
        await sandbox.wait_for(reaction_to(message, "💔"))
        await sandbox.wait_for(reply_with("Privacy and Security", to=message))

    assert not any(map(reaction_to(message, "👍"), sandbox.events))


async def test_notes_of_files_are_not_sent_after_a_stop(
    sandbox: Sandbox, start_toned: StartBot
) -> None:
    """/stop cancels a note that has not been sent; the reply queued behind it proves that."""
    sandbox.faults["sendvoice"] = Fault(status=502, description="Bad Gateway")
    async with start_toned():
        message, question = await ask_about_long_file(sandbox)
        sandbox.press(ALICE, question.message_id, dict(question.buttons)["A voice note"])
        await sandbox.wait_for_call("sendvoice")
        sandbox.send(ALICE, "/stop")
        await sandbox.wait_for(reaction_to(message, "🙊"))
        sandbox.faults.clear()
        await sandbox.wait_for(reply_with("Silent."))  # queued behind the note

    assert not any(event.kind == "voice" for event in sandbox.events)


async def test_notes_of_files_are_made_during_a_mute(
    sandbox: Sandbox, start_toned: StartBot
) -> None:
    """A mute silences the loudspeaker; a voice note being made is still sent."""
    async with start_toned() as bot:
        message, question = await ask_about_long_file(sandbox)
        sandbox.press(ALICE, question.message_id, dict(question.buttons)["A voice note"])
        await sandbox.wait_for(lambda e: e.kind == "answer" and "voice note" in e.text)
        await bot.delivery.mute(time.time() + 3600)
        await sandbox.wait_for(lambda event: event.kind == "voice")
        await sandbox.wait_for(reaction_to(message, "👍"))
