"""Compatibility characters are read as what they stand for; others stay."""

import sys
import unicodedata

import pytest

from audio.text.normalize import read


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("𝗮𝘁 𝟯", "at 3"),
        ("oﬃce", "office"),
        ("２０℃", "20°C"),
        ("Ⅳ und ⅻ", "IV und xii"),
        ("H₂O", "H2O"),
        ("4ᵗʰ, 2ⁿᵈ", "4th, 2nd"),
        ("ʜᴇʟʟᴏ", "hello"),
        ("№7", "No. 7"),
        ("1⁄2", "1/2"),
        ("３％", "3%"),
        ("Nguyễn", "Nguyen"),
        ("5 µm … ‼", "5 µm … ‼"),
    ],
)
def test_read_makes_letters_plain_in_every_language(text: str, plain: str) -> None:
    """What a sign stands for is read, without the rules of English."""
    assert read(text, "de") == plain


@pytest.mark.parametrize("text", ["hˈɛlʰO wɪn ᵊ", "½ cup", "Crier™", "ª º", "10⁶", "⅛"])
def test_read_keeps_signs_that_mean_more_than_a_letter(text: str) -> None:
    """Phonemes, fractions and superscripts are left to those who know them."""
    assert read(text, "de") == text


@pytest.mark.parametrize("lang", ["ja", "cmn"])
def test_read_keeps_the_punctuation_of_asian_languages(lang: str) -> None:
    """Wide marks end sentences there; wide letters and digits are plain ones."""
    assert read("Ａ１！？，。", lang) == "A1！？，。"


def test_read_leaves_no_letter_for_a_reader_to_spell() -> None:
    """Each letter that Unicode calls a variant of plain ones is read as those."""
    kinds = ("<font>", "<circle>", "<square>", "<narrow>", "<compat>")
    for code in {*range(0x100, sys.maxunicode)} - {ord("№")}:
        char = chr(code)
        plain = unicodedata.normalize("NFKC", char)
        if (
            unicodedata.decomposition(char).startswith(kinds)
            and plain.isascii()
            and plain.isalpha()
        ):
            assert read(char, "de").casefold() == plain.casefold(), hex(code)
