"""Sentences -> chunks: their size and context, and that nothing is lost."""

import itertools
import math
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audio.cost import SynthesisCost
from audio.planner import MAX_CHUNK_S, SENTENCE_PAUSE_S, Planner
from audio.text.sentences import clean, sentences, speakable
from audio.types import Chunk, SpokenWord, phonemes_of
from tests.support.fake_voice import read_letters


def spoken(text: str) -> str:
    """Return the letters and digits of *text*: these must not be lost."""
    return "".join(char for char in clean(text) if char.isalnum())


def plan(
    text: str,
    lang: str = "en-us",
    first_sentence: int = 0,
    *,
    read: Callable[[str, str], tuple[SpokenWord, ...]] = read_letters,
) -> list[Chunk]:
    """Return all chunks of a text, requested with a well-filled buffer after the first."""
    planner = Planner(text, lang, 1.0, first_sentence)
    chunks: list[Chunk] = []
    while not planner.done:
        planner.prepare(read)
        chunks.append(planner.next(SynthesisCost(), buffered_s=3.0 * len(chunks)))
    return chunks


LANGUAGES = ["en-us", "ja", "cmn", "hi", "es"]


@given(st.text(max_size=600), st.sampled_from(LANGUAGES), st.lists(st.floats(0, 20), min_size=1))
def test_planner_loses_nothing(text: str, lang: str, buffers_s: list[float]) -> None:
    """Whatever the text and the state of the buffer, each letter is in one chunk, in order."""
    if not speakable(text):
        return
    planner = Planner(text, lang, 1.0)
    chunks: list[Chunk] = []
    while not planner.done:
        buffered_s = buffers_s[len(chunks) % len(buffers_s)]
        planner.prepare(read_letters)
        chunks.append(planner.next(SynthesisCost(), buffered_s))

    assert "".join(spoken(chunk.text) for chunk in chunks) == spoken(text)
    assert all(spoken(chunk.text) for chunk in chunks)
    assert chunks[-1].ends_sentence


@given(st.text(max_size=300))
def test_planner_can_start_at_any_sentence(text: str) -> None:
    """Starting at a sentence gives the letters of that sentence and of those after it."""
    if not speakable(text):
        return
    all_chunks = plan(text)
    for first in range(all_chunks[-1].sentence + 2):
        expected = "".join(spoken(chunk.text) for chunk in all_chunks if chunk.sentence >= first)

        assert "".join(spoken(chunk.text) for chunk in plan(text, "en-us", first)) == expected


# Phrases, because a row of function words, as in random words, can't be cut anywhere.
PHRASES = st.sampled_from(
    [
        "the ferry",
        "and a quiet harbour",
        "of the old timetable",
        "which nobody has finished",
        "before the summer,",
        "although it rains;",
        "on the continuous paper",
        "was printed in town.",
        "quickly",
        "to the mountains?",
    ]
)


@settings(max_examples=200)
@given(st.lists(PHRASES, min_size=1, max_size=80), st.floats(0.05, 0.4), st.floats(0, 0.3))
def test_planner_never_lets_sound_run_out_on_a_fast_machine(
    phrases: list[str], rtf: float, overhead_s: float
) -> None:
    """On a machine with some speed to spare, every chunk is ready before it is needed."""
    cost = SynthesisCost()
    for spoken_s in (1.0, 2.0, 4.0) * 10:  # it has learned this machine
        cost = cost.after(
            length=15 * spoken_s,
            speed=1,
            lang="en-us",
            spoken_s=spoken_s,
            took_s=overhead_s + rtf * spoken_s,
        )
    planner = Planner(" ".join(phrases), "en-us", 1.0)
    buffered_s, late_s = 0.0, 0.0
    while not planner.done:
        started = buffered_s > 0
        planner.prepare(read_letters)
        chunk = planner.next(cost, buffered_s)
        spoken_s = cost.audio_s(chunk.speech_length, 1.0, "en-us")
        took_s = overhead_s + rtf * spoken_s
        if started:
            late_s += max(0.0, took_s - buffered_s)
            buffered_s = max(0.0, buffered_s - took_s)
        buffered_s += spoken_s + chunk.pause_s

    # A sentence of one short word can't fill the buffer; the next one is then slightly late.
    assert late_s < 0.6


def test_planner_makes_a_short_first_chunk_and_longer_ones_later() -> None:
    """Sound starts soon even in a long first sentence, and cuts become rarer."""
    text = "We walked along the river and over the bridge " * 6
    chunks = plan(text)
    lengths = [chunk.speech_length for chunk in chunks]

    assert SynthesisCost().audio_s(lengths[0], 1.0, "en-us") < 2.5
    assert max(lengths) > 2 * lengths[0]


def test_planner_cuts_before_a_phrase_and_adds_context() -> None:
    """A cut inside a clause comes before a function word, never after an article or auxiliary."""
    text = "Everybody who has finished the work may put the tools on the continuous bench at noon"
    chunks = plan(text)

    assert len(chunks) > 1
    for chunk, following in itertools.pairwise(chunks):
        assert chunk.text.split()[-1] not in {"the", "has", "on", "who", "may", "at"}
        assert following.text.startswith(chunk.after.split()[0])
        assert chunk.text.endswith(following.before.split()[-1])


def test_planner_adds_enough_context_on_each_side() -> None:
    """With 30 letters of context the words at a cut keep their duration; one word is too little."""
    words = ("we walked along the river and over the bridge " * 6).split()
    chunks = plan(" ".join(words))
    first = 0

    for chunk in chunks:
        last = first + len(chunk.text.split())
        for context, available in ((chunk.before, words[:first]), (chunk.after, words[last:])):
            assert len(context) >= min(30, len(" ".join(available)))
        first = last


def test_planner_adds_no_context_at_punctuation() -> None:
    """After a comma or a full stop the model may start fresh."""
    chunks = plan(
        "When the lamps have all been lit, we shall walk to the end of the pier. Then home."
    )

    assert all(not chunk.after for chunk in chunks if chunk.pause_s)


@pytest.mark.parametrize(
    "text",
    ["word " * 819, "\n".join(["A paragraph of a few words."] * 50), "a" * 3000, "7" * 900],
    ids=["4096 characters", "50 paragraphs", "a long word", "a long number"],
)
def test_planner_handles_the_longest_messages(text: str) -> None:
    """The longest messages lose nothing and stay within the limits of the model."""
    chunks = plan(text)

    assert sum(len(spoken(chunk.text)) for chunk in chunks) == len(spoken(text))
    assert (
        max(SynthesisCost().audio_s(chunk.speech_length, 1.0, "en-us") for chunk in chunks)
        <= MAX_CHUNK_S + 4
    )


@pytest.mark.parametrize("word", ["No", "Very", "of a", "I"])
def test_planner_cuts_a_run_of_words_that_depend_on_the_next(word: str) -> None:
    """Where every cut is noticed there is one nevertheless, so that sound starts soon."""
    chunks = plan(f"{word} " * 200)

    assert SynthesisCost().audio_s(chunks[0].speech_length, 1.0, "en-us") < 2.5
    longest = max(chunk.speech_length for chunk in chunks)
    assert SynthesisCost().audio_s(longest, 1.0, "en-us") < MAX_CHUNK_S + 1


@pytest.mark.parametrize("slowness", [0.6, 0.9, 1.4])
def test_planner_delays_the_first_word_on_a_slow_machine(slowness: float) -> None:
    """If synthesis is slow, playback is delayed until the rest will be in time, no longer."""
    cost = SynthesisCost()
    for spoken_s in (1.0, 3.0, 5.0) * 10:
        cost = cost.after(
            length=20 * spoken_s,
            speed=1,
            lang="en-us",
            spoken_s=spoken_s,
            took_s=0.2 + slowness * spoken_s,
        )
    planner = Planner("We walked along the river and over the bridge. " * 8, "en-us", 1.0)
    planner.prepare(read_letters)
    chunks = [planner.next(cost, 0.0)]
    now_s, start_s = 0.0, 0.0
    stored_s = needed_s = 0.0
    while True:  # as the pipeline does, on a machine that is exactly as slow as estimated
        spoken_s = cost.audio_s(chunks[-1].speech_length, 1.0, "en-us")
        now_s += cost.cost_s(spoken_s)
        needed_s = max(needed_s, now_s - stored_s)
        stored_s += spoken_s + chunks[-1].pause_s
        if planner.done:
            break
        planner.prepare(read_letters)
        if now_s < start_s or len(chunks) == 1:
            chunk, wait_s = planner.next_delayed(cost, stored_s)
            start_s = now_s + wait_s
        else:
            chunk = planner.next(cost, stored_s + start_s - now_s)
        chunks.append(chunk)
    start_s = min(start_s, now_s)

    assert needed_s < start_s + 0.2
    assert start_s < 1.3 * needed_s


@pytest.mark.parametrize("rtf", [0.2, 0.55, 0.75, 0.95])
def test_planner_waits_instead_of_stumbling_on_a_machine_it_does_not_know(rtf: float) -> None:
    """On one core or two, sound does not run out in the first message that is ever spoken."""
    planner = Planner("We walked along the river, and then over the bridge. " * 12, "en-us", 1.0)
    cost = SynthesisCost()
    now_s = stored_s = 0.0
    start_s = math.inf  # the first word is heard
    late_s = 0.0
    while not planner.done:
        planner.prepare(read_letters)
        if not stored_s:
            chunk = planner.next(cost, 0.0)
        elif now_s < start_s:
            chunk, delay_s = planner.next_delayed(cost, stored_s)
            start_s = now_s + delay_s
        else:
            chunk = planner.next(cost, stored_s - (now_s - start_s))
        spoken_s = 0.055 * chunk.speech_length
        took_s = 0.15 + rtf * spoken_s
        now_s += took_s
        late_s = max(late_s, now_s - start_s - stored_s)
        stored_s += spoken_s + chunk.pause_s
        cost = cost.after(
            length=chunk.speech_length, speed=1, lang="en-us", spoken_s=spoken_s, took_s=took_s
        )

    assert late_s < 0.05
    assert start_s < 4


def test_planner_cuts_where_stored_chunks_end() -> None:
    """A text whose sound is stored is cut as before, whatever it would cost, and at once."""
    text = "We walked along the river and over the bridge, and nobody else was on the way home"
    before = plan(text)
    slow = SynthesisCost()
    for _ in range(40):
        slow = slow.after(length=40, speed=1, lang="en-us", spoken_s=2.0, took_s=6.0)
    planner = Planner(text, "en-us", 1.0)
    planner.prepare(read_letters, before.__contains__)
    chunks, delays_s = [planner.next(slow, 0.0)], [0.0]
    while not planner.done:
        chunk, delay_s = planner.next_delayed(slow, 0.5)
        chunks.append(chunk)
        delays_s.append(delay_s)

    assert chunks == before != plan_slowly(text, slow)
    assert max(delays_s) == 0


def test_planner_does_not_cut_at_a_stored_chunk_that_is_no_part_of_the_text() -> None:
    """The sound of "No." says nothing of how "No one" is said; the longest stored one counts."""
    stored = [chunk for text in ("No.", "No", "We sang", "We") for chunk in plan(text)]
    for text in ("No one was at home when we came back", "We sang. Nobody else did"):
        planner, unstored = Planner(text, "en-us", 1.0), Planner(text, "en-us", 1.0)
        planner.prepare(read_letters, stored.__contains__)
        unstored.prepare(read_letters)

        assert planner.next(SynthesisCost(), 0.0) == unstored.next(SynthesisCost(), 0.0)


def test_planner_asks_for_few_chunks_of_a_long_sentence() -> None:
    """Stored chunks are short, so that no long one is looked for: that would take too long."""
    asked: list[int] = []

    def is_stored(chunk: Chunk) -> bool:
        asked.append(chunk.speech_length)
        return False

    planner = Planner("We walked along the river and over the bridge, " * 20, "en-us", 1.0)
    planner.prepare(read_letters, is_stored)

    assert 10 < len(asked) < 40
    assert max(asked) <= 121


def plan_slowly(text: str, cost: SynthesisCost) -> list[Chunk]:
    """Return all chunks of a sentence of which nothing is stored, as a machine needs them."""
    planner = Planner(text, "en-us", 1.0)
    planner.prepare(read_letters)
    chunks = [planner.next(cost, 0.0)]
    while not planner.done:
        chunks.append(planner.next_delayed(cost, 0.5)[0])
    return chunks


def read_with_places(sentence: str, _lang: str) -> tuple[SpokenWord, ...]:
    """Read a sentence as words that are pronounced by their place in it."""
    words = enumerate(sentence.split())
    return tuple(SpokenWord(word, f"{word.lower()}{place}", "test") for place, word in words)


@given(st.lists(PHRASES, min_size=1, max_size=30), st.lists(st.floats(0, 20), min_size=1))
def test_planner_cuts_no_word(phrases: list[str], buffers_s: list[float]) -> None:
    """The words of a sentence's chunks are as they were read; contexts are the words around."""
    text = " ".join(phrases)
    planner = Planner(text, "en-us", 1.0)
    chunks: list[Chunk] = []
    while not planner.done:
        planner.prepare(read_with_places)
        chunks.append(planner.next(SynthesisCost(), buffers_s[len(chunks) % len(buffers_s)]))

    for number, sentence in enumerate(sentences(text, "en-us")):
        words = read_with_places(sentence, "en-us")
        parts = [chunk for chunk in chunks if chunk.sentence == number]
        place = 0
        for part in parts:
            before, rest = phonemes_of(words[:place]), phonemes_of(words[place:])
            place += len(part.words)

            assert part.sentence_phonemes == len(phonemes_of(words))
            assert before.endswith(part.before)
            assert rest.startswith(f"{part.phonemes} {part.after}".strip())
        assert tuple(word for part in parts for word in part.words) == words


def test_planner_must_be_prepared_for_each_sentence() -> None:
    """Each sentence is read once, just before its first chunk; earlier plans only estimate it."""
    read: list[str] = []

    def record(sentence: str, lang: str) -> tuple[SpokenWord, ...]:
        read.append(sentence)
        return read_letters(sentence, lang)

    planner = Planner("One is here. Two is here. Three is here.", "en-us", 1.0)
    assert not planner.prepared
    while not planner.done:
        planner.prepare(record)
        planner.next_delayed(SynthesisCost(), 0.5)

    assert read == ["One is here.", "Two is here.", "Three is here."]
    assert planner.prepared


def test_planner_pauses_where_the_sender_asks_for_it() -> None:
    """A chunk ends at a pause inside a sentence, without context; a longer pause wins."""
    pauses_s = {"Ready,": 2.0, "go!": 0.1, "Now": 1.5}

    def read(sentence: str, lang: str) -> tuple[SpokenWord, ...]:
        return tuple(
            replace(word, pause_s=pauses_s.get(word.text, 0.0))
            for word in read_letters(sentence, lang)
        )

    chunks = plan("Ready, steady, go! Now and then it rains.", read=read)
    parts = {chunk.text: chunk.pause_s for chunk in chunks}

    assert parts == {
        "Ready,": 2.0,
        "steady, go!": SENTENCE_PAUSE_S,
        "Now": 1.5,
        "and then it rains.": SENTENCE_PAUSE_S,
    }
    assert not any(chunk.before or chunk.after for chunk in chunks)


def test_planner_begins_with_a_pause() -> None:
    """A pause before the first word is a chunk of its own, without a sound."""

    def read(sentence: str, lang: str) -> tuple[SpokenWord, ...]:
        return (SpokenWord("", "", "sender", pause_s=1.0), *read_letters(sentence, lang))

    first, second = plan("Hello there.", read=read)

    assert (first.text, first.phonemes, first.pause_s) == ("", "", 1.0)
    assert second.text == "Hello there."


def test_planner_splits_a_word_of_many_phonemes_between_the_words_in_it() -> None:
    """A number is read as several words; the slices are one word again if nothing is lost."""
    number = "twelve million three hundred and forty-five thousand six hundred and seventy-eight"

    def read(sentence: str, lang: str) -> tuple[SpokenWord, ...]:
        return (SpokenWord(sentence, number, lang),)

    chunks = plan("12345678", read=read)
    words = [word for chunk in chunks for word in chunk.words]

    assert len(words) == 2
    assert words[0].phonemes.endswith(" ")
    assert phonemes_of(words) == number
    assert "".join(chunk.text for chunk in chunks) == "12345678"


def test_planner_keeps_words_without_a_sound() -> None:
    """A sentence in which nothing can be pronounced is a chunk without phonemes, with its text."""

    def read(sentence: str, lang: str) -> tuple[SpokenWord, ...]:
        return tuple(SpokenWord(word, "", lang) for word in sentence.split())

    (chunk,) = plan("Ab cd.", read=read)
    (other,) = plan("Ab cd.", read=lambda _, __: ())

    assert (chunk.text, chunk.phonemes) == ("Ab cd.", "")
    assert (other.text, other.phonemes) == ("Ab cd.", "")
