"""Every kind of message that can be sent: what is said, or which answer it gets."""

import time

import pytest
import segno
from hypothesis import given
from hypothesis import strategies as st
from telegram import Message
from telegram.constants import ChatID

from bot.chat.compose import compose
from bot.chat.rich_message import flatten
from bot.chat.sandbox import Json, Person, Sandbox
from bot.console import qr_code
from bot.core.message import QueuedMessage
from bot.settings import NOT_PEOPLE
from tests.conftest import ALICE, STRANGER, StartBot, reaction_to, reply_with

PHOTO = [{"file_id": "x", "file_unique_id": "x", "width": 9, "height": 9}]
PICTURE_FILE = {"file_id": "x", "file_unique_id": "x", "mime_type": "image/png"}
GROUP: Json = {"id": -100, "type": "supergroup", "title": "Family"}
PLACE = {"latitude": 52.5, "longitude": 13.4}


def marked(kind: str, text: str, part: str, **more: object) -> Json:
    """Return the fields of a text in which a part is marked."""
    at, length = text.index(part), len(part)
    return {"text": text, "entities": [{"type": kind, "offset": at, "length": length, **more}]}


def rich(*blocks: object) -> Json:
    """Return the fields of a rich message."""
    return {"rich_message": {"blocks": blocks}}


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

ARTICLE_SAID = """The plan
Go to link to x dot org .
Two tables
1. Bread
2. Butter
More
Quoted
A cat
Bob
Also this"""

SAID: list[tuple[str, Json, str, str]] = [
    ("a path", {"text": "/srv/data is full"}, "/srv/data is full", ""),
    (
        "a path that is marked",
        marked("bot_command", "/srv/data is full", "/srv"),
        "/srv/data is full",
        "",
    ),
    ("a number", marked("bot_command", "/8 of us", "/8"), "/8 of us", ""),
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
        ARTICLE_SAID,
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
    ("fields", "text", "skipped"), [one[1:] for one in SAID], ids=[one[0] for one in SAID]
)
def test_compose_says_the_words_of_a_message(fields: Json, text: str, skipped: str) -> None:
    """Whatever kind a message is of, it has words, and what is left out of them is told."""
    message = Message.de_json({"message_id": 1, "date": 1, "chat": ALICE.as_chat(), **fields})
    composed = compose(message, "en-us", after_command="/urgent" in str(fields))

    assert composed.text.split() == text.split()
    assert composed.skipped == skipped


async def mute(sandbox: Sandbox) -> None:
    """Let what comes be kept, so that a test can look at it at leisure."""
    sandbox.send(ALICE, "/mute 1h")
    await sandbox.wait_for(reply_with("Muted until"))


async def kept(sandbox: Sandbox, start: StartBot, *fields: Json) -> list[QueuedMessage]:
    """Send messages to a bot that keeps them, and return what it would say."""
    async with start() as bot:
        await mute(sandbox)
        for one in fields:
            message = sandbox.send_fields(ALICE, one)
            await sandbox.wait_for(reaction_to(message, "😴"))
        return [place.message for place in bot.delivery.queue.places()]


async def test_speak_takes_every_kind_of_message(sandbox: Sandbox, start_toned: StartBot) -> None:
    """Each of the table is stored and queued with its words."""
    messages = await kept(sandbox, start_toned, *(one[1] for one in SAID))

    assert [message.text.split() for message in messages] == [one[2].split() for one in SAID]
    assert [message.skipped for message in messages] == [one[3] for one in SAID]
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
    "a spoiler": (marked("spoiler", "He dies", "He dies"), "nothing to say but 1 spoiler"),
    "an unknown command": (marked("bot_command", "/dance now", "/dance"), "I don't know /dance."),
}


async def test_what_has_no_words_is_told_why(sandbox: Sandbox, start_toned: StartBot) -> None:
    """What can't be said gets 💔 and a reply; a command gets a reply alone."""
    async with start_toned():
        for what, (fields, why) in REFUSED.items():
            message = sandbox.send_fields(ALICE, fields)
            if what == "an unknown command":
                await sandbox.wait_for(reply_with(why))
            else:
                await sandbox.wait_for(reaction_to(message, "💔"))
                await sandbox.wait_for(reply_with(why, to=message))


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


async def test_service_messages_are_met_with_silence(
    sandbox: Sandbox, start_toned: StartBot
) -> None:
    """What merely happened in a chat gets no reaction and no reply."""
    async with start_toned():
        for fields in SERVICE:
            sandbox.send_fields(ALICE, fields)
        message = sandbox.send(ALICE, "This is number 1.")
        await sandbox.wait_for(reaction_to(message, "👍"))

    assert {e.message_id for e in sandbox.events if e.kind == "reaction"} == {message}
    assert not any(e.kind == "message" for e in sandbox.events)


async def test_commands_of_other_bots_are_met_with_silence(
    sandbox: Sandbox, start_toned: StartBot
) -> None:
    """In a group, neither another bot's command nor an unknown one without a name is answered."""
    own = {"id": sandbox.bot_id, "is_bot": True, "first_name": "Crier"}
    answered = {"message_id": 1, "date": 1, "chat": GROUP, "from": own, "text": "Hello."}
    async with start_toned():
        sandbox.send(ALICE, "/start@otherbot", GROUP)
        sandbox.send(ALICE, "/weather", GROUP)
        other = marked("bot_command", "/start@otherbot", "/start@otherbot")
        sandbox.send_fields(ALICE, {**other, "reply_to_message": answered}, GROUP)
        sandbox.send_fields(ALICE, marked("bot_command", "/8 of us", "/8"), GROUP)
        sandbox.send(ALICE, "/dance@crier_bot", GROUP)
        await sandbox.wait_for(reply_with("I don't know /dance@crier_bot."))

    replies = [e.text for e in sandbox.events if e.kind == "message"]
    assert len(replies) == 1
    assert not any(e.kind == "reaction" for e in sandbox.events)


async def test_an_album_is_said_by_its_caption_alone(
    sandbox: Sandbox, start_toned: StartBot
) -> None:
    """The pictures beside the one with words get nothing; without any words one of them does."""
    async with start_toned():
        first = sandbox.send_fields(ALICE, {"photo": PHOTO, "media_group_id": "a"})
        said = sandbox.send_fields(
            ALICE, {"photo": PHOTO, "media_group_id": "a", "caption": "This is number 1."}
        )
        last = sandbox.send_fields(ALICE, {"photo": PHOTO, "media_group_id": "a"})
        await sandbox.wait_for(reaction_to(said, "👍"))
        wordless = [
            sandbox.send_fields(ALICE, {"photo": PHOTO, "media_group_id": "b"}) for _ in range(3)
        ]
        await sandbox.wait_for(reaction_to(wordless[0], "💔"))
        await sandbox.wait_for(reply_with("I can say texts", to=wordless[0]))

    reacted = {e.message_id for e in sandbox.events if e.kind == "reaction"}
    assert reacted == {said, wordless[0]}
    assert {first, last}.isdisjoint(e.reply_to for e in sandbox.events)


# ---- edits ----


def edit(sandbox: Sandbox, message_id: int, fields: Json, chat: Json | None = None) -> None:
    """Replace what a message of Alice's holds."""
    message = {"message_id": message_id, "date": int(time.time()), "from": ALICE.as_user()}
    chat = chat or ALICE.as_chat()
    sandbox.push({"edited_message": {**message, "chat": chat, "edit_date": 1, **fields}})


@pytest.mark.parametrize(
    "fields",
    [
        {"text": "."},
        marked("spoiler", "number 1", "number 1"),
        marked("bot_command", "/stop", "/stop"),
        rich({"type": "table", "cells": []}),
    ],
    ids=["a mark", "a spoiler", "a command", "a table"],
)
async def test_an_edit_without_words_takes_a_message_back(
    sandbox: Sandbox, start_toned: StartBot, fields: Json
) -> None:
    """Sounding, waiting, held or late: it gets 🙊, and others are said; no command is obeyed."""
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


async def test_what_was_taken_back_is_not_said_again(
    sandbox: Sandbox, start_toned: StartBot
) -> None:
    """/replay says the message before it."""
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


async def test_edits_revise_captions_and_reach_groups(
    sandbox: Sandbox, start_toned: StartBot
) -> None:
    """A picture's caption is said as edited; in a group also where the mention has gone."""
    mention = marked("mention", "@crier_bot He dies", "@crier_bot")
    async with start_toned() as bot:
        await mute(sandbox)
        picture = sandbox.send_fields(ALICE, {"document": PICTURE_FILE, "caption": "A dog"})
        in_group = sandbox.send_fields(ALICE, mention, GROUP)
        for message in (picture, in_group):
            await sandbox.wait_for(reaction_to(message, "😴"))
        edit(sandbox, picture, {"document": PICTURE_FILE, "caption": "A cat"})
        edit(sandbox, in_group, marked("spoiler", "He dies", "He dies"), GROUP)
        await sandbox.wait_for(reaction_to(in_group, "🙊"))
        texts = [place.message.text for place in bot.delivery.queue.places()]

    assert texts == ["A cat"]


# ---- commands that take words ----


async def test_urgent_and_note_hide_spoilers(sandbox: Sandbox, start_toned: StartBot) -> None:
    """With nothing but a spoiler behind them there is nothing to say, and nothing is said."""
    async with start_toned():
        for command in ("/urgent", "/note"):
            begin = {"type": "bot_command", "offset": 0, "length": len(command)}
            spoiler = {"type": "spoiler", "offset": len(command) + 1, "length": 7}
            seen = len(sandbox.events)
            fields: Json = {"text": f"{command} He dies", "entities": [begin, spoiler]}
            sandbox.send_fields(ALICE, fields)
            await sandbox.wait_for(reply_with("nothing to say but 1 spoiler"), since=seen)

    assert not any(e.kind == "voice" for e in sandbox.events)


async def test_speed_and_voice_go_back_to_the_settings(
    sandbox: Sandbox, start_toned: StartBot
) -> None:
    """By word or by button, a person's choice is forgotten."""
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


# ---- who may speak ----


@pytest.mark.parametrize("who", [ChatID.ANONYMOUS_ADMIN, ChatID.FAKE_CHANNEL, ChatID.SERVICE_CHAT])
async def test_the_guard_refuses_what_no_person_wrote(
    sandbox: Sandbox, start_toned: StartBot, caplog: pytest.LogCaptureFixture, who: int
) -> None:
    """An anonymous admin or a channel is refused, also if its number was let in; the log says so.

    That number is the same for all of them.
    """
    hidden = Person(int(who), "Group")
    mention = marked("mention", "@crier_bot This is number 1.", "@crier_bot")
    async with start_toned(telegram_allowed_users=frozenset({ALICE.id, hidden.id})):
        refused = sandbox.send_fields(hidden, {**mention, "sender_chat": GROUP}, GROUP)
        as_alice = sandbox.send_fields(ALICE, {**mention, "sender_chat": GROUP}, GROUP)
        without = sandbox.send_fields(hidden, mention, GROUP)
        message = sandbox.send(ALICE, "This is number 2.")
        await sandbox.wait_for(reaction_to(message, "👍"))

    reacted = {e.message_id for e in sandbox.events if e.kind == "reaction"}
    assert reacted.isdisjoint({refused, as_alice, without})
    assert "Remain anonymous" in caplog.text
    assert "TELEGRAM_ALLOWED_USERS" not in caplog.text


def test_the_settings_know_who_is_no_person() -> None:
    """The numbers are Telegram's."""
    assert set(NOT_PEOPLE) == {int(member) for member in ChatID}


async def test_a_link_pairs_without_typing(sandbox: Sandbox, start_bot: StartBot) -> None:
    """At the first start the link to the bot has the code, and opening it lets one person in."""
    links: list[str] = []
    async with start_bot(
        show_link=links.append, telegram_allowed_users=frozenset(), show_code=lambda _: None
    ):
        await sandbox.wait_for(lambda e: e.kind == "menu")
        address, _, code = links[0].partition("?start=")
        sandbox.send(ALICE, f"/start {code}")
        await sandbox.wait_for(reply_with("Paired"))
        message = sandbox.send(ALICE, "Now I may.")
        await sandbox.wait_for(reaction_to(message, "👍"))

    assert address == "https://t.me/crier_bot"
    assert len(links) == 1


async def test_an_invitation_is_a_link_and_a_stranger_learns_nothing_of_it(
    sandbox: Sandbox, start_toned: StartBot
) -> None:
    """While one is open, a bare /start and a wrong code get no answer; the link pairs."""
    bob = Person(8, "Bob")
    async with start_toned():
        sandbox.send(ALICE, "/invite")
        invitation = await sandbox.wait_for(reply_with("within an hour"))
        link = next(line for line in invitation.text.splitlines() if line.startswith("https"))
        for text in ("/start", "/pair", "/start ABCD2345", "/pair ABCD2345", "Boo!"):
            sandbox.send(STRANGER, text)
        sandbox.send(bob, f"/start {link.partition('?start=')[2]}")
        await sandbox.wait_for(reply_with("Paired"))

    assert link.startswith("https://t.me/crier_bot?start=")
    assert not any(e.chat_id == STRANGER.id for e in sandbox.events)


def test_qr_code_is_the_link() -> None:
    """Its half blocks are the modules of the code, with a quiet border around it."""
    link = "https://t.me/crier_bot?start=ABCD2345"
    lines = qr_code(link).splitlines()
    modules = [
        [char in half for char in line] for line in lines for half in ("█▀", "█▄")
    ]  # bright ones
    size = len(modules[0])
    drawn = segno.make_qr(link, error="l").matrix

    for y, row in enumerate(drawn):
        assert [not bright for bright in modules[y + 2][2 : size - 2]] == [bool(m) for m in row]
    assert all(modules[0])
    assert all(modules[1])


# ---- rich messages ----

ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from("type text blocks items caption label url entities summary".split()),
            inner | st.sampled_from("list url pre spoiler paragraph mention table".split()),
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(ANY)
def test_rich_messages_of_any_form_can_be_read(rich_message: object) -> None:
    """Whatever a later version of Telegram sends, reading it raises nothing."""
    flatten(rich_message)
    flatten({"blocks": rich_message})
    flatten({"blocks": [rich_message]})


def test_rich_messages_are_read_within_bounds() -> None:
    """A tree that is deeper or longer than Telegram allows is read in part."""
    deep: object = "deep"
    for _ in range(5000):
        deep = {"type": "bold", "text": deep}
    long = [{"type": "paragraph", "text": "word " * 1000}] * 1000

    assert flatten({"blocks": ["first", deep, "last"]}).text.split() == ["first", "last"]
    assert len(flatten({"blocks": long}).text) < 100_000
