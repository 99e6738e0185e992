"""Sentences and words, read by espeak-ng in Kokoro's alphabet."""

import json
import logging
import random
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audio.kokoro import espeak
from audio.kokoro.alphabet import VOCABULARY
from audio.kokoro.espeak import read, word
from audio.types import SynthesisError
from audio.voices import LANGUAGES, SPOKEN

SENTENCES: dict[str, list[str]] = json.loads(
    (Path(__file__).parents[1] / "data" / "languages.json").read_text(encoding="utf-8")
)
MARKS = ' ˈˌ;:,.!?—…"()“”'


def spoken(sentence: str, lang: str) -> str:
    """Return a sentence's words with their phonemes, as ``word=phonemes``."""
    return " ".join(f"{item.text}={item.phonemes}" for item in read(sentence, lang))


@pytest.mark.parametrize("lang", SPOKEN)
def test_read_leaves_out_no_word_of_a_language(lang: str, caplog: pytest.LogCaptureFixture) -> None:
    """Each word has sounds; all are in the model's vocabulary, and none had to be left out."""
    with caplog.at_level(logging.DEBUG, "audio"):
        for sentence in SENTENCES[lang]:
            words = read(sentence, lang)

            assert " ".join(item.text for item in words) == " ".join(sentence.split())
            for item in words:
                assert item.phonemes.strip(MARKS), item
                assert VOCABULARY.issuperset(item.phonemes), item
    assert not caplog.records


@pytest.mark.parametrize(
    ("lang", "sentence", "expected"),
    [
        ("fr-fr", "Les «amis» de l’école", "Les=lˈe «amis»=“amˈi” de=də l’école=lekˈɔl"),
        ("fr-fr", "les amis ont vingt ans", "les=lez amis=amˈi ont=ˈɔ̃ vingt=vˈɛ̃t ans=ˈɑ̃"),
        ("es", "El Sr. López, ¿sí?", "El=el Sr.=seɲˈoɾ López,=lˈopeθ, ¿sí?=sˈi?"),
        ("it", "un po' d’acqua", "un=ʊn po'=pˈo d’acqua=dˈakːwa"),
        ("en-us", "one of the house's", "one=wˈʌn of=ʌv the=ðə house's=hˈWsᵻz"),
        ("en-us", "12 of 345.", "12=twˈɛlv of=ʌv 345.=θɹˈihˈʌndɹɪd fˈɔɹTi fˈIv."),
        ("de", "am 21. Mai", "am=am 21.=ˈIn ʊntʦvˈanʦɪç Mai=mˈI"),
        ("fr-fr", "Oui — non !", "Oui —=wˈi — non !=nˈɔ̃!"),
        ("hi", "— नमस्ते।", "— नमस्ते।=— nəmˈʌsteː."),
    ],
)
def test_read_gives_each_word_its_part_of_the_sentence(
    lang: str, sentence: str, expected: str
) -> None:
    """Words change each other, numbers become several, and punctuation stays with its word."""
    assert spoken(sentence, lang) == expected


@pytest.mark.parametrize(
    ("lang", "sentence", "foreign", "phonemes", "source"),
    [
        ("fr-fr", "J'aime le football", "football", "fˈʊtbɔl", "espeak en-us"),
        ("fr-fr", "On part en weekend demain.", "weekend", "wˈikɛnd", "espeak en-us"),
        ("fr-fr", "Un taxi pour Łódź", "Łódź", "wˈuʨ", "espeak pl"),
        ("es", "Hay un meeting a las 8", "meeting", "mˈiTɪŋ", "espeak en-us"),
        ("es", "El software de la señora", "software", "sˈɔftwɛɹ", "espeak en-us"),
        ("it", "Lo shopping è finito", "shopping", "ʃˈɑpɪŋ", "espeak en-us"),
        ("pt-br", "O feedback foi bom", "feedback", "fˈidbæk", "espeak en-us"),
        ("hi", "मैं computer पर हूँ", "computer", "kəmpjˈuːtə", "espeak"),
        ("en-us", "What Schadenfreude!", "Schadenfreude!", "ʃˈɑdənfrˌYdə!", "espeak de"),
        ("en-gb", "My jalapeño", "jalapeño", "xˌalapˈeɲo", "espeak es"),
        ("en-us", "He said привет to me", "привет", "prʲivʲˈet", "espeak ru"),
        ("de", "Das heißt καλημέρα", "καλημέρα", "kˌalimˈera", "espeak el"),
        ("ru", "Мой iPhone'а нет", "iPhone'а", "ˈI fˈQnˈɑ", "espeak"),
    ],
)
def test_read_reads_a_foreign_word_by_its_language(
    lang: str, sentence: str, foreign: str, phonemes: str, source: str
) -> None:
    """Where script or spelling leave no doubt; the names of languages are never spoken."""
    words = {item.text: item for item in read(sentence, lang)}

    assert words[foreign].phonemes == phonemes
    assert words[foreign].source == source
    assert not any("(" in item.phonemes for item in words.values())


def test_read_gives_chinese_words_to_what_knows_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Inside a sentence of another language, too, if the packages are installed."""
    monkeypatch.setattr(espeak, "is_supported", lambda _: True)
    monkeypatch.setattr(espeak, "phonemize", lambda text, lang, _: f"{len(text)}{lang}")

    assert spoken("see 北京, ok", "en-us") == "see=sˈi 北京,=2cmn, ok=ˌOkˈA"


def test_word_reads_one_word() -> None:
    """A name or a made-up word, without its punctuation; a Greek letter by its name."""
    assert word("Frobnitz!", "en-us") == "fɹˈɑbnɪts"
    assert word("Kowalski", "en-us") == "kɔvˈalski"
    assert word("π", "en-gb") == "pˈI"
    assert word("…", "en-us") == ""


def test_read_reports_an_unknown_language() -> None:
    """What espeak-ng raises becomes an error that can be shown."""
    with pytest.raises(SynthesisError, match="espeak-ng"):
        read("x", "xx")


def odd_words() -> list[str]:
    """Return 10,000 words that no dictionary has: as people name, mistype and mix them."""
    chance = random.Random(19)  # noqa: S311  # not a secret
    words = " ".join(line for text in SENTENCES.values() for line in text).split()
    words += [unicodedata.normalize("NFKD", item) for item in words]
    parts = (
        "Kuber netes Post gre SQL Zyx el Ngu yen Szcz epan ski O' Mc Mac Fitz Xi aomi Hua wei "
        "pre un re ness ing ed est ish ful eur oux eau sch tsch tz ough igh eigh ph ps pt kn gn wr "
        "x-y e- i 2go 4K v2 .io .js C++ C# @home &Co r/ ß ñ ø å ł ž é ü ï 'n' n't 's ’re 日 ё α ש ا"
    ).split()
    while len(words) < 10_100:
        item = "".join(chance.choices(parts, k=chance.randint(1, 4)))
        match chance.randint(0, 4):
            case 0:  # a letter is missing
                index = chance.randrange(len(item))
                item = item[:index] + item[index + 1 :]
            case 1:  # two are exchanged
                index = chance.randrange(len(item))
                item = (
                    item[:index]
                    + item[index + 1 : index + 2]
                    + item[index : index + 1]
                    + item[index + 2 :]
                )
            case 2:
                item = item.upper()
            case 3:
                item = item.title()
        words.append(item)
    return [item for item in words if any(char.isalnum() for char in item)]


@pytest.mark.parametrize("lang", ["en-us", "fr-fr"])
def test_word_reads_any_word(lang: str, caplog: pytest.LogCaptureFixture) -> None:
    """Of 10,000 odd words none raises an error, none is dropped, and no sign is unknown."""
    with caplog.at_level(logging.DEBUG, "audio"):
        for item in odd_words():
            phonemes = word(item, lang)

            assert phonemes.strip(MARKS), item
            assert VOCABULARY.issuperset(phonemes), item
    assert not caplog.records


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text(max_size=12), max_size=20), st.sampled_from(LANGUAGES))
def test_read_accepts_any_text(parts: list[str], lang: str) -> None:
    """Whatever the characters are, all of the text comes back, in signs that the model knows."""
    sentence = " ".join(" ".join(parts).split())
    words = read(sentence, lang)

    assert " ".join(item.text for item in words) == sentence
    assert VOCABULARY.issuperset("".join(item.phonemes for item in words))


def test_read_takes_linear_time_on_long_sentences(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sentence without punctuation is read in parts, since matching takes quadratic time."""
    lengths = []
    distributed = espeak._distributed

    def record(groups: list[str], alone: list[str]) -> list[str]:
        lengths.append(len(alone))
        return distributed(groups, alone)

    monkeypatch.setattr(espeak, "_distributed", record)
    read("a 12 b " * 100, "fr-fr")

    assert sum(lengths) == 300
    assert max(lengths) <= 40
