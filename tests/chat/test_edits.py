"""Edited messages: a waiting message is replaced, or withdrawn if no words are left."""

import asyncio
import time

import pytest

from bot.chat.sandbox import Json, Sandbox
from tests.chat.samples import PICTURE_FILE, SUPERGROUP, rich, text_with_entity
from tests.chat.steps import answer_to, edit, heard_codes, mute
from tests.conftest import ALICE, StartBot, reaction_to, reply_with
from tests.support.loudspeaker import Ear


async def test_edit_replaces_a_waiting_message(
    sandbox: Sandbox, start_toned: StartBot, ear_a: Ear
) -> None:
    """A waiting message is spoken as edited; one that was heard is not spoken again."""
    async with start_toned():
        first = sandbox.send(ALICE, "This is number 1. This is number 2. This is number 3.")
        waiting = sandbox.send(ALICE, "This is number 11.")
        await asyncio.to_thread(ear_a.wait_for_sound, 0.0)
        sandbox.edit(ALICE, waiting, "This is number 21.")
        await sandbox.wait_for(reaction_to(waiting, "👍"))
        sandbox.edit(ALICE, first, "This is number 31.")
        last = sandbox.send(ALICE, "This is number 4.")
        await sandbox.wait_for(reaction_to(last, "👍"))

    assert heard_codes(ear_a) == [1, 2, 3, 21, 4]


async def test_edit_replaces_a_muted_and_a_late_message(
    sandbox: Sandbox, start_toned: StartBot, ear_a: Ear
) -> None:
    """A message held by a mute, or waiting for a decision, is spoken as edited."""
    fields: Json = {"text": "This is number 11.", "date": int(time.time()) - 7200}
    async with start_toned():
        await answer_to(sandbox, "/mute 2h")
        muted = sandbox.send(ALICE, "This is number 1.")
        await sandbox.wait_for(reaction_to(muted, "😴"))
        sandbox.edit(ALICE, muted, "This is number 2.")
        await answer_to(sandbox, "/unmute")
        await sandbox.wait_for(reaction_to(muted, "👍"))
        late = sandbox.send_fields(ALICE, fields)
        question = await sandbox.wait_for(reply_with("Shall I say it?"))
        sandbox.edit(ALICE, late, "This is number 12.")
        sandbox.press(ALICE, question.message_id, dict(question.buttons)["Say it"])
        await sandbox.wait_for(reaction_to(late, "👍"))

    assert heard_codes(ear_a) == [2, 12]


@pytest.mark.parametrize(
    "fields",
    [
        {"text": "."},
        text_with_entity("spoiler", "number 1", "number 1"),
        text_with_entity("bot_command", "/stop", "/stop"),
        rich({"type": "table", "cells": []}),
    ],
    ids=["a mark", "a spoiler", "a command", "a table"],
)
async def test_edit_without_words_withdraws_a_message(
    sandbox: Sandbox, start_toned: StartBot, fields: Json
) -> None:
    """Sounding, waiting, held or late: it gets 🙊, others are spoken, and no command is run."""
    async with start_toned() as bot:
        sounding = sandbox.send(ALICE, " ".join(f"This is number {n}." for n in range(1, 40)))
        waiting = sandbox.send(ALICE, "This is number 41.")
        other = sandbox.send(ALICE, "This is number 42.")
        await sandbox.wait_for(reaction_to(other, "👀"))
        edit(sandbox, waiting, fields)
        edit(sandbox, sounding, fields)
        for message in (waiting, sounding):
            await sandbox.wait_for(reaction_to(message, "🙊"))
        await sandbox.wait_for(reaction_to(other, "👍"))
        await mute(sandbox)
        held = sandbox.send(ALICE, "This is number 43.")
        await sandbox.wait_for(reaction_to(held, "😴"))
        edit(sandbox, held, fields)
        await sandbox.wait_for(reaction_to(held, "🙊"))
        old: Json = {"text": "This is number 44.", "date": int(time.time()) - 7200}
        late = sandbox.send_fields(ALICE, old)
        question = await sandbox.wait_for(reply_with("Shall I say it?"))
        edit(sandbox, late, fields)
        await sandbox.wait_for(reaction_to(late, "🙊"))
        sandbox.press(ALICE, question.message_id, dict(question.buttons)["Say it"])
        await sandbox.wait_for(lambda e: e.kind == "answer" and "Nothing waits" in e.text)
        assert bot.delivery.queue.places() == []


async def test_replay_skips_a_withdrawn_message(sandbox: Sandbox, start_toned: StartBot) -> None:
    """/replay repeats the message before it."""
    async with start_toned():
        first = sandbox.send(ALICE, "This is number 1.")
        await sandbox.wait_for(reaction_to(first, "👍"))
        second = sandbox.send(ALICE, " ".join(f"This is number {n}." for n in range(1, 40)))
        await sandbox.wait_for(reaction_to(second, "👀"))
        edit(sandbox, second, {"text": "."})
        await sandbox.wait_for(reaction_to(second, "🙊"))
        seen = len(sandbox.events)
        sandbox.send(ALICE, "/replay")
        await sandbox.wait_for(reaction_to(first, "👍"), since=seen)


async def test_edit_replaces_captions_and_reaches_groups(
    sandbox: Sandbox, start_toned: StartBot
) -> None:
    """A caption is spoken as edited; in a group also if the edit removes the mention."""
    mention = text_with_entity("mention", "@crier_bot He dies", "@crier_bot")
    async with start_toned() as bot:
        await mute(sandbox)
        picture = sandbox.send_fields(ALICE, {"document": PICTURE_FILE, "caption": "A dog"})
        in_group = sandbox.send_fields(ALICE, mention, SUPERGROUP)
        for message in (picture, in_group):
            await sandbox.wait_for(reaction_to(message, "😴"))
        edit(sandbox, picture, {"document": PICTURE_FILE, "caption": "A cat"})
        edit(sandbox, in_group, text_with_entity("spoiler", "He dies", "He dies"), SUPERGROUP)
        await sandbox.wait_for(reaction_to(in_group, "🙊"))
        texts = [place.message.text for place in bot.delivery.queue.places()]

    assert texts == ["A cat"]
