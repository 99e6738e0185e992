"""Sentences -> words with phonemes: nothing is lost, and every sign is known to the model."""

import logging
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio.kokoro import phonemes as packages
from audio.kokoro import reader
from audio.kokoro.alphabet import VOCABULARY
from audio.kokoro.reader import Reader, distributed, reader_of
from audio.text.phrases import phrases
from audio.types import Chunk, SynthesisError, phonemes_of

read = Reader(Path("nowhere")).read
"""Without a dictionary: espeak, and the packages that are installed."""

TEXTS = [
    ("en-us", "Please close the door, and bring 2 of the chairs \u2014 quickly."),
    ("en-gb", "The look of the house; \u201cand\u201d of the garden."),
    ("fr-fr", "Les enfants ont mangé : c'est l'heure."),
    ("hi", "नमस्ते दुनिया 42"),
    ("ja", "今日は天気がいい、明日は雨。"),
    ("cmn", "你好世界\uff0c今天 天气 很好。"),
]


@pytest.mark.parametrize(("lang", "text"), TEXTS)
def test_read_returns_the_sentence_in_known_phonemes(lang: str, text: str) -> None:
    """The words are the sentence; each sign is in the model's alphabet, and spaces are single."""
    words = read(text, lang)
    phonemes = phonemes_of(words)

    assert Chunk.whole(words).text == text
    assert phonemes
    assert set(phonemes) <= VOCABULARY
    assert "  " not in phonemes
    assert phonemes == phonemes.strip()


def test_read_lets_neighbours_change_a_word() -> None:
    """In French a silent consonant is heard before a vowel; so a sentence is read as a whole."""
    first, *_ = read("les chats", "fr-fr")
    before_a_vowel, *_ = read("les enfants", "fr-fr")

    assert before_a_vowel.phonemes == f"{first.phonemes}z"


@pytest.mark.parametrize(("lang", "text"), TEXTS[-2:])
def test_read_returns_phrases_where_there_are_no_spaces(lang: str, text: str) -> None:
    """A Japanese or Chinese sentence can be cut where its reader could pause."""
    words = read(text, lang)

    assert [word.text for word in words] == [
        phrase for word in text.split() for phrase in phrases(word)
    ]
    assert words[0].joined
    assert not words[-1].joined


@pytest.mark.parametrize("text", ["", " "])
def test_read_returns_no_words_of_an_empty_text(text: str) -> None:
    """Nothing to read is no error."""
    assert read(text, "en-us") == ()


def test_read_raises_if_a_reader_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever fails inside, the sender is told what happened and what to do."""

    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("moras")

    monkeypatch.setattr(Reader, "_read", fail)
    with pytest.raises(SynthesisError, match=r"5 characters can't be read.*Zero.*other words"):
        read("Hello", "en-us")


@pytest.mark.parametrize("lang", ["en-us", "fr-fr", "hi", "ja", "cmn", "de"])
def test_pronounced_is_what_the_reader_says(lang: str) -> None:
    """A check of a word asks espeak-ng, and the reader that sentences have."""
    assert Reader(Path("nowhere")).pronounced("hello", lang) == phonemes_of(read("hello", lang))


def test_pronounced_raises_if_espeak_knows_no_such_language() -> None:
    """The check says that espeak-ng is at fault."""
    with pytest.raises(SynthesisError, match="espeak-ng"):
        Reader(Path("nowhere")).pronounced("hello", "xx")


def test_reader_of_a_folder_is_one(tmp_path: Path) -> None:
    """All who read with the data of a folder share it."""
    assert reader_of(tmp_path) is reader_of(tmp_path)


def test_read_in_another_language_does_not_wait_for_the_dictionary(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """While the dictionary is loaded, sentences are read; it is loaded once."""
    started, go_on = threading.Event(), threading.Event()
    loaded: list[Path] = []

    def load(model_dir: Path) -> None:
        loaded.append(model_dir)
        started.set()
        assert go_on.wait(30)

    monkeypatch.setattr(reader, "load_reader", load)
    slow = Reader(tmp_path)
    threads = [threading.Thread(target=slow.read, args=("Hello", "en-us")) for _ in range(2)]
    for thread in threads:
        thread.start()
    assert started.wait(30)

    assert read("Bonjour", "fr-fr")
    assert all(thread.is_alive() for thread in threads)
    go_on.set()
    for thread in threads:
        thread.join(30)
    assert loaded == [tmp_path]


def test_read_runs_on_several_threads() -> None:
    """Sentences that two threads read at once are as they are read by one."""
    expected = {lang: read(text, lang) for lang, text in TEXTS[:3]}
    wrong: list[str] = []

    def work(lang: str, text: str) -> None:
        wrong.extend(text for _ in range(20) if read(text, lang) != expected[lang])

    threads = [threading.Thread(target=work, args=args) for args in TEXTS[:3]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert not wrong


def test_read_reads_a_long_sentence_without_spaces_in_linear_time() -> None:
    """A thousand characters are read in parts, which are joined as the phrases in them are."""
    text = "今日は天気がいい、" * 110
    started_s = time.process_time()
    words = read(text, "ja")

    assert time.process_time() - started_s < 2
    assert [word.joined for word in words] == [*[True] * (len(words) - 1), False]
    assert Chunk.whole(words).text == text
    assert phonemes_of(words).count(",") == text.count("、")


def test_read_logs_what_the_model_does_not_know(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No sign of a package is dropped silently."""
    monkeypatch.setattr(packages, "is_supported", lambda _: True)
    monkeypatch.setattr(packages, "_openjtalk", lambda: lambda _: (2 * "hə☃ ļo", None))
    caplog.set_level(logging.DEBUG, "audio.kokoro.alphabet")

    assert phonemes_of(read("犬", "ja")) == "hə lo"
    assert "\u0327 \u2603" in caplog.text


@given(st.text("ab\u02c8 ,", max_size=40), st.lists(st.text("ab\u02c8 ", max_size=8), min_size=1))
def test_distributed_loses_nothing(phonemes: str, alone: list[str]) -> None:
    """However little the words alone resemble the sentence, the parts joined are the sentence."""
    parts = distributed(phonemes, alone)

    assert len(parts) == len(alone)
    assert "".join(parts) == phonemes


def test_distributed_follows_the_words() -> None:
    """Where both agree, each word gets its own phonemes, with the space after them."""
    assert distributed(
        "lezɑ\u0303fɑ\u0303 zɔ\u0303",
        ["le", "ɑ\u0303fɑ\u0303", "ɔ\u0303"],
    ) == [
        "lez",
        "ɑ\u0303fɑ\u0303 z",
        "ɔ\u0303",
    ]
