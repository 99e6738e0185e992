"""The conversation end to end: controls, voices, quiet, people, groups."""

import asyncio
import datetime as dt
import io
import itertools
import math
import time

import pytest
import soundfile
from telegram import Bot

from bot.chat import menu, voice_commands
from bot.chat.sandbox import Fault, Json, Person, Sandbox
from bot.core.preferences import detect
from bot.core.quiet_hours import QuietHours, span_s
from tests.conftest import ALICE, STRANGER, TOKEN, StartBot, reaction_to, reply_with
from tests.support.fake_voice import tell
from tests.support.loudspeaker import RATE_HZ, Ear

BOB = Person(8, "Bob")
PEOPLE = frozenset({ALICE.id, BOB.id})
GROUP = {"id": -100, "type": "group", "title": "Family"}
LONG = " ".join(f"This is number {n}." for n in range(1, 13))


def heard(ear: Ear) -> list[int]:
    """Return the numbers that were heard whole, once the recording has them all."""
    ear.wait_for_silence()
    return [tone.code for tone in tell(ear.recording()[0], RATE_HZ) if tone.whole]


async def answer_to(sandbox: Sandbox, command: str, who: Person = ALICE) -> str:
    """Send a command, and return what the bot answers."""
    seen = len(sandbox.events)
    sandbox.send(who, command)
    event = await sandbox.wait_for(lambda e: e.kind == "message", since=seen)
    return event.text


# ---- what sounds ----


async def test_pause_and_resume_lose_no_word(
    sandbox: Sandbox, start_toned: StartBot, ear_a: Ear
) -> None:
    """A paused message goes on where it was, and gets its thumb at its end only."""
    async with start_toned():
        message = sandbox.send(ALICE, " ".join(f"This is number {n}." for n in range(1, 7)))
        await asyncio.to_thread(ear_a.wait_for_sound, 0.0)
        await answer_to(sandbox, "/pause")
        await asyncio.to_thread(ear_a.wait_for_silence, 0.8)
        assert not any(map(reaction_to(message, "👍"), sandbox.events))
        await answer_to(sandbox, "/resume")
        await sandbox.wait_for(reaction_to(message, "👍"))

    assert sorted(set(heard(ear_a))) == [1, 2, 3, 4, 5, 6]


async def test_skip_replay_and_urgent(sandbox: Sandbox, start_toned: StartBot, ear_a: Ear) -> None:
    """Skip goes on with the next; replay says the last again; ! comes before what waits."""
    async with start_toned():
        first = sandbox.send(ALICE, LONG)
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

    numbers = heard(ear_a)
    assert numbers[-2:] == [21, 21]
    assert 31 in numbers[:-2]
    assert 12 not in numbers


async def test_an_edit_changes_what_waits(
    sandbox: Sandbox, start_toned: StartBot, ear_a: Ear
) -> None:
    """An edited message that waits is said as edited; one that was heard is not said again."""
    async with start_toned():
        first = sandbox.send(ALICE, "This is number 1. This is number 2. This is number 3.")
        waiting = sandbox.send(ALICE, "This is number 11.")
        await asyncio.to_thread(ear_a.wait_for_sound, 0.0)
        sandbox.edit(ALICE, waiting, "This is number 21.")
        await sandbox.wait_for(reaction_to(waiting, "👍"))
        sandbox.edit(ALICE, first, "This is number 31.")
        last = sandbox.send(ALICE, "This is number 4.")
        await sandbox.wait_for(reaction_to(last, "👍"))

    assert heard(ear_a) == [1, 2, 3, 21, 4]


async def test_an_edit_changes_what_is_kept_and_what_came_late(
    sandbox: Sandbox, start_toned: StartBot, ear_a: Ear
) -> None:
    """Kept by a mute, or waiting for a decision: it is said as it was edited."""
    fields: Json = {"text": "This is number 11.", "date": int(time.time()) - 7200}
    async with start_toned():
        await answer_to(sandbox, "/mute 2h")
        kept = sandbox.send(ALICE, "This is number 1.")
        await sandbox.wait_for(reaction_to(kept, "😴"))
        sandbox.edit(ALICE, kept, "This is number 2.")
        await answer_to(sandbox, "/unmute")
        await sandbox.wait_for(reaction_to(kept, "👍"))
        late = sandbox.send_fields(ALICE, fields)
        question = await sandbox.wait_for(reply_with("Shall I say it?"))
        sandbox.edit(ALICE, late, "This is number 12.")
        sandbox.press(ALICE, question.message_id, dict(question.buttons)["Say it"])
        await sandbox.wait_for(reaction_to(late, "👍"))

    assert heard(ear_a) == [2, 12]


async def test_captions_forwards_and_quotes_are_said(
    sandbox: Sandbox, start_toned: StartBot, ear_a: Ear
) -> None:
    """The words under a picture; whose message it was; what an answer is about."""
    carol: Json = {"id": 9, "is_bot": False, "first_name": "Carol 8"}
    photo = {"file_id": "x", "file_unique_id": "x", "width": 9, "height": 9}
    origin = {"type": "user", "date": 1, "sender_user": carol}
    fields: list[Json] = [
        {"photo": [photo], "caption": "This is number 5."},
        {"text": "This is number 6.", "forward_origin": origin},
        {"text": "This is number 7.", "quote": {"text": "Is it number 9?", "position": 0}},
        {"text": "!This is number 10."},
    ]
    async with start_toned():
        for one in fields:
            message = sandbox.send_fields(ALICE, one)
            await sandbox.wait_for(reaction_to(message, "👍"))

    assert heard(ear_a) == [5, 8, 6, 9, 7, 10]


async def test_what_was_left_out_is_told_with_the_receipt(
    sandbox: Sandbox, start_toned: StartBot
) -> None:
    """A code block is not read, and its sender is told so."""
    async with start_toned():
        text = "Number 1.\n```\nprint(2)\n```"
        message = sandbox.send(ALICE, text)
        await sandbox.wait_for(reply_with("Skipped: 1 code block.", to=message))
        await sandbox.wait_for(reaction_to(message, "👍"))


# ---- the status message ----


async def test_a_long_burst_has_one_status_message(sandbox: Sandbox, start_toned: StartBot) -> None:
    """It tells what is said where, is edited once a second at most, and ends as a summary."""
    async with start_toned():
        messages = [sandbox.send(ALICE, LONG) for _ in range(2)]
        strip = await sandbox.wait_for(reply_with("Speaking 1 of 2"))
        assert "on speaker_a" in strip.text
        assert {label for label, _ in strip.buttons} >= {"Pause", "Skip", "Stop", "Louder"}
        sandbox.press(ALICE, strip.message_id, dict(strip.buttons)["Skip"])
        await sandbox.wait_for(reaction_to(messages[0], "🙊"))
        await sandbox.wait_for(lambda e: e.kind == "edit" and "Speaking 2 of 2" in e.text)
        for label in ("Pause", "Softer", "Louder", "Slower", "Faster"):
            sandbox.press(ALICE, strip.message_id, dict(strip.buttons)[label])
        paused = await sandbox.wait_for(lambda e: e.kind == "edit" and "Paused at 2" in e.text)
        sandbox.press(ALICE, strip.message_id, dict(paused.buttons)["Resume"])
        await sandbox.wait_for(reaction_to(messages[1], "👍"))
        done = await sandbox.wait_for(lambda e: e.kind == "edit" and "Heard 1 message" in e.text)
        assert [label for label, _ in done.buttons] == ["Say it again"]
    edits = [e for e in sandbox.events if e.kind == "edit"]
    texts = [edit.text for edit in edits]

    assert all(one != other for one, other in itertools.pairwise(texts))
    assert len([e for e in sandbox.events if reply_with("Speaking 1 of")(e)]) == 1
    assert all(b.at_s - a.at_s > 0.8 for a, b in itertools.pairwise(edits))
    assert "not to the end" in done.text


async def test_edits_wait_out_a_retry_after(sandbox: Sandbox, start_toned: StartBot) -> None:
    """Told to wait, Crier sends the newest state once, not all it has missed."""
    async with start_toned():
        message = sandbox.send(ALICE, f"{LONG} {LONG}")
        await sandbox.wait_for(reply_with("Speaking 1 of 1"))
        sandbox.faults["editmessagetext"] = Fault(
            status=429, description="Too Many Requests", retry_after_s=3, times=1
        )
        seen = len(sandbox.calls)
        await sandbox.wait_for(lambda e: e.kind == "edit")
        await sandbox.wait_for(reaction_to(message, "👍"))
        await sandbox.wait_for(lambda e: e.kind == "edit" and "Heard 1 message" in e.text)
    edits = [at_s for at_s, method, _ in sandbox.calls[seen:] if method == "editmessagetext"]

    assert edits[1] - edits[0] >= 3
    assert all(later - earlier > 0.9 for earlier, later in itertools.pairwise(edits))


# ---- quiet ----


async def test_a_mute_keeps_what_comes_and_what_sounds(
    sandbox: Sandbox, start_toned: StartBot, ear_a: Ear
) -> None:
    """A mute is silence at once; what was cut goes on at its sentence when it ends."""
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

    numbers = heard(ear_a)
    assert sorted(set(numbers)) == [1, 2, 3, 4, 5, 6, 11]
    assert len(numbers) <= 8


async def test_a_mute_survives_a_restart(sandbox: Sandbox, start_toned: StartBot) -> None:
    """Muted for two hours is muted after a restart, too, and what was kept is still there."""
    async with start_toned():
        await answer_to(sandbox, "/mute 2h")
        message = sandbox.send(ALICE, "This is number 1.")
        await sandbox.wait_for(reaction_to(message, "😴"))
    async with start_toned():
        assert "Muted until" in await answer_to(sandbox, "/status")
        await answer_to(sandbox, "/unmute")
        await sandbox.wait_for(reaction_to(message, "👍"))


def test_quiet_hours_span_midnight_and_let_the_urgent_pass() -> None:
    """From ten to seven it is quiet, but for what is urgent; a mute is quiet for all."""
    now = [dt.datetime(2026, 11, 23, 23, 0, tzinfo=dt.UTC)]
    quiet = QuietHours("22:00-07:00", now=lambda: now[0])
    assert quiet.reason() == "Quiet hours until 07:00."
    assert quiet.reason(urgent=True) == ""
    now[0] = dt.datetime(2026, 11, 24, 7, 0, tzinfo=dt.UTC)
    assert quiet.reason() == ""
    quiet.mute(now[0].timestamp() + 2 * 3600)
    assert quiet.reason() == "Muted until 09:00."
    quiet.mute(now[0].timestamp() + 48 * 3600)
    assert quiet.reason() == "Muted until 26 November, 07:00."
    quiet.mute(math.inf)
    assert quiet.reason(urgent=True) == "Muted until /unmute."


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("2h", 7200), ("30m", 1800), ("90 min", 5400), ("45", 2700), ("1.5h", 5400), ("x", None)],
)
def test_spans_are_understood(text: str, seconds: float | None) -> None:
    """Hours and minutes, as people write them."""
    assert span_s(text) == seconds


# ---- voices ----


async def test_a_voice_is_previewed_as_a_note_and_chosen(
    sandbox: Sandbox, start_toned: StartBot, ear_a: Ear
) -> None:
    """The preview comes as a voice note and nothing sounds here; the choice is kept."""
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

    assert len(samples) / rate_hz > 0.05  # a text without a number is a hush in this voice
    assert "bm_george" in status
    assert ear_a.spans() == []


async def test_a_message_is_sent_back_as_a_voice_note(
    sandbox: Sandbox, start_toned: StartBot, ear_a: Ear
) -> None:
    """With its words behind the command or as an answer to it, its code left out, silent here."""
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
    asked: tuple[Json, ...] = (
        {"text": "/note This is number 11", "entities": [command]},
        {"text": "/note", "entities": [command], "reply_to_message": answered},
    )
    told = []
    async with start_toned():
        for fields in asked:
            seen = len(sandbox.events)
            sandbox.send_fields(ALICE, fields)
            note = await sandbox.wait_for(lambda e: e.kind == "voice", since=seen)
            samples, rate_hz = soundfile.read(io.BytesIO(note.content), dtype="float32")
            told.append([tone.code for tone in tell(samples, rate_hz)])

    assert told == [[11], [21]]
    assert ear_a.spans() == []


async def test_a_voice_whose_signs_are_not_read_says_what_to_install(
    sandbox: Sandbox, start_toned: StartBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By name or by button, the command to type is told, unless it was typed already."""
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


def test_the_language_of_a_text_is_told_offline() -> None:
    """A dozen letters are enough; fewer, and languages that no voice speaks, are left alone."""
    assert detect("¿Dónde estás? Llegamos a las ocho.") == "es"
    assert detect("On arrive à la gare dans une heure.") == "fr-fr"
    assert detect("晩ごはんができました。") == "ja"
    assert detect("我们七点回家吃饭。") == "cmn"
    assert detect("Dinner will be ready at seven.") == "en-us"
    assert detect("ok") == detect("Guten Abend zusammen") == ""


async def test_the_voice_follows_the_language_where_a_person_wants_it(
    sandbox: Sandbox, start_toned: StartBot
) -> None:
    """It does so for one person only, and after a restart, too."""
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
        for who in (ALICE, BOB):
            message = sandbox.send(who, spanish)
            await sandbox.wait_for(reaction_to(message, "😴"))
        orders = [
            bot.delivery.queue.utterance(place.message) for place in bot.delivery.queue.places()
        ]

    assert [(order.voice[0], order.lang, order.speed) for order in orders] == [
        ("e", "es", 1.0),
        ("b", "en-gb", 1.5),
    ]


# ---- people ----


async def test_a_name_is_said_only_when_the_speaker_changes(
    sandbox: Sandbox, start_toned: StartBot
) -> None:
    """And only where several people use the bot; an edit keeps it."""
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


async def test_an_invited_person_speaks_until_removed(
    sandbox: Sandbox, start_toned: StartBot
) -> None:
    """A code lets one more in, is good once, and whoever is removed is a stranger again."""
    async with start_toned():
        invitation = await answer_to(sandbox, "/invite")
        pair = next(line for line in invitation.splitlines() if line.startswith("/pair"))
        assert "Paired" in await answer_to(sandbox, pair, BOB)
        sandbox.send(STRANGER, pair)
        message = sandbox.send(BOB, "This is number 1.")
        await sandbox.wait_for(reaction_to(message, "👍"))
        sandbox.send(ALICE, "/people")
        people = await sandbox.wait_for(reply_with("Bob"))
        sandbox.press(ALICE, people.message_id, dict(people.buttons)["Remove Bob"])
        await sandbox.wait_for(lambda e: e.kind == "edit" and "Removed" in e.text)
        gone = sandbox.send(BOB, "This is number 2.")
        last = sandbox.send(ALICE, "This is number 3.")
        await sandbox.wait_for(reaction_to(last, "👍"))

    assert not any(map(reaction_to(gone), sandbox.events))
    assert not any(e.chat_id == STRANGER.id for e in sandbox.events)


async def test_a_group_is_heard_when_it_speaks_to_the_bot(
    sandbox: Sandbox, start_toned: StartBot, ear_a: Ear
) -> None:
    """In a group only what mentions or answers the bot is said, and only of those who may."""
    mention = [{"type": "mention", "offset": 0, "length": 10}]

    def mentioning(who: Person, text: str) -> int:
        fields: Json = {"text": f"@crier_bot {text}", "entities": mention}
        return sandbox.send_fields(who, fields, GROUP)

    async with start_toned(telegram_allowed_users=PEOPLE):
        sandbox.send(ALICE, "This is number 1.", GROUP)
        stranger = mentioning(STRANGER, "This is number 2.")
        by_alice = mentioning(ALICE, "This is number 3.")
        by_bob = mentioning(BOB, "This is number 4.")
        for message in (by_alice, by_bob):
            await sandbox.wait_for(reaction_to(message, "👍"))
        sandbox.send(BOB, "/status", GROUP)
        status = await sandbox.wait_for(lambda e: e.chat_id == GROUP["id"] and "Voice:" in e.text)
        own = {"id": sandbox.bot_id, "is_bot": True, "first_name": "Crier"}
        answered = {"message_id": status.message_id, "date": 1, "chat": GROUP, "from": own}
        fields: Json = {"text": "This is number 5.", "reply_to_message": answered}
        answer = sandbox.send_fields(ALICE, fields, GROUP)
        await sandbox.wait_for(reaction_to(answer, "👍"))

    assert heard(ear_a) == [3, 4, 5]
    assert not any(map(reaction_to(stranger), sandbox.events))


async def test_queue_shows_a_text_to_its_sender_where_it_was_sent(
    sandbox: Sandbox, start_toned: StartBot
) -> None:
    """What was sent elsewhere, or by others, is a number; no command tells it in another chat."""
    mention = [{"type": "mention", "offset": 0, "length": 10}]

    async def ask(who: Person, command: str, chat: Json | None) -> str:
        seen = len(sandbox.events)
        sandbox.send(who, command, chat)
        where = chat["id"] if chat else who.id
        answer = await sandbox.wait_for(
            lambda e: e.kind == "message" and e.chat_id == where, since=seen
        )
        return answer.text

    async with start_toned(telegram_allowed_users=PEOPLE):
        private = sandbox.send(ALICE, "canary number 1")
        await sandbox.wait_for(reaction_to(private, "👍"))
        await answer_to(sandbox, "/mute")
        for who, text, chat in (
            (ALICE, "canary number 2", None),
            (BOB, "finch number 3", None),
            (ALICE, "@crier_bot sparrow number 4", GROUP),
            (BOB, "@crier_bot robin number 5", GROUP),
        ):
            fields: Json = {"text": text, "entities": mention if chat else []}
            held = sandbox.send_fields(who, fields, chat)
            await sandbox.wait_for(reaction_to(held, "😴"))
        seen = len(sandbox.events)
        in_group = await ask(BOB, "/queue", GROUP)
        alone = await ask(BOB, "/queue", None)
        for command in ("/status", "/replay", "/people", "/devices", "/pronounce"):
            await ask(BOB, command, GROUP)
            await ask(BOB, command, None)
        told = " ".join(e.text for e in sandbox.events[seen:])

    assert in_group.splitlines()[1:] == ["3 messages from other people, chats or programs."]
    assert "robin" in in_group
    assert alone.splitlines()[1:] == ["3 messages from other people, chats or programs."]
    assert "finch" in alone
    assert not [bird for bird in ("canary", "sparrow") if bird in told]


# ---- the menu ----


async def test_the_menu_is_in_the_languages_that_there_are(sandbox: Sandbox) -> None:
    """English for all; a translation for those who use it; what is not translated is English."""
    async with Bot(TOKEN, f"{sandbox.url}/bot") as bot:
        await menu.offer(bot, {"de": {"stop": "sofort still"}})
    (_, _, english), (_, _, german) = [c for c in sandbox.calls if c[1] == "setmycommands"]

    assert "language_code" not in english
    assert german["language_code"] == "de"
    assert german["commands"][0] == {"command": "stop", "description": "sofort still"}
    assert german["commands"][1:] == english["commands"][1:]
