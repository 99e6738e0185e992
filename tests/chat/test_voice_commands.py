"""/voice and /speed: previews, selection, and voices that match a text's language."""

import io

import pytest
import soundfile

from bot.chat import voice_commands
from bot.chat.sandbox import Sandbox
from tests.chat.steps import BOB, PEOPLE, answer_to, mute
from tests.conftest import ALICE, StartBot, reaction_to, reply_with
from tests.support.loudspeaker import Ear


async def test_voice_is_previewed_as_a_voice_note_and_selected(
    sandbox: Sandbox, start_toned: StartBot, ear_a: Ear
) -> None:
    """The preview is a voice note, without sound here; the selection survives a restart."""
    async with start_toned():
        sandbox.send(ALICE, "/voice")
        menu = await sandbox.wait_for(reply_with("Your voice"))
        for label in ("British English, male", "bm_george"):
            seen = len(sandbox.events)
            sandbox.press(ALICE, menu.message_id, dict(menu.buttons)[label])
            menu = await sandbox.wait_for(lambda e: e.kind == "edit", since=seen)
        note = await sandbox.wait_for(lambda e: e.kind == "voice")
        samples, rate_hz = soundfile.read(io.BytesIO(note.content))
        sandbox.press(ALICE, menu.message_id, dict(menu.buttons)["Use bm_george"])
        await sandbox.wait_for(lambda e: e.kind == "answer" and "speaks for you" in e.text)
    async with start_toned():
        status = await answer_to(sandbox, "/status")

    assert len(samples) / rate_hz > 0.05  # without a number this voice is nearly silent
    assert "bm_george" in status
    assert ear_a.spans() == []


async def test_voice_with_an_unreadable_script_names_the_command_to_run(
    sandbox: Sandbox, start_toned: StartBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By name or by button, the reply names the command to run, unless it has been run."""
    installed: set[str] = set()
    monkeypatch.setattr(voice_commands, "is_supported", lambda lang: lang in installed)
    async with start_toned():
        assert "make japanese" in await answer_to(sandbox, "/voice jf_alpha")
        sandbox.send(ALICE, "/voice")
        menu = await sandbox.wait_for(reply_with("Your voice"))
        sandbox.press(ALICE, menu.message_id, "voice:set:zf_xiaobei")
        await sandbox.wait_for(reply_with("make chinese"))
        installed.add("ja")
        assert "make" not in await answer_to(sandbox, "/voice jf_alpha")


async def test_voice_that_follows_the_language_keeps_to_itself_with_an_accent(
    sandbox: Sandbox, start_toned: StartBot
) -> None:
    """A language without a voice is read as itself by the sender's, who is told how to stop it."""
    german = "Das Essen ist fertig, kommt bitte an den Tisch."
    async with start_toned() as bot:
        await answer_to(sandbox, "/voice bm_george")
        sandbox.press(ALICE, 1, "voice:follow")
        await sandbox.wait_for(lambda e: e.kind == "answer" and "follows" in e.text)
        await answer_to(sandbox, "/mute")
        for _ in range(2):
            message = sandbox.send(ALICE, german)
            await sandbox.wait_for(reaction_to(message, "😴"))
        orders = [
            bot.delivery.queue.utterance(place.message) for place in bot.delivery.queue.places()
        ]
        told = [event.text for event in sandbox.events if "accent" in event.text]

    assert [(order.voice, order.lang) for order in orders] == [("bm_george", "de")] * 2
    assert told == ["I speak German with an accent. /voice turns it off."]


async def test_voice_follows_the_language_if_selected(
    sandbox: Sandbox, start_toned: StartBot
) -> None:
    """The selection is one person's, and survives a restart."""
    spanish = "¿Dónde estás? Llegamos a las ocho y media."
    async with start_toned(telegram_allowed_users=PEOPLE) as bot:
        sandbox.send(ALICE, "/voice")
        menu = await sandbox.wait_for(reply_with("Your voice"))
        sandbox.press(ALICE, menu.message_id, "voice:follow")
        await sandbox.wait_for(lambda e: e.kind == "answer" and "follows" in e.text)
        await answer_to(sandbox, "/voice bm_george", BOB)
        await answer_to(sandbox, "/speed 1.5", BOB)
    async with start_toned(telegram_allowed_users=PEOPLE) as bot:
        await answer_to(sandbox, "/mute")
        for person in (ALICE, BOB):
            message = sandbox.send(person, spanish)
            await sandbox.wait_for(reaction_to(message, "😴"))
        orders = [
            bot.delivery.queue.utterance(place.message) for place in bot.delivery.queue.places()
        ]

    assert [(order.voice[0], order.lang, order.speed) for order in orders] == [
        ("e", "es", 1.0),
        ("b", "en-gb", 1.5),
    ]


async def test_speed_and_voice_can_be_reset(sandbox: Sandbox, start_toned: StartBot) -> None:
    """By word or by button, a person's choice is removed."""
    async with start_toned(kokoro_speed=1.3) as bot:
        for command, answer in (
            ("/speed 0.7", "Speed 0.7"),
            ("/speed reset", "Speed 1.3, as in the settings"),
            ("/voice bm_george", "bm_george speaks"),
            ("/voice reset", "af_heart speaks for you now, as in the settings"),
            ("/voice bf_emma", "bf_emma speaks"),
        ):
            sandbox.send(ALICE, command)
            await sandbox.wait_for(reply_with(answer))
        sandbox.send(ALICE, "/voice")
        menu = await sandbox.wait_for(reply_with("Your voice: bf_emma"))
        sandbox.press(ALICE, menu.message_id, dict(menu.buttons)["As in the settings"])
        await sandbox.wait_for(lambda e: e.kind == "edit" and "Your voice: af_heart" in e.text)
        await mute(sandbox)
        message = sandbox.send(ALICE, "One")
        await sandbox.wait_for(reaction_to(message, "😴"))
        (place,) = bot.delivery.queue.places()

    assert (place.message.voice, place.message.speed) == ("af_heart", 1.3)
