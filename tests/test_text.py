"""Text -> sentences -> chunks: what is said at once, and that nothing is lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio.planner import FIRST_CHUNK_CHARS, MAX_CHUNK_CHARS, plan
from audio.text import clean, sentences, speakable
from audio.types import NothingToSpeakError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Dinner is ready.", ["Dinner is ready."]),
        ("Dr. Smith paid 3.50 at 10 a.m. sharp.", ["Dr. Smith paid 3.50 at 10 a.m. sharp."]),
        ('"Really?" she said. Yes!', ['"Really?" she said.', "Yes!"]),
        ("Milk\nBread\n\nEggs", ["Milk", "Bread", "Eggs"]),
        ("Wait... what?", ["Wait... what?"]),
        ("It is 5°C 🥶 outside", ["It is 5°C outside"]),
        ("👍🏽 Fine", ["Fine"]),
        ("One\u2028Two", ["One", "Two"]),
        ("zero\u200bwidth", ["zerowidth"]),
        ("Ja. Nein.", ["Ja.", "Nein."]),
        ("これは一つ。これは二つ。", ["これは一つ。", "これは二つ。"]),
    ],
)
def test_sentences_end_where_a_reader_would_pause(text: str, expected: list[str]) -> None:
    """Abbreviations, decimals, times, quotes, lines and pictures are read as a person would."""
    lang = "ja" if text.startswith("こ") else "en-us"

    assert sentences(text, lang) == expected


@pytest.mark.parametrize("text", ["🙂", "...!?", "\u200b\u200b", "", " \n ", "☎️ ✂️", "—", "👨‍👩‍👧"])
def test_what_has_no_letter_or_digit_is_not_spoken(text: str) -> None:
    """Pictures would be named and marks make noise, so they are refused."""
    assert not speakable(text)
    with pytest.raises(NothingToSpeakError):
        sentences(text, "en-us")


def letters(text: str) -> str:
    """Return the letters and digits of *text*, which are what must not be lost."""
    return "".join(char for char in clean(text) if char.isalnum())


@given(st.text(max_size=600), st.sampled_from(["en-us", "ja", "cmn", "hi", "es"]))
def test_planning_loses_nothing_and_keeps_its_limits(text: str, lang: str) -> None:
    """Whatever is sent, every letter is in one chunk, in order, and no chunk is too long."""
    if not speakable(text):
        return
    chunks = plan(text, lang)

    assert "".join(letters(chunk.text) for chunk in chunks) == letters(text)
    # A mark without a letter may stick to the chunk before it.
    assert all(letters(chunk.text) for chunk in chunks)
    assert all(len(letters(chunk.text)) <= MAX_CHUNK_CHARS for chunk in chunks)


@given(st.text(max_size=300))
def test_a_plan_can_be_resumed_at_any_sentence(text: str) -> None:
    """Beginning at a sentence gives the chunks of that sentence and of those after it."""
    if not speakable(text):
        return
    whole = plan(text, "en-us")
    for first in range(whole[-1].sentence + 2):
        rest = plan(text, "en-us", first)
        expected = "".join(letters(chunk.text) for chunk in whole if chunk.sentence >= first)

        assert "".join(letters(chunk.text) for chunk in rest) == expected


def test_the_first_chunk_is_short() -> None:
    """Sound starts soon even where the first sentence is long."""
    chunks = plan("and so on " * 60, "en-us")

    assert len(chunks[0].text) <= FIRST_CHUNK_CHARS
    assert not chunks[0].ends_sentence
    assert chunks[-1].ends_sentence


@pytest.mark.parametrize(
    "text", ["word " * 819, "\n".join(["A paragraph of a few words."] * 50), "a" * 3000]
)
def test_long_messages_are_planned_whole(text: str) -> None:
    """4,096 characters, 50 paragraphs, and one word of 3,000 letters all fit the limits."""
    chunks = plan(text, "en-us")

    assert sum(len(letters(chunk.text)) for chunk in chunks) == len(letters(text))
    assert max(len(chunk.text) for chunk in chunks) <= MAX_CHUNK_CHARS
