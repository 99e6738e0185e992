"""Every kind of message: the words in it, or the answer it gets."""

import pytest
from telegram import Message

from bot.chat.compose import compose
from bot.chat.sandbox import Json, Sandbox
from bot.core.message import QueuedMessage
from tests.chat.samples import PHOTO, PICTURE_FILE, SUPERGROUP, rich, text_with_entity
from tests.chat.steps import mute
from tests.conftest import ALICE, STRANGER, StartBot, reaction_to, reply_with

PLACE = {"latitude": 52.5, "longitude": 13.4}


def option(text: str) -> Json:
    """Return an option of a poll."""
    return {"text": text, "voter_count": 0, "persistent_id": text}


POLL: Json = {
    "id": "1",
    "question": "Where shall we eat?",
    "options": [option("At home"), option("Out")],
    "total_voter_count": 0,
    "is_closed": False,
    "is_anonymous": True,
    "type": "regular",
    "allows_multiple_answers": False,
    "allows_revoting": True,
    "members_only": False,
}

CHECKLIST: Json = {
    "title": "Shopping",
    "tasks": [
        {"id": 1, "text": "milk", "completion_date": 5},
        {
            "id": 2,
            "text": "a ring",
            "text_entities": [{"type": "spoiler", "offset": 2, "length": 4}],
        },
        {"id": 3, "text": "bread"},
    ],
}

ARTICLE: Json = rich(
    {"type": "heading", "text": "The plan", "size": 1},
    {
        "type": "paragraph",
        "text": [
            "Go to ",
            {"type": "url", "text": "x.org", "url": "http://x.org/"},
            {"type": "spoiler", "text": [" and ", {"type": "bold", "text": "win"}]},
            ".",
        ],
    },
    {"type": "table", "cells": [[{"text": "cell"}]], "caption": "Two tables"},
    {"type": "pre", "text": "print(2)", "language": "python"},
    {
        "type": "list",
        "items": [
            {"label": "1.", "blocks": [{"type": "paragraph", "text": "Bread"}]},
            {"label": "2.", "blocks": [{"type": "paragraph", "text": "Butter"}]},
        ],
    },
    {
        "type": "details",
        "summary": "More",
        "blocks": [{"type": "blockquote", "blocks": [{"type": "paragraph", "text": "Quoted"}]}],
    },
    {"type": "photo", "photo": PHOTO, "caption": {"text": "A cat", "credit": "Bob"}},
    {"type": "from_the_future", "text": "Also this"},
    {"type": "buttons", "buttons": [{"text": "Press me"}]},
)

ARTICLE_TEXT = """The plan
Go to link to x dot org .
Two tables
1. Bread
2. Butter
More
Quoted
A cat
Bob
Also this"""

SPOKEN: list[tuple[str, Json, str, str]] = [
    ("a path", {"text": "/srv/data is full"}, "slash srv slash data is full", ""),
    (
        "a path that is marked",
        text_with_entity("bot_command", "/srv/data is full", "/srv"),
        "slash srv slash data is full",
        "",
    ),
    ("a number", text_with_entity("bot_command", "/8 of us", "/8"), "/8 of us", ""),
    ("a poll", {"poll": POLL}, "Where shall we eat?\nAt home\nOut", ""),
    ("a checklist", {"checklist": CHECKLIST}, "Shopping\na  \nbread", "1 spoiler"),
    (
        "a venue",
        {"location": PLACE, "venue": {"location": PLACE, "title": "Zoo", "address": "Main Road"}},
        "Zoo\nMain Road",
        "",
    ),
    (
        "a contact",
        {"contact": {"phone_number": "1", "first_name": "Bob", "last_name": "Miller"}},
        "Bob Miller",
        "",
    ),
    ("a picture", {"photo": PHOTO, "caption": "A cat"}, "A cat", ""),
    ("a picture as a file", {"document": PICTURE_FILE, "caption": "A cat"}, "A cat", ""),
    (
        "a rich message",
        ARTICLE,
        ARTICLE_TEXT,
        "1 spoiler, 1 table, 1 code block, 1 link",
    ),
    (
        "a rich message with a text for old programs",
        {**rich({"type": "paragraph", "text": "All of it"}), "text": "Update your app"},
        "All of it",
        "",
    ),
    (
        "a spoiler that is a link",
        {
            "text": "See x.org now",
            "entities": [
                {"type": "url", "offset": 4, "length": 5},
                {"type": "spoiler", "offset": 4, "length": 5},
            ],
        },
        "See   now",
        "1 spoiler",
    ),
    (
        "an urgent text with a spoiler",
        {
            "text": "/urgent He dies. Run",
            "entities": [
                {"type": "bot_command", "offset": 0, "length": 7},
                {"type": "spoiler", "offset": 8, "length": 8},
            ],
        },
        "Run",
        "1 spoiler",
    ),
]


@pytest.mark.parametrize(
    ("fields", "text", "skipped"), [case[1:] for case in SPOKEN], ids=[case[0] for case in SPOKEN]
)
def test_compose_returns_the_words_of_each_kind(fields: Json, text: str, skipped: str) -> None:
    """Each kind of message has words, and what is left out of them is listed."""
    message = Message.de_json({"message_id": 1, "date": 1, "chat": ALICE.as_chat(), **fields})
    composed = compose(message, "en-us", after_command="/urgent" in str(fields))

    assert composed.text.split() == text.split()
    assert composed.skipped == skipped


async def queued(sandbox: Sandbox, start: StartBot, *fields: Json) -> list[QueuedMessage]:
    """Send messages to a muted bot and return what it has queued."""
    async with start() as bot:
        await mute(sandbox)
        for sent in fields:
            message = sandbox.send_fields(ALICE, sent)
            await sandbox.wait_for(reaction_to(message, "😴"))
        return [place.message for place in bot.delivery.queue.places()]


async def test_handlers_queue_each_kind_of_message(sandbox: Sandbox, start_toned: StartBot) -> None:
    """Each message of the table is stored and queued with its words."""
    messages = await queued(sandbox, start_toned, *(case[1] for case in SPOKEN))

    assert [message.text.split() for message in messages] == [case[2].split() for case in SPOKEN]
    assert [message.skipped for message in messages] == [case[3] for case in SPOKEN]
    assert [message.urgent for message in messages].count(True) == 1


STICKER = {
    "file_id": "s",
    "file_unique_id": "s",
    "type": "regular",
    "width": 1,
    "height": 1,
    "is_animated": False,
    "is_video": False,
}

REFUSED: dict[str, tuple[Json, str]] = {
    "a sticker": ({"sticker": STICKER}, "I can say texts"),
    "a dice": ({"dice": {"emoji": "🎲", "value": 3}}, "I can say texts"),
    "a place": ({"location": PLACE}, "no name"),
    "a picture": ({"photo": PHOTO}, "I can say texts"),
    "a picture as a file": ({"document": PICTURE_FILE}, "I can say texts"),
    "a table": (rich({"type": "table", "cells": []}), "There is nothing to say but 1 table."),
    "a spoiler": (
        text_with_entity("spoiler", "He dies", "He dies"),
        "nothing to say but 1 spoiler",
    ),
    "an unknown command": (
        text_with_entity("bot_command", "/dance now", "/dance"),
        "I don't know /dance.",
    ),
}


async def test_handlers_refuse_messages_without_words(
    sandbox: Sandbox, start_toned: StartBot
) -> None:
    """They get 💔 and the reason; an unknown command gets only a reply."""
    async with start_toned():
        for name, (fields, reason) in REFUSED.items():
            message = sandbox.send_fields(ALICE, fields)
            if name == "an unknown command":
                await sandbox.wait_for(reply_with(reason))
            else:
                await sandbox.wait_for(reaction_to(message, "💔"))
                await sandbox.wait_for(reply_with(reason, to=message))


PINNED: Json = {"message_id": 1, "date": 1, "chat": ALICE.as_chat(), "text": "Pinned"}

SERVICE: list[Json] = [
    {"pinned_message": PINNED},
    {"message_auto_delete_timer_changed": {"message_auto_delete_time": 86400}},
    {"forum_topic_created": {"name": "Bills", "icon_color": 1}},
    {"new_chat_title": "Home"},
    {"new_chat_members": [STRANGER.as_user()]},
    {"left_chat_member": STRANGER.as_user()},
    {"boost_added": {"boost_count": 1}},
    {"community_chat_added": {"community": {}}},
    {"migrate_to_chat_id": -1001},
]


async def test_handlers_ignore_service_messages(sandbox: Sandbox, start_toned: StartBot) -> None:
    """Events in a chat get no reaction and no reply."""
    async with start_toned():
        for fields in SERVICE:
            sandbox.send_fields(ALICE, fields)
        message = sandbox.send(ALICE, "This is number 1.")
        await sandbox.wait_for(reaction_to(message, "👍"))

    assert {e.message_id for e in sandbox.events if e.kind == "reaction"} == {message}
    assert not any(e.kind == "message" for e in sandbox.events)


async def test_handlers_ignore_commands_of_other_bots(
    sandbox: Sandbox, start_toned: StartBot
) -> None:
    """In a group, commands of other bots and unknown ones that name no bot are not answered."""
    own = {"id": sandbox.bot_id, "is_bot": True, "first_name": "Crier"}
    answered = {"message_id": 1, "date": 1, "chat": SUPERGROUP, "from": own, "text": "Hello."}
    async with start_toned():
        sandbox.send(ALICE, "/start@otherbot", SUPERGROUP)
        sandbox.send(ALICE, "/weather", SUPERGROUP)
        other = text_with_entity("bot_command", "/start@otherbot", "/start@otherbot")
        sandbox.send_fields(ALICE, {**other, "reply_to_message": answered}, SUPERGROUP)
        sandbox.send_fields(ALICE, text_with_entity("bot_command", "/8 of us", "/8"), SUPERGROUP)
        sandbox.send(ALICE, "/dance@crier_bot", SUPERGROUP)
        await sandbox.wait_for(reply_with("I don't know /dance@crier_bot."))

    replies = [e.text for e in sandbox.events if e.kind == "message"]
    assert len(replies) == 1
    assert not any(e.kind == "reaction" for e in sandbox.events)
