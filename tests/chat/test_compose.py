"""What is spoken of a message: entities, shapes, numbers, and a table of realistic texts."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from telegram import (
    Chat,
    Message,
    MessageEntity,
    MessageOriginHiddenUser,
    MessageOriginUser,
    TextQuote,
    User,
)

from audio.text.normalize import pronounce, read
from audio.text.sentences import speakable
from bot.chat.compose import compose
from bot.core.plain_text import Composed, compose_text

SPOKEN = json.loads((Path(__file__).parent.parent / "data" / "spoken.json").read_text())


@pytest.mark.parametrize("case", SPOKEN, ids=[case["sent"][:40] for case in SPOKEN])
def test_compose_text_reads_as_a_person_would(case: dict[str, str]) -> None:
    """Each text of the table is spoken as listed, and the parts left out are named."""
    composed = compose_text(case["sent"], case.get("lang", "en-us"))

    assert composed.text.strip() == case["spoken"]
    assert composed.skipped == case["skipped"]


def message(text: str, *entities: tuple[str, str], **more: Any) -> Message:
    """Return a message with an entity for each (type, part of the text)."""
    marked = []
    for kind, part in entities:
        before = text[: text.index(part)].encode("utf-16-le")
        length = len(part.encode("utf-16-le")) // 2
        marked.append(MessageEntity(kind, len(before) // 2, length))
    date = dt.datetime(2026, 11, 23, tzinfo=dt.UTC)
    return Message(1, date, Chat(7, "private"), text=text, entities=marked, **more)


@pytest.mark.parametrize(
    ("sent", "spoken", "skipped"),
    [
        (message("Run this: x = 1", ("pre", "x = 1")), "Run this: ", "1 code block"),
        (message("He dies. Sorry", ("spoiler", "He dies.")), " Sorry", "1 spoiler"),
        (message("at five six", ("strikethrough", "five")), "at   six", "1 struck-out part"),
        (message("use make now", ("code", "make")), "use make now", ""),
        (message("see t.co/x", ("url", "t.co/x")), "see link to t dot co", ""),
        (
            message("ring +61 1300 555 019", ("phone_number", "+61 1300 555 019")),
            "ring plus 6 1, 1 3 0 0, 5 5 5, 0 1 9",
            "",
        ),
        (message("13 12 13 now", ("phone_number", "13 12 13")), "1 3, 1 2, 1 3 now", ""),
        (message("hi @jane_doe", ("mention", "@jane_doe")), "hi jane doe", ""),
        (message("@crier_bot hello", ("mention", "@crier_bot")), "  hello", ""),
        (
            message("so #TimeToGo2026", ("hashtag", "#TimeToGo2026")),
            "so hashtag Time To Go 2026",
            "",
        ),
        (message("🎉🎉 to a@b.org", ("email", "a@b.org")), "   to a at b dot org", ""),
        (message("ok 🙂 x = 1", ("pre", "x = 1")), "ok   ", "1 code block"),
    ],
)
def test_compose_speaks_or_leaves_out_entities(sent: Message, spoken: str, skipped: str) -> None:
    """Code, spoilers and struck-out text are left out; links and names are spoken."""
    composed = compose(sent, "en-us", "crier_bot")

    assert composed.text.split() == spoken.split()
    assert composed.skipped == skipped


SECRET = "x.org/end"


@pytest.mark.parametrize("kinds", [("url", "spoiler"), ("spoiler", "url")])
@pytest.mark.parametrize(
    "kind", ["url", "text_link", "email", "mention", "hashtag", "code", "bold", "custom_emoji"]
)
def test_compose_leaves_out_a_spoiler_that_is_something_else_too(
    kind: str, kinds: tuple[str, str]
) -> None:
    """A link, address or name in a spoiler is not spoken, in either order of the entities."""
    marks = [(kind if name == "url" else name, SECRET) for name in kinds]
    composed = compose(message(f"Look: {SECRET} there", *marks), "en-us")

    assert composed.text.split() == ["Look:", "there"]
    assert composed.skipped == "1 spoiler"


@pytest.mark.parametrize("hidden", ["x.org", "org/end", "Look: x.org", "end there"])
def test_compose_leaves_out_a_partly_hidden_link(hidden: str) -> None:
    """No part of a link or an address is spoken if a spoiler hides half of it."""
    sent = message(f"Look: {SECRET} there, Bob", ("url", SECRET), ("spoiler", hidden))
    composed = compose(sent, "en-us")

    assert not {"org", "end", "dot"} & set(composed.text.replace("/", " ").split())
    assert "Bob" in composed.text
    assert composed.skipped == "1 spoiler"


def test_compose_puts_addresses_into_the_words_of_the_language() -> None:
    """A Spanish voice gets Spanish words for a link, an address and a hashtag."""
    sent = message(
        "Mira t.co/x a@b.es #BuenDia",
        ("url", "t.co/x"),
        ("email", "a@b.es"),
        ("hashtag", "#BuenDia"),
    )
    expected = "Mira enlace a t punto co a arroba b punto es hashtag Buen Dia"

    assert compose(sent, "es").text == expected


def test_compose_counts_a_split_spoiler_once() -> None:
    """Telegram splits a spoiler where another entity starts; it still counts as one."""
    sent = message(
        "He dies. Bob lives", ("spoiler", "He "), ("spoiler", "dies."), ("bold", "dies.")
    )

    assert compose(sent, "en-us").skipped == "1 spoiler"


def test_compose_hides_the_spoiler_in_a_quote() -> None:
    """A quote is spoken without its spoilers and code, and not at all without words."""
    spoiler = MessageEntity("spoiler", 4, 4)
    quoting = message("Yes.", quote=TextQuote("Did dies happen?", 0, [spoiler]))
    hidden = message("Yes.", quote=TextQuote("dies", 0, [MessageEntity("spoiler", 0, 4)]))

    assert compose(quoting, "en-us").text == "About “Did happen?”: Yes."
    assert compose(hidden, "en-us").text == "Yes."


def test_compose_reads_the_name_of_a_forward_as_text() -> None:
    """Links and emoji in a name are treated as elsewhere, and a name is never spoken alone."""
    date = dt.datetime(2026, 11, 23, tzinfo=dt.UTC)
    origin = MessageOriginHiddenUser(date, "🎉 https://a.example/x?y 🎉")
    nameless = MessageOriginHiddenUser(date, "🎉")
    empty = message("He dies.", ("spoiler", "He dies."), forward_origin=origin)

    assert (
        compose(message("Hi.", forward_origin=origin), "en-us").text
        == "Forwarded from link to a dot example: Hi."
    )
    assert compose(message("Hi.", forward_origin=nameless), "en-us").text == "Forwarded: Hi."
    assert not speakable(compose(empty, "en-us").text)


def test_compose_keeps_the_entities_after_a_command() -> None:
    """The text after /urgent or /note keeps its spoilers and links."""
    sent = message(
        "/urgent 🙂 He dies. See x.org/end",
        ("bot_command", "/urgent"),
        ("spoiler", "He dies."),
        ("url", SECRET),
    )
    composed = compose(sent, "en-us", after_command=True)

    assert composed.text.split() == "See link to x dot org".split()
    assert composed.skipped == "1 spoiler, 1 link"


def test_compose_recognizes_urgent_messages() -> None:
    """A leading ! makes a text urgent, also after a mention or a quote, but not in a forward."""
    date = dt.datetime(2026, 11, 23, tzinfo=dt.UTC)
    origin = MessageOriginUser(date, User(8, "Bob", is_bot=False))
    mentioned = message("@crier_bot ! Now", ("mention", "@crier_bot"))
    quoting = message("!Now", quote=TextQuote("When?", 0))

    assert compose(mentioned, "en-us", "crier_bot").urgent
    assert compose(mentioned, "en-us", "crier_bot").text.strip() == "Now"
    assert compose(quoting, "en-us") == Composed("About “When?”: Now", "", urgent=True)
    assert not compose(message("!Now", forward_origin=origin), "en-us").urgent


def test_compose_introduces_forwards_and_quotes() -> None:
    """A forward names its author; a reply to a quote names the quote."""
    date = dt.datetime(2026, 11, 23, tzinfo=dt.UTC)
    origin = MessageOriginUser(date, User(8, "Bob", is_bot=False))
    forwarded = message("Dinner at eight.", forward_origin=origin)
    quoting = message("Yes.", quote=TextQuote("Are you there?", 0))

    assert compose(forwarded, "en-us").text == "Forwarded from Bob: Dinner at eight."
    assert compose(quoting, "en-us").text == "About “Are you there?”: Yes."


def test_compose_text_can_name_emoji() -> None:
    """If requested, the names of emoji are spoken if there is nothing else."""
    assert "thumbs up" in compose_text("👍", "en-us", name_emoji=True).text
    assert compose_text("👍", "en-us").text.strip() == ""


def test_pronounce_replaces_words() -> None:
    """A taught word is replaced in any case, but not inside other words."""
    words = {"nguyen": "win", "sql": "sequel"}

    assert pronounce("Nguyen knows SQL, MySQL too", words) == "win knows sequel, MySQL too"


def test_compose_text_leaves_foreign_letters_alone() -> None:
    """A Turkish capital İ is no English i, and raises no error."""
    assert compose_text("İdk", "en-us").text


def test_read_leaves_numbers_in_other_languages_alone() -> None:
    """English rules apply to English only."""
    assert read("Um 7:30 kostet es 5 €", "de") == "Um 7:30 kostet es 5 €"


@given(st.text(max_size=200), st.sampled_from(["en-us", "fr-fr", "ja"]))
def test_compose_text_accepts_any_text(text: str, lang: str) -> None:
    """Composing raises nothing, whatever is sent."""
    compose_text(text, lang, name_emoji=True)


@given(
    st.text(max_size=60),
    st.lists(
        st.tuples(
            st.sampled_from(["url", "pre", "mention", "hashtag", "spoiler", "code", "odd"]),
            st.integers(0, 80),
            st.integers(0, 80),
        ),
        max_size=5,
    ),
)
def test_compose_accepts_any_entities(text: str, entities: list[tuple[str, int, int]]) -> None:
    """Overlapping entities and those outside the text do no harm."""
    marked = [MessageEntity(*entity) for entity in entities]
    date = dt.datetime(2026, 11, 23, tzinfo=dt.UTC)
    compose(Message(1, date, Chat(7, "private"), text=text, entities=marked), "en-us")


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["url", "mention", "email", "hashtag", "custom_emoji", "bold"]),
            st.integers(0, 40),
            st.integers(0, 40),
        ),
        max_size=6,
    ),
    st.integers(0, 39),
    st.integers(1, 40),
    st.integers(0, 6),
)
def test_compose_never_speaks_a_spoiler(
    entities: list[tuple[str, int, int]], start: int, length: int, index: int
) -> None:
    """Whatever overlaps a spoiler, in whatever order, no letter of it is spoken."""
    end = min(40, start + length)
    text = "".join("Q" if start <= at < end else "b" for at in range(40))
    marked = [MessageEntity(*entity) for entity in entities]
    marked.insert(index, MessageEntity("spoiler", start, end - start))
    date = dt.datetime(2026, 11, 23, tzinfo=dt.UTC)
    sent = Message(1, date, Chat(7, "private"), text=text, entities=marked)

    assert "Q" not in compose(sent, "en-us").text
