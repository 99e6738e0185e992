"""Texts and other messages end to end: sent to the sandbox, heard at a virtual loudspeaker."""

import asyncio
import itertools
import random
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from bot.chat.sandbox import Event, Json, Sandbox
from tests.chat.samples import TWELVE_SENTENCES
from tests.chat.steps import heard_codes
from tests.conftest import ALICE, StartBot, reaction_to, reply_with
from tests.support.loudspeaker import Ear


@pytest.mark.realtime
async def test_text_sounds_on_the_selected_device_and_then_gets_its_thumb(
    sandbox: Sandbox, start_bot: StartBot, ear_a: Ear, ear_b: Ear
) -> None:
    """A text sounds on the selected device for as long as its words take; 👍 follows its end."""
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
async def test_texts_are_spoken_in_order_without_overlap(
    sandbox: Sandbox, start_bot: StartBot, ear_a: Ear
) -> None:
    """Each message ends before the next one starts, and receipts come in that order."""
    async with start_bot():
        messages = [sandbox.send(ALICE, f"Number {word}.") for word in ("one", "two", "three")]
        thumbs = [await sandbox.wait_for(reaction_to(message, "👍")) for message in messages]
        await asyncio.to_thread(ear_a.wait_for_silence)

    times = [thumb.at_s for thumb in thumbs]
    assert sorted(times) == times
    assert len(ear_a.spans()) == 3


async def test_text_interrupted_by_a_restart_is_finished_after_it(
    sandbox: Sandbox, start_toned: StartBot, ear_a: Ear
) -> None:
    """A restart resumes at the interrupted sentence, and the receipt follows at the end."""
    async with start_toned():
        message = sandbox.send(ALICE, TWELVE_SENTENCES)
        await asyncio.to_thread(ear_a.wait_for_sound, 0.0)
    restarted_s = time.monotonic()
    async with start_toned():
        await sandbox.wait_for(reaction_to(message, "👍"), 60)

    assert not any(map(reaction_to(message, "🙊"), sandbox.events))
    assert ear_a.spans(restarted_s)


async def test_captions_forwards_and_quotes_are_spoken(
    sandbox: Sandbox, start_toned: StartBot, ear_a: Ear
) -> None:
    """A picture's caption, the author of a forward, and what a reply quotes are spoken."""
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
        for sent in fields:
            message = sandbox.send_fields(ALICE, sent)
            await sandbox.wait_for(reaction_to(message, "👍"))

    assert heard_codes(ear_a) == [5, 8, 6, 9, 7, 10]


async def test_text_with_a_code_block_reports_it_as_skipped(
    sandbox: Sandbox, start_toned: StartBot
) -> None:
    """A code block is not read, and a reply reports that."""
    async with start_toned():
        text = "Number 1.\n```\nprint(2)\n```"
        message = sandbox.send(ALICE, text)
        await sandbox.wait_for(reply_with("Skipped: 1 code block.", to=message))
        await sandbox.wait_for(reaction_to(message, "👍"))


async def test_text_without_words_is_refused_with_a_reason(
    sandbox: Sandbox, start_toned: StartBot, ear_a: Ear
) -> None:
    """Emoji, punctuation and invisible characters make no sound: 💔 and the reason."""
    async with start_toned():
        for text in ("🙂", "...!?", "\u200b\u200b"):
            message = sandbox.send(ALICE, text)
            await sandbox.wait_for(reaction_to(message, "💔"))
            await sandbox.wait_for(reply_with("no word", to=message))
        await asyncio.to_thread(ear_a.wait_for_silence)

    assert ear_a.spans() == []


async def test_sticker_is_refused_with_a_reason(sandbox: Sandbox, start_toned: StartBot) -> None:
    """A sticker gets 💔 and a reply, and the next message is spoken."""
    sticker = {
        "file_id": "s",
        "file_unique_id": "s",
        "type": "regular",
        "width": 1,
        "height": 1,
        "is_animated": False,
        "is_video": False,
    }
    async with start_toned():
        message = sandbox.send_fields(ALICE, {"sticker": sticker})
        await sandbox.wait_for(reaction_to(message, "💔"))
        await sandbox.wait_for(reply_with("I can say texts"))
        message = sandbox.send(ALICE, "A text.")
        await sandbox.wait_for(reaction_to(message, "👍"))


async def test_command_that_is_unknown_is_answered_and_not_spoken(
    sandbox: Sandbox, start_toned: StartBot
) -> None:
    """The reply to an unknown command names it; /help lists the commands."""
    async with start_toned():
        sandbox.send(ALICE, "/dance now")
        await sandbox.wait_for(reply_with("I don't know /dance."))
        sandbox.send(ALICE, "/help")
        await sandbox.wait_for(reply_with("/devices where sound goes"))


async def test_status_reports_activity_voice_device_and_latency(
    sandbox: Sandbox, start_toned: StartBot, ear_a: Ear
) -> None:
    """/status reports activity, queue, voice, device and the last time to first sound."""
    async with start_toned():
        sandbox.send(ALICE, "/status")
        before = await sandbox.wait_for(reply_with("Idle. Nothing waits."))
        sandbox.send(ALICE, TWELVE_SENTENCES)
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


async def test_handlers_refuse_a_text_on_an_error(
    sandbox: Sandbox, start_toned: StartBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unexpected error is answered with 💔 and a reply; the next text is said."""

    async def broken(*_: object, **__: object) -> None:
        raise KeyError("sat")

    async with start_toned():
        with monkeypatch.context() as patch:
            patch.setattr("bot.core.intake.Intake.accept", broken)
            message = sandbox.send(ALICE, "Number 1.")
            await sandbox.wait_for(reply_with("I made a mistake on that one", to=message))
            await sandbox.wait_for(reaction_to(message, "💔"))
        later = sandbox.send(ALICE, "Number 2.")
        await sandbox.wait_for(reaction_to(later, "👍"))


@given(data=st.lists(st.text(min_size=1, max_size=16), min_size=1, max_size=20))
@hypothesis_settings(
    max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_buttons_are_answered_whatever_they_carry(
    sandbox: Sandbox, start_toned: StartBot, tmp_path: Path, data: list[str]
) -> None:
    """A press is answered whatever data its button carries, and the next one works."""
    data_dir = tmp_path / str(random.getrandbits(40))
    seen = len(sandbox.events)
    async with start_toned(data_dir=data_dir):
        sandbox.send(ALICE, "/help")
        page = await sandbox.wait_for(reply_with("Send me a text"), since=seen)
        prefixes = itertools.cycle(["", "late:", "device:", "device="])
        for one, prefix in zip(data, prefixes, strict=False):
            sandbox.press(ALICE, page.message_id, prefix + one)
        for _ in data:
            answer = await sandbox.wait_for(_is_answer, since=seen)
            seen = sandbox.events.index(answer) + 1


def _is_answer(event: Event) -> bool:
    return event.kind == "answer"
