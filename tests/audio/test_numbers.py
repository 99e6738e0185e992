"""Numbers in words."""

import pytest

from audio.kokoro.numbers import NUMBER, number_words


@pytest.mark.parametrize(
    ("number", "words"),
    [
        ("0", "zero"),
        ("7", "seven"),
        ("19", "nineteen"),
        ("20", "twenty"),
        ("98", "ninety eight"),
        ("100", "one hundred"),
        ("105", "one hundred five"),
        ("1500", "one thousand five hundred"),
        ("2005", "two thousand five"),
        ("12,000", "twelve thousand"),
        ("1,234,567", "one million two hundred thirty four thousand five hundred sixty seven"),
        ("3.14", "three point one four"),
        ("0.05", "zero point zero five"),
        ("1.12.3", "one point twelve point three"),
        ("007", "zero zero seven"),
        ("1st", "first"),
        ("22nd", "twenty second"),
        ("40th", "fortieth"),
        ("13th", "thirteenth"),
        ("20s", "twenties"),
        ("1000000000000000", "one" + " zero" * 15),
    ],
)
def test_number_words(number: str, words: str) -> None:
    """A number is said as an American says it."""
    assert NUMBER.fullmatch(number)
    assert " ".join(number_words(number, british=False)) == words


@pytest.mark.parametrize(
    ("number", "words"),
    [
        ("105", "one hundred and five"),
        ("2005", "two thousand and five"),
        ("2,100", "two thousand one hundred"),
        ("1,000,020", "one million and twenty"),
    ],
)
def test_number_words_british(number: str, words: str) -> None:
    """The British say "and" before the last two digits."""
    assert " ".join(number_words(number, british=True)) == words
