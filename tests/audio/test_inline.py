"""Sounds and pauses that a sender writes into a text."""

import json
import re
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audio.cost import SynthesisCost
from audio.planner import Planner
from audio.text import inline
from audio.text.inline import ALPHABET, MAX_PAUSE_S, SoundsError, hold, restore, shown, sounds
from audio.text.normalize import pronounce
from audio.text.sentences import LONGEST_SENTENCE_CHARS, sentences, speakable
from audio.types import NothingToSpeakError, SpokenWord
from bot.core.plain_text import Composed, compose_text
from bot.paths import CHECKOUT

WIN = "[Nguyen](/wˈɪn/)"


def composed(text: str) -> str:
    return compose_text(text, "en-us").text


def letters(plain: str) -> list[SpokenWord]:
    """Read a text as its letters."""
    return [SpokenWord(word, word.lower(), "letters") for word in plain.split()]


def read(text: str) -> list[tuple[str, str]]:
    """Return the words of a composed text that is one sentence, with their phonemes."""
    (sentence,) = sentences(composed(text), "en-us")
    return [(word.text, word.phonemes) for word in inline.read(sentence, letters)]


def pauses(text: str) -> list[tuple[str, float]]:
    """Return the words of a text, each with the pause after it."""
    return [
        (word.text, word.pause_s)
        for sentence in sentences(composed(text), "en-us")
        for word in inline.read(sentence, letters)
    ]


def test_alphabet_is_that_of_the_model() -> None:
    """With the punctuation, which is no sound, and the space it is the whole vocabulary."""
    config = json.loads((resources.files("kokoro_onnx") / "config.json").read_text("utf-8"))
    assert ALPHABET | inline.PUNCTUATION | {" "} == set(config["vocab"])


def test_examples_in_the_documents_are_sounds() -> None:
    """Every /…/ in the page about pronunciation can be pasted into a text."""
    page = (CHECKOUT / "docs/pronunciation.md").read_text("utf-8")
    examples = re.findall(r"[`(= ]/([^/`|\n ]+(?: [^/`|\n ]+)?)/(?=[`)\n])", page)
    links = {"docs"}

    assert len(examples) > 30
    assert {given for given in examples if _refused(given)} == links


def _refused(given: str) -> bool:
    try:
        return sounds(given) != given
    except SoundsError:
        return True


# ---- what is a mark, and what is a link ----


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("wˈɪn", "wˈɪn"),
        ("nˈu jˈɔɹk", "nˈu jˈɔɹk"),
        (" ʃɪvˈɔn ", "ʃɪvˈɔn"),
        ("gˈOt", "ɡˈOt"),  # the g of a keyboard
        ("w'ɪn", "wˈɪn"),
        ("sˈi:ən", "sˈiːən"),
        ("bɔ̃ʒˈuʁ", "bɔ̃ʒˈuʁ"),
        ("sˈãw", "sˈa\u0303w"),  # one character, which the model knows as two
        ("fʁɑ̃swˈa", "fʁɑ̃swˈa"),
        ("ma↓ma→ˈa", "ma↓ma→ˈa"),
    ],
)
def test_sounds_are_in_the_models_alphabet(given: str, expected: str) -> None:
    """What people can type stands for the model's own signs."""
    assert sounds(given) == expected


@pytest.mark.parametrize("given", ["win", "", "ŋwiən̪ˈa", "wˈɪn, wˈɪn", "XˈZ", "wˈɪn1", "тˈест"])
def test_sounds_refuses_other_text(given: str) -> None:
    """Other signs, and text that has nothing of sounds, are errors."""
    with pytest.raises(SoundsError):
        sounds(given)


def test_sounds_names_the_unknown_signs() -> None:
    """The error says which signs are unknown, each once."""
    with pytest.raises(SoundsError, match=r"signs: 9 Ш$"):
        sounds("9ˈaШ9")


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("See [docs](/docs/).", "See docs."),
        ("See [the bin folder](/usr/bin/).", "See the bin folder."),
        ("See [home](/).", "See home."),
        ("See [it's here](/it's/).", "See it's here."),
        ("See [sœur](/sœur/).", "See sœur."),
        ("See [øl](/øl/) now.", "See øl now."),
        ("See [ratios](/a:b/) now.", "See ratios now."),
        ("See [page](/about/team/).", "See page."),
        ("See [site](https://example.com/wˈɪn/).", "See site."),
    ],
)
def test_link_is_not_sounds(text: str, spoken: str) -> None:
    """The path of a link has only ordinary letters, and its text is read."""
    assert composed(text) == spoken


def test_unknown_signs_in_sounds_are_reported() -> None:
    """The word is read as it is written, and its sender is told."""
    text = "Ask [Nguyen](/ŋ̪wˈiən/) and [Li](/lˈí̱/)."
    assert compose_text(text, "en-us") == Composed(
        "Ask Nguyen and Li.", "2 sounds in unknown signs"
    )


# ---- words with sounds ----


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (f"Ask {WIN}, please.", ("Nguyen,", "wˈɪn,")),
        (f"Ask {WIN}.", ("Nguyen.", "wˈɪn.")),
        (f"Ask “{WIN}”!", ("“Nguyen”!", "“wˈɪn”!")),
        (f"Ask ({WIN}) again", ("(Nguyen)", "(wˈɪn)")),
        (f"Ask **{WIN}** again", ("Nguyen", "wˈɪn")),
        (f"Take {WIN}'s car", ("Nguyen's", "wˈɪnz")),
        (f"Take {WIN}’s, please", ("Nguyen’s,", "wˈɪnz,")),
        ("Take [Max](/mˈæks/)'s car", ("Max's", "mˈæksᵻz")),
        ("Take [Kat](/kˈæt/)'s car", ("Kat's", "kˈæts")),
        ("[Kat](/kˈæt/)'ll go", ("Kat'll", "kˈætᵊl")),
        (f"a {WIN}-led team", ("Nguyen-led", "wˈɪn led")),
        (f"an ex-{WIN} firm", ("ex-Nguyen", "ex wˈɪn")),
        (f"{WIN}/[Li](/lˈi/) said", ("Nguyen/Li", "wˈɪnlˈi")),
        ("in [New York](/nˈu jˈɔɹk/), today", ("York,", "jˈɔɹk,")),
        ("the [SQL](/sˈikwəl/) file", ("SQL", "sˈikwəl")),
        ("a [New York City](/ˈɛnwˈIsˈi/).", ("New York City.", "ˈɛnwˈIsˈi.")),
        ("[5](/fˈIv/) of them", ("5", "fˈIv")),
        ("the [snake_case](/snˈAk/) *name*", ("snake_case", "snˈAk")),
    ],
)
def test_read_uses_given_sounds(text: str, word: tuple[str, str]) -> None:
    """Sounds replace the word's own; its punctuation and its suffix stay."""
    assert word in read(text)


def test_read_gives_the_words_around_a_mark_whole() -> None:
    """The other words are read as in the sentence without marks."""
    given: list[str] = []

    def reader(plain: str) -> list[SpokenWord]:
        given.append(plain)
        return letters(plain)

    inline.read(f"Close the [door](/dˈɔɹ/), {WIN}.", reader)
    assert given == ["Close the door, Nguyen."]


def test_read_names_the_source() -> None:
    """A word whose sounds were given says so; the others keep their source."""
    words = inline.read(f"Ask {WIN}.", letters)
    assert [word.source for word in words] == ["letters", inline.SENDER]


def test_read_finds_a_mark_in_words_that_are_joined() -> None:
    """In Japanese and Chinese a word may be a part of what the reader returns as one."""

    def phrases(plain: str) -> list[SpokenWord]:
        return [SpokenWord(plain, "x" * len(plain), "letters", joined=True)]

    (word,) = inline.read("你[好](/xˈAʊ/)吗。", phrases)
    assert (word.text, word.phonemes) == ("你好吗。", "x xˈAʊ xx")


PARTS = st.sampled_from(
    (
        WIN,
        "[pause:1s]",
        "[New York](/nˈu jˈɔɹk/)",
        "[docs](/docs/)",
        "[",
        "](/",
        "/)",
        "’s",
        ", ",
        ". ",
        "\n",
        " ",
        "\U000f0000",
        "**",
        "語",
        "5%",
        "word",
        "a",
    )
)


@given(st.lists(PARTS | st.text(max_size=5), max_size=30).map("".join))
def test_read_loses_no_word(text: str) -> None:
    """Whatever is around marks, the words are those that people see, each sentence for itself."""
    text = composed(text)
    if not speakable(text):
        return
    for sentence in sentences(text, "en-us"):
        words = inline.read(sentence, letters)
        assert "".join("".join(word.text.split()) for word in words) == "".join(
            shown(sentence).split()
        )
        assert sum(word.pause_s for word in words) == sentence.count("[pause:1s]")


def test_marks_reach_the_voice() -> None:
    """The chunks that the model gets have the given sounds, and end at the pauses."""
    planner = Planner(f"Ask {WIN}, [pause:2s] and [SQL](/sˈikwəl/)'s work.", "en-us", 1.0)
    chunks = []
    while not planner.done:
        planner.prepare(lambda sentence, _: inline.read(sentence, letters))
        chunks.append(planner.next(SynthesisCost(), 9.0))

    assert " ".join(chunk.phonemes for chunk in chunks) == "ask wˈɪn, and sˈikwəlz work."
    assert chunks[0].phonemes == "ask wˈɪn,"
    assert chunks[0].pause_s == 2.0


def test_sentence_of_one_mark_is_spoken() -> None:
    """A word with sounds is a word."""
    assert speakable(WIN)
    assert sentences(f"Hello. {WIN}. Bye.", "en-us") == ["Hello.", f"{WIN}.", "Bye."]


@pytest.mark.parametrize("text", ["[pause:2s]", "[pause:2s] … [pause:1s]"])
def test_text_without_words_is_not_spoken(text: str) -> None:
    """A pause alone is nothing to say."""
    assert not speakable(composed(text))


def test_sentences_of_pauses_alone_are_refused() -> None:
    """Nothing is left to speak."""
    with pytest.raises(NothingToSpeakError):
        sentences("[pause:2s] [pause:1s]", "en-us")


@pytest.mark.parametrize("word", ["Hello. There", "Dr. No", "e.g. this", "a * b_c ~ d", "5%"])
def test_marked_words_are_left_alone(word: str) -> None:
    """Neither a rule nor a sentence's end changes the inside of a mark."""
    text = f"Say [{word}](/wˈɪn jˈɔɹk/) now. Then $5 more."
    first, second = sentences(composed(text), "en-us")
    assert first == f"Say [{word}](/wˈɪn jˈɔɹk/) now."
    assert second == "Then 5 dollars more."


def test_sentence_with_many_marks_is_split() -> None:
    """The words of marks count as other words do."""
    text = " ".join([f"[{'a' * 50}](/wˈɪn/)"] * 100)
    parts = sentences(composed(text), "en-us")
    assert all(len(shown(part)) <= LONGEST_SENTENCE_CHARS for part in parts)
    assert " ".join(parts) == text


# ---- pauses ----


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One [pause:1.5s] two", [("One", 1.5), ("two", 0.0)]),
        ("One, [pause:500ms] two", [("One,", 0.5), ("two", 0.0)]),
        ("One [Pause: 2 s], two", [("One,", 2.0), ("two", 0.0)]),
        ("One.[pause:1s] Two.", [("One.", 1.0), ("Two.", 0.0)]),
        ("One. [pause:1s] Two.", [("One.", 1.0), ("Two.", 0.0)]),
        ("One\n[pause:1s]\nTwo", [("One", 1.0), ("Two", 0.0)]),
        ("One [pause:1s] [pause:2s] two", [("One", 3.0), ("two", 0.0)]),
        ("One [pause:1s]", [("One", 1.0)]),
        ("[pause:1s] One", [("", 1.0), ("One", 0.0)]),
        ("[pause:1s]\n\nOne", [("", 1.0), ("One", 0.0)]),
        ("One[pause:1s]two", [("One", 1.0), ("two", 0.0)]),
        ("One [pause:99s] two", [("One", MAX_PAUSE_S), ("two", 0.0)]),
        (f"{WIN} [pause:1s] two", [("Nguyen", 1.0), ("two", 0.0)]),
    ],
)
def test_pause_follows_its_word(text: str, expected: list[tuple[str, float]]) -> None:
    """A pause belongs to the word before it; one before the first word is a word of its own."""
    assert pauses(text) == expected


@pytest.mark.parametrize(
    "text", ["[pause]", "[pause:s]", "[pause:-1s]", "[pause:1h]", "[pause 1s]"]
)
def test_other_brackets_are_no_pause(text: str) -> None:
    """What is not written like a pause is read as text."""
    assert shown(text) == text


def test_pauses_have_a_limit() -> None:
    """One text has a minute of pauses at most; the sender is told of the others."""
    text, left_out = inline.checked("One [pause:10s] two " * 8)
    assert sum(piece.pause_s for piece in inline.parse(text)) == inline.MAX_PAUSES_S
    assert left_out == {"pause": 2}


def test_limit_of_pauses_holds_for_disguised_ones() -> None:
    """Pauses that appear when other marks are taken away are none."""
    assert not any(pause_s for _, pause_s in pauses("One [pause:**10s**] two " * 20))


# ---- kept, hidden, shown ----


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"Ask {WIN}'s, please.", "Ask Nguyen's, please."),
        ("One [pause:1s] two", "One two"),
        ("One [pause:1s], two", "One, two"),
        ("One[pause:1s]two", "One two"),
        ("[pause:1s] One [pause:1s] [pause:1s] two [pause:1s]", "One two"),
        ("One\n[pause:1s]\nTwo", "One\n\nTwo"),
        ("[docs](/docs/) [1] [x] (y)", "[docs](/docs/) [1] [x] (y)"),
        ("plain", "plain"),
    ],
)
def test_shown_is_what_people_see(text: str, expected: str) -> None:
    """Words without their sounds, and no pauses."""
    assert shown(text) == expected


def test_restore_undoes_hold() -> None:
    """A held text has one character for each mark."""
    text = f"Ask {WIN} [pause:1s] [docs](/docs/)."
    held, marks = hold(text)
    assert held == "Ask \U000f0000 \U00100001 [docs](/docs/)."
    assert restore(held, marks) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"{WIN} &#983045; hi", f"{WIN} hi"),
        ("hi &#983045; there [pause:1s]", "hi there [pause:1s]"),
        (f"{WIN} &#983040; hi", f"{WIN} hi"),
        (f"{WIN} &amp;#xF0000; hi", f"{WIN} hi"),
        ("icon &#xE000; hi", "icon hi"),
    ],
)
def test_entities_make_no_marks(text: str, expected: str) -> None:
    """A private character in disguise neither fails nor says a word twice."""
    assert " ".join(composed(text).split()) == expected


@given(
    st.lists(
        st.sampled_from(
            [
                WIN,
                "[pause:1s]",
                "[docs](/docs/)",
                "&",
                "amp;",
                "#",
                ";",
                " ",
                "\n",
                "hi",
                "<b>",
                "**",
            ]
        )
        | st.sampled_from(["&#983040;", "&#983041;", "&#xF0005;", "&#1048576;", "&#x10FFFD;"])
        | st.characters(min_codepoint=0xE000, max_codepoint=0x10FFFF),
        max_size=12,
    ).map("".join)
)
def test_compose_text_keeps_each_mark_once_among_entities(text: str) -> None:
    """Whatever stands around marks, nothing fails and none of them is said twice."""
    spoken = composed(text)

    assert spoken.count(WIN) <= text.count(WIN)
    assert spoken.count("[pause:") <= text.count("[pause:")
    assert not re.search("[\U000f0000-\U0010fffd]", spoken)


def test_hold_drops_characters_that_it_uses() -> None:
    """A sender can't write the characters that stand for marks."""
    assert hold(f"\U000f0000 {WIN} \U00100000") == (" \U000f0000 ", [WIN])
    assert composed("a\U000f0000b \U00100000 c") == "ab  c"


@pytest.mark.parametrize("chars", range(4, 30))
def test_cut_leaves_marks_whole(chars: int) -> None:
    """A mark at the cut is left out."""
    text = f"Ask {WIN} now or later."
    assert inline.cut(text, chars) in (text[:chars], "Ask ")
    assert "(" not in inline.cut(text, chars).replace(WIN, "")


# ---- taught pronunciations ----


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Ask Nguyen.", f"Ask {WIN}."),
        ("Ask nguyen’s dog.", "Ask [nguyen](/wˈɪn/)’s dog."),
        ("Ask [Nguyen](/nˈɛ/).", "Ask [Nguyen](/nˈɛ/)."),
        ("Ask [Ms Nguyen](/nˈɛ/).", "Ask [Ms Nguyen](/nˈɛ/)."),
        ("In New York now", "In [New York](/nˈu jˈɔɹk/) now"),
        ("A kubectl", "A cube control"),
    ],
)
def test_pronounce_marks_words_with_sounds(text: str, expected: str) -> None:
    """A word taught in sounds gets them; one whose sender gave sounds keeps those."""
    words = {"nguyen": "/wˈɪn/", "new york": "/nˈu jˈɔɹk/", "kubectl": "cube control"}
    assert pronounce(text, words) == expected
