"""The first sentences of long texts: what is spoken within a time, and what is offered."""

import pytest

from bot.core.access import Access
from bot.core.draft import Draft
from bot.core.excerpts import Excerpt, Excerpts, excerpt
from bot.core.intake import RefusedError
from bot.core.question_store import QuestionStore
from bot.core.questions import Questions
from tests.core.lab import BOT, Lab
from tests.core.test_questions import RecordingDisplay

THREE = ("One two.", "Three four.", "Five six?")


def duration_s(text: str) -> float:
    """Return half a second for each word, so that a sentence with its pause has one more."""
    return 0.5 * len(text.split())


@pytest.mark.parametrize(
    ("parts", "max_s", "spoken", "rest"),
    [
        (THREE, 4.5, "One two.\nThree four.\nFive six?", ""),
        (THREE[:2], 2.0, "One two.", "Three four."),
        # A question at the end is said also if the middle is left out.
        (THREE, 3.0, "One two.\nFive six?", "Three four.\nFive six?"),
        # Not if it takes most of the time.
        (THREE, 2.0, "One two.", "Three four.\nFive six?"),
        # Of a sentence that is too long its beginning.
        (("One two three four.",), 1.5, "One two", "three four."),
        (("Word.",), 0.1, "", "Word."),
    ],
)
def test_excerpt_ends_in_time(parts: tuple[str, ...], max_s: float, spoken: str, rest: str) -> None:
    """Whole sentences are said as long as there is time for them."""
    assert excerpt(parts, max_s, duration_s) == Excerpt(spoken, rest)


@pytest.fixture
def questions(lab: Lab) -> Questions:
    """Return questions to one person."""
    access = Access(frozenset({7}), lab.store, lambda _: None)
    store = QuestionStore(lab.inbox.database, BOT)
    return Questions(store, lab.intake(), access, RecordingDisplay())


async def test_speak_leaves_out_code_and_offers_the_rest(lab: Lab, questions: Questions) -> None:
    """What is said has the project first and what an agent waits for last; code is reported."""
    text = "# Done\n\nI **fixed** it.\n\n```sh\nmake\n```\n\n" + "A long explanation. " * 60
    message = await Excerpts(lab.intake(), questions).speak(
        Draft(-1, text, client="agent"), max_s=6.0, before="crier:", after="I need `make`."
    )
    [offer] = await questions.list_open()
    [(spoken, _)] = lab.pipeline.texts

    assert message is not None
    assert message.skipped == "1 code block"
    assert spoken.splitlines()[:3] == ["crier:", "Done", "I fixed it."]
    assert spoken.endswith("I need make.")
    assert lab.delivery.queue.duration_s(len(spoken)) < 6.0
    assert offer.rest.startswith("A long explanation.")


async def test_speak_offers_nothing_if_all_is_said(lab: Lab, questions: Questions) -> None:
    """A short text is only said."""
    await Excerpts(lab.intake(), questions).speak(Draft(-1, "Done.", client="agent"), max_s=20.0)

    assert await questions.list_open() == []


async def test_speak_refuses_code_alone(lab: Lab, questions: Questions) -> None:
    """The project's name alone is nothing to say."""
    draft = Draft(-1, "```\nls\n```", client="agent")
    with pytest.raises(RefusedError, match="nothing to say but 1 code block"):
        await Excerpts(lab.intake(), questions).speak(draft, max_s=20.0, before="crier:")

    assert lab.pipeline.said == []


async def test_rest_is_spoken_as_the_beginning_was(lab: Lab, questions: Questions) -> None:
    """In its voice, at its volume, and in its room."""
    draft = Draft(-1, "One. " * 60, client="agent", voice="am_adam", volume=30, room="study")
    await Excerpts(lab.intake(), questions).speak(draft, max_s=3.0)
    [offer] = await questions.list_open()
    await questions.answer(offer, "Read on", user_id=7, name="Alice")
    rows = await lab.inbox._database.execute_fetchall("SELECT voice, volume, room FROM message")

    assert [tuple(row) for row in rows] == [("am_adam", 30, "study")] * 2


async def test_speak_offers_the_rest_to_nobody_in_a_room(lab: Lab) -> None:
    """A computer without people keeps no question that nobody can end."""
    access = Access(frozenset(), lab.store, lambda _: None)
    store = QuestionStore(lab.inbox.database, BOT)
    alone = Questions(store, lab.intake(), access, RecordingDisplay())
    draft = Draft(-1, "One. " * 60, client="agent")
    await Excerpts(lab.intake(), alone).speak(draft, max_s=3.0)

    assert await alone.list_open() == []
