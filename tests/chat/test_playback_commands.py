"""/stop, /skip, /pause, /replay, /urgent, /queue, /mute: what they do to messages."""

import asyncio
import datetime as dt
import time

import pytest

from bot.chat.sandbox import Fault, Json, Person, Sandbox
from tests.chat.samples import GROUP, LONG_TEXT, TWELVE_SENTENCES
from tests.chat.steps import BOB, PEOPLE, answer_to, heard_codes
from tests.conftest import ALICE, StartBot, reaction_to, reply_with
from tests.support.loudspeaker import Ear


@pytest.mark.realtime
async def test_stop_silences_and_reports_how_many_were_dropped(
    sandbox: Sandbox, start_bot: StartBot, ear_a: Ear
) -> None:
    """/stop in mid-sentence silences at once; waiting messages are dropped and marked 🙊."""
    async with start_bot():
        sent_s = time.monotonic()
        messages = [
            sandbox.send(ALICE, LONG_TEXT),
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


async def test_text_after_stop_is_spoken(
    sandbox: Sandbox, start_toned: StartBot, ear_a: Ear
) -> None:
    """A text sent after /stop is spoken as usual."""
    async with start_toned():
        sandbox.send(ALICE, TWELVE_SENTENCES)
        await asyncio.to_thread(ear_a.wait_for_sound, 0.0)
        sandbox.send(ALICE, "/stop")
        message = sandbox.send(ALICE, "After the stop.")
        await sandbox.wait_for(reaction_to(message, "👍"))


async def test_stop_reports_that_nothing_was_waiting(
    sandbox: Sandbox, start_toned: StartBot
) -> None:
    """An idle bot answers /stop with "Nothing was waiting"."""
    async with start_toned():
        sandbox.send(ALICE, "/stop")
        await sandbox.wait_for(reply_with("Silent. Nothing was waiting."))


@pytest.mark.realtime
async def test_stop_does_not_wait_for_slow_receipts(
    sandbox: Sandbox, start_toned: StartBot, ear_a: Ear
) -> None:
    """If the Bot API takes 5 s for each reaction, /stop still silences within a second."""
    sandbox.faults["setmessagereaction"] = Fault(delay_s=5)
    async with start_toned():
        sandbox.send(ALICE, TWELVE_SENTENCES)
        await asyncio.to_thread(ear_a.wait_for_sound, 0.0)
        stopped_s = time.monotonic()
        sandbox.send(ALICE, "/stop")
        await asyncio.to_thread(ear_a.wait_for_silence)

    assert ear_a.spans()[-1][1] - stopped_s < 1.0


async def test_pause_and_resume_lose_no_word(
    sandbox: Sandbox, start_toned: StartBot, ear_a: Ear
) -> None:
    """A paused message resumes where it was, and gets its thumb only at its end."""
    async with start_toned():
        message = sandbox.send(ALICE, " ".join(f"This is number {n}." for n in range(1, 7)))
        await asyncio.to_thread(ear_a.wait_for_sound, 0.0)
        await answer_to(sandbox, "/pause")
        await asyncio.to_thread(ear_a.wait_for_silence, 0.8)
        assert not any(map(reaction_to(message, "👍"), sandbox.events))
        await answer_to(sandbox, "/resume")
        await sandbox.wait_for(reaction_to(message, "👍"))

    assert sorted(set(heard_codes(ear_a))) == [1, 2, 3, 4, 5, 6]


async def test_skip_replay_and_urgent_change_the_order(
    sandbox: Sandbox, start_toned: StartBot, ear_a: Ear
) -> None:
    """/skip starts the next message, /replay repeats the last, ! puts one before all others."""
    async with start_toned():
        first = sandbox.send(ALICE, TWELVE_SENTENCES)
        second = sandbox.send(ALICE, "This is number 21.")
        await asyncio.to_thread(ear_a.wait_for_sound, 0.0)
        urgent = sandbox.send(ALICE, "!This is number 31.")
        await sandbox.wait_for(reaction_to(urgent, "👍"))
        sandbox.send(ALICE, "/skip")
        await sandbox.wait_for(reaction_to(first, "🙊"))
        await sandbox.wait_for(reaction_to(second, "👍"))
        seen = len(sandbox.events)
        sandbox.send(ALICE, "/replay")
        await sandbox.wait_for(reaction_to(second, "👍"), since=seen)
        await asyncio.to_thread(ear_a.wait_for_silence)

    numbers = heard_codes(ear_a)
    assert numbers[-2:] == [21, 21]
    assert 31 in numbers[:-2]
    assert 12 not in numbers


async def test_urgent_and_note_hide_spoilers(sandbox: Sandbox, start_toned: StartBot) -> None:
    """With only a spoiler after the command nothing is spoken."""
    async with start_toned():
        for command in ("/urgent", "/note"):
            begin = {"type": "bot_command", "offset": 0, "length": len(command)}
            spoiler = {"type": "spoiler", "offset": len(command) + 1, "length": 7}
            seen = len(sandbox.events)
            fields: Json = {"text": f"{command} He dies", "entities": [begin, spoiler]}
            sandbox.send_fields(ALICE, fields)
            await sandbox.wait_for(reply_with("nothing to say but 1 spoiler"), since=seen)

    assert not any(e.kind == "voice" for e in sandbox.events)


# ---- /mute ----


async def test_mute_holds_incoming_messages_and_the_current_one(
    sandbox: Sandbox, start_toned: StartBot, ear_a: Ear
) -> None:
    """A mute silences at once; when it ends, the interrupted message resumes at its sentence."""
    async with start_toned():
        first = sandbox.send(ALICE, " ".join(f"This is number {n}." for n in range(1, 7)))
        await asyncio.to_thread(ear_a.wait_for_sound, 0.0)
        await asyncio.sleep(1.2)
        assert "Muted until" in await answer_to(sandbox, "/mute 2h")
        await sandbox.wait_for(reaction_to(first, "😴"))
        second = sandbox.send(ALICE, "This is number 11.")
        await sandbox.wait_for(reaction_to(second, "😴"))
        await asyncio.to_thread(ear_a.wait_for_silence, 1.0)
        await answer_to(sandbox, "/unmute")
        for message in (first, second):
            await sandbox.wait_for(reaction_to(message, "👍"))

    numbers = heard_codes(ear_a)
    assert sorted(set(numbers)) == [1, 2, 3, 4, 5, 6, 11]
    assert len(numbers) <= 8


async def test_mute_survives_a_restart(sandbox: Sandbox, start_toned: StartBot) -> None:
    """Muted for two hours stays muted after a restart, and held messages are still there."""
    async with start_toned():
        await answer_to(sandbox, "/mute 2h")
        message = sandbox.send(ALICE, "This is number 1.")
        await sandbox.wait_for(reaction_to(message, "😴"))
    async with start_toned():
        assert "Muted until" in await answer_to(sandbox, "/status")
        await answer_to(sandbox, "/unmute")
        await sandbox.wait_for(reaction_to(message, "👍"))


# ---- /queue ----


async def test_queue_names_the_sender_only_if_it_changes(
    sandbox: Sandbox, start_toned: StartBot
) -> None:
    """Names are shown only if several people use the bot; an edit keeps the name."""
    async with start_toned():
        await answer_to(sandbox, "/mute")
        held = sandbox.send(ALICE, "one")
        await sandbox.wait_for(reply_with("I keep it until then", to=held))
        assert await answer_to(sandbox, "/queue") == "1. one (held)"
    async with start_toned(telegram_allowed_users=PEOPLE):
        sandbox.send(ALICE, "two")
        sandbox.send(ALICE, "three")
        edited = sandbox.send(BOB, "fore")
        sandbox.send(BOB, "five")
        sandbox.send(ALICE, "six")
        await sandbox.wait_for(reply_with("I keep it until then", to=edited))
        sandbox.edit(BOB, edited, "four")
        sandbox.send(BOB, "/queue")
        of_bob = await sandbox.wait_for(reply_with("four"))
        sandbox.send(ALICE, "/queue")
        of_alice = await sandbox.wait_for(reply_with("two"))

    assert of_alice.text.splitlines() == [
        "1. one (held)",
        "2. Alice: two (held)",
        "3. three (held)",
        "6. Alice: six (held)",
        "2 messages from other people, chats or programs.",
    ]
    assert of_bob.text.splitlines() == [
        "4. Bob: four (held)",
        "5. five (held)",
        "4 messages from other people, chats or programs.",
    ]


async def test_queue_shows_a_text_only_to_its_sender_in_its_chat(
    sandbox: Sandbox, start_toned: StartBot
) -> None:
    """Texts of other people and of other chats are only counted; no command shows them."""
    mention = [{"type": "mention", "offset": 0, "length": 10}]

    async def ask(person: Person, command: str, chat: Json | None) -> str:
        seen = len(sandbox.events)
        sandbox.send(person, command, chat)
        chat_id = chat["id"] if chat else person.id
        answer = await sandbox.wait_for(
            lambda e: e.kind == "message" and e.chat_id == chat_id, since=seen
        )
        return answer.text

    async with start_toned(telegram_allowed_users=PEOPLE):
        private = sandbox.send(ALICE, "canary number 1")
        await sandbox.wait_for(reaction_to(private, "👍"))
        await answer_to(sandbox, "/mute")
        for person, text, chat in (
            (ALICE, "canary number 2", None),
            (BOB, "finch number 3", None),
            (ALICE, "@crier_bot sparrow number 4", GROUP),
            (BOB, "@crier_bot robin number 5", GROUP),
        ):
            fields: Json = {"text": text, "entities": mention if chat else []}
            held = sandbox.send_fields(person, fields, chat)
            await sandbox.wait_for(reaction_to(held, "😴"))
        seen = len(sandbox.events)
        in_group = await ask(BOB, "/queue", GROUP)
        in_private = await ask(BOB, "/queue", None)
        for command in ("/status", "/replay", "/people", "/devices", "/pronounce"):
            await ask(BOB, command, GROUP)
            await ask(BOB, command, None)
        later = " ".join(e.text for e in sandbox.events[seen:])

    assert in_group.splitlines()[1:] == ["3 messages from other people, chats or programs."]
    assert "robin" in in_group
    assert in_private.splitlines()[1:] == ["3 messages from other people, chats or programs."]
    assert "finch" in in_private
    assert not [bird for bird in ("canary", "sparrow") if bird in later]


async def test_volume_at_night_is_shown_and_changed_for_that_night(
    sandbox: Sandbox, start_toned: StartBot
) -> None:
    """/volume and /status name the hour until which it applies."""
    hour = dt.timedelta(hours=1)
    now = dt.datetime.now().astimezone()
    until = f"{now + hour:%H:%M}"
    async with start_toned(volume_at_night=f"30@{now - hour:%H:%M}-{until}") as bot:
        sandbox.send(ALICE, "/volume")
        await sandbox.wait_for(reply_with(f"The volume is 30 % until {until}, as it is night."))
        sandbox.send(ALICE, "/volume 50")
        await sandbox.wait_for(reply_with(f"Volume 50 % until {until}, as it is night."))
        sandbox.send(ALICE, "/status")
        await sandbox.wait_for(reply_with(f"Volume: 50 % until {until}"))
        assert bot.pipeline.status().gain == 0.25
