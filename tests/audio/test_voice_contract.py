"""The contract of `audio.ports.Voice`: Kokoro, and the tone voice that stands in for it."""

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from audio.kokoro.model_files import MODELS
from audio.kokoro.voice import KokoroVoice
from audio.ports import Voice
from audio.types import SAMPLE_RATE_HZ, CancelToken, Chunk, Sound, SynthesisError, phonemes_of
from tests.support.fake_voice import ToneVoice

pytestmark = pytest.mark.xdist_group("voice")  # the fixture that `any_voice` asks for


@pytest.fixture(params=["kokoro", "tones"])
def any_voice(request: pytest.FixtureRequest) -> Voice:
    """Return a voice of each kind in turn."""
    voice: Voice = request.getfixturevalue("voice") if request.param == "kokoro" else ToneVoice()
    return voice


def synthesize(voice: Voice, text: str, token: CancelToken | None = None) -> Sound:
    """Return *text* as sound."""
    chunk = Chunk.whole(voice.read(text, "en-us"))
    return voice.synthesize(chunk, "af_heart", 1.0, token or CancelToken())


def test_voice_returns_mono_float32_with_its_words(any_voice: Voice) -> None:
    """The samples are within full scale; the words are the text, in order, within the sound."""
    text = "Number 7 comes before number 8."
    any_voice.load()
    sound = synthesize(any_voice, text)
    times_s = [time_s for word in sound.words for time_s in (word.start_s, word.end_s)]

    assert sound.samples.dtype == np.float32
    assert sound.samples.ndim == 1
    assert 0 < np.abs(sound.samples).max() <= 1
    assert sound.took_s > 0
    assert " ".join(word.text for word in sound.words) == text
    assert times_s == sorted(times_s)
    assert times_s[-1] <= len(sound.samples) / SAMPLE_RATE_HZ + 1e-6


def test_voice_reads_without_its_model(any_voice: Voice) -> None:
    """The words are the sentence, each with its phonemes; none has a space around it."""
    text = "Number 7 comes before number 8."
    words = any_voice.read(text, "en-us")

    assert " ".join(word.text for word in words) == text
    assert all(word.phonemes == word.phonemes.strip() != "" for word in words)


def test_voice_raises_if_cancelled_before(any_voice: Voice) -> None:
    """A token that was cancelled before the call makes it raise; the next call works."""
    token = CancelToken()
    token.cancel()
    with pytest.raises(SynthesisError):
        synthesize(any_voice, "Number 9 is cancelled.", token)

    assert len(synthesize(any_voice, "Number 9 is not.").samples)


def test_voice_stores_the_chunks_of_a_sentence(voice: KokoroVoice) -> None:
    """What was synthesized is found at its place in the sentence, and nowhere else."""
    sentence = voice.read("The old ferry left late in the evening.", "en-us")
    phonemes = len(phonemes_of(sentence))
    first = Chunk(sentence[:3], "", phonemes_of(sentence[3:]), 0, False, 0.0, phonemes)
    voice.clear_cache()
    voice.synthesize(first, "af_heart", 1.0, CancelToken())

    assert voice.is_stored(first, "af_heart", 1.0)
    assert voice.synthesize(first, "af_heart", 1.0, CancelToken()).took_s == 0
    assert not voice.is_stored(first, "am_adam", 1.0)
    assert not voice.is_stored(first, "af_heart", 1.1)
    for change in ({"words": sentence[:4]}, {"before": "ænd"}, {"after": ""}):
        assert not voice.is_stored(replace(first, **change), "af_heart", 1.0)


@pytest.mark.parametrize("broken_runs", [1, 2])
def test_voice_makes_no_noise_of_what_is_no_number(
    voice: KokoroVoice, monkeypatch: pytest.MonkeyPatch, broken_runs: int
) -> None:
    """Sound with a NaN is made again by the unchanged model; if it has one again, that is an error.

    Neither is stored.
    """
    sentence = Chunk.whole(voice.read(f"Broken for {broken_runs} runs.", "en-us"))
    create_timed, runs, starts = voice._kokoro.create_timed, itertools.count(1), list[str]()

    def break_some(*args: Any, **options: Any) -> Any:
        audio, *rest = create_timed(*args, **options)
        broken = audio.copy()
        broken[len(broken) // 2] = np.nan if next(runs) <= broken_runs else 0.0
        return broken, *rest

    monkeypatch.setattr(voice._kokoro, "create_timed", break_some)
    monkeypatch.setattr(voice, "_start", lambda _, model: starts.append(model.name))

    if broken_runs == 1:
        samples = voice.synthesize(sentence, "af_heart", 1.0, CancelToken()).samples
        assert len(samples)
        assert np.isfinite(samples).all()
    else:
        with pytest.raises(SynthesisError, match=r"FloatingPointError.*Send it again"):
            voice.synthesize(sentence, "af_heart", 1.0, CancelToken())
        assert not voice.is_stored(sentence, "af_heart", 1.0)
    assert starts == [MODELS["int8"].name]


def test_voice_load_is_idempotent(any_voice: Voice) -> None:
    """A second load does nothing."""
    any_voice.load()
    any_voice.load()

    assert len(synthesize(any_voice, "Number 5.").samples)
