"""Which words of a sentence are of another language."""

import pytest

from audio.kokoro.foreign import foreign_language, language_of_script, script_of

ENGLISH = (
    "meeting software weekend streaming marketing download shopping workshop feedback backup "
    "hardware firewall training showroom screenshot website update laptop newsletter playlist"
).split()

OWN = {
    "es": "deshacer trashumante leer creer zoo club reloj verdad ciudad pingüino guitarra acción "
    "feliz examen jersey taxi kilo almuerzo cooperar animal general hotel chocolate",
    "fr-fr": "thé chaud machine budget alcool schéma kiwi rythme ski leader-né océan beau "
    "travail bateaux long sang parking-là stock œuf poésie",
    "it": "zoo alcool bar film gas autobus chiave acqua taxi cooperare bocca occhio nord tram",
    "pt-br": "hotel mal bom taxi cooperar zoom álcool lápis feliz jovem kiwi chá acho",
    "en-us": "school schedule rhythm czar Tokyo pizza burger naïve café resume ghost spaghettis "
    "hamburger plaque tourist frozen cozy quartz waltz kitchen machine",
}


@pytest.mark.parametrize("lang", ["es", "fr-fr", "it", "pt-br"])
def test_foreign_language_knows_english_words(lang: str) -> None:
    """Words that others borrow as they are."""
    assert [word for word in ENGLISH if foreign_language(word, lang) != "en-us"] == []


@pytest.mark.parametrize("lang", OWN)
def test_foreign_language_leaves_own_words_alone(lang: str) -> None:
    """Words of the language itself, and those that have become its own."""
    found = {word: foreign_language(word, lang) for word in OWN[lang].split()}

    assert {word: code for word, code in found.items() if code} == {}


@pytest.mark.parametrize(
    ("word", "lang"),
    [
        ("Schadenfreude", "de"),
        ("Gemütlichkeit", "de"),
        ("Straße", "de"),
        ("Szczepański", "pl"),
        ("Kowalski", "pl"),
        ("Doppelgänger", "de"),
        ("smörgåsbord", "sv"),
        ("Dvořák", "cs"),
        ("Erdoğan", "tr"),
        ("jalapeño", "es"),
        ("coração", "pt-br"),
        ("buongiorno", "it"),
        ("Bordeaux", "fr-fr"),
        ("Nguyễn", "vi"),
    ],
)
def test_foreign_language_knows_words_in_english_sentences(word: str, lang: str) -> None:
    """By letters that only one language has, or by how it joins them."""
    assert foreign_language(word, "en-gb") == lang


def test_foreign_language_of_a_sentence_in_german_is_never_english() -> None:
    """Where nothing was measured, the sentence's language reads everything."""
    assert foreign_language("Meeting", "de") == foreign_language("x" * 1000, "es") == ""


@pytest.mark.parametrize(
    ("text", "lang"),
    [
        ("привет", "ru"),
        ("їжак", "uk"),
        ("ћао", "sr"),
        ("سلام", "ar"),
        ("چای", "fa"),
        ("ٹماٹر", "ur"),
        ("東京へ", "ja"),
        ("東京", "cmn"),
        ("བོད", ""),
        ("שלום", ""),
    ],
)
def test_language_of_script_reads_its_words(text: str, lang: str) -> None:
    """Letters that tell languages of one script apart decide; else the most likely one reads it."""
    assert language_of_script(script_of(text[0]), text) == lang
