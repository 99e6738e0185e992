"""The bot end to end: Telegram's side in the sandbox, sound at virtual loudspeakers."""

import asyncio
import time

import pytest

from bot.chat.menu import COMMANDS
from bot.chat.sandbox import Fault, Sandbox
from tests.conftest import ALICE, STRANGER, StartBot, reaction_to, reply_with
from tests.support.loudspeaker import Ear

LONG = (
    "The ferry leaves the harbour at seven in the morning, and it comes back late at night. "
    "Bring a coat, some bread and a book, because the crossing takes longer than one thinks. "
    "Nobody has ever regretted going, and nobody has ever gone twice in the same week."
)


@pytest.mark.realtime
async def test_message_is_heard_and_then_gets_its_thumb(
    sandbox: Sandbox, start_bot: StartBot, ear_a: Ear, ear_b: Ear
) -> None:
    """A text sounds on the chosen device, as long as its words take, and 👍 follows its end."""
    async with start_bot():
        sent_s = time.monotonic()
        message = sandbox.send(ALICE, "Dinner is ready, come down to the kitchen.")
        stored = await sandbox.wait_for(reaction_to(message, "👀"))
        heard = await sandbox.wait_for(reaction_to(message, "👍"))
        await asyncio.to_thread(ear_a.wait_for_silence)

    spans = ear_a.spans(sent_s)
    assert stored.at_s < heard.at_s
    assert 1.5 < spans[-1][1] - spans[0][0] < 4.5
    assert 0 <= heard.at_s - spans[-1][1] < 0.5
    assert ear_b.spans(sent_s) == []


@pytest.mark.realtime
async def test_messages_are_spoken_in_order_without_overlap(
    sandbox: Sandbox, start_bot: StartBot, ear_a: Ear
) -> None:
    """Each message ends before the next one begins, and receipts come in that order."""
    async with start_bot():
        messages = [sandbox.send(ALICE, f"Number {word}.") for word in ("one", "two", "three")]
        thumbs = [await sandbox.wait_for(reaction_to(message, "👍")) for message in messages]
        await asyncio.to_thread(ear_a.wait_for_silence)

    times = [thumb.at_s for thumb in thumbs]
    assert sorted(times) == times
    assert len(ear_a.spans()) == 3


@pytest.mark.realtime
async def test_stop_silences_and_tells_how_many_were_dropped(
    sandbox: Sandbox, start_bot: StartBot, ear_a: Ear
) -> None:
    """/stop in mid-sentence is silence at once; what waited is dropped and marked 🙊."""
    async with start_bot():
        sent_s = time.monotonic()
        messages = [
            sandbox.send(ALICE, LONG),
            sandbox.send(ALICE, "Two."),
            sandbox.send(ALICE, "3"),
        ]
        await asyncio.to_thread(ear_a.wait_for_sound, sent_s)
        await sandbox.wait_for(reaction_to(messages[2], "👀"))
        stopped_s = time.monotonic()
        sandbox.send(ALICE, "/stop")
        reply = await sandbox.wait_for(reply_with("Silent"))
        for message in messages:
            await sandbox.wait_for(reaction_to(message, "🙊"))
        await asyncio.to_thread(ear_a.wait_for_silence)

    assert reply.text == "Silent. 2 waiting messages dropped."
    assert ear_a.spans()[-1][1] - stopped_s < 0.3


async def test_message_after_stop_is_spoken(
    sandbox: Sandbox, start_bot: StartBot, ear_a: Ear
) -> None:
    """What is sent after /stop is spoken as if nothing had been."""
    async with start_bot():
        sandbox.send(ALICE, LONG)
        await asyncio.to_thread(ear_a.wait_for_sound, 0.0)
        sandbox.send(ALICE, "/stop")
        message = sandbox.send(ALICE, "After the stop.")
        await sandbox.wait_for(reaction_to(message, "👍"))


async def test_stop_with_nothing_to_stop(sandbox: Sandbox, start_bot: StartBot) -> None:
    """/stop on an idle bot says that nothing was waiting."""
    async with start_bot():
        sandbox.send(ALICE, "/stop")
        await sandbox.wait_for(reply_with("Silent. Nothing was waiting."))


@pytest.mark.realtime
async def test_stop_does_not_wait_for_slow_receipts(
    sandbox: Sandbox, start_bot: StartBot, ear_a: Ear
) -> None:
    """With a Bot API that takes 5 s over each reaction, /stop still silences within a second."""
    sandbox.faults["setmessagereaction"] = Fault(delay_s=5)
    async with start_bot():
        sandbox.send(ALICE, LONG)
        await asyncio.to_thread(ear_a.wait_for_sound, 0.0)
        stopped_s = time.monotonic()
        sandbox.send(ALICE, "/stop")
        await asyncio.to_thread(ear_a.wait_for_silence)

    assert ear_a.spans()[-1][1] - stopped_s < 1.0


async def test_device_chosen_by_button_is_used_and_survives_a_restart(
    sandbox: Sandbox, start_bot: StartBot, ear_a: Ear, ear_b: Ear
) -> None:
    """The next message sounds on the device whose button was pressed, after a restart too."""
    async with start_bot():
        message = sandbox.send(ALICE, "On the first.")
        await sandbox.wait_for(reaction_to(message, "👍"))
        sandbox.send(ALICE, "/devices")
        listing = await sandbox.wait_for(reply_with("speaker_b"))
        data = dict(listing.buttons)["speaker_b"]
        sandbox.press(ALICE, listing.message_id, data)
        await sandbox.wait_for(lambda e: e.kind == "edit" and "Chosen: speaker_b" in e.text)
        chosen_s = time.monotonic()
        message = sandbox.send(ALICE, "On the second.")
        await sandbox.wait_for(reaction_to(message, "👍"))
    async with start_bot():
        message = sandbox.send(ALICE, "Still on the second.")
        await sandbox.wait_for(reaction_to(message, "👍"))

    assert len(ear_a.spans()) == 1
    assert ear_a.spans(chosen_s) == []
    assert len(ear_b.spans(chosen_s)) == 2


async def test_devices_marks_the_default_and_the_one_in_use(
    sandbox: Sandbox, start_bot: StartBot, ear_a: Ear, ear_b: Ear
) -> None:
    """While a message sounds, /devices names every device, the default, and the one in use."""
    async with start_bot(audio_device="speaker_b"):
        sandbox.send(ALICE, LONG)
        await asyncio.to_thread(ear_b.wait_for_sound, 0.0)
        sandbox.send(ALICE, "/devices")
        listing = await sandbox.wait_for(reply_with("Chosen: speaker_b"))

    assert "• default (the system's default" in listing.text
    assert "• speaker_b (in use)" in listing.text
    labels = [label for label, _ in listing.buttons]
    assert labels[-2:] == ["Follow the system", "Follow the setting (speaker_b)"]
    assert ear_a.spans() == []


async def test_button_of_a_device_that_went_away(sandbox: Sandbox, start_bot: StartBot) -> None:
    """A button for a device that is not there any more says so and changes nothing."""
    async with start_bot():
        sandbox.send(ALICE, "/devices")
        listing = await sandbox.wait_for(reply_with("Chosen: speaker_a"))
        sandbox.press(ALICE, listing.message_id, "device:0123456789abcdef")
        await sandbox.wait_for(
            lambda e: e.kind == "answer" and e.text == "That device is not there any more."
        )


async def test_strangers_get_neither_sound_nor_reply(
    sandbox: Sandbox, start_bot: StartBot, ear_a: Ear
) -> None:
    """A stranger's text, command and button are confirmed to Telegram and otherwise ignored."""
    async with start_bot():
        for text in ("Boo!", "/stop", "/pair ABCD2345", "/start"):
            sandbox.send(STRANGER, text)
        message = sandbox.send(ALICE, "Hello.")
        await sandbox.wait_for(reaction_to(message, "👍"))
        await asyncio.to_thread(ear_a.wait_for_silence)

    assert {event.chat_id for event in sandbox.events if event.chat_id} == {ALICE.id}
    assert len(ear_a.spans()) == 1


async def test_groups_are_ignored_even_with_allowed_people_in_them(
    sandbox: Sandbox, start_bot: StartBot
) -> None:
    """A group is not a private chat: nothing said there is spoken or answered."""
    async with start_bot():
        group = {"id": -5, "type": "group", "title": "Everybody"}
        sandbox.send(ALICE, "In the group", group)
        sandbox.send(ALICE, "/status")
        await sandbox.wait_for(reply_with("Idle"))

    assert -5 not in {event.chat_id for event in sandbox.events}


async def test_pairing_lets_in_who_knows_the_code(sandbox: Sandbox, start_bot: StartBot) -> None:
    """With nobody allowed, the code on the Mac lets one person in; wrong ones are refused."""
    codes: list[str] = []
    async with start_bot(show_code=codes.append, telegram_allowed_users=frozenset()):
        early = sandbox.send(ALICE, "Nobody may speak yet.")
        sandbox.send(ALICE, "/start")
        await sandbox.wait_for(reply_with("Nobody may speak here yet"))
        sandbox.send(ALICE, "/pair WRONG234")
        await sandbox.wait_for(reply_with("not the code"))
        sandbox.send(ALICE, f"/pair {codes[0].lower()}")
        await sandbox.wait_for(reply_with("Paired"))
        message = sandbox.send(ALICE, "Now I may.")
        await sandbox.wait_for(reaction_to(message, "👍"))
    async with start_bot(show_code=codes.append, telegram_allowed_users=frozenset()):
        message = sandbox.send(ALICE, "And after a restart.")
        await sandbox.wait_for(reaction_to(message, "👍"))

    assert codes[1:] == ["", ""]  # none any more
    assert not any(map(reaction_to(early), sandbox.events))


async def test_a_guesser_is_locked_out_after_five_tries(
    sandbox: Sandbox, start_bot: StartBot
) -> None:
    """After five wrong codes not even the right one helps that person."""
    codes: list[str] = []
    async with start_bot(show_code=codes.append, telegram_allowed_users=frozenset()):
        for _ in range(5):
            sandbox.send(STRANGER, "/pair AAAAAAAA")
        sandbox.send(STRANGER, f"/pair {codes[0]}")
        sandbox.send(ALICE, f"/pair {codes[0]}")
        await sandbox.wait_for(reply_with("Paired"))

    assert sum(map(reply_with("not the code"), sandbox.events)) == 5
    assert [e.chat_id for e in sandbox.events if "Paired" in e.text] == [ALICE.id]


async def test_status_tells_the_truth(sandbox: Sandbox, start_bot: StartBot, ear_a: Ear) -> None:
    """/status says speaking or idle, what waits, voice, device, and the last first sound."""
    async with start_bot():
        sandbox.send(ALICE, "/status")
        before = await sandbox.wait_for(reply_with("Idle. Nothing waits."))
        sandbox.send(ALICE, LONG)
        last = sandbox.send(ALICE, "One more.")
        await asyncio.to_thread(ear_a.wait_for_sound, 0.0)
        sandbox.send(ALICE, "/status")
        during = await sandbox.wait_for(reply_with("Speaking. 1 message waiting."))
        await sandbox.wait_for(reaction_to(last, "👍"), 60)
        seen = len(sandbox.events)
        sandbox.send(ALICE, "/status")
        after = await sandbox.wait_for(reply_with("Idle. Nothing waits."), since=seen)

    assert "Voice: af_heart (American English, female), speed 1" in before.text
    assert "Device: not used yet" in before.text
    assert "Last time to first sound: none yet" in before.text
    assert "Device: speaker_a" in during.text
    assert " s" in after.text.splitlines()[3]


async def test_what_has_no_words_is_refused_with_a_reason(
    sandbox: Sandbox, start_bot: StartBot, ear_a: Ear
) -> None:
    """Pictures, marks and invisible characters make no noise: 💔 and why."""
    async with start_bot():
        for text in ("🙂", "...!?", "\u200b\u200b"):
            message = sandbox.send(ALICE, text)
            await sandbox.wait_for(reaction_to(message, "💔"))
            await sandbox.wait_for(reply_with("no word", to=message))
        await asyncio.to_thread(ear_a.wait_for_silence)

    assert ear_a.spans() == []


async def test_what_cannot_be_spoken_yet_is_refused_with_a_reason(
    sandbox: Sandbox, start_bot: StartBot
) -> None:
    """A sticker or a poll gets 💔 and a reply, and the next message is spoken."""
    sticker = {
        "file_id": "s",
        "file_unique_id": "s",
        "type": "regular",
        "width": 1,
        "height": 1,
        "is_animated": False,
        "is_video": False,
    }
    async with start_bot():
        message = sandbox.send_fields(ALICE, {"sticker": sticker})
        await sandbox.wait_for(reaction_to(message, "💔"))
        await sandbox.wait_for(reply_with("I can say texts"))
        message = sandbox.send(ALICE, "A text.")
        await sandbox.wait_for(reaction_to(message, "👍"))


async def test_unknown_command_names_the_help(sandbox: Sandbox, start_bot: StartBot) -> None:
    """A command that does not exist is not spoken; the answer names /help."""
    async with start_bot():
        sandbox.send(ALICE, "/dance now")
        await sandbox.wait_for(reply_with("I don't know /dance."))
        sandbox.send(ALICE, "/help")
        await sandbox.wait_for(reply_with("/devices where sound goes"))


async def test_a_server_that_refuses_the_menu_does_not_stop_the_bot(
    sandbox: Sandbox, start_bot: StartBot
) -> None:
    """The menu is optional: without it messages are spoken all the same."""
    sandbox.faults["setmycommands"] = Fault(status=404, description="Not Found: method not found")
    async with start_bot():
        message = sandbox.send(ALICE, "Hello.")
        await sandbox.wait_for(reaction_to(message, "👍"))


async def test_the_menu_is_registered(sandbox: Sandbox, start_bot: StartBot) -> None:
    """Telegram is told which commands there are."""
    async with start_bot():
        menu = await sandbox.wait_for(lambda e: e.kind == "menu")

    assert menu.text == ", ".join(command.command for command in COMMANDS)


async def test_a_refused_reaction_does_not_affect_speech(
    sandbox: Sandbox, start_bot: StartBot, ear_a: Ear
) -> None:
    """A chat that allows no reactions hears its messages all the same."""
    sandbox.faults["setmessagereaction"] = Fault(
        status=400, description="Bad Request: REACTION_INVALID"
    )
    async with start_bot():
        sandbox.send(ALICE, "Hello there.")
        await asyncio.to_thread(ear_a.wait_for_sound, 0.0)


async def test_retry_after_is_obeyed_and_ends_in_the_newest_receipt(
    sandbox: Sandbox, start_bot: StartBot
) -> None:
    """After 429 Crier waits as told, then sends the one receipt that is true by then."""
    sandbox.faults["setmessagereaction"] = Fault(
        status=429, description="Too Many Requests: retry after 4", retry_after_s=4, times=1
    )
    async with start_bot():
        message = sandbox.send(ALICE, "Hello.")
        await sandbox.wait_for(reaction_to(message, "👍"))

    tries = [at_s for at_s, method, _ in sandbox.calls if method == "setmessagereaction"]
    assert len(tries) == 2
    assert tries[1] - tries[0] >= 4


async def test_polling_survives_a_second_instance(sandbox: Sandbox, start_bot: StartBot) -> None:
    """After a 409 polling goes on, and the next message is spoken."""
    sandbox.faults["getupdates"] = Fault(status=409, description="Conflict: terminated", times=1)
    async with start_bot():
        message = sandbox.send(ALICE, "Hello.")
        await sandbox.wait_for(reaction_to(message, "👍"))


async def test_a_message_that_was_not_finished_is_spoken_after_a_restart(
    sandbox: Sandbox, start_bot: StartBot, ear_a: Ear
) -> None:
    """A restart goes on with the sentence that was cut, and the receipt comes in the end."""
    async with start_bot():
        message = sandbox.send(ALICE, LONG)
        await asyncio.to_thread(ear_a.wait_for_sound, 0.0)
    restarted_s = time.monotonic()
    async with start_bot():
        await sandbox.wait_for(reaction_to(message, "👍"), 60)

    assert not any(map(reaction_to(message, "🙊"), sandbox.events))
    assert ear_a.spans(restarted_s)


async def test_an_update_that_comes_twice_is_spoken_once(
    sandbox: Sandbox, start_bot: StartBot, ear_a: Ear
) -> None:
    """Telegram sends an unconfirmed update again after a crash; it was stored, so it is known."""
    async with start_bot():
        message = sandbox.send(ALICE, "Only once.")
        update = dict(sandbox._updates[0])
        await sandbox.wait_for(reaction_to(message, "👍"))
        sandbox._updates.append(update)
        sandbox._arrived.set()
        message = sandbox.send(ALICE, "Second.")
        await sandbox.wait_for(reaction_to(message, "👍"))
        await asyncio.to_thread(ear_a.wait_for_silence)

    assert len(ear_a.spans()) == 2


async def test_the_door_stays_shut_when_it_breaks(
    sandbox: Sandbox, start_bot: StartBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mistake in asking who may speak lets nobody in and answers nobody."""

    def broken(*_: object) -> bool:
        raise ZeroDivisionError

    async with start_bot():
        await sandbox.wait_for(lambda event: event.kind == "menu")
        with monkeypatch.context() as patch:
            patch.setattr("bot.core.access.Access.allows", broken)
            sandbox.send(STRANGER, "Boo!")
            sandbox.send(STRANGER, "/start")
            await sandbox.wait_for_call("getupdates", 3)
        message = sandbox.send(ALICE, "Hello.")
        await sandbox.wait_for(reaction_to(message, "👍"))

    assert {event.chat_id for event in sandbox.events if event.chat_id} == {ALICE.id}


async def test_what_only_looks_like_an_update_does_not_end_polling(
    sandbox: Sandbox, start_bot: StartBot
) -> None:
    """After an answer that can't be read polling goes on."""
    async with start_bot():
        bad = {"update_id": sandbox.push({"message": {"text": 1}})}
        await sandbox.wait_for_call("getupdates", 3)
        sandbox._updates = type(sandbox._updates)(
            update for update in sandbox._updates if update["update_id"] != bad["update_id"]
        )
        message = sandbox.send(ALICE, "Hello.")
        await sandbox.wait_for(reaction_to(message, "👍"))
