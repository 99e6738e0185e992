"""Text -> sentences."""

import pytest

from audio.text.sentences import sentences, speakable
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
        ("It starts in May. 5 people come.", ["It starts in May.", "5 people come."]),
        ("If I may. 3 of us left.", ["If I may.", "3 of us left."]),
        ("これは一つ。これは二つ。", ["これは一つ。", "これは二つ。"]),
    ],
)
def test_sentences_end_where_a_reader_pauses(text: str, expected: list[str]) -> None:
    """Abbreviations, decimals, times, quotes, lines and pictures are read as a person would."""
    lang = "ja" if text.startswith("こ") else "en-us"

    assert sentences(text, lang) == expected


@pytest.mark.parametrize("text", ["🙂", "...!?", "\u200b\u200b", "", " \n ", "☎️ ✂️", "—", "👨‍👩‍👧"])
def test_sentences_refuses_text_without_letters_and_digits(text: str) -> None:
    """Pictures would be named and marks produce noise, so they are refused."""
    assert not speakable(text)
    with pytest.raises(NothingToSpeakError):
        sentences(text, "en-us")
