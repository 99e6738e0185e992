"""Words with several pronunciations, in sentences of which half are orders or questions."""

import json
import re
from pathlib import Path

import pytest

from audio.kokoro import heteronyms
from audio.kokoro.dictionary import DEFAULT
from audio.kokoro.english import EnglishReader
from audio.kokoro.heteronyms import Token

SENTENCES = json.loads(
    (Path(__file__).parents[1] / "data" / "heteronyms.json").read_text(encoding="utf-8")
)
LEAST_RIGHT = 0.95


def unknown(word: str) -> str:
    """Stand in for espeak, which none of these sentences needs."""
    return f"<{word}>"


def heard(reader: EnglishReader, text: str) -> str:
    """Return the phonemes of the word between the asterisks."""
    place = text[: text.index("*")].count(" ")
    word = reader.read(text.replace("*", ""), "en-us", unknown)[place]
    return word.phonemes.strip(".,!?:")


@pytest.mark.parametrize(
    "part", ["rules_made_from", "held_back", "notifications", "notifications_held_back"]
)
def test_heteronyms_are_read_as_they_are_meant(english: EnglishReader, part: str) -> None:
    """At least 95 of 100 are right, also in the sentences that the rules were not made from."""
    wrong = [
        f"{case['text']} {found} instead of {case['phonemes']}"
        for case in SENTENCES[part]
        if (found := heard(english, case["text"])) != case["phonemes"]
    ]

    assert len(wrong) <= (1 - LEAST_RIGHT) * len(SENTENCES[part]), "\n".join(wrong)


def test_sentences_are_enough() -> None:
    """There are 150 sentences or more, a quarter of them held back, half orders or questions."""
    both = SENTENCES["rules_made_from"] + SENTENCES["held_back"]
    asked = [case for case in both if case["kind"] in ("order", "question")]

    assert len(both) >= 150
    assert len(SENTENCES["held_back"]) * 4 >= len(both)
    assert len(asked) * 2 >= len(both)
    assert len(SENTENCES["notifications"]) >= 60
    assert len(SENTENCES["notifications_held_back"]) * 3 >= len(SENTENCES["notifications"])
    assert all(re.fullmatch(r"[^*]*\*[^*]+\*[^*]*", case["text"]) for case in both)


def test_choose_works_without_a_tagger() -> None:
    """The rules alone read an order."""
    tokens = [Token("Close"), Token("the"), Token("door", breaks=True)]
    readings = {DEFAULT: "near", "VERB": "shut"}

    assert heteronyms.choose(tokens, 0, [], readings) == "shut"
