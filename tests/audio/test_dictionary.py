"""The dictionary on the disk, and how it is made."""

import gzip
import json
import time
from pathlib import Path

import pytest

from audio.kokoro.dictionary import DEFAULT, Dictionary, Entry, compile_dictionary
from audio.kokoro.model_files import DICTIONARY_FILE

TAGGER = {
    "tagdict": {"the": "DET|-"},
    "weights": {"w close": {"VERB|Inf": 1.5, "ADJ|-": -2.0}},
}


@pytest.fixture
def small(tmp_path: Path) -> Dictionary:
    """Return a dictionary of a few words."""
    files: dict[str, dict[str, object]] = {
        "us_gold": {
            "close": {"DEFAULT": "klˈOs", "VERB": "klˈOz"},
            "water": "wˈɔɾəɹ",
            "ID": {"DEFAULT": "ˈɪd", "NOUN": None},
            "Polish": "pˈOlɪʃ",
            "polish": "pˈɑlɪʃ",
        },
        "us_silver": {"Zurich": "zˈʊɹɪk", "water": "wrong"},
        "gb_gold": {"water": "wˈɔːtə"},
        "gb_silver": {},
    }
    for name, words in files.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(words), encoding="utf-8")
    (tmp_path / "tagger.json.gz").write_bytes(gzip.compress(json.dumps(TAGGER).encode()))
    compile_dictionary(tmp_path, tmp_path / "compiled")
    return Dictionary(tmp_path / "compiled")


def test_word_has_readings(small: Dictionary) -> None:
    """A word has its phonemes by part of speech, in the signs of Kokoro v1.0."""
    assert small.word("close", False) == Entry({DEFAULT: "klˈOs", "VERB": "klˈOz"}, checked=True)
    assert small.word("water", False) == Entry({DEFAULT: "wˈɔTəɹ"}, checked=True)
    assert small.word("water", True) == Entry({DEFAULT: "wˈɔːtə"}, checked=True)
    assert small.word("ID", False) == Entry({DEFAULT: "ˈɪd", "NOUN": ""}, checked=True)


def test_word_is_found_with_another_first_letter(small: Dictionary) -> None:
    """A capital letter at the start of a sentence, or a forgotten one, does not matter."""
    assert small.word("Water", False) == small.word("water", False)
    assert small.word("zurich", False) == Entry({DEFAULT: "zˈʊɹɪk"}, checked=False)
    assert small.word("Polish", False) != small.word("polish", False)


@pytest.mark.parametrize(
    "word", ["", "wate", "waters", "WATER", "#", "##the", "#w close", "~", "é"]
)
def test_word_is_unknown(small: Dictionary, word: str) -> None:
    """Other words are not found, nor is what belongs to the tagger."""
    assert small.word(word, False) is None


def test_weights_and_certain_tag(small: Dictionary) -> None:
    """The tagger's numbers are found by their names."""
    assert small.weights("w close") == ((0, -2.0), (17, 1.5))
    assert small.weights("w open") == ()
    assert small.certain_tag("the") == "DET|-"
    assert small.certain_tag("close") is None


def test_every_word_is_found(model_dir: Path) -> None:
    """Each line of the real file is found, within 50 microseconds of processor time."""
    path = model_dir / DICTIONARY_FILE.name
    lines = path.read_text(encoding="utf-8").splitlines()
    words = [line.split("\t")[0] for line in lines if not line.startswith("#")]
    sample = words[:: len(words) // 5000]
    dictionary = Dictionary(path)

    started_s = time.process_time()
    missing = [
        word for word in sample if not (dictionary.word(word, False) or dictionary.word(word, True))
    ]
    took_s = time.process_time() - started_s

    assert missing == []
    assert took_s / len(sample) < 2 * 50e-6  # two look-ups
