"""The real voice."""

import logging
import re
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from audio.kokoro.model_files import DICTIONARY_FILE, MODELS, VOICES_FILE
from audio.kokoro.voice import FADE_FRAMES, KokoroVoice, _PhraseCache, _Session, fade_edges
from audio.kokoro.window import FRAME_SAMPLES, WINDOW, Statistics
from audio.types import (
    SAMPLE_RATE_HZ,
    CancelToken,
    Chunk,
    ModelFileError,
    Sound,
    SpokenWord,
    SynthesisError,
    UnknownVoiceError,
    phonemes_of,
)
from audio.voices import LANGUAGES, VOICES, check_voice, language_of

TEXT = "The kettle is on, and the cat has eaten the butter."


def speak(voice: KokoroVoice, text: str, speed: float = 1.0) -> np.ndarray:
    """Return *text* in the default voice."""
    return synthesize(voice, text, speed=speed).samples


def synthesize(
    voice: KokoroVoice,
    text: str,
    cancel_token: CancelToken | None = None,
    *,
    name: str = "af_heart",
    speed: float = 1.0,
    before: str = "",
    after: str = "",
    sentence: str = "",
) -> Sound:
    """Return *text*, a part of *sentence*, by default in the default voice, as sound."""
    words, before_words, after_words, all_words = (
        voice.read(part, "en-us") for part in (text, before, after, sentence)
    )
    chunk = Chunk(
        words=words,
        before=phonemes_of(before_words),
        after=phonemes_of(after_words),
        sentence=0,
        ends_sentence=True,
        pause_s=0,
        sentence_phonemes=len(phonemes_of(all_words)),
    )
    return voice.synthesize(chunk, name, speed, cancel_token or CancelToken())


def test_voice_speaks_at_a_natural_rate(voice: KokoroVoice) -> None:
    """51 characters last two to five seconds, audible and within full scale, in float32."""
    samples = speak(voice, TEXT)

    assert samples.dtype == np.float32
    assert 2 < len(samples) / SAMPLE_RATE_HZ < 5
    assert 0.1 < np.abs(samples).max() <= 1


def test_voice_speed_changes_the_duration(voice: KokoroVoice) -> None:
    """Twice the speed takes about half the time."""
    assert len(speak(voice, TEXT, 2.0)) < 0.65 * len(speak(voice, TEXT, 1.0))


def test_voice_fades_the_edges(voice: KokoroVoice) -> None:
    """A chunk starts and ends at zero, so that joins don't click."""
    samples = speak(voice, TEXT)

    assert samples[0] == 0
    assert samples[-1] == 0


def test_fade_edges_leaves_the_middle_alone() -> None:
    """Only the first and last 48 frames change; a sound too short for that is not changed."""
    ones = np.ones(200, np.float32)
    faded = fade_edges(ones)

    assert np.array_equal(faded[FADE_FRAMES:-FADE_FRAMES], ones[FADE_FRAMES:-FADE_FRAMES])
    assert np.array_equal(fade_edges(ones[:90]), ones[:90])


@pytest.mark.realtime
def test_cancel_terminates_the_inference(voice: KokoroVoice) -> None:
    """A long text that is cancelled fails within a fraction of the time it would take."""
    cancel_token = CancelToken()
    timer = threading.Timer(0.2, cancel_token.cancel)
    timer.start()
    began_s = time.monotonic()
    with pytest.raises(SynthesisError):
        synthesize(voice, TEXT * 5, cancel_token)

    assert time.monotonic() - began_s < 1.0


def test_cancel_applies_before_the_synthesis(voice: KokoroVoice) -> None:
    """A cancel token that was cancelled before the synthesis still terminates it."""
    cancel_token = CancelToken()
    cancel_token.cancel()
    with pytest.raises(SynthesisError):
        synthesize(voice, "Never said before.", cancel_token)


def test_cancel_does_not_affect_the_next_synthesis(voice: KokoroVoice) -> None:
    """A cancel token cancels one synthesis, not the voice."""
    cancel_token = CancelToken()
    cancel_token.cancel()
    with pytest.raises(SynthesisError):
        synthesize(voice, "Never said before.", cancel_token)

    assert len(speak(voice, TEXT))


def test_voice_returns_no_samples_for_unpronounceable_text(voice: KokoroVoice) -> None:
    """If the language's rules find nothing to pronounce, there is no sound instead of an error."""
    assert len(speak(voice, "\u200b")) == 0


@pytest.mark.parametrize("phonemes", ["", " — ", "(…)"])
def test_voice_returns_no_samples_for_words_without_a_sound(
    voice: KokoroVoice, phonemes: str
) -> None:
    """Of marks alone the model would make noise."""
    chunk = Chunk.whole((SpokenWord("x", phonemes, "test"),))

    assert len(voice.synthesize(chunk, "af_heart", 1.0, CancelToken()).samples) == 0


def test_voice_leaves_unknown_signs_out_and_logs_them(
    voice: KokoroVoice, caplog: pytest.LogCaptureFixture
) -> None:
    """Signs that are not in the alphabet of the model are never dropped silently."""
    caplog.set_level(logging.DEBUG, "audio.kokoro.voice")
    chunk = Chunk.whole((SpokenWord("hello", "həlˈəʊ\u2603\u0327", "test"),))
    sound = voice.synthesize(chunk, "af_heart", 1.0, CancelToken())

    assert len(sound.samples)
    assert [word.text for word in sound.words] == ["hello"]
    assert "Unknown to the model in 'hello': \u0327 \u2603" in caplog.text


def test_voices_are_those_of_the_file(model_dir: Path) -> None:
    """The 54 names are those in the file, and each has a language."""
    with np.load(model_dir / VOICES_FILE.name) as voices:
        assert sorted(VOICES) == sorted(voices)
    assert {language_of(voice) for voice in VOICES} == set(LANGUAGES)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_voice_speaks_every_language(voice: KokoroVoice, lang: str) -> None:
    """espeak-ng knows every code of the catalogue."""
    name = next(name for name in VOICES if language_of(name) == lang)
    chunk = Chunk.whole(voice.read("Radio 1", lang))

    assert len(voice.synthesize(chunk, name, 1.0, CancelToken()).samples)


def test_voice_cuts_the_context_off(voice: KokoroVoice) -> None:
    """A chunk with context lasts as long as its words, not as long as the text with its context."""
    text = "the cat has eaten the butter"
    sentence = f"I have mended the kettle and {text} that I had bought for you this morning."
    plain = synthesize(voice, text)
    inside = synthesize(voice, text, before="kettle and", after="that I", sentence=sentence)

    assert len(inside.samples) == pytest.approx(len(plain.samples), rel=0.2)


def decoded_s(caplog: pytest.LogCaptureFixture) -> float:
    """Return how much sound the model decoded last, silence and context included."""
    return float(re.findall(r"in length of ([\d.]+)s", caplog.text)[-1])


def test_voice_does_not_decode_the_context(
    voice: KokoroVoice, caplog: pytest.LogCaptureFixture
) -> None:
    """Of a long sentence only the chunk is decoded, and about 0.2 s on each side."""
    caplog.set_level(logging.DEBUG, "kokoro_onnx")
    sound = synthesize(
        voice,
        "in their first letter",
        before="Although the committee had promised",
        after="that nothing would be decided before the summer holidays",
    )

    assert 0.1 < decoded_s(caplog) - len(sound.samples) / SAMPLE_RATE_HZ < 0.6


def test_voice_keeps_the_end_of_a_sentence_after_a_cut(voice: KokoroVoice) -> None:
    """A click at the cut is not mistaken for the loudest sound, which would hide the last words."""
    before = "The ferry"
    end = "leaves the harbour at seven in the morning, and it comes back late at night."
    full, part = (
        synthesize(voice, text, name="af_alloy", before=context, sentence=f"{before} {end}")
        for text, context in [(f"{before} {end}", ""), (end, before)]
    )

    expected_s = full.words[-1].end_s - full.words[2].start_s
    assert len(part.samples) / SAMPLE_RATE_HZ == pytest.approx(expected_s, rel=0.05)


def test_voice_speaks_windows_as_loud_as_in_the_whole(
    voice: KokoroVoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once a voice has said one sentence, the first and last words of another keep their level."""
    monkeypatch.setattr(voice, "_statistics", {})
    synthesize(voice, "The quick brown fox jumps over the lazy dog, and then it runs away again.")
    first, middle, last = (
        "Dinner is ready in",
        "the kitchen, please come down now and",
        "bring your brother.",
    )
    sentence = f"{first} {middle} {last}"
    parts = [
        synthesize(voice, first, after=f"{middle} {last}", sentence=sentence),
        synthesize(voice, last, before=f"{first} {middle}", sentence=sentence),
    ]
    whole = synthesize(voice, sentence)

    cuts = [(0, len(first.split()) - 1), (-len(last.split()), -1)]
    same = [
        whole.samples[int(start_s * SAMPLE_RATE_HZ) : int(end_s * SAMPLE_RATE_HZ)]
        for start_s, end_s in ((whole.words[a].start_s, whole.words[b].end_s) for a, b in cuts)
    ]
    levels_db = [
        10 * np.log10((part.samples**2).sum() / (expected**2).sum())
        for part, expected in zip(parts, same, strict=True)
    ]
    assert np.abs(levels_db).max() < 2
    assert np.ptp(levels_db) < 3


def test_statistics_joined_are_those_of_all_frames() -> None:
    """Means are weighted by the frames over which they were computed."""
    values = np.arange(10, dtype=np.float32)
    few, many = (
        Statistics(len(part), (part.mean(keepdims=True), (part**2).mean(keepdims=True)))
        for part in (values[:3], values[3:])
    )
    joined = many.joined(few)

    assert joined.frames == len(values)
    assert joined.values[0] == pytest.approx(values.mean())
    assert joined.values[1] == pytest.approx((values**2).mean())


def test_statistics_follow_what_is_newer() -> None:
    """After a long time before, 10 s of something else still count for half."""
    old, new = (Statistics(400.0, (np.full(1, value, np.float32),)) for value in (0, 1))
    for _ in range(10):
        old = old.joined(old)

    assert new.joined(old).values[0] == pytest.approx(0.5)


def test_voice_limits_what_it_carries(voice: KokoroVoice, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of countless blends only the statistics of the latest are kept."""
    monkeypatch.setattr(voice, "_statistics", {})
    for number in range(100):
        voice._carry(number, Statistics(1.0, ()))

    assert 10 < len(voice._statistics) < 50
    assert 99 in voice._statistics


def test_session_refuses_sound_that_does_not_fit_the_window() -> None:
    """A graph that accepts the window and decodes everything would have wrong timings."""

    class UnwindowedSession:
        def get_inputs(self) -> list[SimpleNamespace]:
            return [SimpleNamespace(name=name) for name in ("tokens", *WINDOW)]

        get_outputs = get_modelmeta = get_inputs

        def run(self, *_: object) -> list[np.ndarray]:
            return [np.ones(100 * FRAME_SAMPLES, np.float32), np.full(10, 10, np.float32)]

    session = _Session(UnwindowedSession(), Path("none.onnx"))
    session.unheard = (3, 3)
    with pytest.raises(ValueError, match="60000 samples for 36"):
        session.run(None, {"tokens": np.zeros((1, 10), np.int64)})


@pytest.mark.parametrize("wrong", ["/encoder/Other_output_0", "/encoder/Range_output_0"])
def test_voice_falls_back_to_unchanged_model(
    wrong: str,
    voice: KokoroVoice,
    model_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """If no window can be added, or if it does not fit, the same is said, without context."""
    monkeypatch.setattr("audio.kokoro.graph._ENCODED", wrong)
    for file in (MODELS["int8"], VOICES_FILE, DICTIONARY_FILE):
        (tmp_path / file.name).symlink_to(model_dir / file.name)
    other = KokoroVoice(tmp_path, "int8")
    other.load()
    plain = synthesize(other, "the cat has eaten", before="kettle and", after="the butter")
    usual = synthesize(voice, "the cat has eaten")

    assert other.decoding == "plain"
    assert [word.text for word in plain.words] == ["the", "cat", "has", "eaten"]
    assert len(plain.samples) == pytest.approx(len(usual.samples), rel=0.2)
    assert plain.words[-1].end_s == pytest.approx(len(plain.samples) / SAMPLE_RATE_HZ)


def test_voice_keeps_the_speaking_rate_across_cuts(voice: KokoroVoice) -> None:
    """Cut inside clauses and joined again, a sentence keeps its duration."""
    text = "The committee has printed a new timetable on a long roll of paper."
    full = speak(voice, text)
    parts = [
        synthesize(voice, "The committee has printed", after="a new", sentence=text),
        synthesize(voice, "a new timetable", before="printed", after="on a", sentence=text),
        synthesize(voice, "on a long roll of paper.", before="timetable", sentence=text),
    ]

    joined = sum(len(part.samples) for part in parts)
    assert joined == pytest.approx(len(full), rel=0.12)


def test_voice_caches_a_repeated_phrase(voice: KokoroVoice) -> None:
    """A repeated phrase costs nothing, and is the same to the sample."""
    first = synthesize(voice, "Dinner is ready, once more.")
    again = synthesize(voice, "Dinner is ready, once more.")

    assert first.took_s > 0.1
    assert again.took_s == 0
    assert np.array_equal(first.samples, again.samples)
    assert first.words == again.words != ()


def test_phrase_cache_is_bounded() -> None:
    """The cache is limited in size, and drops the least recently used phrase."""
    phrases = _PhraseCache()
    second = Sound(np.ones(24_000, np.float32))
    for number in range(200):
        phrases.put(number, second)
        phrases.get(0)

    assert phrases.get(0) is not None
    assert phrases.get(1) is None
    assert phrases.get(199) is not None
    assert phrases._bytes <= 8 << 20


def test_check_voice_suggests_similar_names() -> None:
    """The message suggests what was probably meant."""
    with pytest.raises(UnknownVoiceError, match="af_heart"):
        check_voice("af_hart")


def test_voice_refuses_a_damaged_model(tmp_path: Path, model_dir: Path) -> None:
    """The message names the truncated model file, and the command that repairs it."""
    (tmp_path / VOICES_FILE.name).symlink_to(model_dir / VOICES_FILE.name)
    (tmp_path / "kokoro-v1.0.int8.onnx").write_bytes(b"truncated")
    with pytest.raises(ModelFileError, match=r"kokoro-v1\.0\.int8\.onnx.*crier models"):
        KokoroVoice(tmp_path, "int8").load()
