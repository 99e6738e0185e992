"""When each word is heard, with the real voice."""

import itertools
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from audio.kokoro.reader import Reader
from audio.kokoro.voice import KokoroVoice
from audio.kokoro.word_times import SILENT, words
from audio.types import (
    SAMPLE_RATE_HZ,
    CancelToken,
    Chunk,
    Samples,
    Sound,
    SpokenWord,
    phonemes_of,
)

SENTENCES = {
    "en-us": (
        "The kettle is on, and the cat has eaten the butter.",
        "I like the look of the house, and of the garden.",
        "It was 20 minutes past 1984, on the 3rd of May.",
        "Apples \u2014 pears; and, of course, 12,345 plums: that's it.",
        "Don't you want to go? It's 5 o'clock, isn't it?",
        "Dr. Smith's e-mail says $3.50 & nothing else (for now).",
        "\u2026 well, \u201cquoted\u201d \u2014 and then \u2014",
        "NASA and the USA sent 12 well-known people to 127.0.0.1.",
        "I'm going to be in a bit of a rush for a while.",
        "to to to to to",
        "a",
        "5",
        "50% of https://example.com/a?b=c is #1!",
    ),
    "en-gb": ("At 07:45 the 2nd train to St. Albans was late.",),
    "de": ("Das ist der Anfang von 21 Tagen im Jahr 2024.",),
    "es": ("El 15 de mayo, a las 8, llegamos a la casa de mi abuela.",),
    "fr-fr": ("C'est l'heure\u202f: il est 20 heures, n'est-ce pas\u202f?",),
    "it": ("Un po' di pane e 3 bicchieri d'acqua.",),
    "hi": ("\u0928\u092e\u0938\u094d\u0924\u0947 \u0926\u0941\u0928\u093f\u092f\u093e 42",),
    "ja": ("\u4eca\u65e5\u306f\u3044\u3044\u5929\u6c17\u3067\u3059\u306d\u3002",),
    "cmn": ("\u4f60\u597d\u4e16\u754c\uff0c\u4eca\u5929 \u5929\u6c14 \u5f88\u597d\u3002",),
}


def speak(voice: KokoroVoice, text: str, *, speed: float = 1.0, **around: str) -> Sound:
    """Return *text* as sound."""
    words, before, after = (
        voice.read(part, "en-us")
        for part in (text, around.get("before", ""), around.get("after", ""))
    )
    chunk = replace(Chunk.whole(words), before=phonemes_of(before), after=phonemes_of(after))
    return voice.synthesize(chunk, "af_heart", speed, CancelToken())


@dataclass(frozen=True, slots=True)
class EvenTiming:
    """A phoneme of a voice that takes a second for each."""

    phoneme: str
    start: float

    @property
    def end(self) -> float:
        """A second later."""
        return self.start + 1


def even_timings(phonemes: str) -> list[EvenTiming]:
    """Return the timings of phonemes that last a second each."""
    return [EvenTiming(sign, float(at)) for at, sign in enumerate(phonemes)]


def onsets_s(samples: Samples) -> list[float]:
    """Return where sound begins after at least 120 ms of silence."""
    block = SAMPLE_RATE_HZ // 200
    length = len(samples) // block * block
    level = np.sqrt((samples[:length].reshape(-1, block) ** 2).mean(axis=1))
    loud = np.flatnonzero(level > 0.03 * level.max())
    return [
        float(at) * 0.005
        for at, gap in zip(loud, np.diff(loud, prepend=-99), strict=True)
        if gap > 24
    ]


def assert_in_order(sound: Sound, text: str) -> None:
    """Check that the words are the text, one after the other and within the sound."""
    times = [time for word in sound.words for time in (word.start_s, word.end_s)]

    assert " ".join(word.text for word in sound.words) == " ".join(text.split())
    assert times == sorted(times)
    assert times[0] >= 0
    assert times[-1] <= len(sound.samples) / SAMPLE_RATE_HZ


@pytest.mark.parametrize(
    ("lang", "text"), [(lang, text) for lang, texts in SENTENCES.items() for text in texts]
)
def test_words_are_the_text(model_dir: Path, lang: str, text: str) -> None:
    """Numbers, joined words, marks and other scripts: every word has its time, in order."""
    spoken = Reader(model_dir).read(text, lang)
    phonemes = phonemes_of(spoken)
    timed = words(spoken, even_timings(phonemes), start_s=0, length_s=len(phonemes))
    heard = [at for at, sign in enumerate(phonemes) if sign not in SILENT]
    starts = {round(word.start_s + 0.05) for word in timed}

    assert " ".join(word.text for word in timed) == " ".join(text.split())
    assert min(heard) in starts
    assert starts <= set(heard)
    assert len(starts) == len(timed)
    assert all(first.end_s <= second.start_s for first, second in itertools.pairwise(timed))


def test_words_of_a_chunk_have_its_times(voice: KokoroVoice) -> None:
    """The model times each phoneme; so the last word of many is as exact as the first."""
    text = "It was 20 past 1984 \u2014 on the 3rd of May; NASA's e-mail (at 12,345) said: go."
    sound = speak(voice, text, speed=2.0)

    assert_in_order(sound, text)
    assert sound.words[0].start_s < 0.05
    assert sound.words[-1].end_s > len(sound.samples) / SAMPLE_RATE_HZ - 0.3


def test_words_joined_without_a_space_are_one() -> None:
    """Phrases of a script without spaces, and slices of a long word, are shown as one word."""
    spoken = [
        SpokenWord("\u4eca\u65e5\u306f", "k\u02b2o\u02d0\u03b2a ", "test", joined=True),
        SpokenWord("\u6674\u308c", "hale", "test"),
        SpokenWord("", "", "sender", pause_s=1.0),
        SpokenWord("ok", "oke", "test"),
    ]
    timed = words(spoken, even_timings(phonemes_of(spoken)), start_s=0, length_s=20)

    assert [word.text for word in timed] == ["\u4eca\u65e5\u306f\u6674\u308c", "ok"]
    assert timed[1].start_s == pytest.approx(12 - 0.05)


@pytest.mark.parametrize(
    "text",
    [
        "Ready? Good! Open the door. Mind the gap. Enjoy the day.",
        "Yes. The door is open. Maybe. Always look. Never again.",
        "Monday was good; Tuesday was better; Wednesday was grey; today it rains.",
    ],
)
def test_words_start_when_they_are_heard(voice: KokoroVoice, text: str) -> None:
    """After every audible pause a word starts within 80 ms."""
    sound = speak(voice, text)
    starts = [word.start_s for word in sound.words]
    onsets = [at for at in onsets_s(sound.samples) if at > 0]

    assert len(onsets) >= 2
    assert max(min(abs(start - at) for start in starts) for at in onsets) < 0.08


def test_words_of_a_chunk_exclude_its_context(voice: KokoroVoice) -> None:
    """Context that is cut off has no words, and does not shift the times of others."""
    sound = speak(voice, "a new timetable", before="has printed", after="on a")

    assert_in_order(sound, "a new timetable")
    assert sound.words[0].start_s < 0.05
    assert sound.words[-1].end_s > 0.8 * len(sound.samples) / SAMPLE_RATE_HZ


def test_words_of_a_text_split_by_kokoro_onnx_are_in_order(
    voice: KokoroVoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where kokoro-onnx splits a text that is too long, the words keep their order."""
    split = voice._kokoro._split_phonemes
    batches: list[str] = []

    def record(phonemes: str) -> list[str]:
        batches.extend(split(phonemes))
        return batches

    monkeypatch.setattr("kokoro_onnx.MAX_PHONEME_LENGTH", 50)  # as if the model took so few
    monkeypatch.setattr(voice._kokoro, "_split_phonemes", record)
    text = "supercalifragilistic " * 4
    sound = speak(voice, text, speed=2.0)

    assert len(batches) > 1
    assert_in_order(sound, text)
    assert len(sound.samples) / SAMPLE_RATE_HZ - sound.words[-1].end_s < 1


def test_words_without_timings_last_as_long_as_the_sound() -> None:
    """Without timings only the highlighting suffers, not the sound."""
    spoken = [SpokenWord("two", "tu", "test"), SpokenWord("words", "wɜɹdz", "test")]
    timed = words(spoken, [], start_s=0.5, length_s=2.0)

    assert [(word.text, word.start_s, word.end_s) for word in timed] == [
        ("two", 0.0, 2.0),
        ("words", 0.0, 2.0),
    ]
